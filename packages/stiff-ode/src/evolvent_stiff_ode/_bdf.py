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

from ._implicit import Implicit
from ._newton import Linearisation, fresh, linearised, newton
from .linear.mass import mass_times

HIGHEST = 5
ITERATIONS = 4
KAPPA = 0.1  # of the tolerance, in the error estimate: what the iteration may leave
SLOW = 0.4  # at this rate of convergence an old Jacobian is given up
LIFE = 50  # and after so many steps in any case
UNKNOWN = 0.5  # the rate assumed of new factors: an iteration converges as it is seen to
WORTH = 1.2  # a step that grows by less is not worth new factors
BIAS = (6.0, 6.0, 10.0)  # of the error estimates at one order less, this order, and one more


class Prediction(NamedTuple):
    """What a formula makes of its memory before a step.

    The corrector seeks z in ``y' = slope + leading * z`` at ``y = value + z``.
    """

    value: Any
    slope: Any
    leading: Any
    memory: Any


class Terms(NamedTuple):
    """The local errors at the orders one below, here and one above: arrays like y."""

    below: Any
    here: Any
    above: Any


class History(NamedTuple):
    """What one step leaves to the next.

    `equal` counts the steps taken since order or step size changed, `failures` the trials in a row that failed, `rate`
    is that at which the iteration converged.
    """

    memory: Any
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
        return History(memory, b.integer(1), none, none, b.real(UNKNOWN), kept, b.boolean(True))

    def step(self, system, t, y, dt, cache) -> Step:
        """Predict, correct by Newton's iteration, estimate; then choose the next order and step."""
        b, c, solver, order = system.backend, system.backend.control, self.solver, cache.order
        value, slope, leading, memory = self.predicted(system, t, y, dt, order, cache.memory)
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
        rate = c.where(iteration.iterations > 1, iteration.rate, rate)
        y1 = value + z
        memory, terms, dense = self.remembered(system, t, y, dt, order, memory, z)
        norms = [b.stop_gradient(system.scaled_norm(term, y, y1)) for term in terms]
        errors = b.to_control(*norms)
        accepted = c.logical_and(converged, errors[1] <= 1.0)
        equal = cache.equal + b.integer(1)
        order_next, factor = _chosen(b, order, equal, *errors)
        unchanged = c.logical_and(order_next == order, factor == 1.0)
        tired = c.logical_or(rate > SLOW, kept.age >= LIFE)
        after = History(
            memory,
            order_next,
            c.where(c.logical_and(unchanged, equal <= order), equal, b.integer(0)),
            b.integer(0),
            rate,
            kept._replace(wanted=c.logical_and(tired, kept.age > 0)),
            b.boolean(False),
        )
        old = kept.age > 0
        failures = cache.failures + b.integer(1)
        lower, cut = _cut(b, order, failures, *errors[:2])
        lower = c.where(converged, lower, order)
        cut = c.where(converged, cut, c.where(old, 1.0, 0.25))
        retry = cache._replace(
            order=lower,
            equal=b.integer(0),
            failures=failures,
            rate=b.real(UNKNOWN),
            kept=kept._replace(wanted=c.logical_and(old, c.logical_not(converged))),
        )
        zero, one = b.integer(0), b.integer(1)
        work = Work(
            iteration.iterations,
            spent.jacobians,
            spent.factorisations,
            iteration.iterations,
            c.where(converged, zero, one),
        )
        return Step(
            y1,
            norms[1],
            after,
            dense,
            c.where(accepted, factor, cut),
            retry,
            work,
            c.where(converged, zero, b.integer(Status.NEWTON_FAILED)),
        )

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm, which the choice of the order wanted before."""
        return error


def _room(c, error, bias, order) -> Any:
    """The ratio of step sizes that an error at this order leaves room for."""
    return 1.0 / (c.power(bias * error, 1.0 / (order + 1.0)) + 1e-6)


def _chosen(b, order, equal, below, here, above) -> tuple[Any, Any]:
    """Choose the next order and the ratio of step sizes; both stay until all differences are new."""
    c = b.control
    lower = c.where(order > 1, _room(c, below, BIAS[0], order - 1.0), 0.0)
    same = _room(c, here, BIAS[1], order)
    higher = c.where(order < HIGHEST, _room(c, above, BIAS[2], order + 1.0), 0.0)
    best = c.maximum(same, c.maximum(lower, higher))
    changes = c.logical_and(equal > order, best >= WORTH)
    one, none = b.integer(1), b.integer(0)
    by = c.where(same == best, none, c.where(lower == best, -one, one))
    return order + c.where(changes, by, none), c.where(changes, c.minimum(best, 10.0), 1.0)


def _cut(b, order, failures, below, here) -> tuple[Any, Any]:
    """Choose order and ratio after an error that was too large."""
    c = b.control
    same = _room(c, here, BIAS[1], order)
    lower = c.where(order > 1, _room(c, below, BIAS[0], order - 1.0), 0.0)
    falls = c.logical_and(order > 1, c.logical_or(lower > same, failures > 1))
    best = c.where(falls, c.maximum(lower, 0.0), same)
    bounded = c.where(c.isfinite(best), c.maximum(0.1, c.minimum(0.9, best)), 0.1)
    return order - c.where(falls, b.integer(1), b.integer(0)), c.where(failures > 2, c.minimum(bounded, 0.2), bounded)
