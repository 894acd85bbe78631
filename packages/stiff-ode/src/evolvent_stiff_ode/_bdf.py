"""Steps of backward differentiation formulas of variable order: prediction, corrector, choice of order and step.

A formula says how to predict from what it remembers, and how to remember a step. All else is here, and asks for the
equation in one place: `Multistep.defect`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from evolvent import Status
from evolvent_stepping import Step, Work

from ._divided import Prediction, Terms
from ._implicit import Implicit
from ._newton import Linearisation, fresh, linearised, newton
from .linear.mass import mass_times

HIGHEST = 5
ITERATIONS = 5
KAPPA = 0.05  # of the tolerance, in the error estimate: what the iteration may leave
SLOW = 0.2  # at this rate of convergence an old Jacobian is given up
LIFE = 50  # and after so many steps in any case
BELIEF = 0.2  # of the last rate: a better one is believed at that pace
FORGETTING = 1.2  # what the rate grows by at each step that does not show it
UNKNOWN = 0.5  # the rate assumed of new factors: an iteration converges as it is seen to
WORTH = 1.05  # a step that grows by less is not worth new differences
SAFETY = 0.8  # of the ratios of step sizes
MOST = 10.0  # a step grows by no more
MARGIN = 2.0  # the order falls after an error that was too large where that allows so much larger steps
PATIENCE = 4  # failures in a row after which the past is forgotten


class History(NamedTuple):
    """What one step leaves to the next.

    `equal` counts the steps taken since order or step size changed, `failures` the trials in a row that failed, `rate`
    is that at which the iteration converged.
    """

    memory: Any
    dt: Any
    order: Any
    equal: Any
    failures: Any
    rate: Any
    kept: Linearisation
    raw: Any


@dataclass(frozen=True)
class Multistep(Implicit):
    """A multistep formula of variable order and step size."""

    order = HIGHEST
    error_order = 1  # of the first step, whose size is guessed by it
    dense_order = 1
    variable_order: ClassVar[bool] = True
    takes_mass: ClassVar[bool] = True
    retakes: ClassVar[bool] = False
    steady: ClassVar[float] = WORTH

    @abstractmethod
    def begun(self, system, t, y, slope) -> Any:
        """Make the memory of a start from `y` with the derivative `slope`."""

    @abstractmethod
    def predicted(self, system, t, y, dt, order, memory) -> Prediction:
        """Extrapolate over a step."""

    @abstractmethod
    def remembered(self, system, t, y, dt, order, memory, z) -> tuple[Any, Terms, Any]:
        """Take the correction z of a step into the memory: also the local errors, and the dense output."""

    def defect(self, system, t, y, slope) -> Any:
        """What is left of the equation, ``f(t, y) - M y'``."""
        return system.f(t, y) - mass_times(system, slope)

    def start(self, system, t, y):
        """Begin at order one, with no history but the derivative."""
        b = system.backend
        memory = self.begun(system, t, y, system.f(t, y))
        kept = fresh(system, self.solver, t, y)
        none = b.integer(0)
        return History(memory, b.real(0.0), b.integer(1), none, none, b.real(UNKNOWN), kept, b.boolean(True))

    def step(self, system, t, y, dt, cache) -> Step:
        """Predict, correct by Newton's iteration, estimate; then choose the next order and step."""
        b, c, solver, order = system.backend, system.backend.control, self.solver, cache.order
        zero, one, two = b.integer(0), b.integer(1), b.integer(2)
        past, beginning = cache.memory, zero
        if system.mass is not None:
            past = b.cond(cache.raw, lambda: self._sloping(system, t, y, dt), lambda: cache.memory)
            beginning = c.where(cache.raw, one, zero)
        value, slope, leading, memory = self.predicted(system, t, y, dt, order, past)
        kept, spent = linearised(system, solver, t + dt, value, leading, cache.kept)
        # Factors of another shift: between what is right for the stiff components and for the others.
        damping = 2.0 * kept.shift / (kept.shift + leading)

        def residual(z):
            return self.defect(system, t + dt, value + z, system.combine(slope, 1.0, (leading,), (z,)))

        def solve(r):
            return system.combine(None, 1.0, (damping,), (solver.solve(system, kept.factors, r),))

        rate = c.where(spent.factorisations > 0, UNKNOWN, cache.rate)
        kappa = KAPPA * (order + 1.0)
        iteration = newton(system, solve, residual, b.zeros_like(y), y, rate=rate, iterations=ITERATIONS, kappa=kappa)
        z, converged = iteration.z, iteration.converged
        seen = c.maximum(iteration.rate, BELIEF * rate)
        rate = c.where(iteration.iterations > 1, seen, c.minimum(FORGETTING * rate, UNKNOWN))
        y1 = value + z
        memory, terms, dense = self.remembered(system, t, y, dt, order, memory, z)
        norms = [b.stop_gradient(system.scaled_norm(term, y, y1)) for term in terms]
        errors = b.to_control(*norms)
        accepted = c.logical_and(converged, errors[1] <= 1.0)
        equal = c.where(dt == cache.dt, cache.equal, b.integer(0)) + b.integer(1)
        order_next, factor = _chosen(b, order, equal, *errors)
        unchanged = c.logical_and(order_next == order, factor == 1.0)
        tired = c.logical_or(iteration.rate > SLOW, kept.age >= LIFE)
        after = History(
            memory,
            dt,
            order_next,
            c.where(unchanged, equal, b.integer(0)),
            b.integer(0),
            rate,
            kept._replace(wanted=c.logical_and(tired, kept.age > 0)),
            b.boolean(False),
        )
        old, failed = kept.age > 0, c.logical_not(converged)
        failures = cache.failures + one
        lower, cut = _cut(b, order, failures, *errors[:2])
        forgets = c.logical_and(c.logical_not(accepted), failures >= PATIENCE)
        past = b.cond(forgets, lambda: self.begun(system, t, y, system.f(t, y)), lambda: cache.memory)
        retry = History(
            past,
            cache.dt,
            c.where(forgets, one, c.where(converged, lower, order)),
            zero,
            failures,
            b.real(UNKNOWN),
            kept._replace(wanted=failed),
            c.logical_or(forgets, cache.raw),
        )
        work = Work(
            iteration.iterations + two * beginning + c.where(forgets, one, zero),
            spent.jacobians + beginning,
            spent.factorisations + beginning,
            iteration.iterations + two * beginning,
            c.where(failed, one, zero),
        )
        factor = c.where(accepted, factor, c.where(converged, cut, c.where(old, 1.0, 0.25)))
        reason = c.where(converged, zero, b.integer(Status.NEWTON_FAILED))
        return Step(y1, norms[1], after, dense, factor, retry, work, reason)

    def _sloping(self, system, t, y, dt) -> Any:
        """The memory of a start with the derivative of y, where the mass matrix keeps it from being f."""
        # Short implicit Euler steps also find the slopes of the algebraic components: the second one's increment is
        # free of what the iteration, or the user, left of the constraints.
        shift = 10.0 / dt
        factors = self.solver.factor(system, system.jacobian(t, y), shift)
        first = self.solver.solve(system, factors, system.f(t, y))
        second = self.solver.solve(system, factors, system.f(t, y + first))
        return self.begun(system, t, y, system.combine(None, 1.0 / dt, (1.0, 9.0), (first, second)))

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm, which the choice of the order wanted before."""
        return error


def _room(c, error, order) -> Any:
    """The ratio of step sizes that an error at this order leaves room for."""
    return SAFETY / c.maximum(c.power(error, 1.0 / (order + 1.0)), 1e-6)


def _chosen(b, order, equal, below, here, above) -> tuple[Any, Any]:
    """Choose the next order and the ratio of step sizes; both stay until all differences are new."""
    c = b.control
    lower = c.where(order > 1, _room(c, below, order - 1.0), 0.0)
    same = _room(c, here, order)
    higher = c.where(order < HIGHEST, _room(c, above, order + 1.0), 0.0)
    best = c.maximum(same, c.maximum(lower, higher))
    changes = c.logical_and(equal > order, c.logical_or(best >= WORTH, best < 1.0))
    one, none = b.integer(1), b.integer(0)
    by = c.where(same == best, none, c.where(lower == best, -one, one))
    return order + c.where(changes, by, none), c.where(changes, c.minimum(best, MOST), 1.0)


def _cut(b, order, failures, below, here) -> tuple[Any, Any]:
    """Choose order and ratio after an error that was too large."""
    c = b.control
    lower = c.where(order > 1, _room(c, below, order - 1.0), 0.0)
    same = _room(c, here, order)
    falls = lower > MARGIN * same
    best = c.where(falls, lower, same)
    bounded = c.where(c.isfinite(best), c.maximum(0.1, c.minimum(0.9, best)), 0.1)
    cut = c.where(failures > 2, c.minimum(bounded, 0.2), bounded)
    return order - c.where(falls, b.integer(1), b.integer(0)), cut
