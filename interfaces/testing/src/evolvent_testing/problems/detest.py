"""DETEST: the 25 non-stiff problems of Hull, Enright, Fellen and Sedgwick (1972), all on 0 <= t <= 20."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._reference import ReferenceProblem, reference_problem
from .bodies import column, inverse_cube, kepler_state

SOURCE = (
    "T. E. Hull, W. H. Enright, B. M. Fellen, A. E. Sedgwick, Comparing numerical methods for ordinary "
    "differential "
    "equations, SIAM Journal on Numerical Analysis 9 (1972) 603-637, doi:10.1137/0709052"
)


def _describe(f, y0, **given: Any) -> ReferenceProblem:
    return ReferenceProblem(f, y0, (0.0, 20.0), SOURCE, **given)


# A: one equation.


@reference_problem
def detest_a1(xp):
    """Decay."""
    return _describe(lambda t, y, p: [-y[0]], [1.0], exact=lambda t: np.array([math.exp(-t)]))


@reference_problem
def detest_a2(xp):
    """A special case of Riccati's equation."""
    return _describe(lambda t, y, p: [-(y[0] ** 3) / 2.0], [1.0], exact=lambda t: np.array([1.0 / math.sqrt(t + 1.0)]))


@reference_problem
def detest_a3(xp):
    """An oscillation driven by the clock."""

    def f(t, y, p):
        return [y[0] * xp.cos(t)]

    return _describe(f, [1.0], exact=lambda t: np.array([math.exp(math.sin(t))]))


@reference_problem
def detest_a4(xp):
    """Logistic growth."""
    return _describe(
        lambda t, y, p: [y[0] / 4.0 * (1.0 - y[0] / 20.0)],
        [1.0],
        exact=lambda t: np.array([20.0 / (1.0 + 19.0 * math.exp(-t / 4.0))]),
    )


@reference_problem
def detest_a5(xp):
    """A spiral."""
    return _describe(lambda t, y, p: [(y[0] - t) / (y[0] + t)], [4.0])


# B: small systems.


@reference_problem
def detest_b1(xp):
    """Two competing species."""
    return _describe(lambda t, y, p: [2.0 * (y[0] - y[0] * y[1]), -(y[1] - y[0] * y[1])], [1.0, 3.0])


@reference_problem
def detest_b2(xp):
    """A linear chemical reaction."""

    def exact(t):
        slow, fast = math.exp(-t) / 2.0, math.exp(-3.0 * t) / 2.0
        return np.array([1.0 + slow + fast, 1.0 - 2.0 * fast, 1.0 - slow + fast])

    return _describe(
        lambda t, y, p: [-y[0] + y[1], y[0] - 2.0 * y[1] + y[2], y[1] - y[2]], [2.0, 0.0, 1.0], exact=exact
    )


@reference_problem
def detest_b3(xp):
    """A nonlinear chemical reaction."""
    return _describe(lambda t, y, p: [-y[0], y[0] - y[1] ** 2, y[1] ** 2], [1.0, 0.0, 0.0])


@reference_problem
def detest_b4(xp):
    """A curve on a torus."""

    def f(t, y, p):
        radius = xp.sqrt(y[0] ** 2 + y[1] ** 2)
        return [-y[1] - y[0] * y[2] / radius, y[0] - y[1] * y[2] / radius, y[0] / radius]

    return _describe(f, [3.0, 0.0, 0.0])


@reference_problem
def detest_b5(xp):
    """Euler's equations of a free rigid body."""
    return _describe(lambda t, y, p: [y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]], [0.0, 1.0, 1.0])


# C: moderate systems.


@reference_problem
def detest_c1(xp):
    """A chain of radioactive decays with equal rates."""
    return _describe(
        lambda t, y, p: [-y[0], *(y[i - 1] - y[i] for i in range(1, 9)), y[8]],
        [1.0] + 9 * [0.0],
        exact=_equal_rate_chain,
    )


def _equal_rate_chain(t: float) -> np.ndarray:
    decaying = [math.exp(-t) * t**i / math.factorial(i) for i in range(9)]
    # The stable end as a series, not as one minus the rest, which cancels for small t.
    stable = math.fsum(math.exp(-t) * t**i / math.factorial(i) for i in range(9, 120))
    return np.array([*decaying, stable])


@reference_problem
def detest_c2(xp):
    """A chain of radioactive decays, each faster than the one before."""

    def exact(t):
        grown = -math.expm1(-t)
        return np.array([*(math.exp(-t) * grown**i for i in range(9)), grown**9])

    return _describe(
        lambda t, y, p: [-y[0], *(i * y[i - 1] - (i + 1.0) * y[i] for i in range(1, 9)), 9.0 * y[8]],
        [1.0] + 9 * [0.0],
        exact=exact,
    )


def _heat(xp, size: int) -> ReferenceProblem:
    """Describe the heat equation, second differences in space, from a hot end point."""
    modes = np.arange(1, size + 1) * (math.pi / (size + 1))
    vectors = np.sin(np.outer(np.arange(1, size + 1), modes))
    rates = -4.0 * np.sin(modes / 2.0) ** 2

    def f(t, y, p):
        edge = xp.zeros_like(y[:1])
        return xp.concat([edge, y[:-1]], axis=0) - 2.0 * y + xp.concat([y[1:], edge], axis=0)

    def exact(t):
        return vectors @ (np.exp(rates * t) * vectors[0]) * (2.0 / (size + 1))

    return _describe(f, [1.0] + (size - 1) * [0.0], exact=exact)


@reference_problem
def detest_c3(xp):
    """A parabolic partial differential equation on 10 points."""
    return _heat(xp, 10)


@reference_problem
def detest_c4(xp):
    """A parabolic partial differential equation on 51 points."""
    return _heat(xp, 51)


@reference_problem
def detest_c5(xp):
    """The sun and its five outer planets."""

    def f(t, y, p):
        lanes = y.shape[1:]
        state = xp.reshape(y, (2, 5, 3, *lanes))  # position and velocity, planet, coordinate, trajectories
        position, velocity = state[0, ...], state[1, ...]
        masses = column(xp, p["masses"], lanes)
        between = xp.expand_dims(position, axis=0) - xp.expand_dims(position, axis=1)
        pull = xp.sum(xp.expand_dims(masses, axis=0) * between * inverse_cube(xp, between, axis=2), axis=1)
        to_sun = -position * inverse_cube(xp, position, axis=1)
        # The sun is the origin, and the planets move it: each feels the others' pull on the sun as a force.
        on_sun = masses * to_sun
        others = xp.sum(on_sun, axis=0, keepdims=True) - on_sun
        acceleration = p["gravity"] * ((p["sun"] + masses) * to_sun + pull + others)
        return xp.reshape(xp.stack([velocity, acceleration]), (30, *lanes))

    positions = [
        *(3.42947415189, 3.35386959711, 1.35494901715),
        *(6.64145542550, 5.97156957878, 2.18231499728),
        *(11.2630437207, 14.6952576794, 6.27960525067),
        *(-30.1552268759, 1.65699966404, 1.43785752721),
        *(-21.1238353380, 28.4465098142, 15.3882659679),
    ]
    velocities = [
        *(-0.557160570446, 0.505696783289, 0.230578543901),
        *(-0.415570776342, 0.365682722812, 0.169143213293),
        *(-0.325325669158, 0.189706021964, 0.0877265322780),
        *(-0.0240476254170, -0.287659532608, -0.117219543175),
        *(-0.176860753121, -0.216393453025, -0.0148647893090),
    ]
    masses = [
        0.000954786104043,
        0.000285583733151,
        0.0000437273164546,
        0.0000517759138449,
        0.00000277777777778,
    ]
    params = {"gravity": 2.95912208286, "sun": 1.00000597682, "masses": masses}
    return _describe(f, [*positions, *velocities], params=params)


# D: orbits of growing eccentricity.


def _orbit(xp, eccentricity: float) -> ReferenceProblem:
    def f(t, y, p):
        cube = (y[0] ** 2 + y[1] ** 2) ** 1.5
        return [y[2], y[3], -y[0] / cube, -y[1] / cube]

    start = [1.0 - eccentricity, 0.0, 0.0, math.sqrt((1.0 + eccentricity) / (1.0 - eccentricity))]
    return _describe(f, start, exact=lambda t: kepler_state(t, eccentricity).reshape(4), digits=13)


@reference_problem
def detest_d1(xp):
    """Two bodies, eccentricity 0.1."""
    return _orbit(xp, 0.1)


@reference_problem
def detest_d2(xp):
    """Two bodies, eccentricity 0.3."""
    return _orbit(xp, 0.3)


@reference_problem
def detest_d3(xp):
    """Two bodies, eccentricity 0.5."""
    return _orbit(xp, 0.5)


@reference_problem
def detest_d4(xp):
    """Two bodies, eccentricity 0.7."""
    return _orbit(xp, 0.7)


@reference_problem
def detest_d5(xp):
    """Two bodies, eccentricity 0.9."""
    return _orbit(xp, 0.9)


# E: second-order equations as systems.


@reference_problem
def detest_e1(xp):
    """Bessel's equation of order one half, its origin moved to t = -1."""

    def f(t, y, p):
        s = t + 1.0
        return [y[1], -(y[1] / s + (1.0 - 0.25 / (s * s)) * y[0])]

    def exact(t):
        s = t + 1.0
        amplitude = math.sqrt(2.0 / (math.pi * s))
        return amplitude * np.array([math.sin(s), math.cos(s) - math.sin(s) / (2.0 * s)])

    return _describe(f, exact(0.0), exact=exact)


@reference_problem
def detest_e2(xp):
    """Van der Pol's equation."""
    return _describe(lambda t, y, p: [y[1], (1.0 - y[0] ** 2) * y[1] - y[0]], [2.0, 0.0])


@reference_problem
def detest_e3(xp):
    """Duffing's equation."""

    def f(t, y, p):
        return [y[1], y[0] ** 3 / 6.0 - y[0] + 2.0 * xp.sin(2.78535 * t)]

    return _describe(f, [0.0, 0.0])


@reference_problem
def detest_e4(xp):
    """A body that falls through air."""
    rate = math.sqrt(0.032 * 0.4)

    def exact(t):
        return np.array([30.0 + math.log(math.cosh(rate * t)) / 0.4, math.sqrt(0.08) * math.tanh(rate * t)])

    return _describe(lambda t, y, p: [y[1], 0.032 - 0.4 * y[1] ** 2], [30.0, 0.0], exact=exact)


@reference_problem
def detest_e5(xp):
    """A linear pursuit."""

    def exact(t):
        left = 25.0 - t
        distance = (25.0 * math.log(25.0 / left) - t * (50.0 - t) / 50.0) / 2.0
        return np.array([distance, (25.0 / left - left / 25.0) / 2.0])

    return _describe(lambda t, y, p: [y[1], xp.sqrt(1.0 + y[1] ** 2) / (25.0 - t)], [0.0, 0.0], exact=exact)
