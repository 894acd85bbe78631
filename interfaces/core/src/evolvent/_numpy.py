"""The eager backend on NumPy arrays: the same results with fewer passes over memory."""

from __future__ import annotations

import sys
from functools import cache
from threading import local
from typing import Any

import numpy as np

from ._eager import EagerBackend
from ._registry import hook_results


def _references(x: Any) -> int:
    return sys.getrefcount(x)


# How many references a function's argument has that nobody else holds.
_OWN = _references(np.empty(0))


class NumpyBackend(EagerBackend):
    """Runs a solve call by call, on NumPy arrays."""

    recorder: Any = None  # the backend of a compiler, while that records a function

    def __init__(self, leaves: Any = ()):
        super().__init__(np)
        self._workspace = Workspace()

    def time(self, t: Any, like):
        if not isinstance(t, float) and np.ndim(t) == 0 and not np.isscalar(t):
            # An array of another package, which records what is done to it.
            return t.astype(self.real_dtype(like.dtype))
        number: Any = t
        return np.float64(number) if like.dtype == np.float64 else like.dtype.type(number).real

    def as_state(self, value, like, what):
        if type(value) is list:
            try:
                array = np.array(value, dtype=like.dtype)
            except (TypeError, ValueError):
                return self.as_array(value, like, like.shape, what)
            if array.shape == like.shape:
                return array
        return super().as_state(value, like, what)

    def asked(self, function, y, *arguments):
        return self._own(function(*arguments))

    def _own(self, value):
        """The value, copied if somebody else may still write to it: a function may return one buffer ever again."""
        if type(value) is np.ndarray and (sys.getrefcount(value) > _OWN or value.base is not None):
            return value.copy()
        return value

    def combine(self, y, dt, weights, ks):
        # One matrix reads each array once, where a sum of products writes two arrays for each.
        total = self._workspace.weighted_sum(weights, ks)
        if total is None:
            return self._closed(super().combine(y, dt, weights, ks))
        if dt != 1.0:
            total *= dt
        if y is not None:
            total += y
        return self._closed(total)

    def initial(self, value, what):
        array = super().initial(value, what)
        return self._closed(array.copy() if array is value else array)

    def _closed(self, array):
        """The array, closed for writing: a function that changes its y in place is told so where it does."""
        if type(array) is np.ndarray:
            array.setflags(write=False)
        return array

    def rms(self, x):
        # Not by BLAS: where its threads have to wait for a busy core, a dot product takes a thousand times as long.
        flat = np.ravel(x)
        parts = flat.view(np.finfo(flat.dtype).dtype) if flat.dtype.kind == "c" else flat
        return np.sqrt(np.einsum("i,i->", parts, parts) / flat.size)

    def scaled_norm(self, error, y0, y1, rtol, atol):
        scale = np.maximum(np.abs(y0), np.abs(y1))
        if np.ndim(scale) == 0:
            return np.abs(error) / (atol + rtol * scale)
        scale *= rtol
        scale += atol
        if error.dtype != scale.dtype:
            return self.rms(error / scale)
        return self.rms(np.divide(error, scale, out=scale))

    # ---------------------------------------------------------------- linear systems
    def lu(self, matrix):
        lapack = _lapack()
        if lapack is None or matrix.ndim != 2:
            return super().lu(matrix)
        # The transposed matrix is in LAPACK's order already.
        factors, pivots, singular = getattr(lapack, _LETTER[matrix.dtype.char] + "getrf")(matrix.T)
        if singular or not np.isfinite(matrix).all():
            factors = np.full_like(factors, np.nan)
        return factors, pivots

    def lu_solve(self, factors, rhs):
        if not isinstance(factors, tuple):
            return super().lu_solve(factors, rhs)
        triangles, pivots = factors
        solve = getattr(_lapack(), _LETTER[np.result_type(triangles, rhs).char] + "getrs")
        return solve(triangles, pivots, rhs, trans=1)[0]

    # ---------------------------------------------------------------- derivatives
    def jvp(self, function, x, dx):
        return (self.recorder or super()).jvp(function, x, dx)

    def jacobian(self, function, x):
        return (self.recorder or super()).jacobian(function, x)

    def sparse_jacobian(self, function, x, pattern):
        return (self.recorder or super()).sparse_jacobian(function, x, pattern)

    def time_derivative(self, function, t, like):
        return (self.recorder or super()).time_derivative(function, t, like)

    # ---------------------------------------------------------------- running
    def program(self, entry, functions, examples):
        kept = dict(functions)
        kept.update({name: self._watched(name, kept, examples[name]) for name in functions})
        return super().program(entry, kept, examples)

    def _watched(self, name, functions, examples):
        """A function whose first call shows whether it needs derivatives: those of staged functions are exact."""
        function, chosen = functions[name], None

        def first(*arguments):
            nonlocal chosen
            if chosen is not None:
                return chosen(*arguments)
            note, before = self.note, self.differences
            value = function(*arguments)
            chosen = function
            if self.differences != before:
                offers, _ = hook_results("evolvent_stage", function=function, examples=examples, backend=self)
                chosen = next((offer for offer in offers if offer is not None), function)
            functions[name] = chosen
            if chosen is function:
                return value
            self.note = note
            return chosen(*arguments)

        return first


_LETTER = {"f": "s", "d": "d", "F": "c", "D": "z"}


@cache
def _lapack() -> Any:
    """SciPy's LAPACK, where SciPy is installed."""
    try:
        from scipy.linalg import lapack
    except ImportError:
        return None
    return lapack


SHORT = 1024  # entries, above which reading an array once more costs more than calls do


class Workspace(local):
    """Stages side by side, as the rows of one matrix; a row is written when its array is new. One for each thread."""

    def __init__(self):
        self.matrix: np.ndarray | None = None
        self.scratch = np.empty(0)
        self.held: list[Any] = []
        self.rows: dict[Any, np.ndarray] = {}

    def weighted_sum(self, weights: Any, ks: Any) -> np.ndarray | None:
        """``sum(weights[i] * ks[i])``, or None where the arrays are not of one kind."""
        count = min(len(weights), len(ks))
        first = ks[0]
        if type(first) is not np.ndarray or not first.ndim or count < 2:
            return None
        matrix = self.matrix
        if matrix is None or matrix.shape[1:] != first.shape or matrix.dtype != first.dtype or matrix.shape[0] < count:
            matrix = self.matrix = np.empty((max(count, 8), *first.shape), dtype=first.dtype)
            self.scratch = np.empty(first.shape, dtype=first.dtype)
            self.held = [None] * matrix.shape[0]
        held = self.held
        new = [i for i in range(count) if held[i] is not ks[i]]
        for i in new:
            k = ks[i]
            if type(k) is not np.ndarray or k.shape != first.shape or k.dtype != first.dtype:
                return None
        if len(new) > 2 and first.size > SHORT:
            return self._one_by_one(weights, ks, count)
        for i in new:
            matrix[i] = held[i] = ks[i]
        row, rows = self._row(weights, count, first.dtype), matrix[:count].reshape(count, -1)
        # Of short arrays term by term, as lanes are summed: BLAS rounds otherwise, on each processor in its own way.
        total = np.dot(row, rows) if first.size > SHORT else np.add.reduce(rows * row[:, None], axis=0)
        return total.reshape(first.shape)

    def _one_by_one(self, weights: Any, ks: Any, count: int) -> np.ndarray:
        """The same where most arrays are new, as in recursions over few terms: copying them would cost more."""
        total = np.multiply(ks[0], weights[0])
        for i in range(1, count):
            if weights[i] == 0.0:
                continue
            total += np.multiply(ks[i], weights[i], out=self.scratch)
        return total

    def _row(self, weights: Any, count: int, dtype: Any) -> np.ndarray:
        if type(weights) is not tuple:
            return np.asarray(weights[:count], dtype=dtype)
        row = self.rows.get((weights, count, dtype))
        if row is None:
            if len(self.rows) > 256:
                self.rows.clear()
            row = self.rows[weights, count, dtype] = np.asarray(weights[:count], dtype=dtype)
        return row
