"""In which order to eliminate: pivots that are there, and little fill."""

from __future__ import annotations

from typing import Any

import numpy as np

SMALL_DIAGONAL = 1e-3  # of the least of its row's and its column's largest entry: no pivot to rely on
PREFERENCE = 1e3  # how much larger than the diagonal's an entry must be to be preferred: moving rows costs fill
WEIGHED = 20_000  # equations from which on pivots are not weighed any more, which takes long
BANDED = 2.5  # what a band may hold beyond the entries that it is for


class StructurallySingular(ValueError):
    """No choice of values makes a matrix of this pattern regular."""


def pivot_rows(n: int, rows: np.ndarray, columns: np.ndarray, values: Any = None) -> np.ndarray:
    """The row that is the pivot's for each column: the diagonal's, unless that is missing or tiny.

    Parameters
    ----------
    n : int
        Equations.
    rows, columns : numpy.ndarray of int
        The entries that may be other than zero.
    values : numpy.ndarray, optional
        Their numbers in a typical matrix.

    Raises
    ------
    StructurallySingular
        If there aren't n entries in different rows and columns.
    """
    on_diagonal = rows == columns
    complete = np.count_nonzero(on_diagonal) == n
    if values is not None and np.all(np.isfinite(values)):
        size = np.abs(values).astype(np.float64)
        found = _weighed(n, rows, columns, size, on_diagonal, complete)
        if found is not None:
            return found
    if complete:
        return np.arange(n, dtype=np.int32)
    found = _matched(n, rows, columns, np.where(on_diagonal, 1.0, 2.0))
    if found is None:
        found = _any_matching(n, rows, columns)
    return found


def _weighed(
    n: int, rows: np.ndarray, columns: np.ndarray, size: np.ndarray, on_diagonal: np.ndarray, complete: bool
) -> np.ndarray | None:
    """Pivots whose product is large."""
    in_row, in_column = np.zeros(n), np.zeros(n)
    np.maximum.at(in_row, rows, size)
    np.maximum.at(in_column, columns, size)
    if complete:
        place = rows[on_diagonal]
        if np.all(size[on_diagonal] > SMALL_DIAGONAL * np.minimum(in_row, in_column)[place]):
            return np.arange(n, dtype=np.int32)
    there = size > 0.0
    cost = 1.0 + np.log(in_column[columns[there]] / size[there])
    cost[~on_diagonal[there]] += np.log(PREFERENCE)
    return _matched(n, rows[there], columns[there], cost)


def _matched(n: int, rows: np.ndarray, columns: np.ndarray, cost: np.ndarray) -> np.ndarray | None:
    """The rows of the n entries, in different rows and columns, that cost least; None where there are none such."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    if n > WEIGHED:
        return None
    try:
        i, j = min_weight_full_bipartite_matching(csr_array((cost, (rows, columns)), shape=(n, n)))
    except ValueError:
        return None
    found = np.empty(n, dtype=np.int32)
    found[j] = i
    return found


def _any_matching(n: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    found = maximum_bipartite_matching(graph, perm_type="row")
    if np.any(found < 0):
        alone = np.flatnonzero(found < 0)
        raise StructurallySingular(
            f"the matrix is singular whatever its values: of {n} unknowns, {len(alone)} can't be solved for, which "
            f"are {alone[:8].tolist()}{' ...' if len(alone) > 8 else ''} or others in the same equations. Is an entry "
            "missing in the sparsity pattern, or is the problem of an index above 1?"
        )
    return np.asarray(found, dtype=np.int32)


def least_degree(n: int, rows: np.ndarray, columns: np.ndarray) -> tuple[list[int], list[int], list[int]]:
    """Eliminate, among the diagonal's, the pivot that may fill fewest entries; for tens of equations.

    Returns
    -------
    order : list of int
        The pivots.
    lower, upper : list of int
        For each of them its row's entries before it and from it on, as bits by equation.
    """
    row, column = [0] * n, [0] * n
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        row[i] |= 1 << j
        column[j] |= 1 << i
    left = (1 << n) - 1
    order: list[int] = []
    upper = [0] * n
    for _ in range(n):
        pivot = min(
            (p for p in range(n) if left >> p & 1),
            key=lambda p: (((row[p] & left).bit_count() - 1) * ((column[p] & left).bit_count() - 1), p),
        )
        order.append(pivot)
        upper[pivot] = across = row[pivot] & left
        left &= ~(1 << pivot)
        below = column[pivot] & left
        for i in bits(below):
            row[i] |= across
        for j in bits(across & left):
            column[j] |= below
    done, lower = 0, [0] * n
    for pivot in order:
        lower[pivot] = row[pivot] & done
        done |= 1 << pivot
    return order, lower, upper


def bits(word: int) -> list[int]:
    """The places of ones."""
    found = []
    while word:
        found.append((word & -word).bit_length() - 1)
        word &= word - 1
    return found


def little_fill(graph: Any) -> np.ndarray:
    """The order of elimination for a symmetric pattern with a full diagonal (a CSR array).

    A band's own order, where there is a band to be found, else minimum degree.
    """
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    n = graph.shape[0]
    natural = np.arange(n, dtype=np.int32)
    enough = BANDED * (graph.nnz - n) / 2 + n
    if _envelope(graph, natural) <= enough:
        return natural
    banded = np.asarray(reverse_cuthill_mckee(graph, symmetric_mode=True), dtype=np.int32)
    if _envelope(graph, banded) <= enough:
        return banded
    return _minimum_degree(graph)


def _envelope(graph: Any, order: np.ndarray) -> int:
    """Places from each row's first entry to the diagonal: nothing fills beyond them."""
    n = len(order)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    first = np.minimum.reduceat(place[graph.indices], graph.indptr[:-1])
    return int(np.sum(place - first))


def _minimum_degree(graph: Any) -> np.ndarray:
    """By SuperLU, which orders also where it is told to drop all that fills."""
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import spilu

    values = np.ones(graph.nnz)
    n = graph.shape[0]
    of_row = np.repeat(np.arange(n), np.diff(graph.indptr))
    values[graph.indices == of_row] = n  # dominant, whatever the order
    matrix = csc_array((values, graph.indices, graph.indptr), shape=graph.shape)
    found = spilu(matrix, drop_tol=1.0, fill_factor=1.0, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return np.argsort(found.perm_c).astype(np.int32)
