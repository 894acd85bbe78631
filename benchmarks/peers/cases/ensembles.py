"""Ten thousand Lorenz systems that differ in rho: one call, all trajectories."""

from __future__ import annotations

import numpy as np

from .. import _reference
from .._case import Case
from .lorenz import PARAMS, lorenz

COUNT = 10_000

LORENZ_ENSEMBLE = Case(
    name="lorenz-ensemble",
    title="10,000 Lorenz systems, rho 0..21, t 0..1, rtol = atol = 1e-6, float64, the final states",
    task="ensemble",
    rhs=lorenz,
    y0=np.array([1.0, 0.0, 0.0]),
    params=PARAMS | {"rho": np.linspace(0.0, 21.0, COUNT)},
    t_span=(0.0, 1.0),
    saves=np.array([1.0]),
    tolerances=(1e-6, 1e-4, 1e-5, 1e-7, 1e-8),
    reference=_reference.ensemble,
    peers=(
        "c-tsit5",
        "c-tsit5-threads",
        "numbalsoda-dop853",
        "evolvent-native",
        "evolvent-eager",
        "evolvent-torch",
        "evolvent-jax",
        "diffrax-tsit5",
    ),
    baseline="c-tsit5",
    varied="rho",
    c_problem="lorenz",
)

LORENZ_ENSEMBLE_FIXED = Case(
    name="lorenz-ensemble-fixed",
    title="10,000 Lorenz systems, rho 0..21, t 0..1, 1,000 equal steps, float32, the final states",
    task="fixed_ensemble",
    rhs=lorenz,
    y0=np.array([1.0, 0.0, 0.0], dtype=np.float32),
    params=PARAMS | {"rho": np.linspace(0.0, 21.0, COUNT, dtype=np.float32)},
    t_span=(0.0, 1.0),
    saves=np.array([1.0]),
    tolerances=(1e-3,),
    reference=_reference.ensemble,
    peers=(
        "c-tsit5",
        "c-tsit5-threads",
        "evolvent-native",
        "evolvent-eager",
        "evolvent-torch",
        "evolvent-jax",
        "diffrax-tsit5",
        "jax-scan",
    ),
    baseline="c-tsit5",
    varied="rho",
    c_problem="lorenz",
)
