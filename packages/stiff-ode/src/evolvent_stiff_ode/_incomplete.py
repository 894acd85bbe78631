"""The order of an incomplete LU factorisation, and its plan: that of an elimination in which nothing fills."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from evolvent.sparse import Pattern

from ._supernodes import Plan
from ._symbolic import Symbolic


class Incomplete(Symbolic):
    """A factorisation that drops what the pattern has no place for.

    `pattern` is symmetric, and has all of its diagonal: loops then overwrite whatever was dropped where they read.
    """

    incomplete = True

    @classmethod
    def of(cls, pattern: Pattern) -> Incomplete:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take the pivots of the diagonal, in an order that keeps neighbours close."""
        return _ordered(pattern)

    @cached_property
    def straight(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Loops always."""
        return None

    @cached_property
    def plan(self) -> Plan:
        """One block a pivot, whose columns behind it are those of the pattern."""
        from scipy.sparse import csr_array

        n, order, pattern = self.n, self.rows, self.pattern
        place = np.empty(n, dtype=np.int32)
        place[order] = np.arange(n, dtype=np.int32)
        i, j = place[pattern.rows], place[pattern.columns]
        entries = csr_array((np.arange(1, pattern.size + 1), (i, j)), (n, n))
        entries.sort_indices()
        row = np.repeat(np.arange(n), np.diff(entries.indptr))
        upper, lower = entries.indices > row, entries.indices < row
        behind = np.concatenate([[0], np.cumsum(np.bincount(row[upper], minlength=n))])
        before = np.concatenate([[0], np.cumsum(np.bincount(row[lower], minlength=n))])
        rectangles = np.arange(n + 1) + behind
        start_of_lower = rectangles[-1] + before
        size = int(start_of_lower[-1]) + n
        sections = [order, order, np.arange(n + 1), behind, entries.indices[upper], rectangles]
        sections += [before, entries.indices[lower], start_of_lower, entries.indptr, entries.indices, entries.data - 1]
        numbers = np.concatenate([np.asarray(x, dtype=np.int32) for x in sections])
        numbers.setflags(write=False)
        offsets = tuple(int(x) for x in np.cumsum([0, *map(len, sections)]))
        return Plan(numbers, offsets, n, n, int(np.max(1 + np.diff(behind), initial=0)), size)


@lru_cache(maxsize=16)
def _ordered(pattern: Pattern) -> Incomplete:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    whole = pattern.union(pattern.transpose()).with_diagonal()
    graph = csr_array((np.ones(whole.size, np.int8), whole.columns, whole.starts), shape=whole.shape)
    order = reverse_cuthill_mckee(graph, symmetric_mode=True).astype(np.int32)
    return Incomplete(whole, order, order)
