"""Sparse LU factorisations on the host, by SciPy's SuperLU, for backends that run no loops of their own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import Any

import numpy as np

THRESHOLD = 0.01  # of its column's largest entry: a smaller pivot is exchanged
DROPPED, FILL = 1e-3, 5.0  # of an incomplete factorisation: what is too small to be kept, and how much is
REMEMBERED = 1 << 28  # bytes of factors that `solved` keeps


class HostLU:
    """The factors of one matrix.

    Parameters
    ----------
    symbolic
        Gives `rows` and `columns`, the order of pivots, and `by_columns`, the permuted matrix's pattern: where columns
        start, their rows, and the places of their entries among the values. One that is `incomplete` asks for factors
        that are short rather than exact.
    values : numpy.ndarray, shape (entries,)
        Of the matrix, in the order of its pattern.
    """

    def __init__(self, symbolic: Any, values: np.ndarray):
        from scipy.sparse import csc_array
        from scipy.sparse.linalg import spilu, splu

        self.symbolic, self.dtype = symbolic, values.dtype
        self._factors: Any = None
        if not np.isfinite(values).all():
            return
        start, rows, places = symbolic.by_columns
        n = len(start) - 1
        matrix = csc_array((values[places], rows, start), shape=(n, n))
        how = {"permc_spec": "NATURAL", "diag_pivot_thresh": THRESHOLD, "options": {"SymmetricMode": True}}
        try:
            if getattr(symbolic, "incomplete", False):
                self._factors = spilu(matrix, drop_tol=DROPPED, fill_factor=FILL, **how)
            else:
                self._factors = splu(matrix, **how)
        except RuntimeError:  # singular
            return

    @property
    def nbytes(self) -> int:
        """About how much memory the factors take."""
        return 0 if self._factors is None else self._factors.nnz * (self.dtype.itemsize + 4)

    def solve(self, rhs: Any, *, transposed: bool = False) -> np.ndarray:
        """The solution for right sides of shape (n,) or (n, m), NaN where the matrix is singular or not finite."""
        dtype = np.result_type(self.dtype, rhs.dtype)
        if self._factors is None:
            return np.full(rhs.shape, np.nan, dtype)
        if dtype.kind == "c" and self.dtype.kind != "c":
            parts = (self.solve(np.ascontiguousarray(x), transposed=transposed) for x in (rhs.real, rhs.imag))
            return np.asarray(next(parts) + 1j * next(parts), dtype)
        given, found = self.symbolic.rows, self.symbolic.columns
        if transposed:
            given, found = found, given
        x = np.empty(rhs.shape, dtype)
        with np.errstate(all="ignore"):
            x[found] = self._factors.solve(rhs[given].astype(self.dtype, copy=False), trans="T" if transposed else "N")
        return x


_remembered: OrderedDict[tuple[bytes, bytes], HostLU] = OrderedDict()
_lock = threading.Lock()


def solved(symbolic: Any, values: np.ndarray, rhs: np.ndarray, *, transposed: bool = False) -> np.ndarray:
    """Solve with the matrix of these values, whose factors are remembered by what it holds.

    For backends in which factors must be arrays: there the values themselves pass for them.
    """
    values = np.ascontiguousarray(values)
    key = (
        symbolic.digest,
        blake2b(values.view(np.uint8).data, digest_size=16, salt=values.dtype.str.encode()).digest(),
    )
    with _lock:
        factors = _remembered.get(key)
        if factors is not None:
            _remembered.move_to_end(key)
    if factors is None:
        factors = HostLU(symbolic, values)
        with _lock:
            _remembered[key] = factors
            used = sum(x.nbytes for x in _remembered.values())
            while used > REMEMBERED and len(_remembered) > 1:
                used -= _remembered.popitem(last=False)[1].nbytes
    return factors.solve(rhs, transposed=transposed)
