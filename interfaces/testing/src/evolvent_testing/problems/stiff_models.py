"""Models whose stiffness and size are arguments: linear ones with known solutions, grids, chains of cells."""

from __future__ import annotations

import math

import numpy as np

from ._reference import ReferenceProblem, stiff_problem
from .chemistry import HAIRER_2, along


@stiff_problem
def prothero_robinson(xp, stiffness=-1e6):
    """A line that pulls the state to a sine: ``y' = stiffness * (y - g(t)) + g'(t)``."""

    def f(t, y, p):
        s = t + math.pi / 4.0
        return [p["stiffness"] * (y[0] - xp.sin(s)) + xp.cos(s)]

    return ReferenceProblem(
        f,
        [math.sin(math.pi / 4.0)],
        (0.0, 10.0),
        "A. Prothero, A. Robinson, On the stability and accuracy of one-step methods for solving stiff systems of "
        "ordinary differential equations, Mathematics of Computation 28 (1974) 145-162, "
        "doi:10.1090/S0025-5718-1974-0331793-2",
        params={"stiffness": stiffness},
        exact=lambda t: np.array([math.sin(t + math.pi / 4.0)]),
    )


@stiff_problem
def heat(xp, points=64):
    """The heat equation on a rod with cold ends: three decaying waves, second differences in space."""
    step = 1.0 / (points + 1)
    waves = np.array([1, 3, points // 2])
    shapes = np.sin(np.outer(np.arange(1, points + 1) * step, waves * math.pi))
    rates = -4.0 / step**2 * np.sin(waves * (math.pi * step / 2.0)) ** 2
    heights = np.array([1.0, 0.5, 0.25])

    def f(t, y, p):
        edge = xp.zeros_like(y[:1, ...])
        spread = xp.concat([edge, y[:-1, ...]], axis=0) - 2.0 * y + xp.concat([y[1:, ...], edge], axis=0)
        return (p["conductivity"] / step**2) * spread

    return ReferenceProblem(
        f,
        shapes @ heights,
        (0.0, 0.1),
        "elementary: the sines are the eigenvectors of the second difference",
        params={"conductivity": 1.0},
        exact=lambda t: shapes @ (heights * np.exp(rates * t)),
    )


@stiff_problem
def brusselator_periodic(xp, points=32):
    """Two species that react and diffuse on a torus, and a disc that is fed from t = 1.1 on; state (species, x, y)."""
    # SciMLBenchmarks' definition: the points 0 and 1 are both there, though the grid is periodic.
    grid = np.linspace(0.0, 1.0, points)
    step = 1.0 / (points - 1)

    def spread(z):
        return xp.roll(z, 1, axis=0) + xp.roll(z, -1, axis=0) + xp.roll(z, 1, axis=1) + xp.roll(z, -1, axis=1) - 4.0 * z

    def f(t, y, p):
        u, v = y[0, ...], y[1, ...]
        diffusion = p["alpha"] / step**2
        off = 0.0 * u[:1, :1, ...]
        fed = xp.where(t >= 1.1, off + 1.0, off) * along(xp, p["feed"], u)
        uuv = u * u * v
        du = diffusion * spread(u) + p["B"] + uuv - (p["A"] + 1.0) * u + fed
        return xp.stack([du, diffusion * spread(v) + p["A"] * u - uuv])

    x, y = grid[:, None], grid[None, :]
    u0 = np.broadcast_to(22.0 * (y * (1.0 - y)) ** 1.5, (points, points))
    v0 = np.broadcast_to(27.0 * (x * (1.0 - x)) ** 1.5, (points, points))
    feed = np.where((x - 0.3) ** 2 + (y - 0.6) ** 2 <= 0.1**2, 5.0, 0.0)
    return ReferenceProblem(
        f,
        np.stack([u0, v0]),
        (0.0, 11.5),
        "SciMLBenchmarks.jl, Brusselator work-precision diagrams, after " + HAIRER_2 + ", section IV.10",
        params={"A": 3.4, "B": 1.0, "alpha": 10.0, "feed": feed},
        discontinuities=(1.1,),
    )


@stiff_problem
def robertson_chain(xp, cells=10):
    """Cells with Robertson's reaction, of different warmth, that leak to their neighbours; state (cell, species)."""
    warmth = np.linspace(0.5, 2.0, cells)

    def f(t, y, p):
        a, b, c = y[:, 0, ...], y[:, 1, ...], y[:, 2, ...]
        slow, back, fast = along(xp, p["k1"], a) * a, p["k3"] * b * c, p["k2"] * b * b
        reaction = xp.stack([back - slow, slow - back - fast, fast], axis=1)
        flow = y[1:, ...] - y[:-1, ...]
        edge = xp.zeros_like(y[:1, ...])
        return reaction + p["leak"] * (xp.concat([flow, edge], axis=0) - xp.concat([edge, flow], axis=0))

    return ReferenceProblem(
        f,
        np.tile([1.0, 0.0, 0.0], (cells, 1)),
        (0.0, 100.0),
        "robertson, in many cells",
        params={"k1": 0.04 * warmth, "k2": 3e7, "k3": 1e4, "leak": 0.1},
        scale=1e-6,
    )
