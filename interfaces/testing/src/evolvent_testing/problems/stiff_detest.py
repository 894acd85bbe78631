"""The 30 problems of stiff DETEST, after Enright, Hull and Lindberg (1975) and Enright and Pryce (1987)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._reference import ReferenceProblem, stiff_problem

SOURCE = (
    "W. H. Enright, T. E. Hull, B. Lindberg, Comparing numerical methods for stiff systems of O.D.E:s, BIT 15 (1975) "
    "10-48, doi:10.1007/BF01932994; W. H. Enright, J. D. Pryce, Two FORTRAN packages for assessing initial value "
    "methods, ACM Transactions on Mathematical Software 13 (1987) 1-27, doi:10.1145/23002.27645"
)


def _describe(f, y0, end, weights: Any = 1.0, **given: Any) -> ReferenceProblem:
    """The weights are the largest magnitudes of the entries, by which DETEST scales the problem."""
    scale = np.asarray(weights) if isinstance(weights, list) else weights
    return ReferenceProblem(f, y0, (0.0, end), SOURCE, scale=scale, **given)


# A: linear, real eigenvalues.


@stiff_problem
def stiff_detest_a1(xp):
    """Four decays."""
    rates = np.array([0.5, 1.0, 100.0, 90.0])
    return _describe(
        lambda t, y, p: [-0.5 * y[0], -y[1], -100.0 * y[2], -90.0 * y[3]],
        4 * [1.0],
        20.0,
        exact=lambda t: np.exp(-rates * t),
    )


@stiff_problem
def stiff_detest_a2(xp):
    """Diffusion along nine points, fast at both ends."""

    def f(t, y, p):
        inner = [y[i - 1] - 2.0 * y[i] + y[i + 1] for i in range(1, 8)]
        return [-1800.0 * y[0] + 900.0 * y[1], *inner, 1000.0 * y[7] - 2000.0 * y[8] + 1000.0]

    return _describe(f, 9 * [0.0], 120.0, [0.1 * i for i in range(1, 10)])


@stiff_problem
def stiff_detest_a3(xp):
    """A chain of four that decay at very different rates."""

    def f(t, y, p):
        return [
            -1e4 * y[0] + 100.0 * y[1] - 10.0 * y[2] + y[3],
            -1e3 * y[1] + 10.0 * y[2] - 10.0 * y[3],
            -y[2] + 10.0 * y[3],
            -0.1 * y[3],
        ]

    return _describe(f, 4 * [1.0], 20.0, [1.0, 1.0, 7.82, 1.0])


@stiff_problem
def stiff_detest_a4(xp):
    """Ten decays with the fifth powers as rates."""
    rates = np.arange(1.0, 11.0) ** 5
    return _describe(
        lambda t, y, p: [-(float(i) ** 5) * y[i - 1] for i in range(1, 11)],
        10 * [1.0],
        1.0,
        exact=lambda t: np.exp(-rates * t),
    )


# B: linear, eigenvalues that are not real.


@stiff_problem
def stiff_detest_b1(xp):
    """Two damped oscillations, a slow and a fast one."""

    def swing(t, damping, frequency):
        decay = math.exp(-damping * t)
        return [decay * math.cos(frequency * t), -frequency * decay * math.sin(frequency * t)]

    return _describe(
        lambda t, y, p: [-y[0] + y[1], -100.0 * y[0] - y[1], -100.0 * y[2] + y[3], -1e4 * y[2] - 100.0 * y[3]],
        [1.0, 0.0, 1.0, 0.0],
        20.0,
        [1.0, 8.59, 1.0, 32.2],
        exact=lambda t: np.array(swing(t, 1.0, 10.0) + swing(t, 100.0, 100.0)),
    )


def _rotation(frequency, weights: Any = 1.0) -> ReferenceProblem:
    def f(t, y, p):
        turning = [-10.0 * y[0] + frequency * y[1], -frequency * y[0] - 10.0 * y[1]]
        return [*turning, -4.0 * y[2], -y[3], -0.5 * y[4], -0.1 * y[5]]

    def exact(t):
        decay, cosine, sine = math.exp(-10.0 * t), math.cos(frequency * t), math.sin(frequency * t)
        slow = [math.exp(-rate * t) for rate in (4.0, 1.0, 0.5, 0.1)]
        return np.array([decay * (cosine + sine), decay * (cosine - sine), *slow])

    return _describe(f, 6 * [1.0], 20.0, weights, exact=exact)


@stiff_problem
def stiff_detest_b2(xp):
    """A damped rotation beside four decays, eigenvalues -10 +- 3i."""
    return _rotation(3.0)


@stiff_problem
def stiff_detest_b3(xp):
    """A damped rotation beside four decays, eigenvalues -10 +- 8i."""
    return _rotation(8.0)


@stiff_problem
def stiff_detest_b4(xp):
    """A damped rotation beside four decays, eigenvalues -10 +- 25i."""
    return _rotation(25.0, [1.12, 1.0, 1.0, 1.0, 1.0, 1.0])


@stiff_problem
def stiff_detest_b5(xp):
    """A damped rotation beside four decays, eigenvalues -10 +- 100i: where BDF of high order fail."""
    return _rotation(100.0, [1.31, 1.12, 1.0, 1.0, 1.0, 1.0])


# C: nonlinear coupling.


@stiff_problem
def stiff_detest_c1(xp):
    """A cascade in which the fast drive the slow."""

    def f(t, y, p):
        third, fourth = y[2] * y[2], y[3] * y[3]
        return [
            -y[0] + y[1] * y[1] + third + fourth,
            -10.0 * y[1] + 10.0 * (third + fourth),
            -40.0 * y[2] + 40.0 * fourth,
            -100.0 * y[3] + 2.0,
        ]

    return _describe(f, 4 * [1.0], 20.0, [1.02, 1.03, 1.0, 1.0])


def _cascade(coupling, weights) -> ReferenceProblem:
    def f(t, y, p):
        first = y[0] * y[0]
        second = first + y[1] * y[1]
        third = second + y[2] * y[2]
        return [
            -y[0] + 2.0,
            -10.0 * y[1] + coupling * first,
            -40.0 * y[2] + 4.0 * coupling * second,
            10.0 * coupling * third - 100.0 * y[3],
        ]

    return _describe(f, 4 * [1.0], 20.0, weights)


@stiff_problem
def stiff_detest_c2(xp):
    """A cascade in which the slow drive the fast, coupled by 0.1."""
    return _cascade(0.1, [2.0, 1.0, 1.0, 1.0])


@stiff_problem
def stiff_detest_c3(xp):
    """A cascade in which the slow drive the fast, coupled by 1."""
    return _cascade(1.0, [2.0, 1.0, 1.0, 1.0])


@stiff_problem
def stiff_detest_c4(xp):
    """A cascade in which the slow drive the fast, coupled by 10."""
    return _cascade(10.0, [2.0, 4.0, 20.0, 420.0])


@stiff_problem
def stiff_detest_c5(xp):
    """A cascade in which the slow drive the fast, coupled by 20."""
    return _cascade(20.0, [2.0, 8.0, 136.0, 3.71e4])


# D: nonlinear, real eigenvalues.


@stiff_problem
def stiff_detest_d1(xp):
    """Heat in a nuclear reactor, whose third entry is the time."""

    def f(t, y, p):
        return [
            0.2 * (y[1] - y[0]),
            10.0 * y[0] - (60.0 - 0.125 * y[2]) * y[1] + 0.125 * y[2],
            0.0 * y[2] + 1.0,
        ]

    return _describe(f, [0.0, 0.0, 0.0], 400.0, [22.3, 27.1, 400.0])


@stiff_problem
def stiff_detest_d2(xp):
    """Robertson's reaction, scaled."""

    def f(t, y, p):
        return [
            -0.04 * y[0] + 0.01 * y[1] * y[2],
            400.0 * y[0] - 100.0 * y[1] * y[2] - 3000.0 * y[1] * y[1],
            30.0 * y[1] * y[1],
        ]

    return _describe(f, [1.0, 0.0, 0.0], 40.0, [1.0, 0.365, 28.5])


@stiff_problem
def stiff_detest_d3(xp):
    """Two reactions that come to equilibrium."""

    def f(t, y, p):
        first, second = y[2] - 100.0 * y[0] * y[1], y[3] - 1e4 * y[1] * y[1]
        return [first, first + 2.0 * second, -first, -second]

    return _describe(f, [1.0, 1.0, 0.0, 0.0], 20.0, [1.0, 1.0, 0.36, 0.485])


@stiff_problem
def stiff_detest_d4(xp):
    """A reaction with a scarce intermediate."""

    def f(t, y, p):
        first, second = -0.013 * y[0] - 1000.0 * y[0] * y[2], -2500.0 * y[1] * y[2]
        return [first, second, first + second]

    return _describe(f, [1.0, 1.0, 0.0], 50.0, [1.0, 1.42, 3.71e-6])


@stiff_problem
def stiff_detest_d5(xp):
    """The kinetics of a reactor, in two entries."""

    def f(t, y, p):
        both = 0.01 + y[0] + y[1]
        return [0.01 - both * (1.0 + (y[0] + 1000.0) * (y[0] + 1.0)), 0.01 - both * (1.0 + y[1] * y[1])]

    return _describe(f, [0.0, 0.0], 100.0, [0.992, 0.984])


@stiff_problem
def stiff_detest_d6(xp):
    """Two reactions that share a very scarce species."""

    def f(t, y, p):
        first = -y[0] + 1e8 * y[2] * (1.0 - y[0])
        second = -10.0 * y[1] + 3e7 * y[2] * (1.0 - y[1])
        return [first, second, -first - second]

    return _describe(f, [1.0, 0.0, 0.0], 1.0, [1.0, 0.148, 5.77e-8])


# E: nonlinear, eigenvalues that are not real.


@stiff_problem
def stiff_detest_e1(xp):
    """A control system of fourth order."""

    def f(t, y, p):
        square = y[0] * y[0]
        return [
            y[1],
            y[2],
            y[3],
            (square - xp.sin(y[0]) - 1e8) * y[0]
            + (y[1] * y[2] / (square + 1.0) - 4e6) * y[1]
            + (1.0 - 6e4) * y[2]
            + (10.0 * xp.exp(-y[3] * y[3]) - 400.0) * y[3]
            + 1.0,
        ]

    return _describe(f, 4 * [0.0], 1.0, [1e-8, 2.23e-7, 1.32e-5, 1.71e-3])


@stiff_problem
def stiff_detest_e2(xp):
    """Van der Pol's equation with damping 5."""
    return _describe(lambda t, y, p: [y[1], 5.0 * (1.0 - y[0] * y[0]) * y[1] - y[0]], [2.0, 0.0], 10.0, [2.02, 7.64])


@stiff_problem
def stiff_detest_e3(xp):
    """A reactor's control."""

    def f(t, y, p):
        return [-(55.0 + y[2]) * y[0] + 65.0 * y[1], 0.0785 * (y[0] - y[1]), 0.1 * y[0]]

    return _describe(f, [1.0, 1.0, 0.0], 500.0, [1.63, 1.6, 26.3])


@stiff_problem
def stiff_detest_e4(xp):
    """A quadratic system, turned so that its eigenvectors are no axes."""

    def f(t, y, p):
        half = 0.5 * (y[0] + y[1] + y[2] + y[3])
        z = [half - y[i] for i in range(4)]
        linear = [-10.0 * z[0] - 10.0 * z[1], 10.0 * z[0] - 10.0 * z[1], 1000.0 * z[2], 0.01 * z[3]]
        square = [0.5 * (z[0] * z[0] - z[1] * z[1]), z[0] * z[1], z[2] * z[2], z[3] * z[3]]
        rate = [linear[i] - square[i] for i in range(4)]
        back = 0.5 * (rate[0] + rate[1] + rate[2] + rate[3])
        return [rate[i] - back for i in range(4)]

    return _describe(f, [0.0, -2.0, -1.0, -1.0], 1000.0, [28.8, 29.5, 15.5, 16.3])


@stiff_problem
def stiff_detest_e5(xp):
    """Pyrolysis: rates that differ by eighteen orders of magnitude, to t = 1000."""

    def f(t, y, p):
        slow, first = 7.89e-10 * y[0], 1.1e7 * y[0] * y[2]
        second, third = slow - 1.13e9 * y[1] * y[2], first - 1.13e3 * y[3]
        return [-slow - first, second, second - third, third]

    return _describe(f, [1.76e-3, 0.0, 0.0, 0.0], 1000.0, [1.76e-3, 1.46e-10, 8.27e-12, 1.38e-10])


# F: chemical kinetics.


@stiff_problem
def stiff_detest_f1(xp):
    """A fluidised bed: temperatures and pressures of gas and catalyst."""

    def f(t, y, p):
        burning = 6e-3 * xp.exp(20.7 - 1.5e4 / y[0])
        return [
            1.3 * (y[2] - y[0]) + 1.04e4 * burning * y[1],
            1.88e3 * (y[3] - y[1] * (1.0 + burning)),
            1752.0 - 269.0 * y[2] + 267.0 * y[0],
            0.1 + 320.0 * y[1] - 321.0 * y[3],
        ]

    return _describe(f, [761.0, 0.0, 600.0, 0.1], 1000.0, [1210.0, 0.0835, 1210.0, 0.1])


@stiff_problem
def stiff_detest_f2(xp):
    """An enzyme and what it works on."""

    def f(t, y, p):
        return [-y[0] - y[0] * y[1] + 294.0 * y[1], y[0] * (1.0 - y[1]) / 98.0 - 3.0 * y[1]]

    return _describe(f, [1.0, 0.0], 240.0, [1.0, 0.00253])


@stiff_problem
def stiff_detest_f3(xp):
    """Two reversible bindings and an exchange."""

    def f(t, y, p):
        first, second = 1e7 * y[1] * y[0], 1e7 * y[1] * y[4]
        return [
            -first + 10.0 * y[2],
            -first - second + 10.0 * y[2] + 10.0 * y[3],
            first - 1.001e4 * y[2] + 1e-3 * y[3],
            1e4 * y[2] - 10.001 * y[3] + second,
            10.0 * y[3] - second,
        ]

    return _describe(f, [4e-6, 1e-6, 0.0, 0.0, 0.0], 100.0, [4e-6, 1e-6, 3.74e-9, 7.65e-7, 3.24e-6])


@stiff_problem
def stiff_detest_f4(xp):
    """The oregonator, to t = 300."""

    def f(t, y, p):
        s = 77.27
        return [
            s * (y[1] - y[0] * y[1] + y[0] - 8.375e-6 * y[0] * y[0]),
            (y[2] - y[1] - y[0] * y[1]) / s,
            0.161 * (y[0] - y[2]),
        ]

    return _describe(f, [4.0, 1.1, 4.0], 300.0, [1.18e5, 1.77e3, 3.13e4])


@stiff_problem
def stiff_detest_f5(xp):
    """Two very fast bindings to one carrier."""

    def f(t, y, p):
        first, second = 3e11 * y[0] * y[1], 9e11 * y[0] * y[2]
        carried = 1.2e8 * y[3] - first - second
        return [carried, 2e7 * y[3] - first, 1e8 * y[3] - second, -carried]

    start = [3.365e-7, 8.261e-3, 1.642e-3, 9.38e-6]
    return _describe(f, start, 100.0, [3.36e-7, 8.26e-3, 6.19e-3, 9.55e-6])
