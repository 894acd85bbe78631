"""What Feagin's pairs share."""

from __future__ import annotations

from ._runge_kutta import RungeKutta


class Feagin(RungeKutta):
    """A pair whose error estimate is the difference of two stages alone."""

    def error_norm(self, system, error, y0, y1):
        """Measure in units of the state at the start: a step that explodes would excuse its error by its own end."""
        return system.scaled_norm(error, y0, y0)
