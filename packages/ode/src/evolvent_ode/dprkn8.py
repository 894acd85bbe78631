"""Dormand, El-Mikkawy and Prince's Nystrom pair of orders 8 and 6."""

from __future__ import annotations

from dataclasses import dataclass

from ._nystrom import Nystrom, NystromTableau

B = (223 / 7938, 0.0, 1175 / 8064, 925 / 6048, 41 / 448, 925 / 14112, 1175 / 72576, 0.0)
B_VELOCITY = (
    223 / 7938,
    0.0,
    5875 / 36288,
    4625 / 21168,
    41 / 224,
    4625 / 21168,
    5875 / 36288,
    223 / 7938,
    0.0,
)
LOW = (
    7987313 / 109941300,
    0.0,
    1610737 / 44674560,
    10023263 / 33505920,
    -497221 / 12409600,
    10023263 / 78180480,
    1610737 / 402071040,
)
LOW_VELOCITY = (
    7987313 / 109941300,
    0.0,
    1610737 / 40207104,
    10023263 / 23454144,
    -497221 / 6204800,
    10023263 / 23454144,
    1610737 / 40207104,
)


@dataclass(frozen=True)
class DPRKN8(Nystrom):
    """Adaptive Nystrom 8(6) pair for q'' = a(t, q): celestial mechanics at tight tolerances.

    Order 8, eight accelerations a step (first same as last). The acceleration must not depend on the
    velocity. Dense output: Hermite polynomials.

    References
    ----------
    J. R. Dormand, M. E. A. El-Mikkawy, P. J. Prince, High-order embedded Runge-Kutta-Nystrom formulae, IMA
    Journal of Numerical Analysis 7 (1987) 423-430, doi:10.1093/imanum/7.4.423.

    Examples
    --------
    >>> import evolvent as ev
    >>> spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, q0=[1.0], v0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(spring, "DPRKN8", rtol=1e-9, atol=1e-9).y[0][-1, 0]), 8)
    0.54030231
    """

    tableau = NystromTableau(
        order=8,
        c=(0.0, 1 / 20, 1 / 10, 3 / 10, 1 / 2, 7 / 10, 9 / 10, 1.0, 1.0),
        a=(
            (),
            (1 / 800,),
            (1 / 600, 1 / 300),
            (9 / 200, -9 / 100, 9 / 100),
            (-66701 / 197352, 28325 / 32892, -2665 / 5482, 2170 / 24669),
            (227015747 / 304251000, -54897451 / 30425100, 12942349 / 10141700, -9499 / 304251, 539 / 9250),
            (
                -1131891597 / 901789000,
                41964921 / 12882700,
                -6663147 / 3220675,
                270954 / 644135,
                -108 / 5875,
                114 / 1645,
            ),
            (
                13836959 / 3667458,
                -17731450 / 1833729,
                1063919505 / 156478208,
                -33213845 / 39119552,
                13335 / 28544,
                -705 / 14272,
                1645 / 57088,
            ),
            B,
        ),
        b=(*B, 0.0),
        b_velocity=B_VELOCITY,
        error=(*(x - y for x, y in zip(B, LOW, strict=False)), 0.0, 0.0),
        error_velocity=(
            *(x - y for x, y in zip(B_VELOCITY, LOW_VELOCITY, strict=False)),
            223 / 7938 + 4251941 / 54970650,
            -3 / 20,
        ),
        error_order=6,
    )
