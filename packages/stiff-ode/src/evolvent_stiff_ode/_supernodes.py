"""The plan of an elimination by loops: which rows of the factors are alike, and where everything lies.

Neighbouring pivots whose rows of U have the same entries behind them make a block, kept as one rectangle: the loops
then run along it without looking at indices. Rows are eliminated from above, each by the blocks before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Widths up to which neighbouring blocks become one if no more than this part of it would be zeros: to walk
# through some zeros takes less time than to begin another block.
_JOINED = ((4, 0.6), (16, 0.35), (48, 0.1), (1 << 30, 0.03))

SECTIONS = ("rows", "columns", "first", "behind", "places", "blocks", "before", "updates", "lower", "start", "at", "of")


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that loops need to know, in one array.

    Attributes
    ----------
    numbers : numpy.ndarray of int32
        Its sections, behind each other:

        - rows, columns: of each pivot in the matrix
        - first: each block's first pivot, and their number
        - behind: where each block's columns behind it start in `places`
        - places: those columns, ascending
        - blocks: where each block's rectangle starts in the factors; its rows hold the block's own columns, with the
          factors of L before the diagonal, and those behind it
        - before: where each row's blocks start in `updates`
        - updates: the blocks that have a column of L in the row, ascending
        - lower: where each row's factors of L start, those in the columns of earlier blocks
        - start: where each row's entries start in `at` and `of`
        - at, of: the column of each entry of the matrix, in the order of pivots, and its place among the values
    offsets : tuple of int
        Where each section starts.
    n, count : int
        Pivots and blocks.
    widest : int
        The longest row of a rectangle.
    size : int
        Of the factors; the last n are inverse pivots.
    """

    numbers: np.ndarray
    offsets: tuple[int, ...]
    n: int
    count: int
    widest: int
    size: int

    def section(self, name: str) -> np.ndarray:
        """One of the sections."""
        i = SECTIONS.index(name)
        return self.numbers[self.offsets[i] : self.offsets[i + 1]]


def plan(n: int, rows: np.ndarray, columns: np.ndarray, pivot_rows: np.ndarray, order: np.ndarray) -> Plan:
    """Make the plan for entries of a matrix, given each column's pivot row and the order of columns."""
    from scipy.sparse import csr_array

    order = np.asarray(order)
    graph = symmetric(n, rows, columns, pivot_rows)
    order = order[_postorder(_tree(n, *_permuted(graph, order)))]
    blocks = _joined(_blocks(n, *_permuted(graph, order), n))
    row_of, column_of = np.asarray(pivot_rows)[order], order
    first = np.asarray([*(block.first for block in blocks), n])
    widths = np.diff(first)
    lengths = np.asarray([len(block.behind) for block in blocks], dtype=np.int64)
    behind = np.concatenate([[0], np.cumsum(lengths)])
    places = np.concatenate([np.zeros(0, np.int32), *(block.behind for block in blocks)])
    rectangles = np.concatenate([[0], np.cumsum(widths * (widths + lengths))])
    of_block = np.repeat(np.arange(len(blocks)), lengths)
    by_row = np.argsort(places, kind="stable")
    updates = of_block[by_row]
    before = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=n))])
    ends = np.concatenate([[0], np.cumsum(widths[updates])])
    lower = rectangles[-1] + ends[before]
    size = int(lower[-1]) + n
    entries = csr_array((np.arange(1, len(rows) + 1), (_places(row_of)[rows], _places(column_of)[columns])), (n, n))
    sections = [row_of, column_of, first, behind, places, rectangles, before, updates, lower]
    sections += [entries.indptr, entries.indices, entries.data - 1]
    if size >= 1 << 31 or sum(map(len, sections)) >= 1 << 31:
        raise ValueError(f"the factors of {n} equations have {size} entries: more than fit. Use an iterative solver.")
    numbers = np.concatenate([np.asarray(x, dtype=np.int32) for x in sections])
    numbers.setflags(write=False)
    offsets = tuple(int(x) for x in np.cumsum([0, *map(len, sections)]))
    return Plan(numbers, offsets, n, len(blocks), int(np.max(widths + lengths, initial=0)), size)


def symmetric(n: int, rows: np.ndarray, columns: np.ndarray, pivot_rows: np.ndarray) -> Any:
    """The pattern of the matrix with its pivots on the diagonal, and of its transpose, together."""
    from scipy.sparse import csr_array

    place = _places(pivot_rows)[rows]
    on = np.arange(n)
    i, j = np.concatenate([place, columns, on]), np.concatenate([columns, place, on])
    graph = csr_array((np.ones(len(i), np.int8), (i, j)), shape=(n, n))
    graph.sum_duplicates()
    return graph


def _places(order: np.ndarray) -> np.ndarray:
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return place


def _permuted(graph: Any, order: np.ndarray) -> tuple[list[int], list[int]]:
    """Rows of the permuted graph, as lists: where they start, and their columns, ascending."""
    found = graph[order][:, order]
    found.sort_indices()
    return found.indptr.tolist(), found.indices.tolist()


def _tree(n: int, start: list[int], columns: list[int]) -> list[int]:
    """The elimination tree: the next pivot that each one's elimination touches."""
    parent, reached = [-1] * n, [-1] * n
    for i in range(n):
        for k in columns[start[i] : start[i + 1]]:
            if k >= i:
                break
            while True:
                further = reached[k]
                if further == i:
                    break
                reached[k] = i  # whoever comes by again need not walk the whole way
                if further < 0:
                    parent[k] = i
                    break
                k = further
    return parent


def _postorder(parent: list[int]) -> np.ndarray:
    """Children before their parents, and the one with the most descendants last: it may become one block with it."""
    n = len(parent)
    descendants = [1] * n
    for i, p in enumerate(parent):
        if p >= 0:
            descendants[p] += descendants[i]
    children: list[list[int]] = [[] for _ in range(n)]
    roots = []
    for i, p in enumerate(parent):
        (roots if p < 0 else children[p]).append(i)
    order = []
    stack = roots[::-1]
    while stack:  # from the last to the first: a parent, then its children
        i = stack.pop()
        order.append(i)
        below = children[i]
        if len(below) > 1:
            below.sort(key=descendants.__getitem__)
        stack.extend(below)
    # Roots come in their own order, each with all that is below it.
    order = order[::-1]
    return np.asarray(order, dtype=np.int64)


class _Block:
    """Neighbouring pivots and the columns behind them."""

    __slots__ = ("behind", "entries", "first", "width")

    def __init__(self, first: int, width: int, behind: np.ndarray):
        self.first, self.width, self.behind = first, width, behind
        self.entries = _area(width, len(behind))


def _area(width: int, behind: int) -> int:
    return width * (width + 1) // 2 + width * behind


def _blocks(n: int, start: list[int], columns: list[int], last: int) -> list[_Block]:
    """Pivots whose rows have the same entries behind them, by merging the rows of children in the elimination tree."""
    waiting: dict[int, list[tuple[int, set[int]]]] = {}  # by parent: children and their entries behind
    first = list(range(n))  # of the block that each pivot is in
    blocks = []

    def close(pivot: int, behind: set[int]) -> None:
        blocks.append(_Block(first[pivot], pivot + 1 - first[pivot], np.asarray(sorted(behind), dtype=np.int32)))

    for i in range(n):
        below = waiting.pop(i, ())
        own = [j for j in columns[start[i] : start[i + 1]] if j > i]
        if not below:
            entries = set(own)
        else:
            child, entries = max(below, key=lambda item: len(item[1]))
            others = set(own)
            for other, theirs in below:
                if other != child:
                    close(other, theirs)
                    others |= theirs
            others -= entries
            others.discard(i)
            if child == i - 1 and not others:
                first[i] = first[child]
            else:
                close(child, entries)
                entries |= others
            entries.discard(i)
        if entries:
            waiting.setdefault(min(entries), []).append((i, entries))
        else:
            close(i, entries)
    blocks.sort(key=lambda block: block.first)
    return blocks


def _joined(blocks: list[_Block]) -> list[_Block]:
    """Blocks joined with the child before them where few zeros come with it."""
    found: list[_Block] = []
    for block in blocks:
        while found:
            child = found[-1]
            if not len(child.behind) or child.behind[0] != block.first:
                break
            width = child.width + block.width
            area, entries = _area(width, len(block.behind)), child.entries + block.entries
            allowed = next(part for most, part in _JOINED if width <= most)
            if area - entries > allowed * area:
                break
            found.pop()
            block = _Block(child.first, width, block.behind)
            block.entries = entries
        found.append(block)
    return found
