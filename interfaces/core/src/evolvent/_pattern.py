"""Where a sparse matrix may differ from zero."""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from ._colouring import colouring
from ._errors import InputError
from ._plot import to_numpy


class Pattern:
    """The entries of a sparse matrix that may differ from zero, as an immutable value.

    Parameters
    ----------
    rows, columns : array_like of int
        Where the entries are, in any order; what comes twice counts once.
    shape : (int, int)
        Of the matrix.

    Attributes
    ----------
    rows, columns : numpy.ndarray of int32
        The entries row by row, and by columns in each row.
    shape : (int, int)

    Raises
    ------
    InputError
        If an entry lies outside of the matrix.

    Examples
    --------
    >>> from evolvent.sparse import Pattern
    >>> arrow = Pattern([0, 1, 2, 2], [0, 1, 1, 2], (3, 3))
    >>> arrow
    Pattern of 4 entries in (3, 3)
    >>> arrow.bandwidth
    (1, 0)
    >>> arrow.colours
    array([0, 1, 0])
    >>> arrow == Pattern.from_matrix([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 5.0, 1.0]])
    True
    """

    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]

    def __init__(self, rows: Any, columns: Any, shape: tuple[int, int]):
        n, m = (int(length) for length in shape)
        i, j = _places(rows, "rows", n), _places(columns, "columns", m)
        if len(i) != len(j):
            raise InputError("columns", f"has {len(j)} entries, but rows has {len(i)}.")
        keys = i * m + j
        if keys.size > 1 and not (keys[1:] > keys[:-1]).all():
            keys = _unique(keys)
        self._set(keys, (n, m))

    def _set(self, keys: np.ndarray, shape: tuple[int, int]) -> None:
        found = np.divmod(keys, max(shape[1], 1))
        for name, places in zip(("rows", "columns"), found, strict=True):
            places = places.astype(np.int32)
            places.setflags(write=False)
            self.__dict__[name] = places
        self.__dict__["shape"] = shape

    @classmethod
    def _of_keys(cls, keys: np.ndarray, shape: tuple[int, int]) -> Pattern:
        """Made of flat positions that are in order."""
        pattern = object.__new__(cls)
        pattern._set(keys, shape)
        return pattern

    @classmethod
    def from_matrix(cls, matrix: Any) -> Pattern:
        """The pattern of a matrix.

        Parameters
        ----------
        matrix : scipy.sparse matrix, array_like of bool or numbers, (rows, columns, shape), or Pattern
            What is stored in a sparse matrix counts, a stored zero too; in an array what is not zero.

        Returns
        -------
        Pattern
        """
        if isinstance(matrix, Pattern):
            return matrix
        if hasattr(matrix, "tocoo"):
            entries = matrix.tocoo()
            return cls(entries.row, entries.col, entries.shape)
        if isinstance(matrix, tuple) and len(matrix) == 3 and np.ndim(matrix[2]) == 1 and len(matrix[2]) == 2:
            rows, columns, shape = matrix
            return cls(rows, columns, shape)
        array = to_numpy(matrix) if hasattr(matrix, "dtype") else np.asarray(matrix)
        if array.ndim != 2 or array.dtype.kind not in "biufc":
            raise InputError(
                "pattern",
                f"is of shape {array.shape} and {array.dtype}.",
                "Give a sparse matrix of SciPy, a matrix of bools or numbers, or (rows, columns, shape).",
            )
        rows, columns = np.nonzero(array)
        return cls(rows, columns, array.shape)

    @classmethod
    def full(cls, shape: tuple[int, int]) -> Pattern:
        """All entries."""
        return cls._of_keys(np.arange(shape[0] * shape[1], dtype=np.int64), (int(shape[0]), int(shape[1])))

    @classmethod
    def diagonal(cls, n: int) -> Pattern:
        """The diagonal of a square matrix."""
        return cls._of_keys(np.arange(n, dtype=np.int64) * (n + 1), (n, n))

    @classmethod
    def banded(cls, n: int, lower: int, upper: int) -> Pattern:
        """The diagonal of a square matrix, and so many below and above it.

        Examples
        --------
        >>> from evolvent.sparse import Pattern
        >>> Pattern.banded(5, lower=1, upper=2)
        Pattern of 16 entries in (5, 5)
        """
        for what, given in (("n", n), ("lower", lower), ("upper", upper)):
            if given < 0:
                raise InputError(what, f"must not be negative, got {given!r}.")
        rows = np.arange(n, dtype=np.int64)[:, None]
        columns = rows + np.arange(-min(lower, n), min(upper, n) + 1)
        inside = (columns >= 0) & (columns < n)
        return cls._of_keys((rows * n + columns)[inside], (n, n))

    # ---------------------------------------------------------------- a value
    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a Pattern is immutable: make another one")

    @cached_property
    def digest(self) -> bytes:
        """What tells patterns apart."""
        found = blake2b(np.asarray(self.shape, np.int64).tobytes(), digest_size=16)
        found.update(self.rows.tobytes())
        found.update(self.columns.tobytes())
        return found.digest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        return self is other or (self.shape == other.shape and self.size == other.size and self.digest == other.digest)

    def __reduce__(self) -> Any:
        return Pattern, (self.rows, self.columns, self.shape)

    def __repr__(self) -> str:
        return f"Pattern of {self.size} entries in {self.shape}"

    # ---------------------------------------------------------------- what is asked of it
    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.rows)

    @property
    def density(self) -> float:
        """The part of the matrix that they are."""
        return self.size / max(self.shape[0] * self.shape[1], 1)

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each row begins in the entries, and behind them where the last one ends (the CSR format's pointers)."""
        starts = np.zeros(self.shape[0] + 1, np.int32)
        np.cumsum(np.bincount(self.rows, minlength=self.shape[0]), out=starts[1:])
        starts.setflags(write=False)
        return starts

    @cached_property
    def bandwidth(self) -> tuple[int, int]:
        """How far entries lie below and above the diagonal, at most."""
        if not self.size:
            return 0, 0
        above = self.columns - self.rows
        return max(0, -int(above.min())), max(0, int(above.max()))

    @cached_property
    def colours(self) -> np.ndarray:
        """The colour of each column, from 0: no two of one colour have an entry in one row."""
        colours = colouring(self.rows.astype(np.int64), self.columns.astype(np.int64), self.shape)
        colours.setflags(write=False)
        return colours

    def positions(self, part: Pattern) -> np.ndarray:
        """Where another pattern's entries lie among the entries of this one.

        Parameters
        ----------
        part : Pattern
            Of the same shape, and with no entry that this one lacks.

        Returns
        -------
        numpy.ndarray of int64
            For each entry of `part`, its place here.

        Raises
        ------
        InputError
            If an entry is missing here, or the shape is another one.

        Examples
        --------
        >>> from evolvent.sparse import Pattern
        >>> Pattern.full((2, 2)).positions(Pattern.diagonal(2))
        array([0, 3])
        """
        self._check_shape(part, "part")
        mine, its = self._keys(), part._keys()
        found = np.searchsorted(mine, its)
        present = found < mine.size
        present[present] = mine[found[present]] == its[present]
        if not present.all():
            k = int(np.argmin(present))
            raise InputError("part", f"has an entry at ({part.rows[k]}, {part.columns[k]}), which this pattern lacks.")
        return found

    # ---------------------------------------------------------------- others made of it
    def union(self, other: Pattern) -> Pattern:
        """The entries of both."""
        self._check_shape(other, "other")
        if other is self:
            return self
        return Pattern._of_keys(_unique(np.concatenate([self._keys(), other._keys()])), self.shape)

    __or__ = union

    def with_diagonal(self) -> Pattern:
        """Add the diagonal of a square matrix."""
        n, m = self.shape
        if n != m:
            raise InputError("shape", f"is {self.shape}, and only square matrices have all of a diagonal.")
        return self.union(Pattern.diagonal(n))

    def transpose(self) -> Pattern:
        """The pattern with rows and columns exchanged."""
        return Pattern(self.columns, self.rows, (self.shape[1], self.shape[0]))

    def _keys(self) -> np.ndarray:
        """Flat positions."""
        return self.rows.astype(np.int64) * self.shape[1] + self.columns

    def _check_shape(self, other: Pattern, what: str) -> None:
        if other.shape != self.shape:
            raise InputError(what, f"is a pattern of shape {other.shape} where {self.shape} is needed.")


def _unique(keys: np.ndarray) -> np.ndarray:
    """Flat positions in order, each once; quick where they are runs of such."""
    keys = np.sort(keys, kind="stable")
    new = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return keys[new]


def _places(values: Any, what: str, length: int) -> np.ndarray:
    given = np.asarray(values)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputError(
            what, f"has shape {given.shape} and dtype {given.dtype} where a list of whole numbers is needed."
        )
    places = given.astype(np.int64)
    if places.size and (places.min() < 0 or places.max() >= length):
        raise InputError(what, f"goes from {places.min()} to {places.max()}, but the matrix has {length}.")
    return places
