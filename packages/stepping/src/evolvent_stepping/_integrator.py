"""Stepping by hand."""

from __future__ import annotations

from typing import Any

from evolvent import InputError, SolveError, Status

from ._driver import Run, starting_over
from ._finish import solution_of
from ._options import Options
from ._state import RUNNING
from ._watch import Watch


class Integrator:
    """A solve that is stepped by hand, as `evolvent.init` returns it.

    Attributes
    ----------
    t, y : float, array
        Where it stands.
    status : Status
    """

    def __init__(self, problem: Any, stepper: Any, backend: Any, options: Options):
        if options.saveat is not None or options.dense:
            raise InputError(
                "saveat",
                "an integrator that is stepped by hand saves nothing.",
                "Read integrator.y, or use ev.solve.",
            )
        if backend.traced:
            raise InputError("backend", "a solve can't be stepped by hand inside a JAX transformation.")
        self._options = options
        starting_over(lambda b: self._start(problem, stepper, b), backend)

    def reinit(self, y0: Any = None, params: Any = None) -> None:
        """Go back to the start, with another y0 or other params if given."""
        run = self._run
        changes: dict[str, Any] = {} if params is None else {"params": params}
        if y0 is not None:
            changes |= {"q0": y0[0], "v0": y0[1]} if hasattr(run.problem, "q0") else {"y0": y0}
        if changes:
            problem = run.problem.replace(**changes)
            starting_over(lambda b: self._start(problem, run.given, b), run.backend)
        else:
            self._begin(run)

    def _start(self, problem: Any, stepper: Any, backend: Any) -> None:
        self._begin(Run(problem, stepper, backend, self._options, by_hand=True))

    def _begin(self, run: Run) -> None:
        self._run = run
        self._inputs = run.inputs
        self._end = run.backend.pick(run.inputs.stops, run.plan.n_stops - 1)
        # No step is tried yet: the state is the start's.
        self._state = run.begin(self._inputs, run.backend.integer(0), self._end)

    @property
    def t(self) -> float:
        return float(self._state.march.t)

    @property
    def y(self) -> Any:
        return self._run.model.packing.unpack(self._run.backend, self._state.march.y)

    @property
    def params(self) -> Any:
        return self._run.model.params(self._state.params)

    @property
    def status(self) -> Status:
        return Status(int(self._state.march.status))

    def step(self) -> None:
        """Take one step, of the size that the controller proposes.

        Raises
        ------
        SolveError
            If no step can be taken, or the end was reached before.
        """
        before = int(self._state.march.accepted)
        self._require_running()
        while int(self._state.march.accepted) == before and self.status is Status.RUNNING:
            self._advance(self._end, self._tried + 1)
        self._require_ok()

    def advance_to(self, t: float) -> None:
        """Step until exactly `t`.

        Raises
        ------
        InputError
            If `t` lies behind, or outside the problem's span.
        SolveError
            If the solve fails on the way.
        """
        direction = float(self._inputs.direction)
        if not direction * (t - self.t) >= 0.0 or direction * (float(self._end) - t) < 0.0:
            raise InputError("t", f"must lie between {self.t} and {float(self._end)}, got {t!r}.")
        self._advance(self._run.backend.real(t), self._run.plan.max_steps)
        self._require_ok()
        if self.status is Status.RUNNING and self.t != t and self._tried >= self._run.plan.max_steps:
            raise SolveError(f"MAX_STEPS at t = {self.t:.6g}: {Status.MAX_STEPS.advice}", self.solution)

    @property
    def _tried(self) -> int:
        return int(self._state.march.accepted) + int(self._state.march.rejected)

    def _advance(self, horizon: Any, limit: int) -> None:
        run = self._run
        self._state = run.resume(self._inputs, self._state, run.backend.integer(limit), horizon)

    def _require_running(self) -> None:
        if int(self._state.march.status) != RUNNING:
            raise SolveError(
                f"the integrator has ended at t = {self.t:.6g}: {self.status.advice} Call reinit() to start again.",
                self.solution,
            )

    def _require_ok(self) -> None:
        if self.status is not Status.RUNNING and not self.status.ok:
            raise SolveError(f"{self.status.name} at t = {self.t:.6g}: {self.status.advice}", self.solution)

    @property
    def solution(self) -> Any:
        """The present state as a Solution of one point."""
        run = self._run
        return solution_of(run, run.problem, self._inputs, self._state, Watch(run, self._inputs), 0.0)

    def __repr__(self) -> str:
        return f"Integrator({self._run.stepper.name}, t={self.t:.6g}, {self.status.name})"
