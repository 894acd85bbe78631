"""Stiff circuits and mechanics of the test set for initial value problems."""

from __future__ import annotations

import math

import numpy as np

from ._reference import ReferenceProblem, stiff_problem
from .chemistry import HAIRER_2, TEST_SET, along


@stiff_problem
def van_der_pol(xp, mu=1e6):
    """Van der Pol's oscillator in scaled time: ``y'' = mu * ((1 - y**2) y' - y)``, so that ``1 / mu`` is epsilon."""

    def f(t, y, p):
        return [y[1], p["mu"] * ((1.0 - y[0] * y[0]) * y[1] - y[0])]

    def jacobian(t, y, p):
        zero = 0.0 * y[0]
        rows = [zero, zero + 1.0], [-p["mu"] * (2.0 * y[0] * y[1] + 1.0), p["mu"] * (1.0 - y[0] * y[0])]
        return xp.stack([xp.stack(row) for row in rows])

    published = {1e6: np.array([0.1706167732170483e1, -0.8928097010247975])}
    return ReferenceProblem(
        f,
        [2.0, 0.0],
        (0.0, 2.0),
        "B. van der Pol, On relaxation oscillations, Philosophical Magazine 2 (1926) 978-992, "
        "doi:10.1080/14786442608564127; scaled as in " + HAIRER_2 + ", section IV.10; final state: " + TEST_SET,
        params={"mu": mu},
        final=published.get(mu),
        jacobian=jacobian,
    )


@stiff_problem
def ring_modulator(xp):
    """A circuit that mixes two signals: fast diodes, slow coils, 15 voltages and currents."""

    def f(t, y, p):
        v1, v2, v3, v4, v5, v6, v7, i1, i2, i3, i4, i5, i6, i7, i8 = (y[i] for i in range(15))
        low, high = 0.5 * xp.sin(2e3 * math.pi * t), 2.0 * xp.sin(2e4 * math.pi * t)

        def diode(voltage):
            return p["gamma"] * (xp.exp(p["delta"] * voltage) - 1.0)

        q1, q2 = diode(v3 - v5 - v7 - high), diode(v6 - v4 - v7 - high)
        q3, q4 = diode(v4 + v5 + v7 + high), diode(v7 - v3 - v6 + high)
        c, cs, r = p["C"], p["Cs"], p["R"]
        return [
            (i1 - 0.5 * i3 + 0.5 * i4 + i7 - v1 / r) / c,
            (i2 - 0.5 * i5 + 0.5 * i6 + i8 - v2 / r) / c,
            (i3 - q1 + q4) / cs,
            (q2 - q3 - i4) / cs,
            (i5 + q1 - q3) / cs,
            (q4 - q2 - i6) / cs,
            (q1 + q2 - q3 - q4 - v7 / p["Rp"]) / p["Cp"],
            -v1 / p["Lh"],
            -v2 / p["Lh"],
            (0.5 * v1 - v3 - p["Rg2"] * i3) / p["Ls2"],
            (v4 - 0.5 * v1 - p["Rg3"] * i4) / p["Ls3"],
            (0.5 * v2 - v5 - p["Rg2"] * i5) / p["Ls2"],
            (v6 - 0.5 * v2 - p["Rg3"] * i6) / p["Ls3"],
            (low - v1 - (p["Ri"] + p["Rg1"]) * i7) / p["Ls1"],
            -(v2 + (p["Rc"] + p["Rg1"]) * i8) / p["Ls1"],
        ]

    parts = {"C": 1.6e-8, "Cs": 2e-12, "Cp": 1e-8, "R": 25e3, "Rp": 50.0, "Ri": 50.0, "Rc": 600.0}
    coils = {"Lh": 4.45, "Ls1": 2e-3, "Ls2": 5e-4, "Ls3": 5e-4, "Rg1": 36.3, "Rg2": 17.3, "Rg3": 17.3}
    return ReferenceProblem(
        f,
        15 * [0.0],
        (0.0, 1e-3),
        "W. Kampowski, P. Rentrop, W. Schmidt, Classification and numerical simulation of electric circuits, Surveys "
        "on Mathematics for Industry 2 (1992) 23-65; " + TEST_SET,
        params={**parts, **coils, "gamma": 40.67286402e-9, "delta": 17.7493332},
    )


@stiff_problem
def beam(xp, parts=40):
    """An elastic beam, clamped below and pulled at its other end; state ([angle, velocity], part)."""

    def f(t, y, p):
        angle, velocity = y[0, ...], y[1, ...]
        none = 0.0 * angle[:1, ...]
        force = xp.where(t < math.pi, none + 1.5, none) * xp.sin(t) ** 2
        bent = angle[1:, ...] - angle[:-1, ...]
        sine, cosine = xp.sin(bent), xp.cos(bent)
        # Clamped at one end, where the angle turns its sign, and free at the other.
        left = xp.concat([-2.0 * angle[:1, ...], -bent], axis=0)
        right = xp.concat([bent, xp.zeros_like(bent[:1, ...])], axis=0)
        push = parts**4 * (left + right) + parts**2 * force * (xp.cos(angle) + xp.sin(angle))
        turned = _beside(xp, sine, push) + velocity * velocity
        moved = _tridiagonal(xp, _diagonal(parts), -cosine, turned)
        drawn = [_diagonal(parts)[i] * push[i, ...] for i in range(parts)]
        acceleration = xp.stack(drawn) - _around(xp, cosine, push) + _beside(xp, sine, moved)
        return xp.stack([velocity, acceleration])

    return ReferenceProblem(
        f,
        np.zeros((2, parts)),
        (0.0, 5.0),
        HAIRER_2 + ", section IV.10, and " + TEST_SET,
        discontinuities=(math.pi,),
    )


def _diagonal(parts):
    return [1.0, *(2.0 for _ in range(parts - 2)), 3.0]


def _beside(xp, weights, z):
    """Multiply by the antisymmetric matrix with `weights` above its diagonal."""
    edge = xp.zeros_like(z[:1, ...])
    above = xp.concat([weights * z[1:, ...], edge], axis=0)
    return above - xp.concat([edge, weights * z[:-1, ...]], axis=0)


def _around(xp, weights, z):
    """Multiply by the symmetric matrix with `weights` above and below its diagonal."""
    edge = xp.zeros_like(z[:1, ...])
    above = xp.concat([weights * z[1:, ...], edge], axis=0)
    return above + xp.concat([edge, weights * z[:-1, ...]], axis=0)


def _tridiagonal(xp, diagonal, beside, right):
    """Solve a symmetric tridiagonal system; elimination is a recursion, so that its entries are scalars."""
    size = len(diagonal)
    pivot, value = size * [diagonal[-1]], [right[i, ...] for i in range(size)]
    for i in reversed(range(size - 1)):
        ratio = beside[i, ...] / pivot[i + 1]
        pivot[i] = diagonal[i] - beside[i, ...] * ratio
        value[i] = value[i] - value[i + 1] * ratio
    value[0] = value[0] / pivot[0]
    for i in range(1, size):
        value[i] = (value[i] - beside[i - 1, ...] * value[i - 1]) / pivot[i]
    return xp.stack(value)


@stiff_problem
def plate(xp):
    """A car with two axles drives over a plate of 8 x 5 inner points; state ([height, velocity], y, x)."""
    width, rows = 2.0 / 9.0, 5

    def laplace(z):
        edge_y, edge_x = xp.zeros_like(z[:1, ...]), xp.zeros_like(z[:, :1, ...])
        up, down = xp.concat([edge_y, z[:-1, ...]], axis=0), xp.concat([z[1:, ...], edge_y], axis=0)
        west, east = xp.concat([edge_x, z[:, :-1, ...]], axis=1), xp.concat([z[:, 1:, ...], edge_x], axis=1)
        return up + down + west + east - 4.0 * z

    def f(t, y, p):
        height, velocity = y[0, ...], y[1, ...]
        place = along(xp, p["track"], height)
        since = t - along(xp, p["x"], height)
        load = place * (xp.exp(-5.0 * (since - 2.0) ** 2) + xp.exp(-5.0 * (since - 5.0) ** 2))
        bending = p["stiffness"] / width**4 * laplace(laplace(height))
        return xp.stack([velocity, p["weight"] * load - p["friction"] * velocity - bending])

    x = np.tile(np.arange(1, 9) * width, (rows, 1))
    track = np.zeros((rows, 8))
    track[[1, 3]] = 1.0  # the two tracks of the wheels
    return ReferenceProblem(
        f,
        np.zeros((2, rows, 8)),
        (0.0, 7.0),
        HAIRER_2 + ", section IV.10",
        params={"friction": 1000.0, "stiffness": 100.0, "weight": 200.0, "track": track, "x": x},
        scale=1e-3,
    )
