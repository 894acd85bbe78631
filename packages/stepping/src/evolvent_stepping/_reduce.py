"""Ensembles of which statistics are kept alone: solved part by part, each on all cores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evolvent import Event, InputError, SolveError, SolveInterrupted, Stats, Status
from evolvent.lanes import to_numpy
from evolvent.trees import flatten, unflatten

from ._ensemble import Look, checked_options, has_rows, member_problem, solve_ensemble, solved
from ._options import Options
from ._prepare import save_times, span_of
from ._reductions import FirstPassage, Reduction

ROOM = 1 << 26  # bytes of saved values of the paths that are held at a time
GOOD = [status for status in Status if status.ok]


@dataclass(frozen=True, eq=False)
class ReducedSolution:
    """What `evolvent.solve` of an ensemble with ``reduce=`` gathered: what each reduction names is an attribute.

    Parameters
    ----------
    t : array, (times,)
        The saved times.
    status : numpy.ndarray, (paths,)
        How each path ended. Those that failed are in none of the statistics.
    results : tuple of dict
        What each reduction made, in their order: ``solution.mean`` is ``solution.results[i]["mean"]`` of the first that
        has it.
    """

    t: Any
    status: Any
    results: tuple[dict[str, Any], ...]
    stats: Stats
    problem: Any = field(repr=False, default=None)
    algorithm: Any = None

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name != "results":
            for result in self.results:
                if name in result:
                    return result[name]
        raise AttributeError(f"a ReducedSolution without {name!r}")

    def __len__(self) -> int:
        return len(self.status)

    def __repr__(self) -> str:
        names = ", ".join(name for result in self.results for name in result)
        return f"ReducedSolution({self.stats.algorithm}, {len(self)} paths: {names}, {self.stats.backend})"

    @property
    def success(self) -> bool:
        """Whether every path did what was asked."""
        return bool(np.isin(self.status, GOOD).all())


def solve_reduced(problem: Any, stepper: Any, backend: Any, options: Options) -> ReducedSolution:
    """Solve an ensemble chunk by chunk, and keep of the paths what reductions gather."""
    reductions = listed(options.reduce)
    options = checked_options(problem, stepper, backend, replace(options, dense=False))
    times = _times(problem, backend, options, reductions)
    began, look = time.perf_counter(), Look(options, len(problem))
    work = _Work(problem, stepper, backend, replace(options, progress=False, throw=False), reductions, times, look)
    try:
        work.run()
    finally:
        look.close()
    counts = replace(work.stats, seconds=time.perf_counter() - began, seed=options.seed, note=backend.note)
    solution = ReducedSolution(
        t=() if times is None else work.given(np.asarray(times)),
        status=work.status,
        results=tuple(map(work.result, range(len(reductions)))),
        stats=counts,
        problem=problem,
        algorithm=stepper,
    )
    return _checked(solution, options.throw)


def listed(given: Any) -> tuple[Any, ...]:
    """The reductions that a user asked for."""
    reductions = (given,) if isinstance(given, Reduction) else tuple(given)
    if not reductions or not all(isinstance(one, Reduction) for one in reductions):
        raise InputError("reduce", f"must be reductions such as Moments() or Quantiles([0.5]), got {given!r}.")
    return reductions


def _times(problem: Any, backend: Any, options: Options, reductions: tuple[Any, ...]) -> Any:
    """The times that all paths are saved at; None where only times of passage are asked for."""
    if backend.traced:
        raise InputError("reduce", "works outside of JAX transformations.", "Reduce solution.y with jax.numpy.")
    if all(one.passages for one in reductions):
        return None
    if options.saveat is None or has_rows(options):
        raise InputError("saveat", "is needed by reductions, the same times for all paths.", "Give times or 'end'.")
    ends = [np.ptp(t) for t in map(np.asarray, problem.t_span or ())]
    if any(ends) and isinstance(options.saveat, str | int | float):
        raise InputError("saveat", "must be times where spans differ, for reductions.", "Give saveat=[...].")
    return save_times(backend, options.saveat, *span_of(backend, member_problem(problem, 0).t_span))


class _Work:
    """The chunks of one ensemble, and what was gathered of them."""

    def __init__(self, problem, stepper, backend, options, reductions, times, look):
        self.problem, self.stepper, self.backend, self.options = problem, stepper, backend, options
        self.reductions, self.times, self.look = reductions, times, look
        self.states: list[Any] = [None] * len(reductions)
        self.status = np.full(len(problem), int(Status.INTERRUPTED), np.int64)
        self.stats = Stats(backend=backend.label, device=backend.device_label, algorithm=stepper.name)
        self.structure: Any = None
        self.example: Any = None

    def run(self) -> None:
        """Solve chunk after chunk until all are done, time is up or the user says stop."""
        done = 0
        try:
            for low, high in self._chunks():
                status, gathered = self._chunk(self.problem.part(low, high), low)
                # All at once: an interruption leaves no chunk half counted.
                self.status[low:high], self.states, done = status, gathered, high
                stopped = self.look(high)
                if stopped is not None or Status.INTERRUPTED in status:
                    self.status[high:] = Status.INTERRUPTED if stopped is None else stopped
                    return
        except KeyboardInterrupt:
            self.status[done:] = Status.INTERRUPTED
            if not done:
                raise

    def _chunks(self) -> Iterator[tuple[int, int]]:
        count, size = len(self.problem), self.options.chunk
        if size is None:
            leaves = flatten(self.problem.problem.state0)[0]
            row = 8 * (2 + sum(int(np.prod(np.shape(leaf))) for leaf in leaves))
            size = max(64, min(ROOM // (row * (4 + (0 if self.times is None else len(self.times)))), 65_536))
        for low in range(0, count, size):
            yield low, min(low + size, count)

    def _chunk(self, part: Any, low: int) -> tuple[np.ndarray, list[Any]]:
        states, status = list(self.states), np.full(len(part), int(Status.SUCCESS), np.int64)
        if self.times is not None:
            options = replace(self.options, saveat=self.times, reduce=None)
            solution = solve_ensemble(part, self.stepper, self.backend, options, self.look.behind(low))
            status = np.asarray(to_numpy(solution.status)).astype(np.int64)
            self._count(solution.stats)
            leaves, self.structure = flatten(solution.y)
            self.example = leaves[0]
            good = np.isin(status, GOOD)
            values = [_of_all_times(to_numpy(leaf), len(self.times))[good] for leaf in leaves]
        for k, one in enumerate(self.reductions):
            if one.passages:
                found, ended = self._passages(part, one, low)
                states[k] = _added(one, states[k], [found])
                status = np.where(np.isin(status, GOOD) & ~np.isin(ended, GOOD), ended, status)
            else:
                states[k] = _added(one, states[k], values)
        return status, states

    def _count(self, stats: Stats) -> None:
        names = [name for name in vars(stats) if name.startswith("n_")]
        total = {name: getattr(self.stats, name) + getattr(stats, name) for name in names}
        self.stats = replace(self.stats, **total, backend=stats.backend)

    def _passages(self, part: Any, one: FirstPassage, low: int) -> tuple[np.ndarray, np.ndarray]:
        """When each path passes, infinity for never; and how it ended."""
        event = Event(one.condition, terminal=True, direction=one.direction)
        inner = part.problem
        ends_itself = any(getattr(other, "terminal", False) for other in inner.events)
        part = replace(part, problem=inner.replace(events=(*inner.events, event)))
        spans = part.t_span or inner.t_span
        starts = to_numpy(spans[0]).reshape(-1, 1) if np.ndim(spans[0]) else [spans[0]]
        options = replace(self.options, saveat=starts, save=one.condition, reduce=None)
        done = solved(part, self.stepper, self.backend, options, self.look.behind(low), ends=False)
        march = done.state.march
        status, ended = (np.asarray(to_numpy(x)) for x in (march.status, march.t))
        passed = status == Status.TERMINATED
        if ends_itself:
            solution = solve_ensemble(part, self.stepper, self.backend, options)
            passed = passed & np.asarray([len(solution[i].events[len(inner.events)]) > 0 for i in range(len(part))])
        times = np.where(passed, ended, np.where(np.isin(status, GOOD), np.inf, np.nan))
        first = to_numpy(done.points[1])[:, 0]
        at_start = (first == 0.0) & np.isin(status, GOOD)
        times = np.where(at_start, np.broadcast_to(np.ravel(starts), times.shape), times)
        return times, status.astype(np.int64)

    def result(self, k: int) -> dict[str, Any]:
        """What reduction `k` made of all paths, in arrays of the user's library and trees of the state's structure."""
        one, states = self.reductions[k], self.states[k]
        if states is None:
            return {}
        found = [{name: self.given(x) for name, x in one.result(state).items()} for state in states]
        if one.passages:
            return found[0]
        return {name: unflatten(self.structure, [leaf[name] for leaf in found]) for name in found[0]}

    def given(self, x: np.ndarray) -> Any:
        """An array of the user's library."""
        b, example = self.backend, self.example
        if example is None:
            example = b.initial(flatten(self.problem.problem.state0, lists=False)[0][0], "y0")
        return x if isinstance(example, np.ndarray) else b.xp.asarray(x, device=b.device)


def _added(one: Any, states: Any, values: list[np.ndarray]) -> list[Any]:
    states = [one.start(x) for x in values] if states is None else states
    return [one.add(state, x) for state, x in zip(states, values, strict=True)]


def _of_all_times(values: np.ndarray, count: int) -> np.ndarray:
    """The rows of the times that were asked for: paths that ended early stay where they are."""
    return values[:, np.minimum(np.arange(count), values.shape[1] - 1)]


def _checked(solution: ReducedSolution, throw: bool) -> ReducedSolution:
    failed = np.flatnonzero(~np.isin(solution.status, GOOD))
    if failed.size and throw:
        first = Status(int(solution.status[failed[0]]))
        kind = SolveInterrupted if Status.INTERRUPTED in solution.status else SolveError
        raise kind(
            f"{len(failed)} of {len(solution.status)} paths failed; number {failed[0]}: {first.name}: {first.advice}",
            solution,
        )
    return solution
