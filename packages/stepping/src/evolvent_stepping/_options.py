"""The options of a time-stepping solve."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from evolvent import InputError

SEED_BITS = 62  # of a seed: two words that fit into signed integers of 32 bits
SEED_WORD = 0x7FFFFFFF


@dataclass(frozen=True, eq=False)
class Options:
    """What `evolvent.solve` takes for a time-stepping method.

    Parameters
    ----------
    rtol, atol : float, or for atol an array or tree like y0
        Tolerances: the local error is kept below ``atol + rtol * |y|``, in the root mean square over the state. By
        default 1e-6 and 1e-8, for single precision 1e-4 and 1e-6.
    saveat : array, float or "end", optional
        Times to save, a spacing of them from the start on, or only the end. Every step by default. For an ensemble
        also an array (trajectories, times).
    save : callable, optional
        ``save(t, y, params)``: what to save instead of y, an array or tree of arrays.
    dense : bool, optional
        Keep every step, so that ``solution(t)`` works anywhere. By default only where every step is saved.
    dt : float, optional
        First step size, or with ``adaptive=False`` the fixed one.
    adaptive : bool, optional
        Whether to control the step size; by default wherever the method can.
    max_steps : int, optional
        How many steps to try at most; 100,000 by default. (Inside a JAX transformation, with every step saved, it is
        the length of the solution's arrays, and 4,096.)
    min_step, max_step : float, optional
        Limits of the step size.
    t_stops : sequence of float
        Times to step onto exactly.
    on_step : callable, optional
        ``on_step(t, y)``, called after each accepted step, in Python; the solve stops when it returns True.
    wall_time : float, optional
        Seconds after which to give up.
    progress : bool
        Show a progress bar with the time left (needs tqdm).
    throw : bool
        Raise `evolvent.SolveError` when the solve fails; otherwise the solution's status says it.
    max_events : int
        Length of the event log where it can't grow, inside a compiled solve.
    seed : int, optional
        Names the random numbers of methods that draw some, 0 <= seed < 2**62: equal seeds give equal paths, on every
        backend. Drawn from the system's own entropy when None; ``solution.stats.seed`` tells.
    trajectory : int
        Which path of the seed's to draw: that of this number in an ensemble with this seed.
    reduce : reduction or sequence of these, optional
        For an ensemble: what to gather of the paths instead of keeping them, `Moments`, `Quantiles`, `Histogram`,
        `FirstPassage` or another `Reduction`; the solution is a `ReducedSolution`.
    chunk : int, optional
        How many paths to hold at a time with ``reduce=``; what fits into some 64 MB when None.
    check_jacobian : bool
        Compare the problem's jacobian and sparsity with derivatives of f, before the solve.
    """

    rtol: Any = None
    atol: Any = None
    saveat: Any = None
    save: Callable[..., Any] | None = None
    dense: bool | None = None
    dt: Any = None
    adaptive: bool | None = None
    max_steps: int | None = None
    min_step: Any = None
    max_step: Any = None
    t_stops: Any = ()
    on_step: Callable[..., Any] | None = None
    wall_time: float | None = None
    progress: bool = False
    throw: bool = True
    max_events: int = 256
    seed: Any = None
    trajectory: Any = 0
    reduce: Any = None
    chunk: int | None = None
    check_jacobian: bool = False

    @classmethod
    def parse(cls, stepper: Any, given: dict[str, Any]) -> Options:
        """Check the options that a user gave to a method."""
        names = [f.name for f in fields(cls)]
        # What users of SciPy and diffrax look for, and how it is said here.
        elsewhere = {
            "t_eval": "Give saveat=, the times to save.",
            "args": "Give them to the problem as params=: f gets them as its third argument.",
            "method": "Give the algorithm as the second argument: ev.solve(problem, 'Tsit5').",
            "solver": "Give the algorithm as the second argument: ev.solve(problem, 'Tsit5').",
            "dense_output": "Give dense=True.",
            "first_step": "Give dt=, the first step size.",
            "dt0": "Give dt=, the first step size.",
            "max_nfev": "Give max_steps=, how many steps to try at most.",
            "stepsize_controller": "Give rtol= and atol=, or adaptive=False and dt= for fixed steps.",
            "callback": "Give events= to the problem; on_step= is a function that only watches.",
            "events": "Give events= to the problem.",
            "linear_solver": "Give it to the algorithm: Rodas5P(linear_solver='sparse').",
            "jac": "Give the problem jacobian=, a function (t, y, params).",
            "jac_sparsity": "Give the problem sparsity=.",
            "mass_matrix": "Give the problem mass=.",
            **{
                name: f"Give {name}= to the problem."
                for name in ("jacobian", "sparsity", "mass", "stiff", "domain", "discontinuities")
            },
        }
        for name in given:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(names)}."
                raise InputError(name, f"{stepper.name} has no such option.", elsewhere.get(name, hint))
        options = cls(**given)
        options._check(stepper)
        return options._seeded(stepper)

    def _seeded(self, stepper: Any) -> Options:
        """The options with a seed, for a method that draws random numbers."""
        if not stepper.random:
            for name, usual in (("seed", None), ("trajectory", 0)):
                if getattr(self, name) != usual:
                    raise InputError(name, f"{stepper.name} draws no random numbers.", f"Leave {name} out.")
            return self
        number = self.trajectory
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 0 <= number <= SEED_WORD:
            raise InputError("trajectory", f"must be an integer from 0 to 2**31 - 1, got {number!r}.")
        return replace(self, seed=secrets.randbits(SEED_BITS) if self.seed is None else require_seed(self.seed))

    def _check(self, stepper: Any) -> None:
        for name in ("rtol", "dt", "min_step", "max_step", "wall_time"):
            value = _known(getattr(self, name))
            if (
                value is not None
                and not (math.isfinite(value) and value > 0.0)
                and not (name == "max_step" and value == math.inf)
            ):
                raise InputError(name, f"must be positive, got {getattr(self, name)!r}.")
        low, high = _known(self.min_step), _known(self.max_step)
        if low is not None and high is not None and low > high:
            raise InputError("min_step", f"must not exceed max_step = {high}, got {low}.")
        if isinstance(self.atol, int | float | np.integer | np.floating) and not float(self.atol) >= 0.0:
            raise InputError("atol", f"must not be negative, got {self.atol!r}.")
        if self.adaptive and not stepper.adaptive:
            raise InputError("adaptive", f"{stepper.name} has no error estimate.", "Leave adaptive out and give dt=.")
        if not self.is_adaptive(stepper) and self.dt is None:
            raise InputError("dt", f"{stepper.name} takes fixed steps and needs their size.", "Give dt=.")
        if self.max_steps is not None and (not isinstance(self.max_steps, int | np.integer) or self.max_steps < 1):
            raise InputError("max_steps", f"must be a positive integer, got {self.max_steps!r}.")
        if self.chunk is not None and (not isinstance(self.chunk, int | np.integer) or self.chunk < 1):
            raise InputError("chunk", f"must be a positive integer, got {self.chunk!r}.")
        for name in ("save", "on_step"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise InputError(name, f"must be a function, got {getattr(self, name)!r}.")
        if isinstance(self.saveat, str) and self.saveat != "end":
            raise InputError("saveat", f"must be times, a spacing or 'end', got {self.saveat!r}.")

    def is_adaptive(self, stepper: Any) -> bool:
        return stepper.adaptive if self.adaptive is None else self.adaptive


def require_seed(seed: Any) -> Any:
    """The seed as an integer, if it is one; what is traced is not looked at."""
    if type(seed) is int and 0 <= seed < 2**SEED_BITS:
        return seed  # the usual way, and the quickest
    kind = getattr(getattr(seed, "dtype", None), "kind", "")
    if getattr(getattr(seed, "aval", None), "shape", None) == () and kind in ("i", "u"):
        if any(kind.__name__ == "Tracer" for kind in type(seed).__mro__):
            return seed
        seed = int(seed)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**SEED_BITS:
        raise InputError("seed", f"must be an integer from 0 to 2**{SEED_BITS} - 1, got {seed!r}.")
    return int(seed)


def _known(value: Any) -> float | None:
    """The value as a float, or None where it is a tracer or was not given."""
    if value is None or hasattr(value, "aval"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None if getattr(value, "shape", None) else math.nan
