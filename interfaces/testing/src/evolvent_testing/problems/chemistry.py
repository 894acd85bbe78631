"""Chemical kinetics: the stiff reaction systems of the test set for initial value problems."""

from __future__ import annotations

import numpy as np

from ._reference import ReferenceProblem, stiff_problem

TEST_SET = (
    "F. Mazzia, C. Magherini, Test Set for Initial Value Problem Solvers, release 2.4, Universities of Bari and Pisa, "
    "2008"
)
HAIRER_2 = (
    "E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, Springer, 1996, doi:10.1007/978-3-642-05221-7"
)


def along(xp, values, state):
    """Let an array that is like the first axes of a state broadcast against all of them."""
    return xp.reshape(values, (*values.shape, *(1 for _ in state.shape[values.ndim :])))


@stiff_problem
def robertson(xp):
    """Robertson's autocatalytic reaction, ROBER, to t = 1e11."""

    def f(t, y, p):
        slow, back, fast = p["k1"] * y[0], p["k3"] * y[1] * y[2], p["k2"] * y[1] * y[1]
        return [back - slow, slow - back - fast, fast]

    def jacobian(t, y, p):
        zero = 0.0 * y[0]
        slow, by_1, by_2, fast = p["k1"] + zero, p["k3"] * y[2], p["k3"] * y[1], 2.0 * p["k2"] * y[1]
        rows = [-slow, by_1, by_2], [slow, -by_1 - fast, -by_2], [zero, fast, zero]
        return xp.stack([xp.stack(row) for row in rows])

    return ReferenceProblem(
        f,
        [1.0, 0.0, 0.0],
        (0.0, 1e11),
        "H. H. Robertson, The solution of a set of reaction rate equations, in: Numerical Analysis, An Introduction, "
        "Academic Press, 1966, 178-182; final state: " + TEST_SET,
        params={"k1": 0.04, "k2": 3e7, "k3": 1e4},
        final=np.array([0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050]),
        jacobian=jacobian,
        scale=1e-8,
    )


@stiff_problem
def hires(xp):
    """HIRES: how light steers the growth of a plant's tissue by eight reactants of phytochrome."""

    def f(t, y, p):
        bound = p["k_plus"] * y[5] * y[7]
        return [
            -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + p["source"],
            1.71 * y[0] - 8.75 * y[1],
            -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
            8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
            -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
            -bound + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
            bound - 1.81 * y[6],
            -bound + 1.81 * y[6],
        ]

    return ReferenceProblem(
        f,
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057],
        (0.0, 321.8122),
        "E. Schäfer, A new approach to explain the 'high irradiance responses' of photomorphogenesis on the basis of "
        "phytochrome, Journal of Mathematical Biology 2 (1975) 41-56, doi:10.1007/BF00276015; final state: " + TEST_SET,
        params={"k_plus": 280.0, "source": 0.0007},
        final=np.array(
            [
                *(0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2),
                *(0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2),
            ]
        ),
        scale=1e-4,
    )


@stiff_problem
def oregonator(xp):
    """OREGO: the reaction of Belousov and Zhabotinskii, which oscillates."""

    def f(t, y, p):
        s = p["s"]
        return [
            s * (y[1] + y[0] * (1.0 - p["q"] * y[0] - y[1])),
            (y[2] - (1.0 + y[0]) * y[1]) / s,
            p["w"] * (y[0] - y[2]),
        ]

    def jacobian(t, y, p):
        s, zero = p["s"], 0.0 * y[0]
        rows = (
            [s * (1.0 - 2.0 * p["q"] * y[0] - y[1]), s * (1.0 - y[0]), zero],
            [-y[1] / s, -(1.0 + y[0]) / s, 1.0 / s + zero],
            [p["w"] + zero, zero, -p["w"] + zero],
        )
        return xp.stack([xp.stack(row) for row in rows])

    return ReferenceProblem(
        f,
        [1.0, 2.0, 3.0],
        (0.0, 360.0),
        "R. J. Field, R. M. Noyes, Oscillations in chemical systems IV, Journal of Chemical Physics 60 (1974) "
        "1877-1884, doi:10.1063/1.1681288; final state: " + TEST_SET,
        params={"s": 77.27, "w": 0.161, "q": 8.375e-6},
        final=np.array([0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3]),
        jacobian=jacobian,
    )


@stiff_problem
def pollution(xp):
    """POLLU: the chemistry of polluted air, 25 reactions among 20 species."""

    def f(t, y, p):
        y1, y2, y3, y4, y5, y6, y7, _, y9, y10, y11, _, y13, y14, _, y16, y17, _, y19, y20 = (y[i] for i in range(20))
        k = p["k"]
        r1, r2, r3, r4, r5 = k[0] * y1, k[1] * y2 * y4, k[2] * y5 * y2, k[3] * y7, k[4] * y7
        r6, r7, r8, r9, r10 = k[5] * y7 * y6, k[6] * y9, k[7] * y9 * y6, k[8] * y11 * y2, k[9] * y11 * y1
        r11, r12, r13, r14, r15 = k[10] * y13, k[11] * y10 * y2, k[12] * y14, k[13] * y1 * y6, k[14] * y3
        r16, r17, r18, r19, r20 = k[15] * y4, k[16] * y4, k[17] * y16, k[18] * y16, k[19] * y17 * y6
        r21, r22, r23, r24, r25 = k[20] * y19, k[21] * y19, k[22] * y1 * y4, k[23] * y19 * y1, k[24] * y20
        return [
            -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25,
            -r2 - r3 - r9 - r12 + r1 + r21,
            -r15 + r1 + r17 + r19 + r22,
            -r2 - r16 - r17 - r23 + r15,
            -r3 + 2.0 * r4 + r6 + r7 + r13 + r20,
            -r6 - r8 - r14 - r20 + r3 + 2.0 * r18,
            -r4 - r5 - r6 + r13,
            r4 + r5 + r6 + r7,
            -r7 - r8,
            -r12 + r7 + r9,
            -r9 - r10 + r8 + r11,
            r9,
            -r11 + r10,
            -r13 + r12,
            r14,
            -r18 - r19 + r16,
            -r20,
            r20,
            -r21 - r22 - r24 + r23 + r25,
            -r25 + r24,
        ]

    rates = [
        *(0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9e3, 0.022, 1.2e4, 1.88),
        *(1.63e4, 4.8e6, 3.5e-4, 0.0175, 1e8, 4.44e11, 1.24e3, 2.1, 5.78, 0.0474, 1.78e3, 3.12),
    ]
    y0 = 20 * [0.0]
    y0[1], y0[3], y0[6], y0[7], y0[8], y0[16] = 0.2, 0.04, 0.1, 0.3, 0.01, 0.007
    final = [
        *(0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2),
        *(0.2018977262302196e-6, 0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018),
        *(0.7494013383880406e-2, 0.1622293157301561e-7, 0.1135863833257075e-7, 0.2230505975721359e-2),
        *(0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2, 0.4352846369330103e-17),
        *(0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4),
    ]
    return ReferenceProblem(
        f,
        y0,
        (0.0, 60.0),
        "J. G. Verwer, Gauss-Seidel iteration for stiff ODEs from chemical kinetics, SIAM Journal on Scientific "
        "Computing 15 (1994) 1243-1250, doi:10.1137/0915076; final state: " + TEST_SET,
        params={"k": rates},
        final=np.array(final),
        scale=1e-4,
    )


@stiff_problem
def pyrolysis(xp):
    """E5 to t = 1e13: rates that differ by eighteen orders of magnitude, concentrations down to 1e-22."""

    def f(t, y, p):
        slow, first = p["A"] * y[0], p["B"] * y[0] * y[2]
        second, third = slow - p["M"] * p["C"] * y[1] * y[2], first - p["C"] * y[3]
        return [-slow - first, second, second - third, third]

    return ReferenceProblem(
        f,
        [1.76e-3, 0.0, 0.0, 0.0],
        (0.0, 1e13),
        HAIRER_2 + ", section IV.10, and " + TEST_SET,
        params={"A": 7.89e-10, "B": 1.1e7, "C": 1.13e3, "M": 1e6},
        # In double precision the second and third entry, equal at the end, keep no digits below 1e-26: the published
        # final state has 0.88677e-22 and 0.88548e-22 for 0.88612e-22.
        scale=1e-19,
    )


@stiff_problem
def medical_akzo_nobel(xp, points=200):
    """Antibodies that go into a tumour and bind there; state (point, [free, bound])."""
    zeta = np.arange(1, points + 1) / points
    quarter = (zeta - 1.0) ** 2 / 4.0
    drift = 2.0 * (zeta - 1.0) * quarter / 4.0 * points / 2.0
    spread = quarter**2 * points**2

    def f(t, y, p):
        free, bound = y[:, 0, ...], y[:, 1, ...]
        none = 0.0 * free[:1, ...]
        given = xp.where(t < 5.0, none + 2.0, none)
        # At the last point drift and spread are zero, so that it does not matter what is beyond.
        left, right = xp.concat([given, free[:-1, ...]], axis=0), xp.concat([free[1:, ...], given], axis=0)
        binding = p["k"] * free * bound
        moved = along(xp, p["spread"], free) * (left - 2.0 * free + right)
        moved = moved + along(xp, p["drift"], free) * (right - left)
        return xp.stack([moved - binding, -binding], axis=1)

    return ReferenceProblem(
        f,
        np.tile([0.0, 1.0], (points, 1)),
        (0.0, 20.0),
        TEST_SET + ", Medical Akzo Nobel problem",
        params={"k": 100.0, "drift": drift, "spread": spread},
        discontinuities=(5.0,),
    )
