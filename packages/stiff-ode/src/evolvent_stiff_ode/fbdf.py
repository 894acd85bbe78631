"""Backward differentiation formulas with a fixed leading coefficient."""

from __future__ import annotations

from dataclasses import dataclass

from . import _divided as divided
from ._bdf import Multistep


@dataclass(frozen=True)
class FBDF(Multistep):
    """Backward differentiation formulas, orders 1 to 5, with a fixed leading coefficient: DASSL's, for stiff systems.

    The formula of equal steps, applied to the polynomial through the last states at the times that they are of. One
    Newton iteration or two a step, with a Jacobian and factors that serve for many steps. The errors of `QNDF` are
    smaller, but up to order 4 it is stable in a narrower sector: this is A-stable up to order 2, A(alpha)-stable above,
    with alpha of 86, 73 and 52 degrees at orders 3 to 5. The dense output is the polynomial through the last states, of
    the order of the step. The state may have algebraic components (a singular mass matrix).

    References
    ----------
    K. R. Jackson, R. Sacks-Davis, An alternative implementation of variable step-size multistep formulas for stiff
    ODEs, ACM TOMS 6 (1980), doi:10.1145/355900.355903; K. E. Brenan, S. L. Campbell, L. R. Petzold, Numerical Solution
    of Initial-Value Problems in Differential-Algebraic Equations (1996), doi:10.1137/1.9781611971224.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "FBDF").y[-1, 0]), 4)
    1.0
    """

    def begun(self, system, t, y, slope):
        """The derivative, and no older times."""
        return divided.begun(system, slope)

    def at_rest(self, system, t, y):
        """A step of no length."""
        return divided.at_rest(system, t, y)

    def predicted(self, system, t, y, dt, order, memory):
        """Go on with the polynomial through the last states."""
        return divided.predicted(system, y, dt, order, memory)

    def remembered(self, system, t, y, dt, order, memory, z):
        """Update the differences."""
        return divided.remembered(system, t, y, dt, order, memory, z)

    def interpolate(self, system, dense, theta):
        """Evaluate the polynomial."""
        return divided.interpolated(system, dense, theta)
