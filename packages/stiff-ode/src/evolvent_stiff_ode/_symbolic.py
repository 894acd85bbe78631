"""What an LU factorisation can know of a matrix whose pattern alone is known."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np

from . import _supernodes
from ._ordering import bits, least_degree, little_fill, pivot_rows

ONE_BY_ONE = 128  # equations up to which pivots are chosen one by one
ENTRIES, PRODUCTS = 240, 600  # of factors that are computed without loops: code grows with both


class Symbolic:
    """The order of elimination for a pattern, and the entries of the factors.

    Pivots are fixed beforehand, the diagonal's where they are there. Numbers that don't allow for them are told by NaN
    in the solution.

    Parameters
    ----------
    pattern
        The entries that may be other than zero: `rows` and `columns`, sorted by rows, and `shape`.
    rows, columns : numpy.ndarray of int32
        The matrix's row and column of each pivot, in order.

    Attributes
    ----------
    digest : bytes
        Equal for equal patterns and orders.
    straight : Straight or None
        The factors' entries, where they are few.
    plan : Plan
        The elimination by loops.
    """

    def __init__(self, pattern: Any, rows: np.ndarray, columns: np.ndarray):
        self.pattern = pattern
        self.rows, self.columns = (np.asarray(x, dtype=np.int32) for x in (rows, columns))
        self.n: int = pattern.shape[0]
        parts = (pattern.rows, pattern.columns, self.rows, self.columns)
        text = b"".join(np.asarray(x, dtype=np.int32).tobytes() for x in parts)
        self.digest = hashlib.blake2b(self.n.to_bytes(8, "little") + text, digest_size=16).digest()

    @classmethod
    def of(cls, pattern: Any, values: Any = None) -> Symbolic:
        """Choose pivots, and an order in which little fills.

        Parameters
        ----------
        pattern
            The entries that may be other than zero: `rows` and `columns`, sorted by rows, and `shape`.
        values : array_like, optional
            Their numbers in a typical matrix: where those of the diagonal are zero or tiny, other pivots are chosen.

        Returns
        -------
        Symbolic

        Raises
        ------
        StructurallySingular
            If all matrices of this pattern are singular.

        Examples
        --------
        >>> from evolvent.sparse import Pattern
        >>> saddle_point = Pattern([0, 0, 1], [0, 1, 0], (2, 2))  # entry (1, 1) is zero
        >>> symbolic = Symbolic.of(saddle_point)
        >>> symbolic.rows, symbolic.columns
        (array([1, 0], dtype=int32), array([0, 1], dtype=int32))
        """
        n, width = pattern.shape
        if n != width:
            raise ValueError(f"pattern: square matrices are factorised, the shape is {pattern.shape}")
        rows, columns = np.asarray(pattern.rows), np.asarray(pattern.columns)
        if values is not None:
            values = np.asarray(values)
            if values.shape != rows.shape:
                raise ValueError(f"values: {values.shape} numbers given for a pattern of {len(rows)} entries")
        pivots = pivot_rows(n, rows, columns, values)
        if n <= ONE_BY_ONE:
            place = np.empty(n, dtype=np.int32)
            place[pivots] = np.arange(n, dtype=np.int32)
            order = np.asarray(least_degree(n, place[rows], columns)[0], dtype=np.int32)
        else:
            order = little_fill(_supernodes.symmetric(n, rows, columns, pivots))
        return cls(pattern, pivots[order], order)

    @cached_property
    def straight(self) -> Straight | None:
        if self.n > ONE_BY_ONE or len(self.pattern.rows) > ENTRIES:
            return None
        found = Straight(self)
        return found if found.size <= ENTRIES and found.products <= PRODUCTS else None

    @cached_property
    def plan(self) -> _supernodes.Plan:
        pivots = np.empty(self.n, dtype=np.int32)
        pivots[self.columns] = self.rows
        pattern = self.pattern
        return _supernodes.plan(self.n, np.asarray(pattern.rows), np.asarray(pattern.columns), pivots, self.columns)

    @cached_property
    def by_columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The permuted matrix by columns: where they start, the rows of their entries, the places among the values."""
        row, column = (np.empty(self.n, dtype=np.int32) for _ in range(2))
        row[self.rows] = column[self.columns] = np.arange(self.n, dtype=np.int32)
        i, j = row[np.asarray(self.pattern.rows)], column[np.asarray(self.pattern.columns)]
        places = np.lexsort((i, j)).astype(np.int32)
        start = np.zeros(self.n + 1, dtype=np.int32)
        np.cumsum(np.bincount(j, minlength=self.n), out=start[1:])
        return start, i[places], places

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Symbolic) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Symbolic(<{self.n} equations, {len(self.pattern.rows)} entries>)"


class Straight:
    """The entries of small factors, one by one, in the order of pivots.

    Attributes
    ----------
    given : list of list of (int, int)
        For each row the columns of the matrix's entries, and their places among the values.
    lower, upper : list of list of int
        For each row the columns of its factors before the diagonal, and behind it.
    products : int
        Multiplications that a factorisation takes.
    size : int
        Of the factors, which are, row by row, those of L with the opposite sign, the inverse pivot and those of U.
    place : dict of (int, int) to int
        Where in the factors an entry is.
    """

    def __init__(self, symbolic: Symbolic):
        n, pattern = symbolic.n, symbolic.pattern
        row, column = (np.empty(n, dtype=np.int64) for _ in range(2))
        row[symbolic.rows] = column[symbolic.columns] = np.arange(n)
        rows, columns = row[np.asarray(pattern.rows)], column[np.asarray(pattern.columns)]
        self.given: list[list[tuple[int, int]]] = [[] for _ in range(n)]
        filled = [0] * n
        for place, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
            self.given[i].append((j, place))
            filled[i] |= 1 << j
        self.lower: list[list[int]] = []
        self.upper: list[list[int]] = []
        self.place: dict[tuple[int, int], int] = {}
        for i in range(n):
            entries, k = filled[i], 0
            while before := entries >> k << k & (1 << i) - 1:
                k = (before & -before).bit_length()
                entries |= filled[k - 1] >> k << k
            filled[i] = entries
            found = bits(entries)
            self.lower.append([j for j in found if j < i])
            self.upper.append([j for j in found if j > i])
            for j in found:
                self.place[i, j] = len(self.place)
        self.products = sum(1 + len(self.upper[k]) for row in self.lower for k in row)
        self.size = len(self.place)
