"""The trapezoidal rule."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau


@dataclass(frozen=True)
class Trapezoid(Sdirk):
    """The trapezoidal rule, for oscillations that must not be damped, and smooth solutions at coarse tolerances.

    Order 2, one implicit stage, A-stable but not L-stable: stiff components that are off balance oscillate and hardly
    decay. The error is estimated by the third divided difference of the solution; third-order dense output.
    Takes mass matrices, singular ones too.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.3, doi:10.1007/978-3-642-05221-7.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Trapezoid").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(order=2, error_order=2, gamma=0.5, c=(0.0, 1.0), a=((), (0.5,)), error=(-0.5, 0.5), memory=1)

    def _estimate(self, system, dt, z, cache):
        """Estimate ``h**3 y''' / 12`` by derivatives at three times; in the first step ``h**2 y'' / 2``, at two."""
        c = system.backend.control
        first = cache.length == 0.0
        before = c.where(first, dt, cache.length)
        # The increments are h / 2 times derivatives, and the bend is what the derivative changed by in the step before.
        here = c.where(first, 1.0, dt / (3.0 * (dt + before)))
        there = c.where(first, 0.0, -dt * dt * dt / (6.0 * before * (dt + before)))
        return system.combine(None, 1.0, (here, -here, there), (z[1], z[0], *cache.bends))
