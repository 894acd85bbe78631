"""Species, neurons, reactions, weather, a quantum state: nonlinear and linear systems of the textbooks."""

from __future__ import annotations

import math

import numpy as np

from ._reference import ReferenceProblem, reference_problem
from .bodies import GEOMETRIC, HAIRER_1


@reference_problem
def linear(xp):
    """One linear equation with a source: ``y' = -rate * y + source``."""
    rate, source = 0.7, 1.3
    level = source / rate
    return ReferenceProblem(
        lambda t, y, p: [p["source"] - p["rate"] * y[0]],
        [5.0],
        (0.0, 4.0),
        HAIRER_1 + ", section I.3",
        params={"rate": rate, "source": source},
        exact=lambda t: np.array([level + (5.0 - level) * math.exp(-rate * t)]),
    )


@reference_problem
def rotation(xp):
    """A point that goes round a circle."""
    return ReferenceProblem(
        lambda t, y, p: [p["frequency"] * y[1], -p["frequency"] * y[0]],
        [0.6, 0.8],
        (0.0, 6.0),
        GEOMETRIC + ", section I.1",
        params={"frequency": 0.85},
        exact=lambda t: np.array(
            [
                0.6 * math.cos(0.85 * t) + 0.8 * math.sin(0.85 * t),
                0.8 * math.cos(0.85 * t) - 0.6 * math.sin(0.85 * t),
            ]
        ),
    )


@reference_problem
def clockwork(xp):
    """A nonlinear system driven by the clock: ``exp(sin s), exp(cos s)`` with ``s = t + sin(t) / 2``."""

    def f(t, y, p):
        pace = 1.0 + 0.5 * xp.cos(t)
        return [pace * y[0] * xp.log(y[1]), -pace * y[1] * xp.log(y[0])]

    def exact(t):
        s = t + 0.5 * math.sin(t)
        return np.exp(np.array([math.sin(s), math.cos(s)]))

    return ReferenceProblem(
        f,
        [1.0, math.e],
        (0.0, 3.0),
        "E. Fehlberg, Classical fifth-, sixth-, seventh-, and eighth-order Runge-Kutta formulas with "
        "stepsize control, "
        "NASA TR R-287 (1968), with another clock",
        exact=exact,
    )


@reference_problem
def lotka_volterra(xp):
    """Predators and prey."""
    return ReferenceProblem(
        lambda t, y, p: [y[0] * (p["a"] - p["b"] * y[1]), y[1] * (p["d"] * y[0] - p["c"])],
        [1.0, 1.0],
        (0.0, 10.0),
        "A. J. Lotka, Undamped oscillations derived from the law of mass action, Journal of the American "
        "Chemical "
        "Society 42 (1920) 1595-1599, doi:10.1021/ja01453a010",
        params={"a": 1.5, "b": 1.0, "c": 3.0, "d": 1.0},
    )


@reference_problem
def fitzhugh_nagumo(xp):
    """A nerve that fires again and again."""

    def f(t, y, p):
        voltage, recovery = y[0], y[1]
        return [
            voltage - voltage**3 / 3.0 - recovery + p["current"],
            (voltage + p["a"] - p["b"] * recovery) / p["tau"],
        ]

    return ReferenceProblem(
        f,
        [1.0, 1.0],
        (0.0, 50.0),
        "R. FitzHugh, Impulses and physiological states in theoretical models of nerve membrane, "
        "Biophysical Journal 1 "
        "(1961) 445-466, doi:10.1016/S0006-3495(61)86902-6",
        params={"a": 0.7, "b": 0.8, "tau": 12.5, "current": 0.5},
    )


@reference_problem
def lorenz(xp):
    """Convection in the air, chaotic: at t = 10 errors have grown ten-thousandfold."""

    def f(t, y, p):
        return [
            p["sigma"] * (y[1] - y[0]),
            y[0] * (p["rho"] - y[2]) - y[1],
            y[0] * y[1] - p["beta"] * y[2],
        ]

    return ReferenceProblem(
        f,
        [1.0, 0.0, 0.0],
        (0.0, 10.0),
        "E. N. Lorenz, Deterministic nonperiodic flow, Journal of the Atmospheric Sciences 20 (1963) "
        "130-141, "
        "doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2",
        params={"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0},
    )


@reference_problem
def brusselator_1d(xp):
    """Two species that react and diffuse along a line of 20 inner points; state (species, point)."""
    points = 20

    def f(t, y, p):
        u, v = y[0, ...], y[1, ...]
        diffusion = p["alpha"] * (points + 1) ** 2
        end = xp.ones_like(u[:1, ...])
        spread_u = xp.concat([end, u[:-1, ...]], axis=0) - 2.0 * u + xp.concat([u[1:, ...], end], axis=0)
        spread_v = xp.concat([3.0 * end, v[:-1, ...]], axis=0) - 2.0 * v + xp.concat([v[1:, ...], 3.0 * end], axis=0)
        uuv = u * u * v
        return xp.stack([1.0 + uuv - 4.0 * u + diffusion * spread_u, 3.0 * u - uuv + diffusion * spread_v])

    x = np.arange(1, points + 1) / (points + 1)
    return ReferenceProblem(
        f,
        np.stack([1.0 + np.sin(2.0 * np.pi * x), np.full(points, 3.0)]),
        (0.0, 10.0),
        "E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, Springer, 1996, section IV.1, "
        "doi:10.1007/978-3-642-05221-7",
        params={"alpha": 1.0 / 50.0},
    )


@reference_problem
def brusselator_2d(xp):
    """Two species that react and diffuse in a closed square of 21 x 21 points; state (species, x, y)."""
    points = 21

    def spread(z):
        rows = xp.concat([z[1:2, ...], z, z[-2:-1, ...]], axis=0)
        columns = xp.concat([z[:, 1:2, ...], z, z[:, -2:-1, ...]], axis=1)
        return rows[:-2, ...] + rows[2:, ...] + columns[:, :-2, ...] + columns[:, 2:, ...] - 4.0 * z

    def f(t, y, p):
        u, v = y[0, ...], y[1, ...]
        diffusion = p["alpha"] * (points - 1) ** 2
        uuv = u * u * v
        return xp.stack([1.0 + uuv - 4.4 * u + diffusion * spread(u), 3.4 * u - uuv + diffusion * spread(v)])

    grid = np.arange(points) / (points - 1)
    u0 = np.broadcast_to(0.5 + grid, (points, points))
    v0 = np.broadcast_to(1.0 + 5.0 * grid[:, None], (points, points))
    return ReferenceProblem(f, np.stack([u0, v0]), (0.0, 7.5), HAIRER_1 + ", section II.10", params={"alpha": 2e-3})


@reference_problem
def rabi(xp):
    """A two-level atom in a field: the complex amplitudes of its states."""
    detuning, drive = 0.8, 1.5
    frequency = math.hypot(detuning, drive)

    def f(t, y, p):
        return [
            -0.5j * (p["detuning"] * y[0] + p["drive"] * y[1]),
            -0.5j * (p["drive"] * y[0] - p["detuning"] * y[1]),
        ]

    def exact(t):
        angle = 0.5 * frequency * t
        mixed = math.sin(angle) / frequency
        return np.array([math.cos(angle) - 1j * detuning * mixed, -1j * drive * mixed])

    return ReferenceProblem(
        f,
        np.array([1.0 + 0.0j, 0.0j]),
        (0.0, 10.0),
        "I. I. Rabi, Space quantization in a gyrating magnetic field, Physical Review 51 (1937) 652-654, "
        "doi:10.1103/PhysRev.51.652",
        params={"detuning": detuning, "drive": drive},
        exact=exact,
    )
