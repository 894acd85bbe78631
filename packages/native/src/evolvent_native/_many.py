"""Trajectories on all cores: each by the code of a single solve, on numbers and memory of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from evolvent import Status

from ._codegen.unit import MANY
from ._staging import unflatten

LOOK = 0.05  # seconds between looks at what is done


def run_many(
    program: Any,
    leaves: list[Any],
    varies: list[bool],
    data: list[np.ndarray],
    count: int,
    watch: Callable[[int], Any] | None,
    threads: int | None,
) -> Any:
    """Run a program for `count` trajectories.

    Returns
    -------
    results
        With an axis of trajectories in front; zero for those that were not reached.
    finished : numpy.ndarray of bool
        Which were.
    stopped
        Why not all of them: what `watch` returned.
    """
    laid = Laid(program, leaves, varies, data, count, HostMemory())
    finished, stopped = _in_threads(program, laid.table, count, watch, threads or cores())
    return laid.results(), finished, stopped


class HostMemory:
    """Arrays that the CPU reads."""

    zeros = staticmethod(np.zeros)

    def ready(self, x: Any, dtype: np.dtype) -> Any:
        """The array as code reads it: contiguous and aligned."""
        return np.require(x, dtype, ["C", "A"])

    def at(self, x: Any) -> int:
        """The address of an array."""
        return x.__array_interface__["data"][0]

    def on_host(self, x: Any) -> np.ndarray:
        return x


class Laid:
    """Memory of many trajectories: what goes in, and room for what comes out.

    Attributes
    ----------
    table : numpy.ndarray
        The addresses of the first trajectory's table, and how far from it the next one's are.
    """

    def __init__(self, program: Any, leaves: list[Any], varies: list[bool], data: list[Any], count: int, memory: Any):
        self.program, self.memory, m = program, memory, memory
        numbers = {i: m.on_host(leaves[i]) for i in program.number_places}
        coming, stride = _scalars(program, numbers, varies, count)
        coming = m.ready(coming, coming.dtype)
        self.going = m.zeros((count, max(program.unpack.size, 1)), np.uint8)
        table = [(m.at(coming), stride), (m.at(self.going), self.going.shape[1]), (0, 0)]
        self.held = [coming]  # arrays whose memory is read, until all is done
        for i, dtype in program.array_places:
            x = m.ready(leaves[i], dtype)
            self.held.append(x)
            table.append((m.at(x), x.strides[0] if varies[i] else 0))
        self.arrays = [m.zeros((count, *shape), dtype) for _, dtype, shape in program.arrays_out]
        self.rows = [m.zeros((count, *shape), dtype) for shape, dtype in program.new_rows]
        table += [(m.at(x), x.strides[0]) for x in (*self.arrays, *self.rows)]
        for x in (*data, *program.literals):
            self.held.append(m.ready(x, x.dtype))
            table.append((m.at(self.held[-1]), 0))
        self.table = np.asarray(table, np.int64).T.copy()

    def results(self) -> Any:
        going, left = self.memory.on_host(self.going), iter(self.arrays)
        found, at = [], 0
        for kind in self.program.going:
            if kind[0] == "scalar":
                found.append(np.ndarray((going.shape[0],), kind[1], going, at, (going.shape[1],)).copy())
                at += max(8, kind[1].itemsize)
            else:
                found.append(next(left) if kind[0] == "array" else self.rows[kind[1]])
        return unflatten(self.program.structure, found)


def _scalars(program: Any, numbers: dict[int, Any], varies: list[bool], count: int) -> tuple[np.ndarray, int]:
    """The numbers that go in, a row for each trajectory; one for all where they don't differ."""
    size = sum(max(8, dtype.itemsize) for dtype in program.number_kinds.values())
    differ = any(varies[i] for i in program.number_places)
    block = np.zeros((count if differ else 1, max(size, 1)), np.uint8)
    at = 0
    for i, dtype in program.number_kinds.items():
        np.ndarray((block.shape[0],), dtype, block, at, (block.shape[1],))[...] = numbers[i]
        at += max(8, dtype.itemsize)
    return block, block.shape[1] if differ else 0


def cores() -> int:
    """How many threads may run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_threads(program: Any, table: np.ndarray, count: int, watch: Any, threads: int) -> tuple[np.ndarray, Any]:
    """Let every core take the next few trajectories until none is left, or the host says stop."""
    call, at = program.entry_of_many(MANY), HostMemory().at
    threads = max(1, min(threads, count))
    chunk = max(1, min(count // (16 * threads), 1024))
    starts, lock, stopped = iter(range(0, count, chunk)), threading.Lock(), threading.Event()
    finished, why = np.zeros(count, bool), None

    def work() -> None:
        own = table.copy()
        workspace = np.empty(program.workspace_size + 64, np.uint8)
        own[0, 2] = -(-at(workspace) // 64) * 64
        each = np.empty(own.shape[1], np.int64)
        while not stopped.is_set():
            with lock:
                low = next(starts, None)
            if low is None:
                return
            high = min(low + chunk, count)
            call(at(own), at(own) + own.strides[0], own.shape[1], low, high, at(each))
            finished[low:high] = True

    if watch is None:
        work()
        return finished, None
    with ThreadPoolExecutor(threads) as pool:
        pending = {pool.submit(work) for _ in range(threads)}
        try:
            while pending:
                ended, pending = wait(pending, timeout=LOOK)
                for one in ended:
                    one.result()
                why = why or watch(int(finished.sum()))
                if why is not None:
                    stopped.set()
        except KeyboardInterrupt:
            why = Status.INTERRUPTED
        finally:
            stopped.set()
    return finished, why
