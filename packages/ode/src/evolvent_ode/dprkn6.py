"""Dormand and Prince's Nystrom pair of orders 6 and 4 with its own dense output."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from ._nystrom import Nystrom, NystromInterpolant, NystromTableau

R = sqrt(8581.0)
B = (329 / 4212, 0.0, (84119543 + 366727 * R) / 409622616, (84119543 - 366727 * R) / 409622616, 200 / 17901)
B_VELOCITY = (
    329 / 4212,
    0.0,
    (389225579 + 96856 * R) / 1024056540,
    (389225579 - 96856 * R) / 1024056540,
    2000 / 17901,
    1 / 20,
)
LOW = ((2701 + 23 * R) / 4563, -(9829 + 131 * R) / 9126, 5 * (1798 + 17 * R) / 9126, 0.0, 0.0)
LOW_VELOCITY = (
    115 / 2106,
    0.0,
    (84119543 + 366727 * R) / 256014135,
    (84119543 - 366727 * R) / 256014135,
    6950 / 17901,
    -1 / 10,
)


def _middle(r: float) -> tuple[float, ...]:
    """Coefficients of ``theta, ..., theta**4`` for the third stage; for the fourth, r is negative."""
    return (
        18 * (81356461 + 25954829 * r) / 22529243880,
        (22190560391 - 1109665151 * r) / 22529243880,
        -6 * (4929647204 - 156109769 * r) / 22529243880,
        1800 * (5860823 - 152228 * r) / 22529243880,
    )


# The velocity's weights are the derivatives of the position's: theta**2 times these rows.
ROWS = (
    (1 / 2, -5244 / 4212, 6386 / 4212, -3819 / 4212, 900 / 4212),
    (0.0, 0.0, 0.0, 0.0, 0.0),
    (0.0, *_middle(R)),
    (0.0, *_middle(-R)),
    (0.0, 39000 / 17901, -124000 / 17901, 130200 / 17901, -45000 / 17901),
    (0.0, -117 / 110, 757 / 220, -823 / 220, 15 / 11),
)


@dataclass(frozen=True)
class DPRKN6(Nystrom):
    """Adaptive Nystrom 6(4) pair for q'' = a(t, q): the first choice for smooth motion without friction.

    Order 6, five accelerations a step (first same as last), free fifth-order dense output. The acceleration
    must not depend on the velocity.

    References
    ----------
    J. R. Dormand, P. J. Prince, Runge-Kutta-Nystrom triples, Computers & Mathematics with Applications 13
    (1987) 937-949, doi:10.1016/0898-1221(87)90066-6.

    Examples
    --------
    >>> import evolvent as ev
    >>> spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, q0=[1.0], v0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(spring, "DPRKN6", rtol=1e-9, atol=1e-9).y[0][-1, 0]), 8)
    0.54030231
    """

    tableau = NystromTableau(
        order=6,
        c=(0.0, (209 - R) / 900, (209 - R) / 450, (209 + R) / 450, 9 / 10, 1.0),
        a=(
            (),
            ((26131 - 209 * R) / 810000,),
            ((26131 - 209 * R) / 607500, (26131 - 209 * R) / 303750),
            (
                (980403512254 + 7781688431 * R) / 11694469921875,
                -(1262884486208 + 15385481287 * R) / 11694469921875,
                (7166233891441 + 78694563299 * R) / 46777879687500,
            ),
            (
                -9 * (329260 + 3181 * R) / 27040000,
                27 * (35129 + 3331 * R) / 13520000,
                -27 * (554358343 + 31040327 * R) / 464060480000,
                153 * (8555257 - 67973 * R) / 2745920000,
            ),
            B,
        ),
        b=(*B, 0.0),
        b_velocity=B_VELOCITY,
        error=(*(x - y for x, y in zip(B, LOW, strict=True)), 0.0),
        error_velocity=tuple(x - y for x, y in zip(B_VELOCITY, LOW_VELOCITY, strict=True)),
        error_order=4,
        interpolant=NystromInterpolant(
            order=5,
            position=tuple((0.0, *row) for row in ROWS),
            velocity=tuple(tuple((j + 2) * x for j, x in enumerate(row)) for row in ROWS),
        ),
    )
