"""From the loops' last state to a solution."""

from __future__ import annotations

from typing import Any

import numpy as np

from evolvent import EventLog, Occurrences, Solution, Stats, Status
from evolvent.trees import tree_map

from ._interpolation import between
from ._state import Plan

COUNTED = ("jacobians", "factorisations", "solves", "newton_failures")


def solution_of(run: Any, problem: Any, inputs: Any, state: Any, watch: Any, seconds: float) -> Solution:
    """Make the user's solution of the driver's last state."""
    b, m = run.backend, state.march
    times, values = points(
        run.plan,
        b,
        state,
        lambda: saved_value(run.plan, run.functions)(m.t, m.y, state.params),
        [log[0] for log, _ in watch.chunks if log is not None],
    )
    y = run.model.packing.unpack(b, values, lead=1) if run.options.save is None else values
    count = (lambda n: n) if b.traced else int
    stats = Stats(
        n_steps=count(m.accepted + m.rejected),
        n_accepted=count(m.accepted),
        n_rejected=count(m.rejected),
        n_f=count(m.calls),
        **{f"n_{name}": count(n) for name, n in zip(COUNTED, m.work, strict=False)},
        backend=b.label,
        device=b.device_label,
        algorithm=run.given.name,
        seconds=seconds,
        note=b.note,
        seed=seed_of(b, inputs),
    )
    steps = None
    if run.plan.dense:
        steps = b.joined([*(log[1] for log, _ in watch.chunks if log is not None), b.trimmed(m.log[1], m.logged)])
    return Solution(
        t=times,
        y=y,
        status=m.status if b.traced else Status(int(m.status)),
        stats=stats,
        events=events(run, problem, state, [happened for _, happened in watch.chunks if happened is not None]),
        interpolation=between(run, inputs, (m.t, m.y, state.params), steps, times, y),
        problem=problem,
        algorithm=run.given,
    )


def seed_of(b: Any, inputs: Any) -> int | None:
    """The seed of a solve's random numbers; None where there are none, or it is traced."""
    if not inputs.noise or b.traced:
        return None
    low, high = (int(np.ravel(b.host(word))[0]) for word in inputs.noise[:2])
    return low | high << 31


def start_alone(run: Any, problem: Any, inputs: Any) -> Solution:
    """The solution where not even the first evaluation came back: the initial state."""
    b, y0 = run.backend, inputs.y0
    return Solution(
        t=b.data_times(np.asarray([inputs.t0]), y0),
        y=run.model.packing.unpack(b, b.xp.stack([y0]), lead=1),
        status=Status.USER_ERROR,
        stats=Stats(backend=b.label, device=b.device_label, algorithm=run.stepper.name),
        problem=problem,
        algorithm=run.given,
    )


def saved_value(plan: Any, functions: Any) -> Any:
    """What is saved at a point: the user's function of it, or the state."""
    return functions["save"] if plan.save_function else lambda t, y, params: y


def points(plan: Any, b: Any, state: Any, value: Any, earlier: Any = ()) -> tuple[Any, Any]:
    """The saved times and values, stacked; `value` gives what belongs to the state that was reached."""
    m = state.march
    if plan.save == "steps":
        record, count = m.log[0], m.logged
    elif plan.save == "times":
        record, count = state.saved, state.saves
    else:
        record, count = _row(b, (m.t, value())), b.integer(1)
    if b.traced:
        # Arrays inside a transformation can't be shorter: what is left repeats the end, or is NaN after a failure.
        good = b.control.logical_or(m.status == Status.SUCCESS, m.status == Status.TERMINATED)
        rest = tree_map(lambda x: missing(plan, b, good, x), (m.t, value()))
        times, values = b.filled(record, count, rest)
        return b.data_times(times, m.y), values
    rows = b.joined([*earlier, b.trimmed(record, count)])
    if plan.save == "times" and int(m.status) != Status.SUCCESS and not _ends_at(b, rows, m.t):
        # Nothing that was computed is lost: the state that was reached ends the solution.
        try:
            rows = b.joined([rows, _row(b, (m.t, value()))])
        except Exception:
            # What ended the solve may be the function of what is saved.
            if int(m.status) != Status.USER_ERROR or not b.length(rows):
                raise
    times, values = b.stacked(rows, None if b.length(rows) else (m.t, value()))
    return b.data_times(times, m.y), values


def missing(plan: Plan, b: Any, good: Any, last: Any) -> Any:
    """What stands where a row is missing: the last one, or after a failure NaN, which integers don't have."""
    if plan.counts or not b.xp.isdtype(b.xp.asarray(last).dtype, ("real floating", "complex floating")):
        return last
    return b.xp.where(good, last, b.xp.nan)


def _row(b: Any, value: Any) -> Any:
    """A record of one row."""
    return b.put(b.buffer(1, value), b.integer(0), value, b.boolean(True))


def _ends_at(b: Any, rows: Any, t: Any) -> bool:
    count = b.length(rows)
    return count > 0 and float(b.take(rows, count - 1)[0]) == float(t)


def events(run: Any, problem: Any, state: Any, earlier: list[Any]) -> EventLog:
    """What happened, event by event, in the problem's order."""
    b, y = run.backend, state.march.y
    listed, hidden = run.model.problem.events, run.plan.hidden
    names = [event.name for event in listed]
    if not run.plan.happens:
        return EventLog([], names)
    example = (state.march.t, y, tuple(b.boolean(False) for _ in range(len(listed) + hidden)))
    if b.traced:
        rest = (b.xp.nan, y if run.plan.counts else b.xp.nan * y, example[2])
        times, states, marks = b.filled(state.happened, state.happenings, rest)
    else:
        times, states, marks = b.stacked(b.joined([*earlier, b.trimmed(state.happened, state.happenings)]), example)
    order = sorted(range(len(listed)), key=lambda i: type(listed[i]).__name__ != "Event")
    found: list[Any] = [None] * len(listed)
    shown = len(run.model.events) - hidden
    marks = (*marks[:shown], *marks[shown + hidden :])
    for place, mark in zip(order, marks, strict=True):
        t, kept = b.filtered((b.data_times(times, y), states), mark)
        found[place] = Occurrences(t, run.model.packing.unpack(b, kept, lead=1))
    return EventLog(found, names)
