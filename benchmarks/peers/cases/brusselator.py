"""The Brusselator with diffusion: 32,768 unknowns, so that the time measured is that of array arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from array_api_compat import array_namespace

from .. import _reference
from .._case import Case

N = 128


def brusselator(t, y, p):
    """Problem BRUSS of E. Hairer, S. P. Norsett, G. Wanner, "Solving Ordinary Differential Equations I".

    Section II.10, https://doi.org/10.1007/978-3-540-78862-1. There is no flux through the sides of the
    unit square, whose grid includes them: a missing neighbour is the mirror image of the inner one. The
    book takes N = 21.
    """
    xp = array_namespace(y)
    neighbours = (
        xp.concat([y[:, 1:2, :], y[:, :-1, :]], axis=1)
        + xp.concat([y[:, 1:, :], y[:, -2:-1, :]], axis=1)
        + xp.concat([y[:, :, 1:2], y[:, :, :-1]], axis=2)
        + xp.concat([y[:, :, 1:], y[:, :, -2:-1]], axis=2)
    )
    u, v = y[0, ...], y[1, ...]
    reaction = u * u * v
    change = xp.stack([p["b"] + reaction - (p["a"] + 1.0) * u, p["a"] * u - reaction])
    return change + p["alpha"] * (N - 1) ** 2 * (neighbours - 4.0 * y)


def brusselator_roll(t, y, p):
    """The same reaction on a square whose opposite sides are joined.

    The periodic problem BRUSS-2D of E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", section IV.10,
    https://doi.org/10.1007/978-3-642-05221-7, without its forcing, and with the other volume's diffusion, which
    explicit steps bear.
    """
    xp = array_namespace(y)
    neighbours = xp.roll(y, 1, axis=1) + xp.roll(y, -1, axis=1) + xp.roll(y, 1, axis=2) + xp.roll(y, -1, axis=2)
    u, v = y[0, ...], y[1, ...]
    reaction = u * u * v
    change = xp.stack([p["b"] + reaction - (p["a"] + 1.0) * u, p["a"] * u - reaction])
    return change + p["alpha"] * N**2 * (neighbours - 4.0 * y)


def initial_state() -> np.ndarray:
    """The book's u = 1/2 + y and v = 1 + 5 x, x along the first axis of the grid: shape (2, N, N)."""
    grid = np.linspace(0.0, 1.0, N)
    x, y = np.meshgrid(grid, grid, indexing="ij")
    return np.stack([0.5 + y, 1.0 + 5.0 * x])


def periodic_state() -> np.ndarray:
    """The book's u = 22 y (1 - y)^1.5 and v = 27 x (1 - x)^1.5, x along the first axis."""
    grid = np.arange(N) / N
    x, y = np.meshgrid(grid, grid, indexing="ij")
    return np.stack([22.0 * y * (1.0 - y) ** 1.5, 27.0 * x * (1.0 - x) ** 1.5])


BRUSSELATOR_2D = Case(
    name="brusselator-2d",
    title="Brusselator with diffusion, 2 x 128 x 128, t 0..7.5, rtol = atol = 1e-5, the final state",
    task="trajectory",
    rhs=brusselator,
    y0=initial_state(),
    params={"b": 1.0, "a": 3.4, "alpha": 2e-3},
    t_span=(0.0, 7.5),
    saves=np.array([7.5]),
    tolerances=(1e-5, 1e-4, 1e-6),
    reference=_reference.trajectory,
    peers=(
        "scipy-rk45",
        "scipy-dop853",
        "evolvent-native",
        "evolvent-native-rock4",
        "evolvent-eager",
        "evolvent-eager-rock4",
        "evolvent-torch",
        "evolvent-jax",
        "diffrax-tsit5",
        "c-tsit5",
    ),
    baseline="scipy-rk45",
    c_problem="brusselator",
)

BRUSSELATOR_ROLL = replace(
    BRUSSELATOR_2D,
    name="brusselator-roll",
    title="Brusselator on a torus by xp.roll, 2 x 128 x 128, t 0..7.5, rtol = atol = 1e-5, the final state",
    rhs=brusselator_roll,
    y0=periodic_state(),
    peers=(
        "c-tsit5",
        "evolvent-native",
        "evolvent-native-handle",
        "evolvent-native-rock4",
        "evolvent-eager",
        "evolvent-eager-rock4",
        "evolvent-jax",
        "diffrax-tsit5",
        "scipy-rk45",
    ),
    baseline="evolvent-eager",
    c_problem="brusselator_roll",
)

BRUSSELATOR_ROLL_FIXED = replace(
    BRUSSELATOR_ROLL,
    name="brusselator-roll-fixed",
    title="Brusselator on a torus by xp.roll, 2 x 128 x 128, t 0..1, 200 equal steps, the final state",
    task="fixed_trajectory",
    t_span=(0.0, 1.0),
    saves=np.array([1.0]),
    tolerances=(5e-3,),
    peers=("evolvent-native", "evolvent-native-handle", "evolvent-eager", "evolvent-jax"),
)
