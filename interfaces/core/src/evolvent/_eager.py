"""The eager backend: any Array API namespace, Python's control flow."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from . import _scalars
from ._backend import describe_device, is_array
from ._errors import InputError
from ._plot import to_numpy
from ._registry import hook_results
from ._superlu import HostLU, solved
from ._trees import flatten, leaves, tree_map, unflatten

FINITE_DIFFERENCES = "derivatives are finite differences"


def namespace(array: Any) -> Any:
    """The Array API namespace of an array; NumPy 2's own is one."""
    if isinstance(array, np.ndarray | np.generic):
        return np
    import array_api_compat

    return array_api_compat.array_namespace(array)


class Memory(np.ndarray):
    """An array of the control plane that is written to in place."""


class EagerBackend:
    """Runs a solve call by call, on one library's arrays.

    Parameters
    ----------
    xp : namespace
        The Array API namespace.
    device : optional
        Where arrays are made; the namespace's default when None.
    """

    name = "eager"
    control: Any = _scalars
    traced = False
    compiled = False
    rematerialise = False
    differentiates = False
    lanes: tuple[int, ...] = ()
    epsilon = sys.float_info.epsilon
    unbounded = True  # records grow as they must
    sweeps = False  # whether drivers should loop over the times to save, and march from one to the next
    note = ""
    exact = False  # whether derivatives are the library's own
    differences = 0  # how often they were not
    forced = False
    slice: int | None = None  # steps between looks at the keyboard; Python itself looks all the time
    tables: Any = np  # what control-plane tables are made with

    def __init__(self, xp: Any, device: Any = None):
        self.xp = xp
        self.device = device

    @property
    def label(self) -> str:
        """What `stats` calls this backend."""
        return f"eager ({self.xp.__name__.split('.')[-1]})"

    @property
    def device_label(self) -> str:
        return "cpu" if self.device is None or "cpu" in str(self.device).lower() else str(self.device)

    # ---------------------------------------------------------------- control plane
    real = staticmethod(float)
    integer = staticmethod(int)
    boolean = staticmethod(bool)

    def table(self, values):
        return np.asarray(values).tolist()

    def pick(self, table, *index):
        for i in index:
            table = table[i]
        return table

    def replaced(self, table, index, value):
        table = table if isinstance(table, Memory) else table.copy()
        table[index] = value
        return table

    def memory(self, array, into=None):
        return np.array(array).view(Memory)

    def whole(self, memory):
        return np.array(memory, subok=False) if isinstance(memory, Memory) else memory

    def scale(self, value, like):
        """A control-plane real as it enters arithmetic with arrays like `like`."""
        return float(value)

    def to_control(self, *scalars):
        """Bring data-plane scalars to the host, all in one transfer."""
        if len(scalars) == 1:
            return float(scalars[0])
        if self.xp is np:
            return tuple(float(scalar) for scalar in scalars)
        stacked = self.xp.stack([self.xp.reshape(s, ()) if is_array(s) else self.xp.asarray(s) for s in scalars])
        return tuple(float(scalar) for scalar in self._host(stacked))

    def _host(self, x) -> Any:
        return x.tolist() if hasattr(x, "tolist") else np.asarray(x).tolist()

    # ---------------------------------------------------------------- data plane
    def default_real(self):
        return self.xp.asarray(1.0).dtype

    def is_real(self, dtype) -> bool:
        return self.xp.isdtype(dtype, "real floating")

    def is_boolean(self, dtype) -> bool:
        return self.xp.isdtype(dtype, "bool")

    def initial(self, value: Any, what: str) -> Any:
        """Make a floating array of what the user gave as (a leaf of) a state."""
        try:
            array = value if is_array(value) else self.xp.asarray(value, device=self.device)
        except (TypeError, ValueError) as error:
            raise InputError(what, f"can't be made an array: {error}") from error
        if not self.xp.isdtype(array.dtype, ("real floating", "complex floating")):
            array = self.xp.astype(array, self.default_real())
        if not self.traced and not self.all_finite(array):
            raise InputError(what, f"has NaN or infinite entries: {value!r}.", "Give finite initial values.")
        return array

    def all_finite(self, x) -> bool:
        return bool(self.xp.all(self.xp.isfinite(x)))

    def zeros_like(self, x):
        return self.xp.zeros_like(x)

    def real_dtype(self, dtype):
        """The dtype of the real part of `dtype`."""
        if self.is_real(dtype):
            return dtype
        return self.xp.real(self.xp.zeros((), dtype=dtype)).dtype

    def restore(self, x, dtype):
        """Cast a part of a packed state to the dtype that it had."""
        if x.dtype == dtype:
            return x
        if self.xp.isdtype(x.dtype, "complex floating") and self.is_real(dtype):
            x = self.xp.real(x)
        return self.xp.astype(x, dtype)

    def time(self, t, like):
        """Make a control-plane time a data-plane scalar, for the user's functions."""
        if self.xp is np:
            return like.dtype.type(t).real
        return self.xp.asarray(t, dtype=self.real_dtype(like.dtype), device=self.device)

    def shifted(self, t, late):
        """A control-plane time, later by a data-plane scalar."""
        return t + late

    def asked(self, function, y, *arguments):
        """Call a user's right side; what it returns must be values that nobody will write to, and `y` stay as it is."""
        return function(*arguments)

    def called(self, function, *arguments):
        """Call another function of the user's."""
        return function(*arguments)

    def as_state(self, value, like, what):
        """Check, and where it is a list make, an array like `like` of what a user's function returned."""
        if type(value) is type(like) and value.shape == like.shape and value.dtype == like.dtype:
            return value
        return self.as_array(value, like, tuple(like.shape), what)

    def as_array(self, value, like, shape, what):
        """Make an array with the dtype of `like` and the given shape; say what is wrong if that can't be."""
        if isinstance(value, list | tuple):
            value = self._stacked(value, like, shape, what)
        elif not is_array(value):
            value = self._number(value, like, what)
        elif not self.is_own(value, like):
            raise InputError(
                what,
                f"returned an array of {type(value).__module__.split('.')[0]}, but y is one of "
                f"{type(like).__module__.split('.')[0]}.",
                "Use operations of y's own library.",
            )
        if value.dtype != like.dtype:
            value = self._cast(value, like.dtype, what)
        if tuple(value.shape) != shape:
            if tuple(value.shape) == () and shape == self.lanes:
                return self.xp.broadcast_to(value, shape)
            raise InputError(what, f"returned shape {tuple(value.shape)} where {shape} is needed.")
        return value

    def is_own(self, value, like) -> bool:
        """Whether an array is of the library of `like`."""
        return isinstance(value, type(like)) or isinstance(like, np.generic)

    def _number(self, value, like, what):
        if isinstance(value, complex) and self.is_real(like.dtype):
            raise InputError(what, "returned complex values, but y is real.", "Give y0 a complex dtype.")
        lost = InputError(what, f"returned {value!r} where numbers are needed.", "Did a return statement get lost?")
        if value is None:  # of which NumPy makes NaN
            raise lost
        try:
            return self.xp.asarray(value, dtype=like.dtype, device=self.device)
        except (TypeError, ValueError) as error:
            raise lost from error

    def _stacked(self, items, like, shape, what):
        if not shape or len(items) != shape[0]:
            raise InputError(what, f"returned {len(items)} components where shape {shape} is needed.")
        if self.xp is np and not self.lanes:
            try:
                value = np.asarray(items)
            except (TypeError, ValueError):
                value = None
            if value is not None and value.dtype.kind in "biufc" and value.shape == shape:
                return value if value.dtype == like.dtype else self._cast_listed(value, like.dtype, what)
        return self.xp.stack([self._component(item, like, shape[1:], what) for item in items])

    def _component(self, item, like, shape, what):
        array = (
            item
            if is_array(item)
            else (
                self._stacked(item, like, shape, what)
                if isinstance(item, list | tuple)
                else self._number(item, like, what)
            )
        )
        if array.dtype != like.dtype:
            array = self._cast_listed(array, like.dtype, what)
        return array if tuple(array.shape) == shape else self._fitted(array, shape, what)

    def _fitted(self, array, shape, what):
        if tuple(array.shape) == () and shape == self.lanes:
            return self.xp.broadcast_to(array, shape)
        raise InputError(what, f"returned a component of shape {tuple(array.shape)} where {shape} is needed.")

    def _cast_listed(self, array, dtype, what):
        # Scalars in a list say nothing about precision (Python floats are among them); complex into real does.
        if self.is_real(dtype) and self.xp.isdtype(array.dtype, "complex floating"):
            raise InputError(what, "returned complex values, but y is real.", "Give y0 a complex dtype.")
        return self.xp.astype(array, dtype)

    def _cast(self, array, dtype, what):
        if self.xp.isdtype(array.dtype, ("bool", "integral")) or (
            self.is_real(array.dtype) and not self.is_real(dtype)
        ):
            return self.xp.astype(array, dtype)
        if self.is_real(dtype) and not self.is_real(array.dtype):
            raise InputError(what, f"returned {array.dtype}, but y is {dtype}.", "Give y0 a complex dtype.")
        raise InputError(what, f"returned {array.dtype}, but y is {dtype}.", "Give y0 and params one dtype.")

    def combine(self, y, dt, weights, ks):
        """Compute ``y + dt * sum(weights[i] * ks[i])``, with y left out when None."""
        total = None
        for weight, k in zip(weights, ks, strict=False):
            if isinstance(weight, float) and weight == 0.0:
                continue
            term = (weight * dt) * k
            total = term if total is None else total + term
        if total is None:
            return y if y is not None else self.zeros_like(ks[0])
        return total if y is None else y + total

    def rms(self, x):
        """The root of the mean square, a data-plane scalar (one per lane)."""
        xp = self.xp
        axes = tuple(range(x.ndim - len(self.lanes)))
        magnitude = xp.abs(x)
        return xp.sqrt(xp.mean(magnitude * magnitude, axis=axes)) if axes else magnitude

    def scaled_norm(self, error, y0, y1, rtol, atol):
        """The root mean square of ``error / (atol + rtol * max(|y0|, |y1|))``, a data-plane scalar (one per lane)."""
        xp = self.xp
        return self.rms(error / (atol + rtol * xp.maximum(xp.abs(y0), xp.abs(y1))))

    def stop_gradient(self, x):
        return x

    # ---------------------------------------------------------------- control flow
    def select(self, pred, yes, no):
        return yes if pred else no

    def cond(self, pred, yes, no, *operands):
        return yes(*operands) if pred else no(*operands)

    def while_loop(self, cond, body, carry, *, max_iterations, resumable=False, records=None):
        """Repeat `body` while `cond` holds.

        If the user's function raises inside a resumable loop, the exception takes what was reached with it, so that
        nothing is lost. `records` names the field of the carry that holds records, for backends that must not copy
        them.
        """
        if not resumable:
            while cond(carry):
                carry = body(carry)
            return carry
        try:
            while cond(carry):
                carry = body(carry)
        except BaseException as error:
            error.__dict__.setdefault("evolvent_reached", []).append(carry)
            raise
        return carry

    def guarded(self, function, carry):
        """Call ``function(carry)``; an exception takes the carry with it."""
        try:
            return function(carry)
        except BaseException as error:
            error.__dict__.setdefault("evolvent_reached", []).append(carry)
            raise

    # ---------------------------------------------------------------- records
    def rows_kept(self, y):
        """How many steps of a state like `y` a record holds, where it can't grow, before it is emptied."""
        return 1024

    def buffer(self, capacity, example):
        """Make a record to which trees like `example` are put, one after the other."""
        return []

    def put(self, buffer, index, value, when):
        if when:
            buffer.append(value)
        return buffer

    def trimmed(self, buffer, count):
        return buffer[:count]

    def joined(self, buffers):
        return [row for buffer in buffers for row in buffer]

    def length(self, buffer):
        return len(buffer)

    def take(self, buffer, index):
        return buffer[index]

    def stacked(self, buffer, example):
        """Make a tree of arrays, with one axis more in front, of a record's rows."""
        if not buffer:
            return tree_map(self._no_rows, example)
        structure = flatten(buffer[0])[1]
        columns = zip(*(leaves(row) for row in buffer), strict=True)
        return unflatten(structure, [self._column(column) for column in columns])

    def _column(self, values):
        if any(is_array(value) for value in values):
            return self.xp.stack(
                [value if is_array(value) else self.xp.asarray(value, device=self.device) for value in values]
            )
        return np.asarray(values)

    def _no_rows(self, leaf):
        if not is_array(leaf):
            return np.zeros((0, *np.shape(leaf)), dtype=np.asarray(leaf).dtype)
        return self.xp.zeros((0, *leaf.shape), dtype=leaf.dtype, device=self.device)

    def filtered(self, tree, mask):
        """Keep the rows that a host mask marks."""
        rows = np.flatnonzero(self.host(mask))
        return tree_map(lambda x: self.xp.stack([x[int(i), ...] for i in rows]) if rows.size else x[:0, ...], tree)

    def data_times(self, times, like):
        """Make an array of times in the data plane."""
        dtype = self.real_dtype(like.dtype)
        if is_array(times) and not isinstance(times, np.ndarray):
            return self.xp.astype(times, dtype)
        return self.xp.asarray(times.tolist() if self.xp is not np else times, dtype=dtype, device=self.device)

    def evaluate(self, function, steps, times, direction):
        """Evaluate ``function(t, *step)`` in the step that holds each time; stacked."""
        kept = [step for step in steps if step[1] != 0.0]
        starts = np.asarray([direction * float(step[0]) for step in kept])
        places = np.maximum(np.searchsorted(starts, direction * np.asarray(times), side="right") - 1, 0)
        rows = [function(self.real(t), *kept[i]) for t, i in zip(times, places, strict=True)]
        return self.stacked(rows, None)

    def host(self, x):
        """Bring an array, or numbers, to the host as a NumPy array."""
        if isinstance(x, np.ndarray):
            return x
        if is_array(x):
            return np.asarray(self._host(x))
        return np.asarray(
            [self._host(item) if is_array(item) else item for item in x] if isinstance(x, list | tuple) else x
        )

    def landed(self, tree):
        """Bring the control-plane scalars of a tree to the host."""
        return tree

    def most(self, x):
        """The greatest entry of a control value, as a Python number."""
        return x

    # ---------------------------------------------------------------- linear systems
    def lu(self, matrix):
        """Factorise matrices (..., n, n) for `lu_solve`: by their inverses, which every library has."""
        # NaN where an entry is not finite, else zero: the inverse of what is infinite may well be finite.
        with np.errstate(all="ignore"):
            return self._inverse(matrix) + self.xp.sum(matrix * 0, axis=(-2, -1), keepdims=True)

    def _inverse(self, matrix):
        try:
            return self.xp.linalg.inv(matrix)
        except (ValueError, ArithmeticError, RuntimeError):  # what libraries raise for singular matrices
            if matrix.ndim == 2:
                return matrix * float("nan")
            return self.xp.stack([self._inverse(matrix[i, ...]) for i in range(matrix.shape[0])])

    def lu_solve(self, factors, rhs):
        """Solve for right sides (..., n)."""
        with np.errstate(all="ignore"):
            return self.xp.matmul(factors, rhs[..., None])[..., 0]

    def sparse_lu(self, symbolic, values):
        """Factorise a sparse matrix for `sparse_solve`, on the host."""
        return HostLU(symbolic, to_numpy(values))

    def sparse_solve(self, symbolic, factors, rhs):
        """Solve for right sides (n,) or (n, m)."""
        return self._from_host(factors.solve(to_numpy(rhs)))

    def sparse_solve_by_values(self, symbolic, values, rhs):
        """The same with a matrix's values, which are factorised unless they were before."""
        return self._from_host(solved(symbolic, to_numpy(values), to_numpy(rhs)))

    def _from_host(self, x):
        return x if self.xp is np else self.xp.asarray(x, device=self.device)

    # ---------------------------------------------------------------- derivatives
    def jvp(self, function, x, dx):
        """The function's value and directional derivative; by central differences where the library has no better."""
        self._differences()
        # The step balances the cubic truncation error against rounding.
        scale = self._largest(x)
        size = self._largest(dx)
        h = self._epsilon(x) ** (1 / 3) * self.xp.where(scale > 1.0, scale, self.xp.ones_like(scale))
        # A direction of length zero has no derivative to look for.
        h = h / self.xp.where(size > 0.0, size, self.xp.ones_like(size))
        return function(x), (function(x + h * dx) - function(x - h * dx)) / (2.0 * h)

    def _largest(self, x):
        """The largest magnitude (in each lane)."""
        return self.xp.max(self.xp.reshape(self.xp.abs(x), (-1, *self.lanes)), axis=0)

    def _epsilon(self, x) -> float:
        return float(self.xp.finfo(self.real_dtype(x.dtype)).eps)

    def _differences(self) -> None:
        """Say in the statistics how derivatives were found."""
        self.differences += 1
        if FINITE_DIFFERENCES not in self.note:
            self.note = f"{self.note}; {FINITE_DIFFERENCES}" if self.note else FINITE_DIFFERENCES

    def jacobian(self, function, x):
        """The dense Jacobian of a function of an array, (size of its value, size of x)."""
        flat = self.xp.reshape(x, (-1, *self.lanes))
        changes, steps = self.pushed(function, x, np.eye(flat.shape[0], dtype=bool))
        changes = self.xp.moveaxis(changes, 0, 1)
        return changes if steps is None else changes / steps[None, ...]

    def sparse_jacobian(self, function, x, pattern):
        """The Jacobian's entries at the places of a pattern: columns of one colour by one direction."""
        if not pattern.size:
            return self.xp.zeros((0, *self.lanes), dtype=x.dtype, device=self.device)
        masks, places, columns = self._seeds(pattern)
        changes, steps = self.pushed(function, x, masks)
        flat = self.xp.reshape(changes, (-1, *self.lanes))
        values = self.xp.take(flat, places, axis=0)
        return values if steps is None else values / self.xp.take(steps, columns, axis=0)

    def _seeds(self, pattern) -> Any:
        """Which columns each direction moves, and where a pattern's entries lie in what comes out."""
        kept = self.__dict__.setdefault("_seeds_of", {})
        if pattern not in kept:
            colours, columns = pattern.colours, pattern.columns.astype(np.int64)
            masks = colours == np.arange(colours.max() + 1)[:, None]
            places = colours[columns] * pattern.shape[0] + pattern.rows
            kept[pattern] = masks, self._indices(places), self._indices(columns)
        return kept[pattern]

    def _indices(self, places: np.ndarray) -> Any:
        return places if self.xp is np else self.xp.asarray(places, device=self.device)

    def pushed(self, function, x, masks):
        """Derivatives along directions.

        Parameters
        ----------
        masks : numpy.ndarray of bool
            (directions, size of x): the entries that each direction moves.

        Returns
        -------
        changes : array
            (directions, size of the value) and lanes.
        steps : array or None
            Numbers by which changes in each entry of x are yet to be divided, where they are differences.
        """
        self._differences()
        xp = self.xp
        flat = xp.reshape(x, (-1, *self.lanes))
        size = xp.abs(flat)
        # Entries much smaller than the others move by a thousandth of what those do.
        least = xp.max(size, axis=0) if flat.shape[0] else xp.ones(self.lanes, dtype=size.dtype, device=self.device)
        least = 1e-3 * xp.where(least > 1.0, least, xp.ones_like(least))
        h = self._epsilon(x) ** (1 / 3) * xp.where(size > least, size, xp.broadcast_to(least, size.shape))
        rows = []
        for mask in masks:
            moved = xp.asarray(mask.reshape(-1, *(1 for _ in self.lanes)), dtype=h.dtype, device=self.device)
            by = xp.reshape(h * moved, x.shape)
            rows.append(xp.reshape(function(x + by) - function(x - by), (-1, *self.lanes)))
        return xp.stack(rows), 2.0 * h

    def sparsity(self, function, x, *others):
        """The pattern of a Jacobian, if a plugin can tell."""
        found, _ = hook_results("evolvent_sparsity", function=function, arguments=(x, *others), backend=self)
        return next((pattern for pattern in found if pattern is not None), None)

    def dependence(self, function, x, *others):
        """The pattern of what a result depends on, if a plugin can tell."""
        found, _ = hook_results("evolvent_dependence", function=function, arguments=(x, *others), backend=self)
        return next((pattern for pattern in found if pattern is not None), None)

    def time_derivative(self, function, t, like):
        """The derivative of a function of time, by central differences where the library has no better."""
        self._differences()
        c = self.control
        # Little truncation matters more than little rounding: how fast the function changes is not known.
        h = self._epsilon(like) ** 0.5 * c.maximum(c.abs(t), self.real(1.0))
        return (function(t + h) - function(t - h)) / self.time(2.0 * h, like)

    def vjp(self, function, x):
        """The function's value and its pullback, through the dense Jacobian."""
        jacobian, value = self.jacobian(function, x), function(x)

        def pullback(cotangent):
            flat = self.xp.reshape(cotangent, (-1, 1, *self.lanes))
            return self.xp.reshape(self.xp.sum(flat * jacobian, axis=0), x.shape)

        return value, pullback

    # ---------------------------------------------------------------- running
    def in_lanes(self, lanes: int) -> Any:
        """The backend that runs so many trajectories at once."""
        from ._lanes import LanesBackend

        return LanesBackend(self, lanes)

    def program(self, entry, functions, examples):
        """Make ``entry(functions, *operands)`` callable on operands.

        A compiling backend stages the functions on `examples` of their arguments, and looks machine code up by their
        programs and ``entry.key``.
        """

        def run(*operands):
            # NumPy's warnings of overflow: a trial step that is not finite is taken again, and a status tells the rest.
            quiet: dict[str, Any] = {kind: "ignore" for kind, how in np.geterr().items() if how == "warn"}
            with np.errstate(**quiet):
                return entry(functions, *operands)

        return run


class EagerFactory:
    """Offers the eager backend for every array."""

    name = "eager"

    def claims(self, array: Any) -> bool:
        return True

    def make(self, leaves: list[Any]) -> EagerBackend:
        xp = namespace(leaves[0]) if leaves else np
        if xp is np:
            from ._numpy import NumpyBackend

            return NumpyBackend()
        return EagerBackend(xp, getattr(leaves[0], "device", None))

    def devices(self) -> list[str]:
        return ["cpu"]


__all__ = ["EagerBackend", "EagerFactory", "describe_device", "flatten", "namespace"]
