"""Solutions between their saved times."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from evolvent import InputError, choose_backend
from evolvent.trees import tree_map

from ._dense import stages
from ._system import System


class Interpolation:
    """Evaluates a solution by the method's own dense output.

    At a time where an effect made the state jump it gives the state behind the jump. Where the steps were not kept,
    it gives the saved values at exactly the saved times.

    Parameters
    ----------
    reached : tuple
        Time, state and parameters at the end; without steps its time alone is asked for.
    steps : record or None
        Of each step: start, length, what dense output wants, parameters.
    """

    def __init__(self, run: Any, inputs: Any, reached: Any, steps: Any, times: Any, y: Any):
        self.run, self.inputs = run, inputs
        self.end, self.last, self.params = reached
        self.steps = steps
        self.times, self.y = times, y

    def __getstate__(self) -> dict[str, Any]:
        run = self.run
        options = replace(run.options, on_step=None, progress=False)
        return self.__dict__ | {"run": (run.problem, run.given, run.backend.name, options)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from ._driver import Run

        problem, stepper, name, options = state["run"]
        backend = choose_backend(name, problem.state0, problem.params)
        self.__dict__ |= state | {"run": Run(problem, stepper, backend, options)}

    @property
    def continuous(self) -> bool:
        return self.steps is not None

    def __call__(self, t: Any) -> Any:
        run, b = self.run, self.run.backend
        traced = b.traced or _is_tracer(t)
        if traced and self.steps is None:
            raise InputError("t", "the steps were not kept.", "Solve with dense=True, or name the times in saveat=.")
        times = b.host(t)
        many = bool(times.shape)
        flat = times if many else times[None]
        if not traced:
            self._check(np.asarray(flat), t)
            values = self._saved(flat) if self.steps is None else None
            if values is not None:
                return values if many else tree_map(lambda leaf: leaf[0, ...], values)
        value = b.program(
            _Inside(run.stepper, run.options.save is not None, b), run.functions, run.examples(self.inputs)
        )
        values = b.evaluate(partial(value, self.inputs), self.steps, flat, self.inputs.direction)
        values = self._with_end(flat, values, traced)
        if run.options.save is None:
            values = run.model.packing.unpack(b, values, lead=1)
        return values if many else tree_map(lambda leaf: leaf[0, ...], values)

    def _with_end(self, times: Any, values: Any, traced: bool) -> Any:
        """Put the last state where the time is the end's: the steps don't know of an effect there."""
        run, xp = self.run, self.run.backend.xp
        here = times == (self.end if traced else float(self.end))
        if not traced and not here.any():
            return values
        last = self.last
        if run.options.save is not None:
            last = run.functions["save"](self.end, last, self.params)
        mask = here if traced else xp.asarray(here.tolist(), device=run.backend.device)
        return tree_map(
            lambda rows, x: xp.where(xp.reshape(mask, (-1,) + (1,) * (rows.ndim - 1)), x, rows), values, last
        )

    def _check(self, times: np.ndarray, given: Any) -> None:
        low, high = sorted((float(self.inputs.t0), float(self.end)))
        slack = 1e-12 * max(abs(low), abs(high))
        if not (np.all(times >= low - slack) and np.all(times <= high + slack)):
            raise InputError("t", f"{given!r} lies outside what was solved, [{low}, {high}].")

    def _saved(self, times: Any) -> Any:
        """The saved values at exactly these times."""
        b = self.run.backend
        saved = np.asarray(b.host(self.times), dtype=float)
        index = []
        for time in np.asarray(times, dtype=float):
            near = np.flatnonzero(np.abs(saved - time) <= 1e-12 * max(1.0, abs(time)))
            if near.size == 0:
                raise InputError(
                    "t",
                    f"{time} is not one of the saved times, and the steps were not kept.",
                    "Solve with dense=True.",
                )
            index.append(int(near[-1]))
        return tree_map(lambda leaf: b.xp.stack([leaf[i, ...] for i in index]), self.y)


def between(run: Any, inputs: Any, reached: Any, steps: Any, times: Any, y: Any) -> Any:
    """What gives a solution's values between its saved times."""
    if run.stepper.marches and run.plan.save == "steps" and not run.backend.traced:
        return PiecewiseConstant(run.backend.name, float(inputs.t0), float(reached[0]), times, y)
    return Interpolation(run, inputs, reached, steps, times, y)


class PiecewiseConstant:
    """Evaluates a solution that stays as it is between its saved times, from the right where it jumps.

    Parameters
    ----------
    backend : str
        The name of the backend that solved.
    start, end : float
        What was solved.
    """

    continuous = False
    constant = True

    def __init__(self, backend: str, start: float, end: float, times: Any, y: Any):
        self.backend, self.start, self.end, self.times, self.y = backend, start, end, times, y

    def __call__(self, t: Any) -> Any:
        b = choose_backend(self.backend, self.times, self.y)
        wanted = np.asarray(b.host(t), dtype=float)
        slack = 1e-12 * max(abs(self.start), abs(self.end))
        if not (np.all(wanted >= self.start - slack) and np.all(wanted <= self.end + slack)):
            raise InputError("t", f"{t!r} lies outside what was solved, [{self.start}, {self.end}].")
        places = np.searchsorted(np.asarray(b.host(self.times), dtype=float), wanted, side="right") - 1
        places = np.maximum(places, 0)
        if not places.shape:
            return tree_map(lambda leaf: leaf[int(places), ...], self.y)
        index = b.xp.asarray(places.tolist(), dtype=b.xp.int64, device=b.device)
        return tree_map(lambda leaf: b.xp.take(leaf, index, axis=0), self.y)


def _is_tracer(t: Any) -> bool:
    """Whether a time is known to a transformation of JAX alone; asked without importing JAX."""
    return any(kind.__name__ == "Tracer" for kind in type(t).__mro__)


class _Inside:
    """Evaluates a solution within one recorded step; equal ones share machine code."""

    def __init__(self, stepper: Any, saves: bool, backend: Any):
        self.stepper, self.saves, self.backend = stepper, saves, backend
        self.key = ("inside", stepper, saves)

    def __call__(self, functions: Any, inputs: Any, t: Any, start: Any, length: Any, record: Any, params: Any) -> Any:
        system = System(self.backend, functions, params, inputs.rtol, inputs.atol, inputs.nonnegative, inputs.mass)
        dense = stages(self.stepper, system, start, length, record)
        y = self.stepper.interpolate(system, dense, (t - start) / length)
        return functions["save"](t, y, params) if self.saves else y
