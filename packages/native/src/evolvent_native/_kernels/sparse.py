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

from .._builder import Module
from .._graph import BOOL
from .linear_algebra import fill, not_a_number
from .products import dot
from .writing import Array, Place, Value, Writer, kernel, part_of

SECTIONS = 12
CANCELLED = 100.0  # spacings of numbers at the terms of a pivot: so little of them is left by chance only
GROWTH = -2 / 3  # a power of the spacing: pivots that grow by more have lost what the matrix said
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

    `work` holds n + widest entries.
    """
    part = part_of(kind)
    spacing = float(np.finfo(part).eps)

    def write(w: Writer, values, numbers, factors, work, n, count, widest, size, *offsets):
        entries, found, full = (w.array(kind, x) for x in (values, factors, work))
        sections = _sections(w, numbers, list(offsets))
        first, behind, places, blocks, before, updates, lower, start, at, of = sections[2:]
        some = full.at(n)
        inverse = found.at(size - n)
        without = eliminate(module, kind)
        fill(w, full, n, 0)
        given, terms, good = w.variable(part, 0), w.variable(part, 0), w.variable(BOOL, True)
        with w.loop(0, count) as p:
            begin, end = first[p], first[p + 1]
            own = places.at(behind[p])
            others = behind[p + 1] - behind[p]
            width = end - begin + others
            block = found.at(blocks[p])
            with w.loop(begin, end) as i:
                with w.loop(start[i], start[i + 1]) as q:
                    value = entries[of[q]]
                    full[at[q]] = value
                    given.value = given.value + _size(value)
                magnitude = w.variable(part, _size(full[i]))
                factor_at = w.counter(lower[i])
                with w.loop(before[i], before[i + 1]) as q:
                    k = updates[q]
                    left = first[k]
                    wide = first[k + 1] - left
                    rest = behind[k + 1] - behind[k]
                    where = places.at(behind[k])
                    from_ = full.at(left)
                    with w.loop(0, wide) as j:
                        some[j] = from_[j]
                        from_[j] = 0
                    fill(w, some.at(wide), rest, 0)
                    w.call(
                        without, some.pointer, found.at(blocks[k]).pointer, inverse.at(left).pointer, wide + rest, wide,
                        wide + rest,
                    )  # fmt: skip
                    kept, changes = found.at(factor_at.value), some.at(wide)
                    with w.loop(0, wide) as j:
                        kept[j] = some[j]
                    with w.loop(0, rest) as j:
                        place = where[j]
                        full[place] = full[place] + changes[j]
                    magnitude.value = magnitude.value + _size(full[i])
                    factor_at.value = factor_at.value + wide
                row = block.at((i - begin) * width)
                from_, beyond = full.at(begin), row.at(end - begin)
                with w.loop(0, end - begin) as j:
                    row[j] = from_[j]
                    from_[j] = 0
                with w.loop(0, others) as j:
                    place = own[j]
                    beyond[j] = full[place]
                    full[place] = 0
                w.call(without, row.pointer, block.pointer, inverse.at(begin).pointer, width, i - begin, width)
                pivot = row[i - begin]
                left_over = _size(pivot)
                magnitude.value = magnitude.value + left_over
                terms.value = terms.value + magnitude.value
                good.value = good.value & (left_over > magnitude.value * (CANCELLED * spacing))
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
