"""The driver: prepares a solve, lets the backend run it in slices, and makes a solution of what comes out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from evolvent import CannotStage, EnsembleProblem, InputError, SolveError, SolveInterrupted, Status

from ._check import check_jacobian
from ._finish import points, saved_value, solution_of, start_alone
from ._model import Model, marked
from ._options import SEED_BITS, Options, require_seed
from ._prepare import noise_of, other_span, prepare, require_nonnegative
from ._repeat import Repeat, can_repeat
from ._settle import advance, start, sweep
from ._state import RUNNING, Inputs, Plan, State
from ._system import System
from ._watch import Watch


def solve(problem: Any, stepper: Any, backend: Any, options: Options) -> Any:
    """Solve a problem with a stepper."""
    if isinstance(problem, EnsembleProblem):
        from ._ensemble import solve_ensemble
        from ._reduce import solve_reduced

        if options.reduce is not None:
            return starting_over(lambda b: solve_reduced(problem, stepper, b, options), backend)
        return starting_over(lambda b: solve_ensemble(problem, stepper, b, options), backend)
    if options.reduce is not None:
        raise InputError("reduce", "is for ensembles.", "Give an ev.EnsembleProblem.")
    return starting_over(lambda b: Run(problem, stepper, b, options).solve(), backend)


def compile(problem: Any, stepper: Any, backend: Any, options: Options) -> Callable[..., Any]:
    """Prepare a solve once; returns ``run(y0=, params=, t_span=)``."""
    if isinstance(problem, EnsembleProblem):
        raise InputError(
            "problem",
            "an ensemble is compiled by compiling its member problem.",
            "Compile that, and solve the ensemble with ev.solve.",
        )
    return Compiled(problem, stepper, backend, options)


def staged_on(problem: Any, stepper: Any, backend: Any, options: Options) -> Any:
    """The backend that would solve a problem: another than `backend` where that can't stage a function."""
    if isinstance(problem, EnsembleProblem):
        from ._ensemble import member_problem, own_options

        problem, options = member_problem(problem, 0), own_options(problem, options, 0)

    def stage(backend: Any) -> Any:
        Run(problem, stepper, backend, options).stage()
        return backend

    return starting_over(stage, backend)


def starting_over(work: Callable[[Any], Any], backend: Any) -> Any:
    """Do ``work(backend)``; where that can't stage a function, do it all on the backend that can run it."""
    try:
        return work(backend)
    except CannotStage as reason:
        return work(reason.instead)


class Compiled:
    """A solve that is prepared: call it with other numbers, as ``run(y0=, params=, t_span=)``."""

    def __init__(self, problem: Any, stepper: Any, backend: Any, options: Options):
        self._made = lambda b: Run(problem, stepper, b, options)
        self._draws = stepper.random
        self._run = starting_over(lambda b: self._made(b).stage(), backend)

    def __call__(self, y0: Any = None, params: Any = None, t_span: Any = None, seed: int | None = None) -> Any:
        """Solve the same problem with other numbers.

        Methods that draw random numbers draw others in each call, unless `seed` names them.

        Numbers of another shape or type than the problem's own are solved anew, as `evolvent.solve` does.
        """
        if self._draws:
            seed = secrets.randbits(SEED_BITS) if seed is None else require_seed(seed)
        elif seed is not None:
            raise InputError("seed", "this method draws no random numbers.", "Leave seed out.")
        try:
            return self._run.again(y0, params, t_span, seed)
        except CannotStage as reason:
            self._run = self._made(reason.instead)
            return self._run.again(y0, params, t_span, seed)


class Run:
    """One problem, one stepper, one backend: what is needed to start a solve and to go on with it.

    Its programs are made when they are first needed, and run ever after.

    Parameters
    ----------
    by_hand : bool
        Save nothing; `horizon` limits how far each call goes.
    single : Model, optional
        For lanes: the model of one trajectory.
    """

    def __init__(
        self,
        problem: Any,
        stepper: Any,
        backend: Any,
        options: Options,
        *,
        by_hand: bool = False,
        single: Model | None = None,
    ):
        self.model = stepper.model(problem, backend)
        if self.model.mass is not None and not stepper.takes_mass:
            raise InputError(
                "algorithm",
                f"{stepper.name} can't solve a problem with a mass matrix.",
                "Take an implicit method that can, such as Rodas5P, RadauIIA5 or QNDF, or leave the algorithm out.",
            )
        own, stepper = stepper, stepper.prepared(self.model)
        self.problem, self.backend, self.options = problem, backend, options
        self.given, self.stepper = own, stepper
        self.plan, self.inputs = prepare(self.model, stepper, options, by_hand=by_hand)
        self.functions = self.model.functions(options.save, stepper)
        if single is not None:
            for name, function in single.functions(options.save, stepper).items():
                self.functions[name].single = function
                self.functions[name].single_params = single.params0
        if stepper.velocity_free and not (backend.traced or backend.lanes):
            self.model.require_velocity_free(stepper)
        self.parts = stepper.parts(self.model)
        for name, part in self.parts.items():
            self.functions[name] = marked(part.function, name)
            self.functions[name].part_key = part.key
        if single is not None:
            # The same for one trajectory, where a function can't be called with all of them.
            for name, part in stepper.parts(single).items():
                self.functions[name].single = part.function
                self.functions[name].single_params = single.params0
        if options.check_jacobian and not backend.traced:
            check_jacobian(self.model)
        self._programs: dict[str, Any] = {}
        if backend.traced and (options.on_step or options.wall_time or options.progress):
            raise InputError(
                "on_step",
                "on_step, wall_time and progress need Python between the steps, which a JAX transformation can't give.",
                "Solve outside jit, grad and vmap.",
            )

    # ------------------------------------------------------------ what the backend runs
    def begin(self, inputs: Inputs, limit: Any, horizon: Any) -> State:
        return self._landed(self.program("begin", inputs)(inputs, limit, horizon))

    def resume(self, inputs: Inputs, state: State, limit: Any, horizon: Any) -> State:
        return self._landed(self.program("resume", inputs)(inputs, state, limit, horizon))

    def _landed(self, state: State) -> State:
        """The state with what the host looks at between slices on the host."""
        m = state.march
        seen = (m.t, m.accepted, m.rejected, m.calls, m.status, m.logged, state.saves, state.happenings)
        landed = self.backend.landed(seen)
        if landed is seen:
            return state
        t, accepted, rejected, calls, status, logged, saves, happenings = landed
        m = m._replace(t=t, accepted=accepted, rejected=rejected, calls=calls, status=status, logged=logged)
        return state._replace(march=m, saves=saves, happenings=happenings)

    def stage(self) -> Run:
        """Look at the problem's functions now, not when their programs are first needed."""
        for name in ("begin", "resume"):
            # Arrays that the functions closed over may be written to later; a compiled solve keeps what they hold now.
            getattr(self.program(name, self.inputs), "hold", lambda: None)()
        return self

    def program(self, name: str, inputs: Inputs) -> Any:
        """The compiled entry of a name: "begin" or "resume"."""
        if name not in self._programs:
            b, plan = self.backend, self.plan
            entry = {"begin": _begin, "resume": _resume}[name]
            self._programs[name] = b.program(_Entry(entry, b, plan), self.functions, self.examples(inputs))
        return self._programs[name]

    def examples(self, inputs: Inputs) -> dict[str, tuple[Any, ...]]:
        y = inputs.y0
        examples: dict[str, tuple[Any, ...]] = dict.fromkeys(self.functions, (inputs.t0, y, inputs.params))
        if "acceleration" in examples:
            examples["acceleration"] = (inputs.t0, y[0, ...], y[1, ...], inputs.params)
        if "residual" in examples:
            examples["residual"] = (inputs.t0, y, y, inputs.params)
        return examples | {name: part.examples for name, part in self.parts.items() if part.examples is not None}

    # ------------------------------------------------------------ the host's loop
    def again(self, y0: Any = None, params: Any = None, t_span: Any = None, seed: int | None = None) -> Any:
        """Solve the same problem with other numbers."""
        given = y0 is not None, params is not None, t_span is not None, seed is not None
        changes: dict[str, Any] = {}
        if y0 is not None:
            changes |= {"q0": y0[0], "v0": y0[1]} if hasattr(self.problem, "q0") else {"y0": y0}
        if params is not None:
            changes["params"] = params
        if t_span is not None:
            changes["t_span"] = t_span
        repeats = self._repeats
        if repeats is not None:
            repeat = repeats.get(given)
            if repeat is None:
                repeat = repeats[given] = Repeat(self, *given)
            problem = _variant(self.problem, changes) if changes else self.problem
            solution = repeat(y0, params, t_span, seed, problem)
            if solution is not None:
                return solution
        noise = None if seed is None else noise_of(self.backend, seed, self.options.trajectory)
        if not changes and noise is None:
            return self.solve()
        inputs = self.other_numbers(y0, params, t_span, noise)
        if inputs is not None:
            return self.solve(inputs, _variant(self.problem, changes))
        # Numbers of another kind, or a span that has to be looked at: check all, and start afresh where more differs.
        options = self.options if seed is None else replace(self.options, seed=seed)
        run = Run(self.problem.replace(**changes), self.given, self.backend, options)
        passed = self.model.same_kind(run.problem.params)
        y = run.inputs.y0
        same = passed is not None and y.shape == self.inputs.y0.shape and y.dtype == self.inputs.y0.dtype
        if same and run.plan == self.plan and run.model.packing.key == self.model.packing.key:
            return self.solve(self.model.seeded(run.inputs._replace(params=passed)), run.problem)
        return starting_over(
            lambda b: (run if b is run.backend else Run(run.problem, self.given, b, options)).solve(),
            self.backend,
        )

    @cached_property
    def _repeats(self) -> dict[tuple[bool, ...], Repeat] | None:
        """By which arguments a call gives: how to solve with less around the machine code; None where that can't be."""
        return {} if can_repeat(self) else None

    def other_numbers(self, y0: Any = None, params: Any = None, t_span: Any = None, noise: Any = None) -> Inputs | None:
        """The inputs with other numbers of the same kind, checked; None where they are of another."""
        b, inputs = self.backend, self.inputs
        if noise is not None:
            inputs = inputs._replace(noise=noise)
        if b.traced or b.lanes:
            return None
        if params is not None:
            passed = self.model.same_kind(params)
            if passed is None:
                return None
            inputs = inputs._replace(params=passed)
        if y0 is not None:
            y = self.model.another(y0)
            if y is None:
                return None
            if self.plan.guarded == "nonnegative":
                require_nonnegative(b, inputs.nonnegative, y)
            inputs = inputs._replace(y0=y)
        if t_span is not None:
            if self.model.doses or np.size(self.problem.discontinuities) or np.size(self.options.t_stops):
                return None
            inputs = other_span(b, inputs, self.options, t_span)
        return None if inputs is None else self.model.seeded(inputs)

    def solve(
        self,
        inputs: Inputs | None = None,
        problem: Any = None,
        state: State | None = None,
        began: float | None = None,
    ) -> Any:
        """Solve, or go on with a solve that began a while ago and has come to a state."""
        inputs = self.inputs if inputs is None else inputs
        problem = self.problem if problem is None else problem
        b, options = self.backend, self.options
        now = time.perf_counter()
        began = now if began is None else began
        watch = Watch(self, inputs, now - began)
        try:
            ended = self.model.judged(self.advance_to_end(inputs, watch, state))
        except Exception as error:
            if isinstance(error, InputError | CannotStage) or not (b.unbounded and hasattr(error, "evolvent_function")):
                raise
            # A function of the user raised before there was a state: the start is all that there is.
            return _checked(start_alone(self, problem, inputs), error, options.throw, b)
        finally:
            watch.close()
        solution = solution_of(self, problem, inputs, ended, watch, time.perf_counter() - began)
        return _checked(solution, watch.error, options.throw, b, lambda: self._diagnosis(ended))

    def advance_to_end(self, inputs: Inputs, watch: Watch, state: State | None = None) -> State:
        """Run slice after slice, with a look at the clock, the keyboard and the user's callback in between."""
        b = self.backend
        horizon = b.pick(inputs.stops, self.plan.n_stops - 1)
        try:
            if state is None:
                state = self.begin(inputs, b.integer(watch.first_limit()), horizon)
            while not b.traced and watch.goes_on(state):
                state = self.resume(inputs, watch.emptied(state), b.integer(watch.next_limit(state)), horizon)
        except (KeyboardInterrupt, Exception) as error:
            state = watch.rescued(error, state)
        return watch.ended(state)

    def _diagnosis(self, state: State) -> str:
        """What the method has to say about its failure."""
        if state is None or self.backend.lanes:
            return ""
        said = self.model.diagnosis(state) or self.stepper.diagnosis(self, state)
        return f" {said}" if said else ""

    @property
    def saved_value(self) -> Any:
        return saved_value(self.plan, self.functions)

    def record(self, state: State) -> Any:
        """The record of the saved points."""
        return state.march.log[0] if self.plan.save == "steps" else state.saved


class _Entry:
    """A program's outermost function; equal entries of equal plans share machine code."""

    def __init__(self, body: Callable[..., Any], backend: Any, plan: Plan):
        self.body, self.backend, self.plan = body, backend, plan
        self.key = (body.__name__, plan)

    def __call__(self, functions, inputs, *rest):
        system = System(
            self.backend,
            functions,
            inputs.params,
            inputs.rtol,
            inputs.atol,
            inputs.nonnegative,
            inputs.mass,
            inputs.noise,
        )
        return self.body(self.plan, system, inputs, saved_value(self.plan, functions), *rest)


class Whole(_Entry):
    """A solve from start to end as one program, for batches: the last state, the saved points, their number."""

    def __init__(self, backend: Any, plan: Plan):
        super().__init__(_begin, backend, plan)
        self.key = ("whole", plan)

    def __call__(self, functions, inputs):
        b, plan = self.backend, self.plan
        horizon = b.pick(inputs.stops, plan.n_stops - 1)
        state = super().__call__(functions, inputs, b.integer(plan.max_steps), horizon)
        m = state.march
        m = m._replace(status=b.control.where(m.status == RUNNING, b.integer(Status.MAX_STEPS), m.status))
        state = state._replace(march=m)
        value = saved_value(plan, functions)
        return (
            state,
            points(plan, b, state, lambda: value(m.t, m.y, state.params)),
            m.logged if plan.save == "steps" else state.saves,
        )


def _variant(problem: Any, changes: dict[str, Any]) -> Any:
    """The problem with numbers that were checked already."""
    variant = object.__new__(type(problem))
    variant.__dict__.update(problem.__dict__)
    variant.__dict__.update(changes)
    return variant


def _begin(plan, system, inputs, value, limit, horizon):
    state = start(plan, system, inputs, value)
    if plan.sweeps:
        return sweep(plan, system, inputs, state, value, limit)
    return advance(plan, system, inputs, state, value, limit, horizon)


def _resume(plan, system, inputs, value, state, limit, horizon):
    return advance(plan, system, inputs, state, value, limit, horizon)


def _checked(
    solution: Any, error: BaseException | None, throw: bool, backend: Any, diagnosis: Callable[[], str] = str
) -> Any:
    """Raise what went wrong, with what was computed, unless the user wants the status alone."""
    if backend.traced:
        return solution
    status = Status(int(solution.status))
    if status.ok or not throw:
        return solution
    at = f" at t = {float(solution.t[-1]):.6g}" if solution.t.shape[0] else ""
    message = f"{status.name}{at} after {solution.stats.n_steps} steps: {status.advice}{diagnosis()}"
    if status is Status.USER_ERROR:
        name = getattr(error, "evolvent_function", "a function")
        message = f"{status.name}{at}: {name} raised {error!r}. The solution up to there is in this error's .solution."
    kind = SolveInterrupted if status is Status.INTERRUPTED else SolveError
    raise kind(message, solution) from error
