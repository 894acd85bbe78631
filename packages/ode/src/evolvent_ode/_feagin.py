"""What Feagin's pairs share."""

from __future__ import annotations

from ._runge_kutta import RungeKutta

EXPLOSION = 0.2  # of the state and its change; within tight tolerances a step stays below a hundredth


class Feagin(RungeKutta):
    """A pair whose error estimate is the difference of two stages alone.

    That estimate is blind to a step so large that the stages between those two explode. So a step is rejected as
    well if its end is far from where the trapezoidal rule, with the derivatives at both ends, would put it.
    """

    def step(self, system, t, y, dt, cache):
        """Take a step, and tell how far its end is from the trapezoidal rule's."""
        step = super().step(system, t, y, dt, cache)
        apart = system.combine(step.y - y, -dt, (0.5, 0.5), (cache, step.cache))
        return step._replace(error=(step.error, apart))

    def error_norm(self, system, error, y0, y1):
        """Take the greater of the error in units of the tolerance and the distance in units of an explosion's.

        The units are those of the state at the start: a step that explodes would excuse its error by its own end.
        """
        b, xp = system.backend, system.backend.xp
        estimate, apart = error
        size = b.rms(y0) + b.rms(y1 - y0)
        distance = b.rms(apart) / (EXPLOSION * xp.where(size > 0.0, size, xp.ones_like(size)))
        return xp.maximum(system.scaled_norm(estimate, y0, y0), distance)
