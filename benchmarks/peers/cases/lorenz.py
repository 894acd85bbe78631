"""Lorenz's equations: three unknowns, so that the time measured is the solver's own."""

from __future__ import annotations

import numpy as np

from .. import _reference
from .._case import Case


def lorenz(t, y, p):
    """E. N. Lorenz, "Deterministic nonperiodic flow", https://doi.org/10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2."""
    return [
        p["sigma"] * (y[1] - y[0]),
        y[0] * (p["rho"] - y[2]) - y[1],
        y[0] * y[1] - p["beta"] * y[2],
    ]


PARAMS = {"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0}
PEERS = (
    "c-tsit5",
    "numbalsoda-lsoda",
    "numbalsoda-dop853",
    "evolvent-native",
    "evolvent-native-handle",
    "evolvent-native-handle-dop853",
    "evolvent-native-handle-vern7",
    "evolvent-native-handle-vern8",
    "evolvent-native-handle-vern9",
    "evolvent-eager",
    "evolvent-torch",
    "evolvent-jax",
    "diffrax-tsit5",
    "jax-odeint",
    "scipy-rk45",
    "scipy-dop853",
    "scipy-lsoda",
    "scipy-odeint",
    "torchdiffeq-dopri5",
)

LORENZ_SHORT = Case(
    name="lorenz-short",
    title="Lorenz, t 0..10, rtol = atol = 1e-6, the final state",
    task="trajectory",
    rhs=lorenz,
    y0=np.array([1.0, 0.0, 0.0]),
    params=PARAMS,
    t_span=(0.0, 10.0),
    saves=np.array([10.0]),
    tolerances=(1e-6, 1e-3, 1e-4, 1e-5, 1e-7, 1e-8, 1e-9),
    reference=_reference.trajectory,
    peers=PEERS,
    baseline="c-tsit5",
    c_problem="lorenz",
)

LORENZ = Case(
    name="lorenz",
    title="Lorenz, t 0..100, rtol = atol = 1e-8, 100 saved states; error at t = 10, later it is chaos",
    task="trajectory",
    rhs=lorenz,
    y0=np.array([1.0, 0.0, 0.0]),
    params=PARAMS,
    t_span=(0.0, 100.0),
    saves=np.linspace(1.0, 100.0, 100),
    tolerances=(1e-8, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10),
    reference=_reference.trajectory_until(10.0),
    peers=PEERS,
    baseline="c-tsit5",
    c_problem="lorenz",
    compared=lambda states: states[9],
)
