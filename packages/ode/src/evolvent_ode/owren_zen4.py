"""Owren and Zennaro's continuous fourth-order pair."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Interpolant, Tableau


@dataclass(frozen=True)
class OwrenZen4(RungeKutta):
    """Owren and Zennaro's 4(3) pair: where the solution between the steps matters as much as at them.

    Order 4, five evaluations of f a step (first same as last), dense output of the same order at no further
    cost.

    References
    ----------
    B. Owren, M. Zennaro, Derivation of efficient, continuous, explicit Runge-Kutta methods, SIAM Journal on
    Scientific and Statistical Computing 13 (1992) 1488-1501, doi:10.1137/0913084.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "OwrenZen4", rtol=1e-8, atol=1e-8).y[-1, 0]), 6)
    0.367879
    """

    tableau = Tableau(
        order=4,
        c=(0.0, 1 / 6, 11 / 37, 11 / 17, 13 / 15, 1.0),
        a=(
            (),
            (1 / 6,),
            (44 / 1369, 363 / 1369),
            (3388 / 4913, -8349 / 4913, 8140 / 4913),
            (-36764 / 408375, 767 / 1125, -32708 / 136125, 210392 / 408375),
            (1697 / 18876, 0.0, 50653 / 116160, 299693 / 1626240, 3375 / 11648),
        ),
        b=(1697 / 18876, 0.0, 50653 / 116160, 299693 / 1626240, 3375 / 11648, 0.0),
        error=(
            1697 / 18876 - 101 / 363,
            0.0,
            50653 / 116160 + 1369 / 14520,
            299693 / 1626240 - 11849 / 14520,
            3375 / 11648,
            0.0,
        ),
        error_order=3,
        interpolant=Interpolant.from_powers(
            order=4,
            powers=(
                (1.0, -104217 / 37466, 1806901 / 618189, -866577 / 824252),
                (),
                (0.0, 861101 / 230560, -2178079 / 380424, 12308679 / 5072320),
                (0.0, -63869 / 293440, 6244423 / 5325936, -7816583 / 10144640),
                (0.0, -1522125 / 762944, 982125 / 190736, -624375 / 217984),
                (0.0, 165 / 131, -461 / 131, 296 / 131),
            ),
        ),
    )
