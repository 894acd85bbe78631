"""The third-order strong-stability-preserving method of four stages."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class SSPRK43(RungeKutta):
    """Kraaijevanger's third-order method: the best of the SSP methods with step control.

    Order 3, four evaluations of f a step, strongly stable for steps 2 times as long as those of Euler are.

    References
    ----------
    J. F. B. M. Kraaijevanger, Contractivity of Runge-Kutta methods, BIT 31 (1991) 482-528,
    doi:10.1007/BF01933264.

    I. Fekete, S. Conde, J. N. Shadid, Embedded pairs for optimal explicit strong stability preserving
    Runge-Kutta methods, Journal of Computational and Applied Mathematics 412 (2022) 114325,
    doi:10.1016/j.cam.2022.114325 (error estimate).

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "SSPRK43", rtol=1e-7, atol=1e-7).y[-1, 0]), 5)
    0.36788
    """

    tableau = Tableau(
        order=3,
        c=(0.0, 1 / 2, 1.0, 1 / 2),
        a=((), (1 / 2,), (1 / 2, 1 / 2), (1 / 6, 1 / 6, 1 / 6)),
        b=(1 / 6, 1 / 6, 1 / 6, 1 / 2),
        error=(-1 / 12, -1 / 12, -1 / 12, 1 / 4),
        error_order=2,
    )
