"""Differential-algebraic systems of index 1, ``M y' = f`` with a singular M."""

from __future__ import annotations

import math

import numpy as np

from ._reference import ReferenceProblem, dae_problem
from .chemistry import HAIRER_2, TEST_SET


@dae_problem
def robertson_dae(xp):
    """Robertson's reaction to t = 1e11, the conservation of mass in place of the third rate."""

    def f(t, y, p):
        slow, back, fast = p["k1"] * y[0], p["k3"] * y[1] * y[2], p["k2"] * y[1] * y[1]
        return [back - slow, slow - back - fast, y[0] + y[1] + y[2] - 1.0]

    return ReferenceProblem(
        f,
        [1.0, 0.0, 0.0],
        (0.0, 1e11),
        "A. C. Hindmarsh et al., SUNDIALS, ACM Transactions on Mathematical Software 31 (2005) 363-396, "
        "doi:10.1145/1089014.1089020; final state: " + TEST_SET,
        params={"k1": 0.04, "k2": 3e7, "k3": 1e4},
        final=np.array([0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050]),
        mass=np.array([1.0, 1.0, 0.0]),
        scale=1e-8,
    )


@dae_problem
def chemical_akzo_nobel(xp):
    """Five species that react in a vessel into which carbon dioxide flows, and one in equilibrium with them."""

    def f(t, y, p):
        root = xp.sqrt(y[1])
        r1, r2, r3 = p["k1"] * y[0] ** 4 * root, p["k2"] * y[2] * y[3], p["k2"] / p["K"] * y[0] * y[4]
        r4, r5 = p["k3"] * y[0] * y[3] ** 2, p["k4"] * y[5] ** 2 * root
        inflow = p["klA"] * (p["pressure"] / p["H"] - y[1])
        return [
            -2.0 * r1 + r2 - r3 - r4,
            -0.5 * r1 - r4 - 0.5 * r5 + inflow,
            r1 - r2 + r3,
            -r2 + r3 - 2.0 * r4,
            r2 - r3 + r5,
            p["Ks"] * y[0] * y[3] - y[5],
        ]

    final = [
        *(0.1150794920661702, 0.1203831471567715e-2, 0.1611562887407974),
        *(0.3656156421249283e-3, 0.1708010885264404e-1, 0.4873531310307455e-2),
    ]
    rates = {"k1": 18.7, "k2": 0.58, "k3": 0.09, "k4": 0.42}
    return ReferenceProblem(
        f,
        [0.444, 0.00123, 0.0, 0.007, 0.0, 115.83 * 0.444 * 0.007],
        (0.0, 180.0),
        TEST_SET + ", Chemical Akzo Nobel problem",
        params={**rates, "K": 34.4, "klA": 3.3, "Ks": 115.83, "pressure": 0.9, "H": 737.0},
        final=np.array(final),
        mass=np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
        scale=1e-4,
    )


@dae_problem
def transistor_amplifier(xp):
    """Two transistors that amplify a tone: five capacitors among eight nodes, M neither diagonal nor regular."""

    def f(t, y, p):
        tone = 0.1 * xp.sin(200.0 * math.pi * t)
        r, supply, alpha = p["R"], p["supply"], p["alpha"]
        first = p["beta"] * (xp.exp((y[1] - y[2]) / p["uF"]) - 1.0)
        second = p["beta"] * (xp.exp((y[4] - y[5]) / p["uF"]) - 1.0)
        return [
            (y[0] - tone) / p["R0"],
            (2.0 * y[1] - supply) / r + (1.0 - alpha) * first,
            y[2] / r - first,
            (y[3] - supply) / r + alpha * first,
            (2.0 * y[4] - supply) / r + (1.0 - alpha) * second,
            y[5] / r - second,
            (y[6] - supply) / r + alpha * second,
            y[7] / r,
        ]

    mass = np.zeros((8, 8))
    for node, capacity in ((0, 1e-6), (3, 3e-6), (6, 5e-6)):
        mass[node : node + 2, node : node + 2] = capacity * np.array([[-1.0, 1.0], [1.0, -1.0]])
    mass[2, 2], mass[5, 5] = -2e-6, -4e-6
    final = [
        *(-0.5562145012262709e-2, 0.3006522471903042e1, 0.2849958788608128e1, 0.2926422536206241e1),
        *(0.2704617865010554e1, 0.2761837778393145e1, 0.4770927631616772e1, 0.1236995868091548e1),
    ]
    return ReferenceProblem(
        f,
        [0.0, 3.0, 3.0, 6.0, 3.0, 3.0, 6.0, 0.0],
        (0.0, 0.2),
        HAIRER_2 + ", section VI.1; final state: " + TEST_SET,
        params={"supply": 6.0, "uF": 0.026, "alpha": 0.99, "beta": 1e-6, "R0": 1000.0, "R": 9000.0},
        final=np.array(final),
        mass=mass,
    )


@dae_problem
def pendulum(xp):
    """A pendulum in Cartesian coordinates: the tension, last of the state, from the constraint's second derivative."""

    def f(t, y, p):
        across, up, tension = y[0], y[1], y[4]
        speed = y[2] * y[2] + y[3] * y[3]
        pull = speed - p["gravity"] * up - tension * (across * across + up * up)
        return [y[2], y[3], -tension * across, -tension * up - p["gravity"], pull]

    return ReferenceProblem(
        f,
        [1.0, 0.0, 0.0, 0.0, 0.0],
        (0.0, 10.0),
        HAIRER_2 + ", section VII.1",
        params={"gravity": 1.0},
        mass=np.array([1.0, 1.0, 1.0, 1.0, 0.0]),
    )
