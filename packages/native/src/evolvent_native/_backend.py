"""The native backend: a solve as machine code."""

from __future__ import annotations

from collections import OrderedDict
from math import prod
from threading import Lock
from typing import Any

import numpy as np
import optree

from evolvent import CannotStage, InputError, NumpyBackend
from evolvent.compiled import is_compiled, is_dispatcher

from . import _control, _derived, _linear, _pointers, _recording, _sparse
from ._array import Array, array, broadcast, cast
from ._errors import reason, where_raised
from ._functions.elementwise import real_dtype
from ._graph import recording
from ._many import cores
from ._namespace import namespace
from ._program import Programs
from ._staging import NAMESPACE, UNSTEADY, Rows, stage_function, unsteady

FIRST_LOOK = 1_000_000  # entries that steps compute before the host first looks at the clock and the keyboard
RIGHT_SIDES = frozenset({"f", "f_implicit", "f_explicit", "acceleration", "residual"})
KEPT = 512  # derived functions
_derived_parts: OrderedDict[Any, Any] = OrderedDict()
_lock = Lock()
ROWS_MEMORY = 1 << 22  # bytes of a record that grows before it is emptied


class NativeBackend(NumpyBackend):
    """Runs a solve as one compiled program, on NumPy arrays.

    The user's functions are staged anew in each solve, and machine code is looked up by what they compute, so that a
    changed global or closure never gives a stale answer. Outside of a program it is the eager backend.
    """

    name = "native"
    exact = True
    control: Any = _control
    compiled = True
    rematerialise = True
    unbounded = False
    sweeps = False

    def __init__(self, leaves: Any = (), *, forced: bool = False):
        super().__init__()
        self.xp = namespace
        self.forced = forced
        # Steps before the first look at the clock and the keyboard.
        self.slice = max(8, min(20_000, FIRST_LOOK // max(1, sum(prod(leaf.shape) for leaf in leaves))))

    @property
    def label(self) -> str:
        return "native"

    @property
    def threads(self) -> int:
        """On how many cores ensembles run, as compiled solves."""
        return cores()

    # ---------------------------------------------------------------- control plane
    def real(self, value):
        return cast(value, np.float64) if isinstance(value, Array) else float(value)

    def integer(self, value):
        return cast(value, np.int64) if isinstance(value, Array) else int(value)

    def boolean(self, value):
        return cast(value, bool) if isinstance(value, Array) else bool(value)

    def table(self, values):
        values = np.asarray(values)
        kind = {"f": np.float64, "i": np.int64, "b": bool}[values.dtype.kind]
        return np.ascontiguousarray(values, dtype=kind)

    def pick(self, table, *index):
        if recording():
            return _recording.pick(table, *index)
        value = table[index]
        return value.item() if isinstance(value, np.generic) else value

    def memory(self, array, into=None):
        return _recording.memory(array, into) if recording() else super().memory(array, into)

    def whole(self, memory):
        return _recording.whole(memory) if recording() else super().whole(memory)

    def replaced(self, table, index, value):
        return _recording.replaced(table, index, value) if recording() else super().replaced(table, index, value)

    def scale(self, value, like):
        real = real_dtype(like.dtype)
        return float(value) if real == np.float64 else real.type(value)

    def to_control(self, *scalars):
        if not recording():
            return super().to_control(*scalars)
        values = tuple(cast(array(x), np.float64) for x in scalars)
        return values[0] if len(values) == 1 else values

    # ---------------------------------------------------------------- data plane
    def time(self, t, like):
        if not recording():
            return super().time(t, like)
        return cast(array(t), real_dtype(like.dtype))

    def is_own(self, value, like):
        return isinstance(value, Array | np.ndarray | np.generic)

    def asked(self, function, y, *arguments):
        if not recording():
            return super().asked(function, y, *arguments)
        return _pointers.called(function, *arguments) if is_compiled(function) else function(*arguments)

    def called(self, function, *arguments):
        # What numba compiled is short here: it stages as the function that it was made of.
        return (function.py_func if recording() and is_dispatcher(function) else function)(*arguments)

    def as_state(self, value, like, what):
        if not recording():
            return super().as_state(value, like, what)
        return _recording.as_array(value, like, like.shape, what)

    def as_array(self, value, like, shape, what):
        if not recording():
            return super().as_array(value, like, shape, what)
        return _recording.as_array(value, like, shape, what)

    def combine(self, y, dt, weights, ks):
        return _recording.combine(y, dt, weights, ks) if recording() else super().combine(y, dt, weights, ks)

    def rms(self, x):
        if not recording():
            return super().rms(x)
        magnitude = namespace.abs(x)
        # A product takes a third of a division's time, and the next step waits for the norm of this one.
        return namespace.sqrt(namespace.sum(magnitude * magnitude) * (1.0 / max(x.size, 1))) if x.ndim else magnitude

    def scaled_norm(self, error, y0, y1, rtol, atol):
        if not recording():
            return super().scaled_norm(error, y0, y1, rtol, atol)
        largest = namespace.maximum(namespace.abs(y0), namespace.abs(y1))
        granted = self.combine(broadcast(array(atol), largest.shape), 1.0, (rtol,), (largest,))
        return self.rms(error / granted)

    # ---------------------------------------------------------------- control flow
    def select(self, pred, yes, no):
        return _recording.select(pred, yes, no) if recording() else super().select(pred, yes, no)

    def cond(self, pred, yes, no, *operands):
        if not recording() or isinstance(pred, bool):
            return super().cond(pred, yes, no, *operands)
        return _recording.cond(pred, yes, no, *operands)

    def while_loop(self, cond, body, carry, *, max_iterations, resumable=False, records=None):
        if not recording():
            return super().while_loop(cond, body, carry, max_iterations=max_iterations, resumable=resumable)
        if resumable:
            return _recording.while_loop(cond, body, carry)
        # A loop that does not count its own turns is counted here.
        c = _control
        _, carry = _recording.while_loop(
            lambda s: c.logical_and(s[0] < max_iterations, cond(s[1])), lambda s: (s[0] + 1, body(s[1])), (0, carry)
        )
        return carry

    def guarded(self, function, carry):
        return function(carry) if recording() else super().guarded(function, carry)

    # ---------------------------------------------------------------- records
    def rows_kept(self, y):
        # Memory that is not written to costs nothing.
        return max(64, min(ROWS_MEMORY // max(y.nbytes, 64), 65_536))

    def buffer(self, capacity, example):
        if recording():
            return _recording.buffer(capacity, example)
        return _map(lambda x: np.zeros((capacity, *np.shape(x)), np.asarray(x).dtype).view(Rows), example)

    def put(self, buffer, index, value, when):
        if recording():
            return _recording.put(buffer, index, value, when)
        if when:

            def write(rows, x):
                rows[index] = x

            _map(write, buffer, value)
        return buffer

    def trimmed(self, buffer, count):
        # A copy: the memory is written to again.
        return _map(lambda rows: np.array(rows[: int(count)], subok=False), buffer)

    def joined(self, buffers):
        if len(buffers) == 1:
            return buffers[0]
        return _map(lambda *parts: np.concatenate(parts), *buffers)

    def length(self, buffer):
        return optree.tree_leaves(buffer, namespace=NAMESPACE)[0].shape[0]

    def take(self, buffer, index):
        return _map(lambda rows: rows[index], buffer)

    def stacked(self, buffer, example):
        return buffer

    def data_times(self, times, like):
        return np.asarray(times, real_dtype(like.dtype))

    def filtered(self, tree, mask):
        kept = np.flatnonzero(np.asarray(mask))
        return _map(lambda rows: rows[kept], tree)

    def evaluate(self, function, steps, times, direction):
        starts, lengths = steps[0], steps[1]
        kept = np.flatnonzero(lengths != 0.0)
        places = np.maximum(
            np.searchsorted(direction * starts[kept], direction * np.asarray(times), side="right") - 1, 0
        )
        program, (inputs,) = function.func, function.args
        rows = self.take(steps, kept[places])
        one = self._numbers(self.take(steps, int(kept[places[0]])))
        times = np.asarray(times, np.float64)
        values, _, _ = program.many((inputs, times, *rows), (inputs, 0.0, *one), len(times), threads=1)
        return values

    def _numbers(self, tree):
        return _map(lambda x: x.item() if isinstance(x, np.generic) else x, tree)

    def most(self, x):
        return np.max(x).item() if isinstance(x, np.ndarray) else x

    # ---------------------------------------------------------------- linear systems
    def lu(self, matrix):
        return _linear.lu(matrix) if recording() else super().lu(matrix)

    def lu_solve(self, factors, rhs):
        return _linear.lu_solve(factors, rhs) if recording() else super().lu_solve(factors, rhs)

    def sparse_lu(self, symbolic, values):
        return _sparse.sparse_lu(symbolic, values) if recording() else super().sparse_lu(symbolic, values)

    def sparse_solve(self, symbolic, factors, rhs):
        if not recording():
            return super().sparse_solve(symbolic, factors, rhs)
        return _sparse.sparse_solve(symbolic, factors, rhs)

    # ---------------------------------------------------------------- derivatives
    def jvp(self, function, x, dx):
        return _derived.jvp(function, x, dx)

    def vjp(self, function, x):
        return function(x), lambda cotangent: _derived.vjp(function, x, cotangent)[1]

    def jacobian(self, function, x):
        return _derived.jacobian(function, x)

    def sparse_jacobian(self, function, x, pattern):
        return _derived.sparse_jacobian(function, x, pattern)

    def sparsity(self, function, x, *others):
        return _derived.pattern(function, x, *others)

    def time_derivative(self, function, t, like):
        return _derived.jvp(function, self.real(t), 1.0)[1]

    # ---------------------------------------------------------------- running
    def in_lanes(self, lanes):
        return NumpyBackend().in_lanes(lanes)

    def program(self, entry, functions, examples):
        keys = {name: getattr(function, "part_key", None) for name, function in functions.items()}
        staged = {
            name: self._staged(name, function, examples[name])
            for name, function in functions.items()
            if keys[name] is None
        }
        for name, key in keys.items():
            if key is not None:
                staged[name] = self._derived(name, functions[name], examples[name], key, staged)
        return Programs(self, entry, {name: staged[name] for name in functions})

    def _derived(self, name, function, examples, key, staged):
        """Stage what is made of the problem's right side alone, where that was not done before."""
        of = [x for other, x in staged.items() if other in RIGHT_SIDES]
        if any(x.data or _pointers.is_called(x.graph) for x in of):
            # Equal keys say nothing of the numbers in arrays.
            return self._staged(name, function, examples)
        leaves, structure = optree.tree_flatten(examples, namespace=NAMESPACE)
        kinds = tuple((np.shape(x), str(getattr(x, "dtype", type(x)))) for x in leaves)
        place = (type(self), name, key, tuple(x.key for x in of), str(structure), kinds)
        with _lock:
            found = _derived_parts.get(place)
            if found is not None:
                _derived_parts.move_to_end(place)
                return found
        found = self._staged(name, function, examples)
        with _lock:
            _derived_parts[place] = found
            if len(_derived_parts) > KEPT:
                _derived_parts.popitem(last=False)
        return found

    def _staged(self, name, function, examples):
        try:
            first = self.stage(function, examples)
            second = self.stage(function, examples) if self.stages_twice else first
            if _pointers.is_called(first.graph):
                # What it raises, and what shape its result has, shows only when it runs.
                function(*_map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, examples))
        except InputError:
            raise
        except Exception as error:
            raise self.refused(name, where_raised(error), reason(error)) from error
        if not first.computes_as(second):
            raise self.refused(name, unsteady(lambda: self.stage(function, examples)), UNSTEADY)
        return first

    stages_twice = True  # to see whether a function draws numbers

    def stage(self, function, examples):
        return stage_function(function, examples)

    def eager(self) -> Any:
        """The backend that runs what can't be staged."""
        return NumpyBackend()

    def refused(self, name: str, where: str, why: str) -> Exception:
        """What starts the solve again on the eager backend, or ends it where that is not wanted."""
        reason = f"{name} can't be staged" + (f" ({where})" if where else "") + f": {why}"
        if self.forced:
            from evolvent import BackendError

            return BackendError("backend", reason, "Leave backend= out to run it eagerly.")
        instead = self.eager()
        instead.note = reason
        return CannotStage(instead, reason)


def _map(function, *trees):
    return optree.tree_map(function, *trees, namespace=NAMESPACE)
