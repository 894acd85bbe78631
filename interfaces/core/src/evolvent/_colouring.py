"""Groups of columns of a sparse matrix that share no row: one direction serves a whole group."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

EXACT_ORDER = 20_000  # pairs of columns for which an order is worth computing


def colouring(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Colour columns so that no two of one colour have an entry in one row.

    The best is taken of a cyclic colouring (which suits bands and stencils) and of greedy ones, in natural order, with
    the largest columns first and, for small matrices, the one of fewest neighbours last.

    Parameters
    ----------
    rows, columns : numpy.ndarray of int
        Where the entries are, each once.
    shape : (int, int)
        Of the matrix.

    Returns
    -------
    numpy.ndarray of int
        The colour of each column, from 0.

    References
    ----------
    A. H. Gebremedhin, F. Manne, A. Pothen, What color is your Jacobian?, SIAM Review 47 (2005),
    doi:10.1137/S0036144504444711.
    """
    count = shape[1]
    if len(rows) == 0 or count == 0:
        return np.zeros(count, np.int64)
    fewest = int(np.bincount(rows, minlength=1).max())
    best = _cyclic(rows, columns, count, fewest, min(count, fewest + 8))
    if best is not None and best.max() < fewest:
        return best
    by_column = np.argsort(columns, kind="stable")
    ends = np.searchsorted(columns[by_column], np.arange(count + 1)).tolist()
    sorted_rows = rows[by_column].tolist()
    rows_of = [sorted_rows[a:b] for a, b in pairwise(ends)]
    for order in _orders(rows, columns, rows_of, shape):
        colours = _greedy(order, rows_of, shape[0])
        if best is None or colours.max() < best.max():
            best = colours
        if best.max() < fewest:
            break
    assert best is not None
    return best


def _cyclic(rows: np.ndarray, columns: np.ndarray, count: int, fewest: int, most: int) -> np.ndarray | None:
    for period in range(fewest, most + 1):
        keys = np.sort(rows * period + columns % period)
        if (keys[1:] != keys[:-1]).all():
            return np.arange(count) % period
    return None


def _orders(rows: np.ndarray, columns: np.ndarray, rows_of: list[list[int]], shape) -> Iterable[list[int]]:
    yield list(range(shape[1]))
    in_row = np.bincount(rows, minlength=shape[0])
    neighbours = np.bincount(columns, weights=in_row[rows] - 1.0, minlength=shape[1])
    yield np.argsort(-neighbours, kind="stable").tolist()
    if neighbours.sum() <= EXACT_ORDER:
        yield _smallest_last(rows_of, shape)


def _greedy(order: list[int], rows_of: list[list[int]], count: int) -> np.ndarray:
    """The first colour that no row of the column has seen; the colours that a row has seen are the bits of a number."""
    seen = [0] * count
    colours = np.zeros(len(rows_of), np.int64)
    for column in order:
        taken = 0
        for row in rows_of[column]:
            taken |= seen[row]
        free = ~taken & (taken + 1)
        for row in rows_of[column]:
            seen[row] |= free
        colours[column] = free.bit_length() - 1
    return colours


def _smallest_last(rows_of: list[list[int]], shape: tuple[int, int]) -> list[int]:
    """The order whose end, again and again, is a column of fewest neighbours among those left."""
    columns_of: list[list[int]] = [[] for _ in range(shape[0])]
    for column, its in enumerate(rows_of):
        for row in its:
            columns_of[row].append(column)
    near = [{c for row in its for c in columns_of[row]} - {column} for column, its in enumerate(rows_of)]
    degree = [len(x) for x in near]
    buckets: list[set[int]] = [set() for _ in range(max(degree, default=0) + 1)]
    for column, d in enumerate(degree):
        buckets[d].add(column)
    order: list[int] = []
    d = 0
    while len(order) < len(near):
        while not buckets[d]:
            d += 1
        column = buckets[d].pop()
        order.append(column)
        for other in near[column]:
            near[other].discard(column)
            buckets[degree[other]].discard(other)
            degree[other] -= 1
            buckets[degree[other]].add(other)
        d = max(d - 1, 0)
    return order[::-1]
