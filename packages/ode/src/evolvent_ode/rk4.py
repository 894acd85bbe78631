"""The classical fourth-order method."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class RK4(RungeKutta):
    """The classical Runge-Kutta method: for fixed steps, and to compare with what others did.

    Order 4, four evaluations of f a step, fixed steps only. With step control `Tsit5` does the same work
    better.

    References
    ----------
    E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I, Springer 1993,
    doi:10.1007/978-3-540-78862-1.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "RK4", dt=0.01).y[-1, 0]), 6)
    0.367879
    """

    tableau = Tableau(
        order=4,
        c=(0.0, 1 / 2, 1 / 2, 1.0),
        a=((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)),
        b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    )
