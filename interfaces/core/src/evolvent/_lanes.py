"""Many trajectories at once on any Array API namespace: each is a lane, the last axis of every array."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import _small_lu
from ._backend import is_array
from ._eager import EagerBackend, Memory
from ._errors import InputError
from ._pattern import Pattern
from ._plot import to_numpy
from ._trees import flatten, tree_map, unflatten

_SAME_IN_NUMPY = (
    "where", "minimum", "maximum", "abs", "sqrt", "power", "log", "exp", "floor", "ceil", "sign", "isfinite",
    "nextafter", "logical_and", "logical_or", "logical_not",
)  # fmt: skip
_CONTROL = SimpleNamespace(**{name: getattr(np, name) for name in _SAME_IN_NUMPY})

WRITTEN_OUT = 4  # rows of matrices that are factorised entry by entry, in all lanes at once


class LaneRecord:
    """A record to which every lane adds at its own pace."""

    def __init__(self, lanes: int):
        self.lanes = lanes
        self.entries: list[tuple[np.ndarray, np.ndarray, Any]] = []

    def add(self, index: np.ndarray, value: Any, mask: np.ndarray) -> None:
        if mask.any():
            self.entries.append((np.broadcast_to(index, (self.lanes,)).copy(), mask.copy(), value))

    def lane(self, i: int) -> list[Any]:
        """The rows of one lane."""
        return [tree_map(partial(lane_of, i=i), value) for _, mask, value in self.entries if mask[i]]

    def rows(self, backend: Any) -> list[Any]:
        """All rows, each a tree of arrays with lanes; a lane that has fewer repeats its last."""
        found: list[Any] = []
        for index, mask, value in self.entries:
            for k in np.unique(index[mask]):
                found += [None] * (int(k) + 1 - len(found))
                here = mask & (index == k)
                found[k] = value if found[k] is None else backend.select(here, value, found[k])
        counts = self.counts()
        for k in range(1, len(found)):
            found[k] = backend.select(k < counts, found[k], found[k - 1])
        return found

    def together(self, backend: Any, good: np.ndarray) -> tuple[Any, np.ndarray]:
        """All rows as arrays (lanes, rows, ...), and how many each lane has.

        The rows that a lane lacks repeat its last one; after a failure they are NaN.
        """
        rows, counts = self.rows(backend), self.counts()
        xp = backend.xp
        nan = tree_map(lambda x: x * float("nan"), rows[0])
        rows = [backend.select((k < counts) | good, row, nan) for k, row in enumerate(rows)]
        columns = zip(*(flatten(row)[0] for row in rows), strict=True)
        stacked = [
            np.stack(column).T
            if isinstance(column[0], np.ndarray) and column[0].ndim == 1
            else xp.moveaxis(xp.stack(list(column)), -1, 0)
            for column in columns
        ]
        return unflatten(flatten(rows[0])[1], stacked), counts

    def counts(self) -> np.ndarray:
        return (
            np.sum([mask for _, mask, _ in self.entries], axis=0, dtype=int)
            if self.entries
            else np.zeros(self.lanes, dtype=int)
        )


def lane_of(x: Any, i: int) -> Any:
    """One lane of a leaf of the loops' state, as the single backend would have it."""
    if isinstance(x, LaneRecord):
        return x.lane(i)
    if not np.shape(x):
        return x
    # What has one entry for all lanes is the same in each.
    entry = x[..., min(i, x.shape[-1] - 1)]
    if isinstance(x, np.ndarray) and x.ndim == 1:
        return entry.item() if x.dtype.kind in "bi" or x.dtype == np.float64 else entry[()]
    return entry


class LanesBackend(EagerBackend):
    """Runs an ensemble by broadcasting, every lane with its own time, step size and acceptance.

    The control plane has one NumPy entry per lane. A loop goes on while any lane has to; lanes that are done keep
    what they have. Lanes never mix: whether a user's function keeps them apart is looked at once, by comparing it
    with itself lane by lane, and a function that does not is called lane by lane.

    Parameters
    ----------
    single : EagerBackend
        The backend that would run one trajectory.
    lanes : int
        How many.
    """

    control: Any = _CONTROL
    rematerialise = True

    def __init__(self, single: EagerBackend, lanes: int):
        super().__init__(single.xp, single.device)
        self.single = single
        self.lanes = (lanes,)
        self._active = [np.ones(lanes, dtype=bool)]

    @property
    def differentiates(self) -> bool:
        return self.single.differentiates

    @property
    def label(self) -> str:
        return f"{self.single.label}, {self.lanes[0]} lanes"

    # ---------------------------------------------------------------- control plane
    def _entries(self, value, dtype):
        return np.broadcast_to(np.asarray(to_numpy(value), dtype=dtype), self.lanes)

    def real(self, value):
        return self._entries(value, np.float64)

    def integer(self, value):
        return self._entries(value, np.int64)

    def boolean(self, value):
        return self._entries(value, bool)

    def table(self, values):
        return np.asarray(values)

    def _asked(self, table, index):
        """Places in a table; a lane that waits for others may hold one that there is not."""
        if not isinstance(index, np.ndarray):
            return index
        return np.where(self._active[-1], index, np.clip(index, 0, max(len(table) - 1, 0)))

    def pick(self, table, *index):
        i = self._asked(table, index[0])
        return np.broadcast_to(table[i], self.lanes) if table.ndim == 1 else table[i, np.arange(self.lanes[0])]

    def replaced(self, table, index, value):
        # In place only what goes on: the others keep what they have.
        active = np.flatnonzero(self._active[-1])
        table = table if isinstance(table, Memory) else table.copy()
        places, values = np.broadcast_to(self._asked(table, index), self.lanes), np.broadcast_to(value, self.lanes)
        table[places[active], active] = values[active]
        return table

    def memory(self, array, into=None):
        active = self._active[-1]
        if into is None or active.all():
            return np.array(np.broadcast_to(array, (len(array), *self.lanes))).view(Memory)
        into[:, active] = np.broadcast_to(array, into.shape)[:, active]
        return into

    def to_control(self, *scalars):
        if len(scalars) == 1:
            return self._entries(scalars[0], np.float64)
        if self.xp is np:
            return tuple(self._entries(scalar, np.float64) for scalar in scalars)
        arrays = [s if self._is_data(s) else self.xp.asarray(s, device=self.device) for s in scalars]
        together = self.xp.stack([self.xp.broadcast_to(array, self.lanes) for array in arrays])
        return tuple(to_numpy(together).astype(np.float64))

    def most(self, x):
        return np.max(x).item()

    # ---------------------------------------------------------------- data plane
    def _data(self, control, dtype):
        """Bring control-plane entries to the data plane."""
        return (
            np.asarray(control, dtype=dtype)
            if self.xp is np
            else self.xp.asarray(np.array(control), dtype=dtype, device=self.device)
        )

    def _is_data(self, x) -> bool:
        return self.xp is not np and is_array(x) and not isinstance(x, np.ndarray)

    def time(self, t, like):
        return self._data(t, self.real_dtype(like.dtype)) if isinstance(t, np.ndarray | float) else t

    def shifted(self, t, late):
        return self.time(t, late) + late

    def stop_gradient(self, x):
        return self.single.stop_gradient(x)

    def scale(self, value, like):
        return float(value)

    def combine(self, y, dt, weights, ks):
        dtype = self.real_dtype(ks[0].dtype)
        total = None
        for weight, k in zip(weights, ks, strict=False):
            if isinstance(weight, float):
                if weight == 0.0:
                    continue
            elif isinstance(weight, np.ndarray):
                weight = self._data(weight, dtype)
            total = weight * k if total is None else total + weight * k
        if total is None:
            return y if y is not None else self.zeros_like(ks[0])
        if isinstance(dt, np.ndarray):
            total = self._data(dt, dtype) * total
        elif not (isinstance(dt, float) and dt == 1.0):
            total = dt * total
        return total if y is None else y + total

    def rms(self, x):
        # Row after row, so that a lane's sum does not depend on how many lanes there are.
        magnitude = self.xp.reshape(self.xp.abs(x), (-1, *self.lanes))
        total = magnitude[0, ...] ** 2
        for i in range(1, magnitude.shape[0]):
            total = total + magnitude[i, ...] ** 2
        return self.xp.sqrt(total / magnitude.shape[0])

    # ---------------------------------------------------------------- control flow
    def select(self, pred, yes, no):
        pred = np.broadcast_to(pred, self.lanes)
        if pred.all():
            return yes
        if not pred.any():
            return no
        mask = pred if self.xp is np else self.xp.asarray(np.array(pred), device=self.device)

        def choose(a, b):
            if a is b or isinstance(a, LaneRecord):
                return a
            # A time that carries derivatives may stand beside one that does not.
            if isinstance(a, np.ndarray) and self._is_data(b):
                a = self.time(a, b)
            elif isinstance(b, np.ndarray) and self._is_data(a):
                b = self.time(b, a)
            if isinstance(a, np.ndarray | np.generic | float | int):
                return np.where(pred, a, b)
            return self.xp.where(mask, a, b)

        return tree_map(choose, yes, no)

    def cond(self, pred, yes, no, *operands):
        active = self._active[-1]
        wanted = np.broadcast_to(pred, self.lanes) & active
        if not wanted.any():
            return no(*operands)
        if (wanted == active).all():
            return yes(*operands)
        with_yes = self._among(wanted, yes, operands)
        with_no = self._among(active & ~wanted, no, operands)
        return self.select(wanted, with_yes, with_no)

    def _among(self, mask, function, operands):
        self._active.append(mask)
        try:
            return function(*operands)
        finally:
            self._active.pop()

    def while_loop(self, cond, body, carry, *, max_iterations, resumable=False, records=None):
        live = self._active[-1] & cond(carry)
        while live.any():
            try:
                changed = self._among(live, body, (carry,))
            except BaseException as error:
                if resumable:
                    error.__dict__.setdefault("evolvent_reached", []).append(carry)
                raise
            carry = self.select(live, changed, carry)
            live = live & cond(carry)
        return carry

    # ---------------------------------------------------------------- records
    def buffer(self, capacity, example):
        return LaneRecord(self.lanes[0])

    def put(self, buffer, index, value, when):
        buffer.add(index, value, np.broadcast_to(when, self.lanes) & self._active[-1])
        return buffer

    # ---------------------------------------------------------------- linear systems
    def lu(self, matrix):
        if matrix.shape[0] <= WRITTEN_OUT:
            with np.errstate(all="ignore"):
                return _small_lu.lu(self.xp, matrix)
        return tree_map(lambda x: self.xp.moveaxis(x, 0, -1), self.single.lu(self.xp.moveaxis(matrix, -1, 0)))

    def lu_solve(self, factors, rhs):
        if rhs.shape[0] <= WRITTEN_OUT:
            with np.errstate(all="ignore"):
                return _small_lu.lu_solve(self.xp, factors, rhs)
        factors = tree_map(lambda x: self.xp.moveaxis(x, -1, 0), factors)
        return self.xp.moveaxis(self.single.lu_solve(factors, self.xp.moveaxis(rhs, -1, 0)), 0, -1)

    def sparse_lu(self, symbolic, values):
        # Lanes are chosen from by arrays only: each lane's factors are found again by its values.
        return values

    def sparse_solve(self, symbolic, factors, rhs):
        solve = self.single.sparse_solve_by_values
        return self.xp.stack([solve(symbolic, factors[:, i], rhs[:, i]) for i in range(self.lanes[0])], axis=-1)

    # ---------------------------------------------------------------- derivatives
    @property
    def exact(self) -> bool:
        return self.single.exact

    def jvp(self, function, x, dx):
        return self.single.jvp(function, x, dx) if self.exact else super().jvp(function, x, dx)

    def pushed(self, function, x, masks):
        if not self.exact:
            return super().pushed(function, x, masks)
        changes, _ = self.single.pushed(function, x, np.repeat(masks, self.lanes[0], axis=1))
        return self.xp.reshape(changes, (masks.shape[0], -1, *self.lanes)), None

    def sparsity(self, function, x, *others):
        found = self.single.sparsity(function, x, *others)
        if found is None:
            return None
        # Lanes never mix: entry (i, lane) follows (j, lane), for one pattern of (i, j).
        (lanes,) = self.lanes
        n, m = found.shape
        return Pattern(found.rows // lanes, found.columns // lanes, (n // lanes, m // lanes))

    def time_derivative(self, function, t, like):
        if self.exact:
            return self.single.time_derivative(function, self.time(t, like), like)
        return super().time_derivative(function, t, like)

    # ---------------------------------------------------------------- running
    def program(self, entry, functions, examples):
        kept = {name: Kept(self, name, function, examples[name]) for name, function in functions.items()}

        def run(*operands):
            with np.errstate(all="ignore"):
                return entry(kept, *operands)

        return run


class Kept:
    """A user's function that keeps lanes apart: by broadcasting where that is the same, else lane by lane.

    Parameters
    ----------
    function : callable
        The flat function, written for one trajectory; `function.single` is the same on the single backend, and
        `function.single_params` are the parameters of one.
    example : tuple
        Arguments at the start, with lanes.
    """

    def __init__(self, backend: LanesBackend, name: str, function: Any, example: tuple[Any, ...]):
        self.backend, self.name, self.function = backend, name, function
        self.alike = getattr(function, "single_params", example[-1])
        self.broadcasts = self._looks_apart(example)

    def __call__(self, *arguments):
        return self.function(*arguments) if self.broadcasts else self.by_lane(arguments, range(self.backend.lanes[0]))

    def by_lane(self, arguments, lanes):
        *moving, params = arguments
        results = [
            self.function.single(*(_slice(a, i) for a in moving), tree_map(partial(_own, i), params, self.alike))
            for i in lanes
        ]
        leaves = [flatten(result)[0] for result in results]
        xp = self.backend.xp
        arrays = [[x if is_array(x) else xp.asarray(x, device=self.backend.device) for x in row] for row in leaves]
        stacked = [xp.stack(column, axis=-1) for column in zip(*arrays, strict=True)]
        return unflatten(flatten(results[0])[1], stacked)

    def _looks_apart(self, example) -> bool:
        """Compare broadcasting with single lanes at a state that differs in every entry and lane."""
        lanes = self.backend.lanes[0]
        probe = tuple(self._shaken(a, k) if k == 0 or hasattr(a, "dtype") else a for k, a in enumerate(example))
        some = sorted({0, lanes - 1, lanes // 2, lanes // 3})
        try:
            together = flatten(self.function(*probe))[0]
        except Exception:
            return False
        apart = flatten(self.by_lane(probe, some))[0]
        return len(together) == len(apart) and all(
            np.shape(a)[-1:] == (lanes,) and _agree(to_numpy(a)[..., some], to_numpy(b))
            for a, b in zip(together, apart, strict=True)
        )

    def _shaken(self, x, salt):
        if not np.shape(x):
            return x
        shape = tuple(x.shape)
        # Fractional parts of multiples of the golden ratio: no two alike.
        noise = np.modf(0.6180339887498949 * (1.0 + salt + np.arange(np.prod(shape))))[0].reshape(shape)
        if isinstance(x, np.ndarray):
            return (x * (1.0 + 0.01 * noise) + 1e-3 * noise).astype(x.dtype)
        noise = self.backend.xp.asarray(noise, dtype=self.backend.real_dtype(x.dtype), device=self.backend.device)
        return x * (1.0 + 0.01 * noise) + 1e-3 * noise


def _slice(x, i):
    return x[..., i] if np.shape(x) else x


def _own(i, x, alike):
    """A parameter of one trajectory: all share what has no axis of lanes."""
    return _slice(x, i) if np.ndim(x) > np.ndim(alike) else x


def _agree(a, b) -> bool:
    if a.shape != b.shape or not np.any(np.isfinite(a)):
        return False
    tolerance = 1e-9 if a.dtype.itemsize >= 8 else 1e-4
    return bool(
        np.allclose(
            a,
            b,
            rtol=tolerance,
            atol=tolerance * (np.max(np.abs(b[np.isfinite(b)]), initial=0.0) + 1e-300),
            equal_nan=True,
        )
    )


__all__ = ["InputError", "LaneRecord", "LanesBackend", "lane_of"]
