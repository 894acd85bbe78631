"""Owren and Zennaro's continuous fifth-order pair."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Interpolant, Tableau

B = (83 / 945, 0.0, 248 / 825, 41 / 180, 1 / 36, 2401 / 38610, 6016 / 20475)


@dataclass(frozen=True)
class OwrenZen5(RungeKutta):
    """Owren and Zennaro's 5(4) pair: where the solution between the steps matters as much as at them.

    Order 5, seven evaluations of f a step (first same as last), dense output of the same order at no further
    cost.

    References
    ----------
    B. Owren, M. Zennaro, Derivation of efficient, continuous, explicit Runge-Kutta methods, SIAM Journal on
    Scientific and Statistical Computing 13 (1992) 1488-1501, doi:10.1137/0913084.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "OwrenZen5", rtol=1e-8, atol=1e-8).y[-1, 0]), 6)
    0.367879
    """

    tableau = Tableau(
        order=5,
        c=(0.0, 1 / 6, 1 / 4, 1 / 2, 1 / 2, 9 / 14, 7 / 8, 1.0),
        a=(
            (),
            (1 / 6,),
            (1 / 16, 3 / 16),
            (1 / 4, -3 / 4, 1.0),
            (-3 / 4, 15 / 4, -3.0, 1 / 2),
            (369 / 1372, -243 / 343, 297 / 343, 1485 / 9604, 297 / 4802),
            (-133 / 4512, 1113 / 6016, 7945 / 16544, -12845 / 24064, -315 / 24064, 156065 / 198528),
            B,
        ),
        b=(*B, 0.0),
        error=(
            83 / 945 + 1 / 9,
            0.0,
            248 / 825 - 40 / 33,
            41 / 180 + 7 / 4,
            1 / 36 + 1 / 12,
            2401 / 38610 - 343 / 198,
            6016 / 20475,
            0.0,
        ),
        error_order=4,
        interpolant=Interpolant.from_powers(
            order=5,
            powers=(
                (1.0, -3292 / 819, 17893 / 2457, -4969 / 819, 596 / 315),
                (),
                (0.0, 5112 / 715, -43568 / 2145, 1344 / 65, -1984 / 275),
                (0.0, -123 / 52, 3161 / 234, -1465 / 78, 118 / 15),
                (0.0, -63 / 52, 1061 / 234, -413 / 78, 2.0),
                (0.0, -40817 / 33462, 60025 / 50193, 2401 / 1521, -9604 / 6435),
                (0.0, 18048 / 5915, -637696 / 53235, 96256 / 5915, -48128 / 6825),
                (0.0, -18 / 13, 75 / 13, -109 / 13, 4.0),
            ),
        ),
    )
