"""A method for problems of which nobody knows whether, and where, they are stiff."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from evolvent_stepping import Entry, Step, Stepper, Work

ENTER = 0.7  # of the explicit method's stability interval: beside the imaginary axis less of it is stable
LEAVE = 0.5  # of it: where the implicit method's steps are that small, the explicit one could take them
STIFF_STEPS = 10  # steps in doubt until the implicit method takes over
EASY_STEPS = 5  # steps until the explicit one is tried again, more each time
PATIENCE = 200
FAR = 1.1  # of it, beyond which no mode is stable: one that bounds no step although it would grow is not there yet
LATER = 4  # so many times more such steps after each trial in vain,
LATEST = 100_000  # and no more
TRIAL = 10  # implicit steps to show that they get on
PAYS = 3.0  # times as long as explicit ones may be: then they are worth what they cost


class Mode(NamedTuple):
    """Which method steps, what speaks for the other, and how long it takes to be persuaded.

    Parameters
    ----------
    stiff, doubts, patience : control scalars
        Whether the implicit method steps, steps that speak for the other one, and how many it takes to leave stiffness.
    far, caution : control integers
        Explicit steps beyond all stability, and how many it takes to try the implicit method.
    trial, stable, reach : control scalars
        Steps left to the implicit method to prove itself, the explicit step size that would be stable, and that times
        the bound of the eigenvalues at the trial's first step.
    """

    stiff: Any
    doubts: Any
    patience: Any
    far: Any
    caution: Any
    trial: Any
    stable: Any
    reach: Any


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

    Oscillations need more haste. A method that is stable for a decay of some speed may amplify an oscillation as fast,
    a little each step, until the error that this makes bounds the steps; and what has once been amplified an implicit
    method has to follow too. But a step that is accepted although no eigenvalue of that size is stable tells that the
    fast process, whatever its kind, is no larger than some tolerances, and would now grow. After such a step the
    implicit method is tried at once. Unless its steps soon are some times longer than the explicit ones may be, it
    gives way, and the next trial takes more such steps. Where fast oscillations are part of the solution their errors
    bound the steps before.

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
        none, nothing = b.integer(0), b.real(0.0)
        mode = Mode(b.boolean(False), none, b.integer(EASY_STEPS), none, b.integer(1), none, nothing, nothing)
        return Caches(mode, self.nonstiff.start(system, t, y), self.stiff.start(system, t, y))

    def reenter(self, system, t, y, cache) -> Entry:
        """Begin again by the same method: what jumps seldom changes which processes are fast."""
        mode = cache.mode._replace(doubts=system.backend.integer(0))
        return Entry(y, self.start(system, t, y)._replace(mode=mode))

    def step(self, system, t, y, dt, cache) -> Step:
        """Step by the method whose turn it is, and judge whose the next is."""
        b, c = system.backend, system.backend.control
        mode = cache.mode
        none, nothing = b.integer(0), b.real(0.0)

        def by_explicit():
            before = system.calls
            step = self.nonstiff.step(system, t, y, dt, cache.explicit)
            fast = b.to_control(b.stop_gradient(self.nonstiff.stiffness(system, step.dense)))
            work = Work(b.integer(system.calls - before), none, none, none, none)
            dense = Either(b.boolean(False), step.dense, self.stiff.at_rest(system, t, y))
            norm = self._norm(self.nonstiff, system, step, y)
            return step.y, norm, step.cache, cache.implicit, dense, work, fast, nothing, none, cache.implicit

        def by_implicit():
            step, jacobian = self.stiff.measured_step(system, t, y, dt, cache.implicit)
            reach = b.to_control(b.stop_gradient(self.stiff.solver.bound(system, jacobian))) * c.abs(dt)
            dense = Either(b.boolean(True), self.nonstiff.at_rest(system, t, y), step.dense)
            factor = nothing if step.factor is None else step.factor
            reason = none if step.reason is None else step.reason
            retry = cache.implicit if step.retry is None else step.retry
            norm = self._norm(self.stiff, system, step, y)
            return step.y, norm, cache.explicit, step.cache, dense, step.work, reach, factor, reason, retry

        found = b.cond(mode.stiff, by_implicit, by_explicit)
        y1, norm, of_explicit, of_implicit, dense, work, fast, factor, reason, retry = found
        after, tried_again = self._judged(b, mode, fast, c.abs(dt))
        explicit = b.cond(
            c.logical_and(mode.stiff, c.logical_not(after.stiff)),
            lambda: self.nonstiff.start(system, t + dt, y1),
            lambda: of_explicit,
        )
        implicit = b.cond(
            c.logical_and(after.stiff, c.logical_not(mode.stiff)),
            lambda: self.stiff.start(system, t + dt, y1),
            lambda: of_implicit,
        )
        again = Caches(tried_again, cache.explicit, retry)
        return Step(y1, norm, Caches(after, explicit, implicit), dense, factor, again, work, reason)

    def _judged(self, b, mode, fast, length) -> tuple[Mode, Mode]:
        """Tell what follows for the mode from a step, if it is accepted and if it is rejected.

        `fast` is its length times the fastest eigenvalue: what the explicit method estimates, or a bound by the
        implicit one.
        """
        c, none, one, nothing = b.control, b.integer(0), b.integer(1), b.real(0.0)
        interval = self.nonstiff.tableau.real_stability
        tries = mode.trial > none
        doubt = c.where(mode.stiff, fast < LEAVE * interval, fast > ENTER * interval)
        doubts = c.where(doubt, mode.doubts + one, c.maximum(mode.doubts - one, none))
        doubts = c.where(tries, none, doubts)
        persuaded = doubts >= c.where(mode.stiff, mode.patience, b.integer(STIFF_STEPS))
        distant = c.logical_and(fast > FAR * interval, c.logical_not(mode.stiff))
        far = c.where(distant, mode.far + one, mode.far)
        begins = c.logical_and(distant, far >= mode.caution)
        # In eigenvalues too, for the solution itself may have become slower.
        here = c.where(tries, fast, nothing) * (mode.stable / length)
        reach = c.where(mode.reach > 0.0, mode.reach, here)
        grown = c.logical_and(fast >= PAYS * reach, length >= PAYS * mode.stable)
        vain = c.logical_and(mode.trial == one, c.logical_not(grown))
        turns = c.logical_or(c.logical_or(persuaded, begins), vain)
        leaves = c.logical_and(persuaded, mode.stiff)
        after = Mode(
            c.where(turns, c.logical_not(mode.stiff), mode.stiff),
            c.where(turns, none, doubts),
            c.where(leaves, c.minimum(2 * mode.patience, b.integer(PATIENCE)), mode.patience),
            c.where(turns, none, far),
            c.where(vain, c.minimum(LATER * mode.caution, b.integer(LATEST)), mode.caution),
            c.where(begins, b.integer(TRIAL), c.where(grown, none, c.maximum(mode.trial - one, none))),
            c.where(begins, length * (interval / c.maximum(fast, interval)), mode.stable),
            c.where(begins, nothing, reach),
        )
        trial = c.where(mode.trial > one, mode.trial - one, mode.trial)
        again = mode._replace(doubts=doubts, trial=trial, reach=reach)
        return after, again

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


def _error_order(method) -> int:
    return method.order - 1 if method.error_order is None else method.error_order
