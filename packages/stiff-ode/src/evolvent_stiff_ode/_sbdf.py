"""Semi-implicit backward differentiation: implicit for one part of f, extrapolated for the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from evolvent import Status
from evolvent_stepping import Step, Work

from . import _divided as divided
from ._implicit import Implicit
from ._newton import Linearisation, fresh, linearised, newton, outcome


class History(NamedTuple):
    """What the steps before left: differences of the solution, the explicit part's last values, Jacobian and factors.

    `count` says how many steps there were, as far as that matters.
    """

    memory: divided.Divided
    pushes: tuple[Any, ...]
    count: Any
    kept: Linearisation


class Trial(NamedTuple):
    """A step's result by its correction of the prediction, and what it cost."""

    z: Any
    error: Any
    converged: Any
    rate: Any
    kept: Linearisation
    work: tuple[Any, ...]


@dataclass(frozen=True)
class SemiImplicit(Implicit):
    """A semi-implicit BDF; a subclass is its `order` and a docstring.

    On a `SplitODEProblem` the explicit part is extrapolated to the end of the step, elsewhere f is implicit. The first
    steps are those of an extrapolated semi-implicit Euler method. Between steps of one size the formula is the BDF's;
    other steps apply it to the polynomial through the last states (fixed leading coefficient).
    """

    retakes: ClassVar[bool] = False
    splits: ClassVar[bool] = True
    steady: ClassVar[float] = 1.2

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "order" in vars(cls):
            cls.error_order = cls.order
            # The first steps, which are as many as the order, have no more.
            cls.dense_order = 1

    def start(self, system, t, y):
        """Begin with the derivative alone."""
        push = self._push(system, t, y)
        pushes = () if push is None else (push,) * self.order
        slope = self._pull(system, t, y)
        slope = slope if push is None else slope + push
        b = system.backend
        return History(divided.begun(system, slope), pushes, b.integer(0), fresh(system, self.solver, t, y))

    def at_rest(self, system, t, y):
        """A step of no length."""
        return divided.at_rest(system, t, y)

    def step(self, system, t, y, dt, cache) -> Step:
        """Extrapolate, solve for the implicit part, estimate."""
        b, c = system.backend, system.backend.control
        order = c.minimum(cache.count + b.integer(1), b.integer(self.order))
        ahead = divided.predicted(system, y, dt, order, cache.memory)
        if self.order > 2:
            starting = cache.count < self.order - 1
            trial = b.cond(
                starting,
                lambda: self._started(system, t, y, dt, ahead, cache),
                lambda: self._corrected(system, t, y, dt, ahead, cache),
            )
        else:
            trial = self._corrected(system, t, y, dt, ahead, cache)
        memory, terms, dense = divided.remembered(system, t, y, dt, order, ahead.memory, trial.z)
        y1 = ahead.value + trial.z
        work, error, pushes = trial.work, terms.here, cache.pushes
        if pushes:
            push = self._push(system, t + dt, y1)
            lag = push - self._extrapolated(system, dt, cache)
            # What the explicit part was extrapolated wrongly by, as it moves the result.
            error = system.combine(error, 1.0 / ahead.leading, (1.0,), (lag,))
            pushes = (push, *pushes[:-1])
        if self.order > 2:
            error = b.select(starting, trial.error, error)
        after, again, factor = outcome(b, trial.converged, trial.rate, trial.kept)
        zero, one = b.integer(0), b.integer(1)
        reason = c.where(trial.converged, zero, b.integer(Status.NEWTON_FAILED))
        done = Work(*work)._replace(failures=c.where(trial.converged, zero, one))
        count = c.minimum(cache.count + one, b.integer(self.order))
        history = History(memory, pushes, count, after)
        return Step(y1, error, history, dense, factor, cache._replace(kept=again), done, reason)

    def interpolate(self, system, dense, theta):
        """Evaluate the polynomial through the last states."""
        return divided.interpolated(system, dense, theta)

    def _push(self, system, t, y) -> Any:
        """The explicit part; None where there is none."""
        explicit = system.functions.get("f_explicit")
        return None if explicit is None else explicit(t, y, system.params)

    def _pull(self, system, t, y) -> Any:
        """The implicit part."""
        implicit = system.functions.get("f_implicit")
        return system.f(t, y) if implicit is None else implicit(t, y, system.params)

    def _extrapolated(self, system, dt, cache) -> Any:
        """The explicit part at the end of the step, by its last values: fewer in the first steps."""
        c = system.backend.control
        ages = (0.0 * dt, *cache.memory.ages)[: self.order]
        weights = []
        for i, own in enumerate(ages):
            weight = c.where(cache.count >= i, 1.0, 0.0)
            for j, other in enumerate(ages):
                if j != i:
                    apart = other - own
                    weight = weight * c.where(cache.count >= j, (dt + other) / c.where(apart == 0.0, 1.0, apart), 1.0)
            weights.append(weight)
        return system.combine(None, 1.0, weights, cache.pushes)

    def _corrected(self, system, t, y, dt, ahead, cache) -> Trial:
        """Solve for the correction of the prediction."""
        kept, spent = linearised(system, self.solver, t, y, ahead.leading, cache.kept)
        slope = ahead.slope
        push = self._extrapolated(system, dt, cache) if cache.pushes else None
        found = self._iterated(system, t + dt, y, ahead.value, slope, ahead.leading, push, kept)
        work = (found.iterations, spent.jacobians, spent.factorisations, found.iterations)
        return Trial(found.z, found.z, found.converged, found.rate, kept, work)

    def _iterated(self, system, t, y, value, slope, leading, push, kept) -> Any:
        """Solve ``slope + leading * z = f(value + z) + push``."""
        b = system.backend

        def residual(z):
            left = self._pull(system, t, value + z) - system.combine(slope, leading, (1.0,), (z,))
            return left if push is None else left + push

        damping = 2.0 * kept.shift / (kept.shift + leading)

        def solve(r):
            return system.combine(None, damping, (1.0,), (self.solver.solve(system, kept.factors, r),))

        return newton(system, solve, residual, b.zeros_like(y), y)

    def _started(self, system, t, y, dt, ahead, cache) -> Trial:
        """Extrapolate semi-implicit Euler steps of size dt, dt / 2, ... to the order below."""
        b, c = system.backend, system.backend.control
        kept, age, converged, rate = cache.kept, cache.kept.age, b.boolean(True), b.real(0.0)
        work: tuple[Any, ...] = (b.integer(0),) * 4
        row: list[Any] = []
        for parts in range(1, self.order):
            h = dt / parts
            kept, spent = linearised(system, self.solver, t, y, 1.0 / h, kept, drift=0.0)
            # One step is one step older, however many factorisations it takes.
            age = kept.age if parts == 1 else age

            def advance(s, h=h, kept=kept):
                i, y0, well, worst, count = s
                push = self._push(system, t + i * h, y0)
                found = self._iterated(system, t + (i + 1) * h, y0, y0, b.zeros_like(y0), 1.0 / h, push, kept)
                well = c.logical_and(well, found.converged)
                return i + b.integer(1), y0 + found.z, well, c.maximum(worst, found.rate), count + found.iterations

            _, end, converged, rate, count = b.while_loop(
                lambda s, parts=parts: c.logical_and(s[0] < parts, s[2]),
                advance,
                (b.integer(0), y, converged, rate, b.integer(0)),
                max_iterations=parts,
            )
            work = tuple(
                a + d for a, d in zip(work, (count, spent.jacobians, spent.factorisations, count), strict=True)
            )
            # Neville's scheme in powers of the step size.
            above = row
            row = [end]
            for j, older in enumerate(above, start=1):
                row.append(row[-1] + (row[-1] - older) * (1.0 / (parts / (parts - j) - 1.0)))
        return Trial(row[-1] - ahead.value, row[-1] - row[-2], converged, rate, kept._replace(age=age), work)
