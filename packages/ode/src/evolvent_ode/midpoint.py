"""The explicit midpoint rule."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class Midpoint(RungeKutta):
    """The explicit midpoint rule: a sturdy second-order method for crude tolerances.

    Order 2, two evaluations of f a step, error estimated by Euler's method.

    References
    ----------
    C. Runge, Über die numerische Auflösung von Differentialgleichungen, Mathematische Annalen 46 (1895)
    167-178, doi:10.1007/BF01446807.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "Midpoint", rtol=1e-6, atol=1e-6).y[-1, 0]), 4)
    0.3679
    """

    tableau = Tableau(order=2, c=(0.0, 1 / 2), a=((), (1 / 2,)), b=(0.0, 1.0), error=(-1.0, 1.0), error_order=1)
