"""The second-order strong-stability-preserving method of two stages."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class SSPRK22(RungeKutta):
    """Shu and Osher's second-order method: for hyperbolic equations that short Euler steps keep bounded.

    Order 2, two evaluations of f a step, strongly stable for steps as long as those of Euler are.

    References
    ----------
    C.-W. Shu, S. Osher, Efficient implementation of essentially non-oscillatory shock-capturing schemes,
    Journal of Computational Physics 77 (1988) 439-471, doi:10.1016/0021-9991(88)90177-5.

    I. Fekete, S. Conde, J. N. Shadid, Embedded pairs for optimal explicit strong stability preserving
    Runge-Kutta methods, Journal of Computational and Applied Mathematics 412 (2022) 114325,
    doi:10.1016/j.cam.2022.114325 (error estimate).

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "SSPRK22", rtol=1e-6, atol=1e-6).y[-1, 0]), 4)
    0.3679
    """

    tableau = Tableau(order=2, c=(0.0, 1.0), a=((), (1.0,)), b=(1 / 2, 1 / 2), error=(-1 / 4, 1 / 4), error_order=1)
