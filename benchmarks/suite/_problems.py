"""The problems and the array libraries that several benchmarks share."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

LIBRARIES = ["numpy", "torch", "jax"]


def lorenz(t, y, p):
    """E. N. Lorenz, https://doi.org/10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2."""
    return [
        p["sigma"] * (y[1] - y[0]),
        y[0] * (p["rho"] - y[2]) - y[1],
        y[0] * y[1] - p["beta"] * y[2],
    ]


PARAMS = {"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0}


def array(library: str, values: Any) -> Any:
    """Make a float64 array of a library; asv skips the benchmark where the library is not installed."""
    try:
        module = import_module("jax.numpy" if library == "jax" else library)
    except ImportError as error:
        raise NotImplementedError(str(error)) from error
    if library == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    return module.asarray(np.asarray(values, dtype=float))


def lorenz_problem(library: str, t1: float = 10.0) -> Any:
    """Lorenz's problem on a library's arrays."""
    import evolvent as ev

    return ev.ODEProblem(lorenz, y0=array(library, [1.0, 0.0, 0.0]), t_span=(0.0, t1), params=PARAMS)
