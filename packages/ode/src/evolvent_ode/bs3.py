"""Bogacki and Shampine's third-order pair."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class BS3(RungeKutta):
    """Bogacki and Shampine's 3(2) pair: for crude tolerances, and right-hand sides with kinks.

    Order 3, three evaluations of f a step (first same as last), dense output by the cubic Hermite polynomial.

    References
    ----------
    P. Bogacki, L. F. Shampine, A 3(2) pair of Runge-Kutta formulas, Applied Mathematics Letters 2 (1989)
    321-325, doi:10.1016/0893-9659(89)90079-7.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "BS3", rtol=1e-8, atol=1e-8).y[-1, 0]), 6)
    0.367879
    """

    tableau = Tableau(
        order=3,
        c=(0.0, 1 / 2, 3 / 4, 1.0),
        a=((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
        b=(2 / 9, 1 / 3, 4 / 9, 0.0),
        error=(2 / 9 - 7 / 24, 1 / 3 - 1 / 4, 4 / 9 - 1 / 3, -1 / 8),
        error_order=2,
    )
