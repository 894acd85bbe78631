"""Owren and Zennaro's continuous third-order pair."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Interpolant, Tableau


@dataclass(frozen=True)
class OwrenZen3(RungeKutta):
    """Owren and Zennaro's 3(2) pair: where the solution between the steps matters as much as at them.

    Order 3, three evaluations of f a step (first same as last), dense output of the same order at no further
    cost.

    References
    ----------
    B. Owren, M. Zennaro, Derivation of efficient, continuous, explicit Runge-Kutta methods, SIAM Journal on
    Scientific and Statistical Computing 13 (1992) 1488-1501, doi:10.1137/0913084.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "OwrenZen3", rtol=1e-8, atol=1e-8).y[-1, 0]), 6)
    0.367879
    """

    tableau = Tableau(
        order=3,
        c=(0.0, 12 / 23, 4 / 5, 1.0),
        a=((), (12 / 23,), (-68 / 375, 368 / 375), (31 / 144, 529 / 1152, 125 / 384)),
        b=(31 / 144, 529 / 1152, 125 / 384, 0.0),
        error=(31 / 144 - 1 / 24, 529 / 1152 - 23 / 24, 125 / 384, 0.0),
        error_order=2,
        interpolant=Interpolant.from_powers(
            order=3,
            powers=(
                (1.0, -65 / 48, 41 / 72),
                (0.0, 529 / 384, -529 / 576),
                (0.0, 125 / 128, -125 / 192),
                (0.0, -1.0, 1.0),
            ),
        ),
    )
