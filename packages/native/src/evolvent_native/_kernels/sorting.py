"""Sorting along an axis, searching, and the places of extreme entries; NaN is larger than every number."""

from __future__ import annotations

import numpy as np

from .._builder import Module
from .._graph import BOOL, INT
from .writing import Array, Place, Value, Writer, kernel

_RUN = 12  # entries that are sorted by insertion


def less(w: Writer, a: Value, b: Value) -> Value:
    """NumPy's order: NaN last; complex numbers by real parts, then by imaginary ones."""
    if a.kind.kind == "f":
        # Not (a >= b or unordered): what is left is that a is less, or that b alone is NaN.
        return (a < b) | (b.is_nan() & ~a.is_nan())
    if a.kind.kind != "c":
        return a < b
    (x, y), (p, q) = (a.part(0), a.part(1)), (b.part(0), b.part(1))
    y_nan, q_nan = y.is_nan(), q.is_nan()
    tie = x.equals(p) | (x.is_nan() & p.is_nan())
    by_real = ((x < p) & (~y_nan | q_nan)) | ((x > p) & q_nan & ~y_nan)
    by_last = (y < q) | (q_nan & ~y_nan)
    unordered = x.is_nan() | p.is_nan()
    return (tie & by_last) | (~tie & ~unordered & by_real) | (~tie & unordered & p.is_nan())


def sort(module: Module, kind: np.dtype, *, descending: bool, places: bool) -> str:
    """(x, out, outer, n, inner, work): sorted entries or, with `places`, where they were.

    `work` holds two rows of n results and, for places, one of n entries before them.
    """
    item = INT if places else kind

    def write(w: Writer, x, out, outer, n, inner, work):
        source, target = w.array(kind, x), w.array(item, out)
        keys, items = w.array(kind, work), w.array(item, work)
        if places:
            # Rows of places begin at a multiple of eight bytes.
            items = w.array(np.dtype(np.int8), work).at(_aligned(w, n, kind))
            items = w.array(INT, items.pointer)
        with w.loop(0, outer) as p, w.loop(0, inner) as j:
            start = p * n * inner + j
            with w.loop(0, n) as i:
                entry = source[start + i * inner]
                keys[i] = entry
                if places:
                    items[i] = i
            base = w.counter(0)
            _sort_row(w, items, keys if places else None, n, base, descending)
            with w.loop(0, n) as i:
                target[start + i * inner] = items[base.value + i]

    key = ("argsort" if places else "sort", kind, int(descending))
    return kernel(module, key, ("x", "out", "<outer>", "<n>", "<inner>", "work"), write)


def _aligned(w: Writer, n: Place, kind: np.dtype) -> Place:
    return Place(w, w.function.emit(f"and i64 {(n * kind.itemsize + 7).name}, -8"))


def _sort_row(w: Writer, items: Array, keys: Array | None, n: Place, base, descending: bool) -> None:
    """Merge sort from the bottom up, between two rows of n items; `base` says in which one the result is."""

    def before(a: Value, b: Value) -> Value:
        if keys is not None:
            a, b = keys[a], keys[b]
        return less(w, b, a) if descending else less(w, a, b)

    with w.loop(0, n, _RUN) as start, w.loop(start + 1, (start + _RUN).least(n)) as i:
        entry, at, going = items[i], w.counter(i), w.variable(BOOL, True)
        with w.while_(lambda going=going, at=at, start=start: going.value & (at.value > start)):
            neighbour = items[at.value - 1]
            going.value = before(entry, neighbour)
            with w.when(going.value):
                items[at.value] = neighbour
                at.value = at.value - 1
        items[at.value] = entry
    width = w.counter(_RUN)
    with w.while_(lambda: width.value < n):
        length = width.value
        source, target = items.at(base.value), items.at(n - base.value)
        at = w.counter(0)
        with w.while_(lambda: at.value < n):
            start = at.value
            middle = (start + length).least(n)
            stop = (middle + length).least(n)
            _merge(w, source, target, start, middle, stop, before)
            at.value = stop
        base.value = n - base.value
        width.value = length + length


def _merge(w: Writer, source: Array, target: Array, start: Place, middle: Place, stop: Place, before) -> None:
    left, right = w.counter(start), w.counter(middle)
    with w.loop(start, stop) as i:
        # Both may be behind their run's end; then they aren't chosen, but are read.
        last = stop - 1
        a, b = source[left.value.least(last)], source[right.value.least(last)]
        # Of equal ones the left comes first: the order is stable.
        from_right = (left.value >= middle) | ((right.value < stop) & before(b, a))
        target[i] = w.choose(from_right, b, a)
        step = Place(w, from_right.to(INT).name)
        right.value = right.value + step
        left.value = left.value + 1 - step


def searchsorted(module: Module, kind: np.dtype, *, right: bool) -> str:
    """(x, values, out, n, count): how many entries of the sorted x come before each value."""

    def write(w: Writer, x, values, out, n, count):
        line, wanted, found = w.array(kind, x), w.array(kind, values), w.array(INT, out)
        with w.loop(0, count) as i:
            value, low, high = wanted[i], w.counter(0), w.counter(n)
            with w.while_(lambda low=low, high=high: low.value < high.value):
                middle = (low.value + high.value).half()
                entry = line[middle]
                further = ~less(w, value, entry) if right else less(w, entry, value)
                low.value = w.choose(further, middle + 1, low.value)
                high.value = w.choose(further, high.value, middle)
            found[i] = low.value

    return kernel(module, ("searchsorted", kind, int(right)), ("x", "values", "out", "<n>", "<count>"), write)


def extreme_place(module: Module, kind: np.dtype, *, least: bool) -> str:
    """(x, out, outer, n, inner): the first of the largest or least entries; NaN is both."""

    def better(w: Writer, a: Value, b: Value) -> Value:
        if kind.kind not in "fc":
            return a < b if least else a > b
        return (a < b if least else a > b) | (a.is_nan() & ~b.is_nan())

    def write(w: Writer, x, out, outer, n, inner):
        source, target = w.array(kind, x), w.array(INT, out)
        with w.loop(0, outer) as p, w.loop(0, inner) as j:
            row = source.at(p * n * inner + j)
            best, at = w.variable(kind, row[0]), w.counter(0)
            with w.loop(1, n) as i:
                entry = row[i * inner]
                chosen = better(w, entry, best.value)
                best.value = w.choose(chosen, entry, best.value)
                at.value = w.choose(chosen, i, at.value)
            target[p * inner + j] = at.value

    name = "argmin" if least else "argmax"
    return kernel(module, (name, kind), ("x", "out", "<outer>", "<n>", "<inner>"), write)
