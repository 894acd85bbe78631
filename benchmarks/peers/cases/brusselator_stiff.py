"""The Brusselator with fast diffusion: 2,048 unknowns, stiff because of the grid alone."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from .. import _reference
from .._case import Case

N = 32
SWITCHED_ON = 1.1


def brusselator(t, y, p):
    """SciMLBenchmarks.jl, "Brusselator Work-Precision Diagrams", after problem BRUSS-2D of E. Hairer and G. Wanner.

    "Solving Ordinary Differential Equations II", section IV.10, https://doi.org/10.1007/978-3-642-05221-7. The grid
    has points on both sides of the unit square, which are nevertheless neighbours.
    """
    xp = array_namespace(y)
    neighbours = xp.roll(y, 1, axis=1) + xp.roll(y, -1, axis=1) + xp.roll(y, 1, axis=2) + xp.roll(y, -1, axis=2)
    u, v = y[0, ...], y[1, ...]
    reaction = u * u * v
    fed = xp.astype(xp.asarray(t) >= SWITCHED_ON, y.dtype) * p["feed"]
    change = xp.stack([p["b"] + reaction - (p["a"] + 1.0) * u + fed, p["a"] * u - reaction])
    return change + p["alpha"] * (N - 1) ** 2 * (neighbours - 4.0 * y)


def grid() -> list[np.ndarray]:
    """Both coordinates of all points, the first along the first axis."""
    line = np.linspace(0.0, 1.0, N)
    return np.meshgrid(line, line, indexing="ij")


def initial_state() -> np.ndarray:
    """The state u = 22 (y (1 - y))^1.5 and v = 27 (x (1 - x))^1.5: shape (2, N, N)."""
    x, y = grid()
    return np.stack([22.0 * (y * (1.0 - y)) ** 1.5, 27.0 * (x * (1.0 - x)) ** 1.5])


def feed() -> np.ndarray:
    """What the points of a disc are fed."""
    x, y = grid()
    return np.where((x - 0.3) ** 2 + (y - 0.6) ** 2 <= 0.1**2, 5.0, 0.0)


def sparsity():
    """Each point depends on its four neighbours and on the other species."""
    import scipy.sparse as sp

    ring = sp.diags_array([1.0, 1.0, 1.0, 1.0, 1.0], offsets=[1 - N, -1, 0, 1, N - 1], shape=(N, N))
    line = sp.eye_array(N)
    diffusion = sp.kron(ring, line) + sp.kron(line, ring)
    return sp.csc_array(sp.block_array([[diffusion, sp.eye_array(N * N)], [sp.eye_array(N * N), diffusion]]))


BRUSSELATOR_STIFF = Case(
    name="brusselator-stiff",
    title="Brusselator with fast diffusion, 2 x 32 x 32, t 0..11.5, rtol = atol = 1e-5, the final state",
    task="trajectory",
    rhs=brusselator,
    y0=initial_state(),
    # In the order in which the C program takes them.
    params={"a": 3.4, "b": 1.0, "alpha": 10.0, "feed": feed()},
    t_span=(0.0, 11.5),
    saves=np.array([11.5]),
    tolerances=(1e-5, 1e-3, 1e-4, 1e-6, 1e-7),
    reference=_reference.stiff_with_jump(SWITCHED_ON),
    peers=(
        "c-rkc2",
        "sundae-cvode-sparse",
        "sundae-cvode-gmres",
        "scipy-bdf",
        "evolvent-native-handle-auto",
        "evolvent-native-handle-rkc",
        "evolvent-native-handle-rock2",
        "evolvent-native-handle-rock4",
        "evolvent-native-handle-rodas5p",
        "evolvent-native-handle-kencarp4",
        "evolvent-native-handle-qndf",
        "evolvent-native-handle-fbdf",
        "evolvent-jax-rock2",
    ),
    baseline="scipy-bdf",
    c_problem="brusselator_stiff",
    sparsity=sparsity,
    relative=True,
)
