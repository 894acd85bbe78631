"""Explicit Runge-Kutta steps from a tableau: the one place where they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from evolvent_stepping import Hermite, Step, Stepper, hermite

from ._tableau import Tableau


class Stages(NamedTuple):
    """One step's stages, for its dense output."""

    t: Any
    dt: Any
    y0: Any
    y1: Any
    k: tuple[Any, ...]


@dataclass(frozen=True)
class RungeKutta(Stepper):
    """An explicit Runge-Kutta method; a subclass is its `tableau` and a docstring.

    The cache is the derivative at the step's start: every method hands its derivative at the end on to the
    next step, as FSAL methods do by their nature, so that dense output and events always find both.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Kutta3(RungeKutta):
    ...     tableau = Tableau(order=3, c=(0.0, 0.5, 1.0), a=((), (0.5,), (-1.0, 2.0)), b=(1 / 6, 2 / 3, 1 / 6))
    >>> Kutta3.order, Kutta3.adaptive, Kutta3.dense_order
    (3, False, 3)
    """

    tableau: ClassVar[Tableau]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        tableau = vars(cls).get("tableau")
        if tableau is not None:
            interpolant = tableau.interpolant
            traits = {
                "order": tableau.order,
                "error_order": tableau.error_order,
                "adaptive": tableau.error is not None,
                "dense_order": min(tableau.order, 3) if interpolant is None else interpolant.order,
            }
            for name, value in traits.items():
                if name not in vars(cls):
                    setattr(cls, name, value)

    def step(self, system, t, y, dt, cache) -> Step:
        """Compute the stages, the state at the end and the embedded formula's difference from it."""
        tableau = self.tableau
        k = [cache]
        stage = y
        for c, row in zip(tableau.c[1:], tableau.a[1:], strict=True):
            stage = system.combine(y, dt, row, k)
            k.append(system.f(t + c * dt, stage))
        if tableau.fsal:
            y1 = stage
        else:
            y1 = system.combine(y, dt, tableau.b, k)
            k.append(system.f(t + dt, y1))
        error = None if tableau.error is None else system.combine(None, dt, tableau.error, k)
        return Step(y1, error, k[-1], Stages(t, dt, y, y1, tuple(k)))

    def at_rest(self, system, t, y) -> Stages:
        """A step of no length."""
        zero = system.backend.zeros_like(y)
        count = len(self.tableau.c) + (0 if self.tableau.fsal else 1)
        return Stages(t, 0.0 * t, y, y, (zero,) * count)

    def stiffness(self, system, dense: Stages) -> Any:
        """Estimate the step's length times the Jacobian's largest eigenvalue, of the last two stages at one time.

        Where they differ they probe f in the direction that stiffness has bent them to (Hairer & Wanner, Solving ODEs
        II, IV.2). A data-plane scalar; None where no two stages share a time.
        """
        pair = self.tableau.twins
        if pair is None:
            return None
        i, j = pair
        states = [self._stage(system, dense, n) for n in pair]
        apart = system.scaled_norm(states[0] - states[1], dense.y0, dense.y1)
        bent = system.scaled_norm(dense.k[i] - dense.k[j], dense.y0, dense.y1)
        b = system.backend
        length = b.time(b.control.abs(dense.dt), dense.y0)
        tiny = float(b.xp.finfo(bent.dtype).smallest_normal)
        return length * bent / (apart + tiny)

    def _stage(self, system, dense: Stages, n: int) -> Any:
        """The state at which stage n evaluated f."""
        if n == len(self.tableau.c) or (self.tableau.fsal and n == len(self.tableau.c) - 1):
            return dense.y1
        return system.combine(dense.y0, dense.dt, self.tableau.a[n], dense.k)

    def complete(self, system, dense: Stages) -> Stages:
        """Add the stages that only the interpolant wants: once, where a step is evaluated often."""
        interpolant = self.tableau.interpolant
        if interpolant is None or len(dense.k) == len(interpolant.weights):
            return dense
        k = list(dense.k)
        for c, row in zip(interpolant.c, interpolant.a, strict=True):
            k.append(system.f(dense.t + c * dense.dt, system.combine(dense.y0, dense.dt, row, k)))
        return dense._replace(k=tuple(k))

    def interpolate(self, system, dense, theta):
        """Evaluate the method's own interpolant, or the cubic Hermite polynomial where it has none."""
        interpolant = self.tableau.interpolant
        if interpolant is None:
            return hermite(system, Hermite(dense.t, dense.dt, dense.y0, dense.y1, dense.k[0], dense.k[-1]), theta)
        k = self.complete(system, dense).k
        return system.combine(dense.y0, dense.dt, interpolant.at(theta), k)
