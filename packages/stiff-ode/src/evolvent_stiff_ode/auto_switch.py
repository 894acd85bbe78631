"""A method for problems of which nobody knows whether, and where, they are stiff."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from evolvent_stepping import Step, Stepper, Work

ENTER = 0.7  # of the explicit method's stability interval: beside the imaginary axis less of it is stable
LEAVE = 0.5  # of it: where the implicit method's steps are that small, the explicit one could take them
STIFF_STEPS = 10  # steps in doubt until the implicit method takes over
EASY_STEPS = 5  # steps until the explicit one is tried again, more each time
PATIENCE = 200


class Mode(NamedTuple):
    """Which method steps, what speaks for the other, and how long it takes to be persuaded to leave stiffness."""

    stiff: Any
    doubts: Any
    patience: Any


class Caches(NamedTuple):
    """Those of both methods; only the one that steps is up to date."""

    mode: Mode
    explicit: Any
    implicit: Any


class Either(NamedTuple):
    """The dense-output data of both methods, of which one is of no length."""

    stiff: Any
    explicit: Any
    implicit: Any


@dataclass(frozen=True)
class AutoSwitch(Stepper):
    """An explicit method that gives way to an implicit one where the problem is stiff, and comes back where it is not.

    The explicit method's last stages estimate the largest eigenvalue of the Jacobian; where steps are bounded by its
    stability for some time, the implicit method goes on. That one bounds the eigenvalues by the Jacobian it has; where
    its steps are so short that the explicit one could take them, it gives way again, later each time, so that a
    problem at the border does not go to and fro.

    Parameters
    ----------
    nonstiff : RungeKutta
        An explicit method with two stages at one time, such as Tsit5 or Vern7.
    stiff : Implicit
        Its stiff counterpart, such as Rodas5P.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.2, doi:10.1007/978-3-642-05221-7;
    L. Petzold, Automatic selection of methods for solving stiff and nonstiff systems of ordinary differential
    equations, SIAM Journal on Scientific and Statistical Computing 4 (1983) 136-148, doi:10.1137/0904010.

    Examples
    --------
    >>> import evolvent as ev
    >>> from evolvent_ode import Tsit5
    >>> from evolvent_stiff_ode import AutoSwitch, Rodas5P
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 100.0))
    >>> solution = ev.solve(stiff, AutoSwitch(Tsit5(), Rodas5P()))
    >>> solution.stats.n_steps < 200
    True
    """

    nonstiff: Any
    stiff: Any

    implicit: ClassVar[bool] = True
    adaptive = True
    variable_order: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Both methods' names."""
        return f"AutoSwitch({self.nonstiff.name}, {self.stiff.name})"

    @property
    def order(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The lower one of both orders."""
        return min(self.nonstiff.order, self.stiff.order)

    @property
    def error_order(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The higher one of both embedded orders: `error_norm` converts to it."""
        return max(map(_error_order, (self.nonstiff, self.stiff)))

    @property
    def dense_order(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The lower one of both."""
        return min(self.nonstiff.dense_order, self.stiff.dense_order)

    @property
    def steady(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The implicit method's."""
        return self.stiff.steady

    def prepared(self, model):
        """Settle the implicit method for the problem."""
        return replace(self, nonstiff=self.nonstiff.prepared(model), stiff=self.stiff.prepared(model))

    def parts(self, model):
        """List the implicit method's functions."""
        return self.stiff.parts(model)

    def diagnosis(self, run, state):
        """Look at f and the Jacobian where a solve has failed."""
        return self.stiff.diagnosis(run, state)

    def start(self, system, t, y):
        """Start the explicit method; the implicit one's cache waits to be made."""
        b = system.backend
        mode = Mode(b.boolean(False), b.integer(0), b.integer(EASY_STEPS))
        return Caches(mode, self.nonstiff.start(system, t, y), self.stiff.start(system, t, y))

    def step(self, system, t, y, dt, cache) -> Step:
        """Step by the method whose turn it is, and judge whose the next is."""
        b, c = system.backend, system.backend.control
        mode = cache.mode
        none = b.integer(0)

        def by_explicit():
            before = system.calls
            step = self.nonstiff.step(system, t, y, dt, cache.explicit)
            fast = b.to_control(b.stop_gradient(self.nonstiff.stiffness(system, step.dense)))
            bounded = fast > ENTER * self.nonstiff.tableau.real_stability
            work = Work(b.integer(system.calls - before), none, none, none, none)
            dense = Either(b.boolean(False), step.dense, self.stiff.at_rest(system, t, y))
            return (
                step.y,
                self._norm(self.nonstiff, system, step, y),
                step.cache,
                cache.implicit,
                dense,
                work,
                bounded,
                b.real(0.0),
                none,
                cache.implicit,
            )

        def by_implicit():
            step, jacobian = self.stiff.measured_step(system, t, y, dt, cache.implicit)
            reach = b.to_control(b.stop_gradient(self.stiff.solver.bound(system, jacobian)))
            easy = reach * c.abs(dt) < LEAVE * self.nonstiff.tableau.real_stability
            dense = Either(b.boolean(True), self.nonstiff.at_rest(system, t, y), step.dense)
            factor = b.real(0.0) if step.factor is None else step.factor
            reason = none if step.reason is None else step.reason
            retry = cache.implicit if step.retry is None else step.retry
            norm = self._norm(self.stiff, system, step, y)
            return step.y, norm, cache.explicit, step.cache, dense, step.work, easy, factor, reason, retry

        found = b.cond(mode.stiff, by_implicit, by_explicit)
        y1, norm, of_explicit, of_implicit, dense, work, doubt, factor, reason, retry = found
        doubts = c.where(doubt, mode.doubts + b.integer(1), c.maximum(mode.doubts - b.integer(1), none))
        enough = c.where(mode.stiff, mode.patience, b.integer(STIFF_STEPS))
        turns = doubts >= enough
        later = c.minimum(2 * mode.patience, b.integer(PATIENCE))
        patience = c.where(c.logical_and(turns, mode.stiff), later, mode.patience)
        after = Mode(_differ(c, mode.stiff, turns), c.where(turns, none, doubts), patience)
        back = c.logical_and(turns, mode.stiff)
        explicit = b.cond(back, lambda: self.nonstiff.start(system, t + dt, y1), lambda: of_explicit)
        implicit = b.cond(
            c.logical_and(turns, c.logical_not(mode.stiff)),
            lambda: self.stiff.start(system, t + dt, y1),
            lambda: of_implicit,
        )
        again = Caches(mode._replace(doubts=doubts), cache.explicit, retry)
        return Step(y1, norm, Caches(after, explicit, implicit), dense, factor, again, work, reason)

    def _norm(self, method, system, step, y) -> Any:
        """Measure a method's error, in the powers that the higher order's controller expects."""
        still = system.backend.stop_gradient
        norm = method.error_norm(system, still(step.error), still(y), still(step.y))
        power = (self.error_order + 1.0) / (_error_order(method) + 1.0)
        return norm if power == 1.0 else norm**power

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm of the method that stepped: not all give an array to be measured."""
        return error

    def complete(self, system, dense):
        """Complete the explicit method's data."""
        return dense._replace(explicit=self.nonstiff.complete(system, dense.explicit))

    def interpolate(self, system, dense, theta):
        """Evaluate by the method that stepped."""
        return system.backend.cond(
            dense.stiff,
            lambda: self.stiff.interpolate(system, dense.implicit, theta),
            lambda: self.nonstiff.interpolate(system, dense.explicit, theta),
        )


def _differ(c, a, b) -> Any:
    """Whether one of two truth values holds, and not the other."""
    return c.logical_and(c.logical_or(a, b), c.logical_not(c.logical_and(a, b)))


def _error_order(method) -> int:
    return method.order - 1 if method.error_order is None else method.error_order
