"""Ensembles on all cores: every trajectory is a solve of its own, and none waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evolvent import Status
from evolvent.trees import flatten, tree_map, unflatten

from ._driver import Run
from ._finish import points, solution_of
from ._state import RUNNING, Inputs, State
from ._watch import Watch

AT_ONCE = 1_000_000  # steps of one trajectory before the host looks


@dataclass
class Many:
    """What the trajectories of an ensemble share, and their numbers.

    Attributes
    ----------
    run : Run
        Of the first trajectory.
    inputs : Inputs
        Of all: what differs has an axis of trajectories in front.
    varies : tuple of bool
        Which leaves of the inputs differ.
    """

    run: Run
    inputs: Inputs
    varies: list[bool]
    count: int

    def own(self, i: int) -> Inputs:
        """The inputs of one trajectory."""
        leaves, structure = flatten(self.inputs)
        return unflatten(structure, [row_of(x, i) if v else x for x, v in zip(leaves, self.varies, strict=True)])


def gathered(run: Run, lanes: Inputs, n_stops: int, count: int) -> Many | None:
    """Lay out the inputs of all trajectories, which come as lanes; None where single ones have others."""
    alike, structure = flatten(run.inputs)
    together, other = flatten(lanes)
    if structure != other:
        return None
    leaves, varies = [], []
    for one, all_ in zip(alike, together, strict=True):
        differ = np.ndim(all_) == np.ndim(one) + 1
        if differ and all_.strides[-1] == 0:
            all_, differ = _plain(all_[..., 0]), False
        leaves.append(np.ascontiguousarray(np.moveaxis(all_, -1, 0)) if differ else all_)
        varies.append(differ)
    run.plan = replace(run.plan, n_stops=n_stops)
    return Many(run, unflatten(structure, leaves), varies, count)


def row_of(x: Any, i: int) -> Any:
    """One trajectory's part of a leaf, as a single solve has it."""
    return _plain(x[i])


def _plain(x: Any) -> Any:
    return x.item() if (isinstance(x, np.generic) and x.dtype.kind in "bi") or type(x) is np.float64 else x


def at_once(many: Many, watch: Callable[[int], Any]) -> State:
    """Solve all trajectories in compiled threads; returns the states with an axis of trajectories in front."""
    run, inputs = many.run, many.inputs
    b, plan = run.backend, run.plan
    limit = min(plan.max_steps, AT_ONCE)
    one = many.own(0)
    horizon = b.pick(one.stops, plan.n_stops - 1)
    stops = inputs.stops
    horizons = np.ascontiguousarray(stops[:, -1]) if np.ndim(stops) == 2 else horizon
    program = run.program("begin", one)
    state, finished, stopped = program.many((inputs, limit, horizons), (one, limit, horizon), many.count, watch)
    if not finished.all():
        state = _unstarted(many, state, finished, stopped)
    for i in np.flatnonzero((state.march.status == RUNNING) & finished):
        _go_on(many, state, int(i))
    return state


def _unstarted(many: Many, state: State, finished: np.ndarray, stopped: Any) -> State:
    """Let trajectories that were not reached stand at their start."""
    m, left = state.march, ~finished
    m.status[left] = stopped
    for i in np.flatnonzero(left):
        own = many.own(int(i))
        m.t[i], m.y[i, ...] = own.t0, own.y0
    for x in (state.saves, m.accepted, m.rejected, m.calls, m.logged, state.happenings):
        x[left] = 0
    return state


def _go_on(many: Many, state: State, i: int) -> None:
    """Take one trajectory to its end that has more steps or events than most."""
    run, inputs = many.run, many.own(i)
    watch = Watch(run, inputs)
    own: Any = tree_map(lambda x: row_of(x, i), state)
    ended = run.advance_to_end(inputs, watch, own)
    for old, new in zip(flatten(state)[0], flatten(ended)[0], strict=True):
        old[i, ...] = new


def one_by_one(many: Many, problem_of: Callable[[int], Any], watch: Callable[[int], Any]) -> list[Any]:
    """Solve each trajectory as a single problem, for records of every step; returns states, points and solutions.

    On all cores: Python prepares and finishes one trajectory while machine code steps others.
    """
    run, stopped = many.run, threading.Event()
    found: list[Any] = []
    with ThreadPoolExecutor(run.backend.threads) as pool:
        pending = [pool.submit(_alone, many, problem_of, i, stopped) for i in range(many.count)]
        for one in pending:
            try:
                found.append(one.result())
                if watch(len(found)) is not None:
                    stopped.set()
            except KeyboardInterrupt:
                stopped.set()
                found.append(one.result())
            except BaseException:
                stopped.set()
                raise
    return found


def _alone(many: Many, problem_of: Callable[[int], Any], i: int, stopped: threading.Event) -> tuple[Any, Any, Any]:
    """One trajectory of many; where they were stopped, its start."""
    run, inputs, began = many.run, many.own(i), time.perf_counter()
    b, watch = run.backend, Watch(run, inputs)
    if stopped.is_set():
        watch.stopped = Status.WALL_TIME if run.options.wall_time else Status.INTERRUPTED
        state = watch.ended(run.begin(inputs, 0, b.pick(inputs.stops, run.plan.n_stops - 1)))
    else:
        state = run.advance_to_end(inputs, watch)
        if watch.error is not None:
            raise watch.error
    m = state.march
    chunks = [log[0] for log, _ in watch.chunks if log is not None]
    rows = points(run.plan, b, state, lambda: run.saved_value(m.t, m.y, state.params), chunks)
    return state, rows, solution_of(run, problem_of(i), inputs, state, watch, time.perf_counter() - began)


def padded(rows: list[Any], counts: np.ndarray, good: np.ndarray) -> Any:
    """Rows of different lengths as arrays (trajectories, rows, ...): what lacks repeats the last, or is NaN."""
    width = int(counts.max())

    def column(*parts: Any) -> Any:
        first = np.asarray(parts[0])
        out = np.zeros((len(parts), width, *first.shape[1:]), first.dtype)
        for i, part in enumerate(parts):
            n = len(part)
            out[i, :n] = part
            if n < width and (n or first.dtype.kind in "fc"):
                out[i, n:] = part[-1] if n and (good[i] or first.dtype.kind not in "fc") else np.nan
        return out

    return tree_map(column, *rows)
