"""The C programs under ``c/``: one method and its controller each, compiled for the case, called in process."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ._case import Case
from ._reference import CACHE

METHODS = ("tsit5", "tsit5-threads", "rodas4", "rodas4-unrolled", "rkc2")
INSTALL = "a C compiler: install gcc or clang, or name one in CC"
FLAGS = ("-O3", "-march=native", "-fPIC", "-shared")
MAX_STEPS = 10_000_000

SOURCES = Path(__file__).parent / "c"
# What a problem's header must define for a program to solve it.
ASKS_FOR = {"tsit5": "RHS", "rodas4": "JACOBIAN", "rkc2": "SPECTRAL_RADIUS"}


def compiler() -> str | None:
    """The compiler's command, if there is one."""
    names = (os.environ.get("CC", "cc"), "gcc", "clang")
    return next(filter(None, map(shutil.which, names)), None)


def load(method: str) -> None:
    """Find the compiler and build every problem, so that no solve waits for it."""
    if compiler() is None:
        raise ImportError("no C compiler was found")
    asked = f"#define {ASKS_FOR[method.partition('-')[0]]}("
    for header in SOURCES.glob("*.h"):
        if asked in header.read_text():
            library(header.stem, method)


@cache
def library(problem: str, method: str = "tsit5") -> ctypes.CDLL:
    """Build a method's program for a problem, or take what an earlier run built from the same sources here."""
    program, _, variant = method.partition("-")
    # One library has both versions of Tsit5, on one thread and on all.
    macros = ("-DUNROLLED",) if variant == "unrolled" else ()
    command = compiler()
    assert command is not None
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    inputs = [path.read_text() for path in sorted(SOURCES.iterdir())]
    key = hashlib.sha256("\0".join([*inputs, *FLAGS, *macros, version, platform.node()]).encode()).hexdigest()[:16]
    target = CACHE / f"{program}-{problem}-{key}.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(f".{os.getpid()}")
        arguments = [*FLAGS, *macros, "-include", str(SOURCES / f"{problem}.h"), str(SOURCES / f"{program}.c"), "-lm"]
        build = [command, *arguments, "-o", str(unfinished)]
        # Not every compiler comes with OpenMP; without it the threaded peer runs on one thread.
        if subprocess.run([*build, "-fopenmp"], capture_output=True, check=False).returncode:
            subprocess.run(build, check=True)
        unfinished.replace(target)
    return ctypes.CDLL(str(target))


def threads_of(method: str) -> int:
    """How many threads a method may use."""
    return len(os.sched_getaffinity(0)) if method.endswith("threads") else 1


def address(array: np.ndarray) -> Any:
    """The address of an array's first element; the array lives as long as it does."""
    assert array.flags.c_contiguous
    return ctypes.byref(ctypes.c_char.from_buffer(array))


def parameter_rows(case: Case) -> np.ndarray:
    """One row of parameters for each trajectory, in the case's dtype."""
    columns = np.broadcast_arrays(*case.params.values())
    return np.ascontiguousarray(np.column_stack(columns), dtype=case.y0.dtype)


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], np.ndarray]:
    """States at the save times; the stiff programs save the end alone."""
    program = library(case.c_problem, method)
    y0, p, saves = case.y0, case.flat_params, case.saves
    out, stats = np.empty((len(saves), *y0.shape)), np.zeros(3, dtype=ctypes.c_long)
    t0, t1, rtol, atol = map(ctypes.c_double, (*case.t_span, tolerance, case.atol(tolerance)))
    count, max_steps = ctypes.c_long(len(saves)), ctypes.c_long(MAX_STEPS)
    problem = (address(y0), address(p), t0, t1, rtol, atol, max_steps)
    if method.startswith("tsit5"):
        solve, arguments = program.solve, (*problem, address(saves), count, address(out), address(stats))
    else:
        assert case.final_only
        solve, arguments = program.solve_to_end, (*problem, address(out), address(stats))

    def run():
        if solve(*arguments):
            raise RuntimeError(f"{MAX_STEPS} steps were too few")
        return out

    return run


def ensemble(case: Case, tolerance: float, method: str) -> Callable[[], np.ndarray]:
    """Final states of all trajectories, one after the other on each thread."""
    solve = library(case.c_problem).solve_ensemble
    y0, p = case.y0, parameter_rows(case)
    out = np.empty((len(p), len(y0)))
    t0, t1, tol = map(ctypes.c_double, (*case.t_span, tolerance))
    count, max_steps = ctypes.c_long(len(p)), ctypes.c_long(MAX_STEPS)
    threads = ctypes.c_int(threads_of(method))
    arguments = (address(y0), address(p), count, t0, t1, tol, tol, max_steps, address(out), threads)

    def run():
        if solve(*arguments):
            raise RuntimeError(f"{MAX_STEPS} steps were too few")
        return out

    return run


def fixed_ensemble(case: Case, step: float, method: str) -> Callable[[], np.ndarray]:
    """Final states after equal steps, 16 trajectories in the lanes of a vector."""
    solve = library(case.c_problem).solve_fixed_ensemble
    y0, p = case.y0, parameter_rows(case)
    out = np.empty((len(p), len(y0)), dtype=np.float32)
    t0, t1 = map(ctypes.c_float, case.t_span)
    count, steps = ctypes.c_long(len(p)), ctypes.c_long(round((case.t_span[1] - case.t_span[0]) / step))
    threads = ctypes.c_int(threads_of(method))
    arguments = (address(y0), address(p), count, t0, t1, steps, address(out), threads)

    def run():
        solve(*arguments)
        return out

    return run
