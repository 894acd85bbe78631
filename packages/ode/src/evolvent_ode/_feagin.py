"""What Feagin's pairs share."""

from __future__ import annotations

from ._runge_kutta import RungeKutta


class Feagin(RungeKutta):
    """A pair whose error estimate is the difference of two stages alone."""

    def error_norm(self, system, error, y0, y1):
        """Measure in units of the state at the start: a step that explodes would excuse its error by its own end.

        The two stages don't see the others, so that an end which is not finite has to be told to the norm.
        """
        return system.scaled_norm(error + 0.0 * y1, y0, y0)
