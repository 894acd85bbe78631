"""Sparse LU with the pivots and the fill known beforehand: the loops that a plan describes.

Rows of the factors come in blocks whose entries behind the block are in the same columns; a block is one rectangle, so
that the inner loops run along memory. The plan's sections are arrays of 32-bit integers, behind each other:

====== ======= ======================================================================================================
number name    meaning
====== ======= ======================================================================================================
0, 1   rows    row of the matrix of each pivot; then `columns`: its column
2      first   each block's first pivot, and their number
3      behind  where each block's columns behind it start in `places`
4      places  those columns, ascending
5      blocks  where each block's rectangle starts among the factors
6      before  where each row's earlier blocks start in `updates`
7      updates the blocks that have a column of L in a row, ascending
8      lower   where each row's factors of L start, those of earlier blocks
9      start   where each row's entries start in `at` and `of`
10, 11 at, of  the column of each entry in the order of pivots; its place among the values
====== ======= ======================================================================================================

The factors end with the n inverse pivots.
"""

from __future__ import annotations

import numpy as np

from .._builder import Module, memory_type
from .._graph import BOOL, INT
from .linear_algebra import fill, not_a_number
from .products import dot
from .writing import Array, Place, Value, Writer, kernel, part_of

SECTIONS = 12
CANCELLED = 100.0  # spacings of numbers at the terms of a pivot: so little of them is left by chance only
GROWTH = -2 / 3  # a power of the spacing: pivots that grow by more have lost what the matrix said
PANEL = 8  # rows of one block that are eliminated side by side
_DEPTH = 4  # rows of a block that one pass over a row takes into account
_INT32 = np.dtype(np.int32)


def _sections(w: Writer, numbers: str, offsets: list[Place]) -> list[_Indices]:
    plan = w.array(_INT32, numbers)
    return [_Indices(plan.at(offset)) for offset in offsets]


class _Indices:
    """A section of the plan."""

    def __init__(self, array: Array):
        self.array = array

    def __getitem__(self, index: Place | int) -> Place:
        f = self.array.writer.function
        number = self.array[index]
        return Place(self.array.writer, f.emit(f"sext i32 {number.name} to i64"))

    def at(self, index: Place) -> _Indices:
        return _Indices(self.array.at(index))


def _size(x: Value) -> Value:
    """A magnitude, without a root."""
    return x.part(0).apply("abs") + x.part(1).apply("abs") if x.kind.kind == "c" else x.apply("abs")


def eliminate(module: Module, kind: np.dtype) -> str:
    """(row, block, inverse, width, count, stop): takes a block's first `count` rows from a row.

    The row's first `count` entries become factors of L; `width` is that of the block's rows, and of their entries
    those before `stop` are looked at.
    """

    def write(w: Writer, row, block, inverse, width, count, stop):
        target, matrix, inverses = (w.array(kind, x) for x in (row, block, inverse))
        whole = Place(w, w.function.emit(f"and i64 {count.name}, {-_DEPTH}"))
        with w.loop(0, whole, _DEPTH) as k:
            rows = [matrix.at((k + d) * width) for d in range(_DEPTH)]
            factors: list[Value] = []
            for d in range(_DEPTH):
                entry = target[k + d]
                for factor, above in zip(factors, rows, strict=False):
                    entry = entry - factor * above[k + d]
                factors.append(entry * inverses[k + d])
                target[k + d] = factors[d]
            with w.loop(k + _DEPTH, stop, parallel=True) as j:
                entry = target[j]
                for factor, above in zip(factors, rows, strict=True):
                    entry = entry - factor * above[j]
                target[j] = entry
        with w.loop(whole, count) as k:
            above = matrix.at(k * width)
            factor = target[k] * inverses[k]
            target[k] = factor
            with w.loop(k + 1, stop, parallel=True) as j:
                target[j] = target[j] - factor * above[j]

    return kernel(
        module, ("sparse_eliminate", kind), ("row", "block", "inverse", "<width>", "<count>", "<stop>"), write
    )


_OFFSETS = tuple(f"<s{i}>" for i in range(SECTIONS))


def lu(module: Module, kind: np.dtype) -> str:
    """(values, plan, factors, work, n, count, widest, size, offsets of sections...).

    `work` holds PANEL * n + widest entries.
    """
    part = part_of(kind)
    spacing = float(np.finfo(part).eps)

    def following_block(q: Place, stop: Place, updates: _Indices, count: Place) -> Place:
        """The block at a place among a row's blocks, or `count` behind the last."""
        return q.writer.choose(q < stop, updates[q], count)

    def least(following: Array, panel: Place, count: Place) -> Place:
        w = panel.writer
        found = w.counter(count)
        with w.loop(0, panel) as r:
            found.value = found.value.least(following.place(r))
        return found.value

    def write(w: Writer, values, numbers, factors, work, n, count, widest, size, *offsets):
        entries, found, full = (w.array(kind, x) for x in (values, factors, work))
        sections = _sections(w, numbers, list(offsets))
        first, behind, places, blocks, before, updates, lower, start, at, of = sections[2:]
        some = full.at(n * PANEL)
        inverse = found.at(size - n)
        head, kept_at, following = (w.array(INT, w.function.alloca("i64", PANEL)) for _ in range(3))
        magnitudes = w.array(part, w.function.alloca(memory_type(part), PANEL))
        without = eliminate(module, kind)
        fill(w, full, n * PANEL, 0)
        given, terms, good = w.variable(part, 0), w.variable(part, 0), w.variable(BOOL, True)
        with w.loop(0, count) as p:
            begin, end = first[p], first[p + 1]
            own = places.at(behind[p])
            others = behind[p + 1] - behind[p]
            width = end - begin + others
            block = found.at(blocks[p])
            with w.loop(begin, end, PANEL) as top:
                panel = (end - top).least(PANEL)
                with w.loop(0, panel) as r:
                    i, row = top + r, full.at(r * n)
                    with w.loop(start[i], start[i + 1]) as q:
                        value = entries[of[q]]
                        row[at[q]] = value
                        given.value = given.value + _size(value)
                    magnitudes[r] = _size(row[i])
                    kept_at[r], head[r] = lower[i], before[i]
                    following[r] = following_block(before[i], before[i + 1], updates, count)
                # A block stays in the cache while all rows that it is taken from pass by.
                block_now = w.counter(least(following, panel, count))
                with w.while_(lambda: block_now.value < count):
                    k = block_now.value
                    left = first[k]
                    wide = first[k + 1] - left
                    rest = behind[k + 1] - behind[k]
                    where, above = places.at(behind[k]), found.at(blocks[k]).pointer
                    with w.loop(0, panel) as r, w.when(following[r].equals(k)):
                        i, row = top + r, full.at(r * n)
                        from_ = row.at(left)
                        with w.loop(0, wide) as j:
                            some[j] = from_[j]
                            from_[j] = 0
                        fill(w, some.at(wide), rest, 0)
                        w.call(without, some.pointer, above, inverse.at(left).pointer, wide + rest, wide, wide + rest)
                        kept, changes = found.at(kept_at.place(r)), some.at(wide)
                        with w.loop(0, wide) as j:
                            kept[j] = some[j]
                        with w.loop(0, rest) as j:
                            place = where[j]
                            row[place] = row[place] + changes[j]
                        magnitudes[r] = magnitudes[r] + _size(row[i])
                        kept_at[r] = kept_at.place(r) + wide
                        behind_head = head.place(r) + 1
                        head[r] = behind_head
                        following[r] = following_block(behind_head, before[i + 1], updates, count)
                    block_now.value = least(following, panel, count)
                with w.loop(0, panel) as r:
                    i, wide_row = top + r, full.at(r * n)
                    row = block.at((i - begin) * width)
                    from_, beyond = wide_row.at(begin), row.at(end - begin)
                    with w.loop(0, end - begin) as j:
                        row[j] = from_[j]
                        from_[j] = 0
                    with w.loop(0, others) as j:
                        place = own[j]
                        beyond[j] = wide_row[place]
                        wide_row[place] = 0
                    w.call(without, row.pointer, block.pointer, inverse.at(begin).pointer, width, i - begin, width)
                    pivot = row[i - begin]
                    left_over = _size(pivot)
                    magnitude = magnitudes[r] + left_over
                    terms.value = terms.value + magnitude
                    good.value = good.value & (left_over > magnitude * (CANCELLED * spacing))
                    inverse[i] = w.number(kind, 1) / pivot
        good.value = good.value & (terms.value <= given.value * spacing**GROWTH)
        with w.when(~good.value):
            inverse[n - 1] = not_a_number(kind)

    names = ("values", "plan", "factors", "work", "<n>", "<count>", "<widest>", "<size>", *_OFFSETS)
    return kernel(module, ("sparse_lu", kind), names, write)


def take(module: Module, kind: np.dtype) -> str:
    """(total, a, b, count): a number less the sum of products."""

    def write(w: Writer, total, a, b, count):
        number = w.array(kind, total)
        number[0] = number[0] - dot(w, w.array(kind, a), w.array(kind, b), count)

    return kernel(module, ("sparse_take", kind), ("total", "a", "b", "<count>"), write)


def solve(module: Module, kind: np.dtype) -> str:
    """(factors, plan, b, x, work, sides, n, count, widest, size, offsets of sections...).

    `b` and `x` are right sides behind each other; `work` holds n + widest entries.
    """

    def write(w: Writer, factors, numbers, b, x, work, sides, n, count, widest, size, *offsets):
        found, y = w.array(kind, factors), w.array(kind, work)
        sections = _sections(w, numbers, list(offsets))
        rows, columns, first, behind, places, blocks, before, updates, lower = sections[:9]
        inverse, some, less = found.at(size - n), y.at(n), take(module, kind)
        with w.loop(0, sides) as side:
            given, out = w.array(kind, b).at(side * n), w.array(kind, x).at(side * n)
            with w.loop(0, count) as p:
                begin, end = first[p], first[p + 1]
                width = end - begin + behind[p + 1] - behind[p]
                block = found.at(blocks[p])
                with w.loop(begin, end) as i:
                    y[i] = given[rows[i]]
                    total = y.at(i).pointer
                    factor_at = w.counter(lower[i])
                    with w.loop(before[i], before[i + 1]) as q:
                        k = updates[q]
                        left = first[k]
                        wide = first[k + 1] - left
                        w.call(less, total, found.at(factor_at.value).pointer, y.at(left).pointer, wide)
                        factor_at.value = factor_at.value + wide
                    w.call(less, total, block.at((i - begin) * width).pointer, y.at(begin).pointer, i - begin)
            with w.down(count, 0) as p:
                begin, end = first[p], first[p + 1]
                others = behind[p + 1] - behind[p]
                width = end - begin + others
                own, block = places.at(behind[p]), found.at(blocks[p])
                with w.loop(0, others) as j:
                    some[j] = y[own[j]]
                with w.down(end, begin) as i:
                    row = block.at((i - begin) * width)
                    total = y.at(i).pointer
                    w.call(less, total, row.at(i - begin + 1).pointer, y.at(i + 1).pointer, end - i - 1)
                    w.call(less, total, row.at(end - begin).pointer, some.pointer, others)
                    value = y[i] * inverse[i]
                    y[i] = value
                    out[columns[i]] = value

    names = ("factors", "plan", "b", "x", "work", "<sides>", "<n>", "<count>", "<widest>", "<size>", *_OFFSETS)
    return kernel(module, ("sparse_solve", kind), names, write)
