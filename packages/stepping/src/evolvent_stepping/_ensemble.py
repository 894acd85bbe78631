"""Ensembles: one driver, every trajectory with its own time, step size and end."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from evolvent import EnsembleSolution, InputError, SolveError, SolveInterrupted, Stats, Status, choose_backend
from evolvent.lanes import lane_of
from evolvent.trees import is_array, is_nested, tree_map

from ._driver import Run, Whole
from ._finish import COUNTED, seed_of, solution_of
from ._model import Model
from ._options import Options
from ._prepare import check_rows, prepare
from ._state import Inputs
from ._threads import at_once, gathered, one_by_one, padded, row_of
from ._watch import Watch, progress_bar


def solve_ensemble(
    problem: Any, stepper: Any, backend: Any, options: Options, look: Look | None = None
) -> EnsembleSolution:
    """Solve all members of an ensemble at once: by the backend's own batching, or in lanes."""
    options = checked_options(problem, stepper, backend, options)
    began = time.perf_counter()
    done = solved(problem, stepper, backend, options, look)
    run, state = done.run, done.state
    times, values = done.points
    m = state.march
    total = (lambda n: n) if backend.traced else (lambda n: int(np.sum(np.asarray(n))))
    stats = Stats(
        n_steps=total(m.accepted + m.rejected),
        n_accepted=total(m.accepted),
        n_rejected=total(m.rejected),
        n_f=total(m.calls),
        **{f"n_{name}": total(n) for name, n in zip(COUNTED, m.work, strict=False)},
        backend=run.backend.label,
        device=backend.device_label,
        algorithm=stepper.name,
        seconds=time.perf_counter() - began,
        note=backend.note,
        seed=seed_of(backend, run.inputs),
    )
    member = Members(problem, stepper, backend, options, state, stats.seconds, bool(run.backend.lanes))
    y = run.model.packing.unpack(backend, values, lead=2) if options.save is None else values
    solution = EnsembleSolution(times, y, m.status, stats, done.counts, member, problem, stepper)
    return solution if backend.traced else _checked(solution, options.throw)


def checked_options(problem: Any, stepper: Any, backend: Any, options: Options) -> Options:
    """The options of an ensemble, if they and the stepper are for one."""
    if not (problem.differs or stepper.random):
        raise problem.nothing_differs
    if options.trajectory:
        raise InputError("trajectory", "is for one path.", "Give EnsembleProblem(..., trajectories=range(...)).")
    if options.on_step is not None:
        raise InputError(
            "on_step",
            "is called after a step of one trajectory, and an ensemble steps many.",
            "Use progress= or wall_time=.",
        )
    if options.dense is None:
        # Every step's stages, of every trajectory: only where they are asked for.
        options = replace(options, dense=False)
    _check_saves(problem, backend, options)
    if stepper.velocity_free and not backend.traced:
        Model(member_problem(problem, 0), backend).require_velocity_free(stepper)
    return options


class Solved(NamedTuple):
    """All trajectories: the states at their ends, the saved times and values, and how many each has saved."""

    run: Run
    state: Any
    points: Any
    counts: Any


def solved(
    problem: Any, stepper: Any, backend: Any, options: Options, look: Look | None = None, *, ends: bool = True
) -> Solved:
    """Solve all trajectories at once: by the backend's own batching, in threads, or in lanes.

    `look` is asked how to go on, where that is not this ensemble's alone. Without `ends` nobody asks for the states
    reached by early ends, which it takes time to add to the points.
    """
    if hasattr(backend, "vmap"):
        return by_vmap(problem, stepper, backend, options)
    if hasattr(backend, "threads"):
        return in_threads(problem, stepper, backend, options, look, ends)
    return in_lanes(problem, stepper, backend, options)


@dataclass
class Members:
    """Makes the Solution of one trajectory of an ensemble."""

    problem: Any
    stepper: Any
    backend: Any
    options: Options
    state: Any
    seconds: float
    lanes: bool

    def __call__(self, i: int) -> Any:
        one = member_problem(self.problem, i)
        if isinstance(self.state, _Solutions):
            return self.state.solutions[i]
        run = Run(one, self.stepper, self.backend, own_options(self.problem, self.options, i))
        return solution_of(run, one, run.inputs, self._own_state(i), Watch(run, run.inputs), self.seconds)

    def _own_state(self, i: int) -> Any:
        b = self.backend
        if hasattr(b, "vmap"):
            return b.fixed_size().take(self.state, i)
        return tree_map(lambda x: lane_of(x, i) if self.lanes else row_of(x, i), self.state)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"backend": self.backend.name}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        one = member_problem(kept["problem"], 0)
        self.__dict__ |= kept | {"backend": choose_backend(kept["backend"], one.state0, one.params)}


def in_lanes(problem: Any, stepper: Any, backend: Any, options: Options) -> Solved:
    """All trajectories by broadcasting, as lanes."""
    lanes = backend.in_lanes(len(problem))
    options = numbered(problem, stepper, options)
    run = Run(many(problem, lanes), stepper, lanes, options, single=stepper.model(problem.problem, backend))
    watch = Watch(run, run.inputs)
    with np.errstate(all="ignore"):
        try:
            state = run.advance_to_end(run.inputs, watch)
        finally:
            watch.close()
        if watch.error is not None and not isinstance(watch.error, KeyboardInterrupt):
            raise watch.error
        record = run.record(state)
        if run.plan.save == "times":
            # Nothing that was computed is lost: the state that was reached ends what an early end leaves undone.
            m = state.march
            value = run.saved_value(m.t, m.y, state.params)
            record.add(state.saves, (m.t, value), m.status != Status.SUCCESS)
        points, counts = record.together(lanes, keeps_last(run, state.march.status))
    times, values = points
    return Solved(run, state, (lanes.data_times(times, values), values), counts)


def keeps_last(run: Any, status: Any) -> Any:
    """Whether each trajectory's last row stands for those that it lacks, and not NaN."""
    return np.isin(status, [Status.SUCCESS, Status.TERMINATED]) | run.plan.counts


def in_threads(
    problem: Any, stepper: Any, backend: Any, options: Options, look: Look | None = None, ends: bool = True
) -> Solved:
    """All trajectories as compiled solves of their own, on all cores."""
    count = len(problem)
    run = Run(member_problem(problem, 0), stepper, backend, own_options(problem, options, 0))
    lanes = backend.in_lanes(count)
    together = Run(many(problem, lanes), stepper, lanes, numbered(problem, stepper, options))
    found = gathered(run, together.inputs, together.plan.n_stops, count)
    if found is None:
        return in_lanes(problem, stepper, backend, options)
    own = Look(options, count) if look is None else look
    try:
        if run.plan.logs:
            return _by_steps(problem, found, own)
        state = at_once(found, own)
    finally:
        if look is None:
            own.close()
    (times, values), counts = _rows(run, state, ends)
    return Solved(run, state, (backend.data_times(times, run.inputs.y0), values), counts)


def _rows(run: Any, state: Any, ends: bool) -> tuple[Any, np.ndarray]:
    """The points of all trajectories, and their numbers; after an early end the state that was reached is the last."""
    m, counts = state.march, state.saves
    ended = (m.status != Status.SUCCESS) & ends
    if not ended.any() and np.all(counts == run.plan.n_saves):
        return state.saved, counts
    early = np.flatnonzero(ended)
    if run.plan.save_function:
        reached = [
            run.saved_value(float(m.t[i]), m.y[i], tree_map(lambda x, i=i: row_of(x, i), state.params))
            for i in early.tolist()
        ]
        values = tree_map(lambda *rows: np.stack([np.asarray(x) for x in rows]), *reached) if reached else ()
    else:
        values = m.y[early]
    full = counts + ended
    place = np.arange(max(1, full.max()))
    lacking = (place >= full[:, None]) & ~keeps_last(run, m.status)[:, None]

    def column(rows: Any, last: Any) -> Any:
        held = np.minimum(place, np.maximum(full - 1, 0)[:, None])
        room = np.zeros((len(full), len(place), *rows.shape[2:]), rows.dtype)
        room[:, : rows.shape[1]] = rows[:, : len(place)]
        if early.size:
            room[early, counts[early]] = last
        room = np.take_along_axis(room, held.reshape(*held.shape, *(1,) * (rows.ndim - 2)), axis=1)
        if rows.dtype.kind in "fc":
            room[lacking] = np.nan
        return room

    times, saved = state.saved
    if not early.size:
        values = tree_map(lambda x: None, saved)
        return (column(times, None), tree_map(lambda x: column(x, None), saved)), full
    return (column(times, m.t[early]), tree_map(column, saved, values)), full


def _by_steps(problem: Any, found: Any, look: Any) -> Solved:
    """Trajectories with every step of theirs, put together."""
    alone = one_by_one(found, lambda i: member_problem(problem, i), look)
    states, rows, solutions = zip(*alone, strict=True)
    columns = {name: np.asarray([getattr(s.march, name) for s in states]) for name in _Counts._fields[:-1]}
    work = tuple(np.asarray(column) for column in zip(*(s.march.work for s in states), strict=True))
    march = _Counts(**columns, work=work)
    counts = np.asarray([len(times) for times, _ in rows])
    points = padded(list(rows), counts, keeps_last(found.run, march.status))
    return Solved(found.run, _Solutions(march, list(solutions)), points, counts)


class _Counts(NamedTuple):
    """What is added up of many trajectories."""

    status: Any
    accepted: Any
    rejected: Any
    calls: Any
    work: Any


class _Solutions(NamedTuple):
    """Trajectories that are solutions already."""

    march: _Counts
    solutions: list[Any]


class Look:
    """What the host does while threads solve: progress, and the time that may pass.

    Called with the number of trajectories that are done; returns the status to end with, or None.
    """

    def __init__(self, options: Options, count: int):
        self.count, self.began, self.wall_time = count, time.monotonic(), options.wall_time
        self.bar = progress_bar() if options.progress else None

    def __call__(self, done: int) -> Any:
        if self.bar is not None:
            self.bar.update(round(100.0 * done / self.count, 2) - self.bar.n)
        late = self.wall_time is not None and time.monotonic() - self.began > self.wall_time
        return Status.WALL_TIME if late and done < self.count else None

    def behind(self, before: int) -> Any:
        """The same for a part of the trajectories, with so many before it."""
        return lambda done: self(before + done)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def by_vmap(problem: Any, stepper: Any, backend: Any, options: Options) -> Solved:
    """All trajectories by the backend's own vmap of the whole solve."""
    fixed = backend.fixed_size()
    first = member_problem(problem, 0)
    if problem.t_span is not None and not backend.traced:
        starts, ends = (np.asarray(t) for t in problem.t_span)
        outer = (starts.min(), ends.max()) if np.all(ends > starts) else (starts.max(), ends.min())
        first = first.replace(t_span=tuple(map(float, outer)))
    run = Run(first, stepper, fixed, own_options(problem, options, 0))
    plans = []

    def numbers(y0, params, t_span, saveat, trajectory):
        changes = {name: value for name, value in (("params", params), ("t_span", t_span)) if value is not None}
        if y0 is not None:
            changes |= {"q0": y0[0], "v0": y0[1]} if hasattr(first, "q0") else {"y0": y0}
        own = options if saveat is None else replace(options, saveat=saveat)
        own = own if trajectory is None else replace(own, trajectory=trajectory)
        plan, inputs = prepare(stepper.model(first.replace(**changes), fixed), run.stepper, own)
        plans.append(plan)
        return inputs

    along = Inputs(*(None,) * len(Inputs._fields))._replace(
        y0=None if problem.y0 is None else 0, params=None if problem.params is None else 0
    )
    if problem.t_span is not None:
        along = along._replace(t0=0, direction=0, span=0, saves=0, stops=0, doses=0, fresh=0)
    if has_rows(options):
        along = along._replace(saves=0)
    if stepper.random:
        along = along._replace(noise=(None, None, 0))
    given = tuple(
        tree_map(lambda leaf: np.asarray(leaf) if isinstance(leaf, list) else leaf, x, lists=False)
        for x in (problem.y0, problem.params, problem.t_span, options.saveat if has_rows(options) else None)
    )
    given += (np.asarray(problem.numbers, np.int32) if stepper.random else None,)
    inputs = backend.vmap(numbers, tuple(None if x is None else 0 for x in given), along)(
        *(backend.arrays(x, len(problem)) for x in given)
    )
    program = fixed.program(_Together(fixed, plans[-1], along), run.functions, run.examples(run.inputs))
    state, points, counts = program(inputs)
    if not backend.traced:
        # Outside a transformation arrays need not be longer than the longest trajectory.
        longest = backend.most(counts)
        points = tree_map(lambda x: x[:, :longest, ...], points)
    return Solved(run, state, points, counts)


class _Together(Whole):
    """A whole ensemble as one program."""

    def __init__(self, backend: Any, plan: Any, along: Any):
        super().__init__(backend, plan)
        self.along = along
        self.key = ("ensemble", plan, along)

    def __call__(self, functions: Any, inputs: Any) -> Any:
        one = super().__call__
        return self.backend.vmap(lambda inputs: one(functions, inputs), (self.along,), 0)(inputs)


def _checked(solution: EnsembleSolution, throw: bool) -> EnsembleSolution:
    status = np.asarray(solution.status)
    failed = np.flatnonzero(~np.isin(status, [s for s in Status if s.ok]))
    if failed.size and throw:
        first = Status(int(status[failed[0]]))
        kind = SolveInterrupted if Status.INTERRUPTED in status else SolveError
        raise kind(
            f"{len(failed)} of {len(status)} trajectories failed; number {failed[0]}: {first.name}: {first.advice}",
            solution,
        )
    return solution


def _check_saves(problem: Any, backend: Any, options: Options) -> None:
    """Look at times to save that prepare sees in no single solve: rows of them, and those in spans that differ."""
    start, end = problem.problem.t_span if problem.t_span is None else problem.t_span
    many = has_rows(options) or (problem.t_span is not None and len(np.shape(options.saveat)) == 1)
    if many and not any(hasattr(t, "aval") for t in (start, end, options.saveat)):
        check_rows(backend.host(options.saveat), start, end, len(problem))


def has_rows(options: Options) -> bool:
    """Whether every trajectory has save times of its own: a row of ``saveat``."""
    return len(np.shape(options.saveat)) == 2


def own_options(problem: Any, options: Options, i: int) -> Options:
    """The options of one trajectory."""
    options = replace(options, trajectory=problem.numbers[i])
    return replace(options, saveat=options.saveat[i]) if has_rows(options) else options


def numbered(problem: Any, stepper: Any, options: Options) -> Options:
    """The options with the numbers of all trajectories, for a stepper that asks for them."""
    return replace(options, trajectory=np.asarray(problem.numbers)) if stepper.random else options


def member_problem(problem: Any, i: int) -> Any:
    """The problem of one trajectory."""
    changes: dict[str, Any] = {}
    if problem.y0 is not None:
        own = _member(problem.y0, i)
        changes |= {"q0": own[0], "v0": own[1]} if hasattr(problem.problem, "q0") else {"y0": own}
    if problem.params is not None:
        changes["params"] = _member(problem.params, i)
    if problem.t_span is not None:
        changes["t_span"] = tuple(t[i] if np.shape(t) else t for t in problem.t_span)
    return problem.problem.replace(**changes) if changes else problem.problem


def _member(tree: Any, i: int) -> Any:
    def own(leaf: Any) -> Any:
        leaf = np.asarray(leaf) if isinstance(leaf, list) else leaf
        return leaf[i, ...] if np.shape(leaf) else leaf

    return tree_map(own, tree, lists=False)


def many(problem: Any, lanes: Any) -> Any:
    """One problem whose arrays hold all the trajectories, in lanes."""
    inner, xp = problem.problem, lanes.xp

    def array(x):
        return x if is_array(x) else xp.asarray(x, device=lanes.device)

    def batched(x):
        return xp.moveaxis(array(x), 0, -1) if np.shape(x) else x

    def spread(x):
        x = array(x)
        return xp.broadcast_to(xp.expand_dims(x, axis=-1), (*x.shape, *lanes.lanes))

    state, place = (inner.state0, spread) if problem.y0 is None else (problem.y0, batched)
    changes: dict[str, Any] = {}
    if hasattr(inner, "q0"):
        changes |= {"q0": place(state[0]), "v0": place(state[1])}
    else:
        changes["y0"] = tree_map(place, state, lists=False) if is_nested(state) else place(state)
    if problem.params is not None:
        changes["params"] = tree_map(batched, problem.params, lists=False)
    if problem.t_span is not None:
        changes["t_span"] = tuple(np.asarray(t) if isinstance(t, list) else t for t in problem.t_span)
    return inner.replace(**changes)
