"""Predator and prey: the rates are those of hare and lynx around Hudson Bay."""

from __future__ import annotations

import numpy as np

from .. import _reference
from .._case import Case
from .lorenz import PEERS


def lotka_volterra(t, y, p):
    """A. J. Lotka, "Analytical note on certain rhythmic relations", https://doi.org/10.1073/pnas.6.7.410."""
    return [
        p["a"] * y[0] - p["b"] * y[0] * y[1],
        p["d"] * y[0] * y[1] - p["c"] * y[1],
    ]


LOTKA_VOLTERRA = Case(
    name="lotka-volterra",
    title="Lotka-Volterra, t 0..20, rtol = atol = 1e-8, 200 saved states",
    task="trajectory",
    rhs=lotka_volterra,
    y0=np.array([33.956, 5.933]),
    params={"a": 0.55, "b": 0.028, "c": 0.80, "d": 0.024},
    t_span=(0.0, 20.0),
    saves=np.linspace(0.1, 20.0, 200),
    tolerances=(1e-8, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10),
    reference=_reference.trajectory,
    peers=PEERS,
    baseline="c-tsit5",
    c_problem="lotka_volterra",
)
