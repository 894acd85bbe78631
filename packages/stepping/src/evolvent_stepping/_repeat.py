"""A solve that is called again with other numbers: only these go into its program, and only what is wanted comes out.

Around any solve there is much that takes longer than a small one runs: all inputs and outputs of its program as Python
objects, a clock, a callback, records that are full. None of it is needed where nothing happens on the way and the
first slice ends in success.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from evolvent import EventLog, Solution, Stats, Status
from evolvent.trees import Pair, flatten, tree_map

from ._finish import seed_of
from ._interpolation import between
from ._options import SEED_WORD
from ._prepare import noise_of
from ._state import Inputs

SUCCESS = int(Status.SUCCESS)
SPAN = ("t0", "direction", "span", "saves", "stops")  # the inputs that another span changes, in their order


def can_repeat(run: Any) -> bool:
    """Whether calls of a run may be repeats."""
    b, plan, options = run.backend, run.plan, run.options
    watched = options.on_step or options.wall_time or options.progress
    if b.traced or b.lanes or watched or plan.happens:
        return False
    # Where both kinds of records are kept, or functions of the state, their last row is not the state at the end.
    if plan.save not in ("times", "steps") or (plan.dense and (plan.save == "times" or plan.save_function)):
        return False
    return hasattr(run.program("begin", run.inputs), "repeated")


class Repeat:
    """Calls of one run with numbers for the same arguments.

    Parameters
    ----------
    run : Run
        What is repeated; `can_repeat` says whether it can be.
    y0, params, t_span, seed : bool
        Which arguments the calls give.
    """

    def __init__(self, run: Any, y0: bool, params: bool, t_span: bool, seed: bool):
        self.run, self.model = run, run.model
        b, inputs = run.backend, run.inputs

        def changing(operands: tuple[Inputs, Any, Any]) -> Any:
            inputs, _, horizon = operands
            over = (*(getattr(inputs, name) for name in SPAN), horizon) if t_span else ()
            drawn = inputs.noise[:2] if seed else ()
            return (inputs.y0 if y0 else (), inputs.params if params else (), over, drawn)

        limit = b.integer(min(run.plan.max_steps, b.slice or run.plan.max_steps))
        operands = (inputs, limit, b.pick(inputs.stops, run.plan.n_stops - 1))
        self.dense, self.by_steps = run.plan.dense, run.plan.save == "steps"
        record = (lambda state: state.march.log) if self.by_steps else (lambda state: (state.saved, ()))
        self.program = run.program("begin", inputs).repeated(operands, changing, _seen, record)
        self.stats = {"backend": b.label, "device": b.device_label, "algorithm": run.stepper.name, "note": b.note}
        self.events = EventLog([], [event.name for event in run.problem.events])
        self.rounded = b.real_dtype(inputs.y0.dtype) != np.float64
        self.seed, kind = seed_of(b, inputs), self.model.packing.dtype
        plain = run.options.save is None and self.model.packing.structure is None and inputs.y0.dtype.kind == "f"
        self.counts = kind if plain and kind is not None and kind.kind in "iu" else None
        self.nested = run.options.save is None and _is_packed(run)
        self.state_of, self.params_of = _states_like(run), _params_like(run.problem.params)

    def __call__(self, y0: Any, params: Any, t_span: Any, seed: int | None, problem: Any) -> Any:
        """Solve; None where the numbers are not of the kind that the program was made for."""
        began = time.perf_counter()
        run, inputs = self.run, self.run.inputs
        values: list[Any] = []
        if y0 is not None:
            y = self.state_of(y0)
            if y is None:
                other = run.other_numbers(y0)
                if other is None:
                    return None
                y = other.y0
            values.append(y)
        if params is not None:
            passed = self.params_of(params)
            if passed is None:
                passed = self.model.same_kind(params)
                if passed is None:
                    return None
            values += passed
        if t_span is not None:
            inputs = run.other_numbers(t_span=t_span)
            if inputs is None:
                return None
            values += [getattr(inputs, name) for name in SPAN]
            values.append(run.backend.pick(inputs.stops, run.plan.n_stops - 1))
        if seed is not None:
            values += (seed & SEED_WORD, seed >> SEED_WORD.bit_length())
        program = self.program
        (t, accepted, rejected, calls, status, logged, *work, saves), memory = program(values)
        if status != SUCCESS:
            # It takes longer, or has failed: there is time to look closely.
            state = program.whole(memory)
            noise = None if seed is None else noise_of(run.backend, seed, run.options.trajectory)
            return run.solve(run.other_numbers(y0, params, t_span, noise), problem, state, began)
        (times, y), steps = program.rows(memory, logged if self.by_steps else saves)
        # Counts are reals in the record: they are copied as they become integers again.
        times, y = times.copy(), y.astype(self.counts) if self.counts else _copied(y)
        steps = tree_map(np.copy, steps) if self.dense else None
        program.release(memory)
        # Without steps the state at the end is not asked for.
        reached = (t, y[-1].copy() if self.dense else None, ())
        if self.rounded:
            times = run.backend.data_times(times, self.model.y0)
        if self.nested or (self.model.packing.dtype is not None and not self.counts):
            y = self.model.packing.unpack(run.backend, y, lead=1)
        # Frozen dataclasses of all of their fields, without a call for each and without dictionaries in between.
        stats, solution = _new(Stats), _new(Solution)
        fields = stats.__dict__
        fields.update(self.stats)
        fields["n_steps"] = accepted + rejected
        fields["n_accepted"], fields["n_rejected"], fields["n_f"] = accepted, rejected, calls
        fields["n_jacobians"], fields["n_factorisations"], fields["n_solves"], fields["n_newton_failures"] = (
            work or _NO_WORK
        )
        fields["seed"] = self.seed if seed is None else seed
        fields["seconds"] = time.perf_counter() - began
        fields = solution.__dict__
        fields["t"], fields["y"], fields["status"], fields["stats"] = times, y, _SUCCESS, stats
        # Of the inputs it asks for the span, the tolerances and the kinds: not for the numbers of this call.
        fields["interpolation"] = between(run, inputs, reached, steps, times, y)
        fields["events"], fields["problem"], fields["algorithm"] = self.events, problem, run.given
        return solution


_NO_WORK = (0, 0, 0, 0)
_SUCCESS, _new = Status.SUCCESS, object.__new__


def _copied(y: Any) -> Any:
    return y.copy() if type(y) is np.ndarray else tree_map(np.copy, y)


def _seen(state: Any) -> tuple[Any, ...]:
    """The numbers that a solution tells of, in their order in the state."""
    m = state.march
    return (m.t, m.accepted, m.rejected, m.calls, m.status, m.logged, *m.work, state.saves)


def _is_packed(run: Any) -> bool:
    """Whether the state is an array of other arrays."""
    return run.model.packing.structure is not None or isinstance(run.model.packing, Pair)


def _states_like(run: Any) -> Callable[[Any], Any]:
    """A function that sees quickly that a state is of the problem's kind and finite, and gives it; else None."""
    own, y0 = run.problem.state0, run.inputs.y0
    if run.plan.guarded == "nonnegative":
        return _unseen
    if type(own) is np.ndarray and own.shape == y0.shape and own.dtype == y0.dtype:
        shape, dtype = own.shape, own.dtype

        def array(y: Any) -> Any:
            alike = type(y) is np.ndarray and y.shape == shape and y.dtype == dtype
            # Quicker for short arrays than to let NumPy ask whether all are.
            return y if alike and 0 not in np.isfinite(y).tobytes() else None

        return array
    if type(own) is list and all(type(x) is float for x in own):
        kinds = [float] * len(own)
        # A sum that overflows gets a closer look.
        return lambda y: y if type(y) is list and list(map(type, y)) == kinds and isfinite(sum(y)) else None
    leaves, structure = flatten(own, lists=False)
    parts = list(map(_kind, leaves))
    if not _is_packed(run) or any(kind not in (float, np.ndarray) or dtype != y0.dtype for kind, _, dtype in parts):
        return _unseen

    def nested(state: Any) -> Any:
        leaves, other = flatten(state, lists=False)
        if other != structure or list(map(_kind, leaves)) != parts:
            return None
        y = np.concatenate([np.ravel(x) for x in leaves]).reshape(y0.shape)
        return y if 0 not in np.isfinite(y).tobytes() else None

    return nested


def _kind(leaf: Any) -> tuple[type, Any, Any]:
    """What of a state's leaf has to stay."""
    return type(leaf), getattr(leaf, "shape", ()), getattr(leaf, "dtype", float)


def _params_like(own: Any) -> Callable[[Any], Any]:
    """A function that sees quickly that parameters are of the problem's kind, and lists what is passed; else None."""
    kind = type(own)
    if kind is float:
        return lambda params: (params,) if type(params) is float else None
    if kind is np.ndarray:
        shape, dtype = own.shape, own.dtype

        def array(params: Any) -> Any:
            return (params,) if type(params) is kind and params.shape == shape and params.dtype == dtype else None

        return array
    if kind in (tuple, list) and all(type(x) is float for x in own):
        kinds = [float] * len(own)
        return lambda params: params if type(params) is kind and list(map(type, params)) == kinds else None
    if kind is dict and all(type(name) is str and type(x) is float for name, x in own.items()):
        names = flatten({name: name for name in own})[0]  # in the order in which a tree's leaves come
        kinds, none = [float] * len(own), object()

        def named(params: Any) -> Any:
            if type(params) is not kind or len(params) != len(names):
                return None
            found = [params.get(name, none) for name in names]
            return found if list(map(type, found)) == kinds else None

        return named
    return _unseen


def _unseen(given: Any) -> None:
    """What can't be seen quickly."""
