"""Numerical differentiation formulas of Shampine and Reichelt."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from ._bdf import Multistep
from ._differences import HIGHEST, ROWS, advanced, newton_weights, respaced, upto
from ._divided import Prediction, Terms

KAPPA = (-0.1850, -1.0 / 9.0, -0.0823, -0.0415, 0.0)
GAMMA = tuple(accumulate(1.0 / j for j in range(1, HIGHEST + 1)))
ALPHA = tuple((1.0 - kappa) * gamma for kappa, gamma in zip(KAPPA, GAMMA, strict=True))
# Of the orders 0 to 6, the first and the last for want of something to read.
ERROR = (0.5, *(a * g + 1.0 / (k + 1.0) for k, (a, g) in enumerate(zip(KAPPA, GAMMA, strict=True), 1)), 1.0 / 7.0)


class Differences(NamedTuple):
    """Backward differences of the solution on the grid of spacing dt that ends at the present."""

    values: tuple[Any, ...]
    dt: Any


class Polynomial(NamedTuple):
    """The formula's own polynomial over one step, by the differences at its end."""

    t: Any
    dt: Any
    y1: Any
    differences: tuple[Any, ...]
    order: Any


@dataclass(frozen=True)
class QNDF(Multistep):
    """Numerical differentiation formulas, orders 1 to 5: for stiff systems of any size at moderate tolerances.

    One Newton iteration or two a step, with a Jacobian and factors that serve for many steps: where f is dear or the
    system large, few methods need less. Steps of equal size, whose differences are respaced when the size changes.
    A-stable up to order 2, A(alpha)-stable above: alpha is 80, 66 and 51 degrees at orders 3 to 5, so that solutions
    that oscillate without decay want `FBDF`, `Rodas5P` or `RadauIIA5`. The dense output is the formula's polynomial, of
    the order of the step. The state may have algebraic components (a singular mass matrix).

    References
    ----------
    L. F. Shampine, M. W. Reichelt, The MATLAB ODE suite, SIAM J. Sci. Comput. 18 (1997), doi:10.1137/S1064827594276424.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "QNDF").y[-1, 0]), 4)
    1.0
    """

    def begun(self, system, t, y, slope):
        """Differences with spacing one: the derivative."""
        none = system.backend.zeros_like(slope)
        return Differences((slope, *[none] * (ROWS - 1)), system.backend.real(1.0))

    def at_rest(self, system, t, y):
        """A step of no length."""
        none = system.backend.zeros_like(y)
        return Polynomial(t, 0.0 * t, y, (none,) * HIGHEST, system.backend.integer(1))

    def predicted(self, system, t, y, dt, order, memory) -> Prediction:
        """Go on with the polynomial of the differences."""
        b, c = system.backend, system.backend.control
        ratio = dt / memory.dt
        values = b.cond(ratio == 1.0, lambda: memory.values, lambda: respaced(system, order, ratio, memory.values))
        inside = upto(c, order)
        value = system.combine(y, 1.0, inside, values)
        slope = system.combine(None, 1.0 / dt, [g * weight for g, weight in zip(GAMMA, inside, strict=True)], values)
        leading = b.pick(b.table(ALPHA), order - 1) / dt
        return Prediction(value, slope, leading, Differences(values, dt))

    def remembered(self, system, t, y, dt, order, memory, z):
        """Update the differences."""
        b = system.backend
        values, last, beyond = advanced(system, order, z, memory.values)
        constants = b.table(ERROR)
        # Where there is no order above or below, what the table gives is not asked for.
        below, here, above = (b.pick(constants, order + i) for i in (-1, 0, 1))
        terms = Terms(
            system.combine(None, below, (1.0,), (last,)),
            system.combine(None, here, (1.0,), (z,)),
            system.combine(None, above, (1.0,), (beyond,)),
        )
        y1 = system.combine(y, 1.0, (1.0,), (values[0],))
        return Differences(values, dt), terms, Polynomial(t, dt, y1, values[:HIGHEST], order)

    def interpolate(self, system, dense, theta):
        """Evaluate the polynomial."""
        weights = newton_weights(system.backend.control, dense.order, theta - 1.0)
        return system.combine(dense.y1, 1.0, weights, dense.differences)
