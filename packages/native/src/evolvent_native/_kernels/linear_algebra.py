"""Factorisations and triangular systems of row-major matrices; the inner loops run along rows."""

from __future__ import annotations

import numpy as np

from .._builder import Module, memory_type
from .._graph import BOOL, INT
from .products import dot
from .writing import Array, Place, Value, Writer, kernel, part_of


def _size(x: Value) -> Value:
    """A magnitude to compare pivots by, without a root."""
    return x.part(0).apply("abs") + x.part(1).apply("abs") if x.kind.kind == "c" else x.apply("abs")


def _exchange(w: Writer, a: Array, i: Place, j: Place, count: Place) -> None:
    """Two rows, which may be the same."""
    first, second = a.at(i * count), a.at(j * count)
    with w.when(~i.equals(j)), w.loop(0, count, parallel=True) as q:
        x, y = first[q], second[q]
        first[q] = y
        second[q] = x


def _subtract(w: Writer, target: Array, factor: Value, source: Array, start: Place | int, stop: Place) -> None:
    """``target -= factor * source`` on a part of two rows."""
    with w.loop(start, stop, parallel=True) as q:
        target[q] = target[q] - factor * source[q]


def lu(module: Module, kind: np.dtype) -> str:
    """(a, exchanges, batch, n): in place, with partial pivoting, right-looking."""

    def write(w: Writer, a, exchanges, batch, n):
        with w.loop(0, batch) as p:
            matrix, order = w.array(kind, a).at(p * n * n), w.array(INT, exchanges).at(p * n)
            with w.loop(0, n) as k:
                best, at = w.variable(part_of(kind), _size(matrix[k * n + k])), w.counter(k)
                with w.loop(k + 1, n) as i:
                    size = _size(matrix[i * n + k])
                    with w.when(size > best.value):
                        best.value = size
                        at.value = i
                order[k] = at.value
                _exchange(w, matrix, k, at.value, n)
                top = matrix.at(k * n)
                pivot = top[k]
                # A column of zeros is left as it is: the zero on the diagonal tells that the matrix is singular.
                with w.when(~pivot.equals(0)), w.loop(k + 1, n) as i:
                    row = matrix.at(i * n)
                    factor = row[k] / pivot
                    row[k] = factor
                    _subtract(w, row, factor, top, k + 1, n)

    return kernel(module, ("lu", kind), ("a", "exchanges", "<batch>", "<n>"), write)


def exchange_rows(module: Module, kind: np.dtype, *, back: bool) -> str:
    """(x, exchanges, n, m): the exchanges of a factorisation, or their inverse, on right sides in place."""

    def write(w: Writer, x, exchanges, n, m):
        rows, order = w.array(kind, x), w.array(INT, exchanges)
        with w.down(n, 0) if back else w.loop(0, n) as i:
            _exchange(w, rows, i, order.place(i), m)

    return kernel(module, ("exchange", kind, int(back)), ("x", "exchanges", "<n>", "<m>"), write)


def triangular(module: Module, kind: np.dtype, *, lower: bool, unit: bool, transposed: bool, single: bool) -> str:
    """(a, x, n, m): solves one system in place; `single` is for one right side."""
    first_to_last = lower != transposed

    def write(w: Writer, a, x, n, m):
        matrix, values = w.array(kind, a), w.array(kind, x)
        with w.loop(0, n) if first_to_last else w.down(n, 0) as i:
            row = matrix.at(i * n)
            behind = (0, i) if lower else (i + 1, n)  # entries of the matrix's row without the diagonal
            if single:
                if not transposed:
                    known = i if lower else n - behind[0]
                    values[i] = values[i] - dot(w, row.at(behind[0]), values.at(behind[0]), known)
                if not unit:
                    values[i] = values[i] / row[i]
                if transposed:
                    _subtract(w, values, values[i], row, *behind)
                return
            target = values.at(i * m)
            if not transposed:
                with w.loop(*behind) as k:
                    _subtract(w, target, row[k], values.at(k * m), 0, m)
            if not unit:
                pivot = row[i]
                with w.loop(0, m, parallel=True) as q:
                    target[q] = target[q] / pivot
            if transposed:
                with w.loop(*behind) as k:
                    _subtract(w, values.at(k * m), row[k], target, 0, m)

    key = ("triangular", kind, *(int(flag) for flag in (lower, unit, transposed, single)))
    return kernel(module, key, ("a", "x", "<n>", "<m>"), write)


def triangular_solve(module: Module, kind: np.dtype, *, lower: bool, unit: bool, transposed: bool, single: bool) -> str:
    """(a, b, x, batch, n, m)."""

    def write(w: Writer, a, b, x, batch, n, m):
        w.copy(kind, x, b, batch * n * m)
        solve = triangular(module, kind, lower=lower, unit=unit, transposed=transposed, single=single)
        with w.loop(0, batch) as p:
            matrix, values = w.array(kind, a).at(p * n * n), w.array(kind, x).at(p * n * m)
            w.call(solve, matrix.pointer, values.pointer, n, m)

    key = ("triangular_solve", kind, *(int(flag) for flag in (lower, unit, transposed, single)))
    return kernel(module, key, ("a", "b", "x", "<batch>", "<n>", "<m>"), write)


def lu_solve(module: Module, kind: np.dtype, *, transposed: bool, single: bool) -> str:
    """(factors, exchanges, b, x, batch, n, m)."""

    def write(w: Writer, factors, exchanges, b, x, batch, n, m):
        w.copy(kind, x, b, batch * n * m)
        of_lower = triangular(module, kind, lower=True, unit=True, transposed=transposed, single=single)
        of_upper = triangular(module, kind, lower=False, unit=False, transposed=transposed, single=single)
        exchange = exchange_rows(module, kind, back=transposed)
        with w.loop(0, batch) as p:
            matrix, values = w.array(kind, factors).at(p * n * n).pointer, w.array(kind, x).at(p * n * m).pointer
            order = w.array(INT, exchanges).at(p * n).pointer
            if not transposed:
                w.call(exchange, values, order, n, m)
                w.call(of_lower, matrix, values, n, m)
            w.call(of_upper, matrix, values, n, m)
            if transposed:
                w.call(of_lower, matrix, values, n, m)
                w.call(exchange, values, order, n, m)

    key = ("lu_solve", kind, int(transposed), int(single))
    return kernel(module, key, ("factors", "exchanges", "b", "x", "<batch>", "<n>", "<m>"), write)


def not_a_number(kind: np.dtype) -> complex:
    """NaN; in both parts of complex numbers."""
    return complex("nan+nanj") if kind.kind == "c" else float("nan")


def fill(w: Writer, array: Array, count: Place, value: complex) -> None:
    """The same number in all entries."""
    with w.loop(0, count, parallel=True) as i:
        array[i] = value


def cholesky(module: Module, kind: np.dtype) -> str:
    """(a, out, batch, n): row by row; NaN everywhere if the matrix is not positive definite."""

    def write(w: Writer, a, out, batch, n):
        with w.loop(0, batch) as p:
            matrix, factor = w.array(kind, a).at(p * n * n), w.array(kind, out).at(p * n * n)
            good = w.variable(BOOL, True)
            fill(w, factor, n * n, 0)
            with w.loop(0, n) as i:
                row, given = factor.at(i * n), matrix.at(i * n)
                with w.loop(0, i) as j:
                    other = factor.at(j * n)
                    row[j] = _divided(given[j] - dot(w, row, other, j, conjugate=True), _parts(other[j])[0])
                rest = _parts(given[i] - dot(w, row, row, i, conjugate=True))[0]
                with w.when(~(rest > 0)):
                    good.value = w.number(BOOL, False)
                row[i] = rest.apply("sqrt").to(kind)
            with w.when(~good.value):
                fill(w, factor, n * n, not_a_number(kind))

    return kernel(module, ("cholesky", kind), ("a", "out", "<batch>", "<n>"), write)


def qr(module: Module, kind: np.dtype) -> str:
    """(a, q, r, batch, n, k, work): Householder's reflections, with the signs that LAPACK chooses.

    `work` holds (n + 2) * k entries.
    """

    def write(w: Writer, a, q, r, batch, n, k, work):
        least = n.least(k)
        reflected, scales = w.array(kind, work), w.array(kind, work).at(n * k)
        row, apply_one = scales.at(k).pointer, reflect(module, kind)
        scale = w.array(kind, w.function.alloca(memory_type(kind), 2))
        with w.loop(0, batch) as p:
            left, right = w.array(kind, q).at(p * n * least), w.array(kind, r).at(p * least * k)
            w.copy(kind, work, w.array(kind, a).at(p * n * k).pointer, n * k)
            with w.loop(0, least) as j:
                scales[j] = _reflector(w, reflected, j, n, k)
                scale[0] = scales[j].conj()
                w.call(apply_one, work, work, scale.pointer, row, j, n, k, k, j + 1)
            with w.loop(0, least) as i, w.loop(0, k) as j:
                value = w.choose(j < i, w.number(kind, 0), reflected[i * k + j])
                right[i * k + j] = value
            with w.loop(0, n) as i, w.loop(0, least) as j:
                left[i * least + j] = w.choose(i.equals(j), w.number(kind, 1), w.number(kind, 0))
            with w.down(least, 0) as j:
                scale[0] = scales[j]
                w.call(apply_one, left.pointer, work, scale.pointer, row, j, n, least, k, j)

    return kernel(module, ("qr", kind), ("a", "q", "r", "<batch>", "<n>", "<k>", "work"), write)


def _reflector(w: Writer, a: Array, j: Place, n: Place, k: Place) -> Value:
    """Turn column j from row j on into a multiple of a unit vector and the reflection's vector; its scale."""
    kind, part = a.kind, part_of(a.kind)
    alpha = a[j * k + j]
    # The largest entry first, so that squares neither overflow nor vanish.
    largest = w.variable(part, 0)
    below = w.variable(part, 0)
    with w.loop(j + 1, n) as i:
        below.value = below.value.apply("maximum", _size(a[i * k + j]))
    imaginary = alpha.part(1).apply("abs") if kind.kind == "c" else w.number(part, 0)
    largest.value = below.value.apply("maximum", _size(alpha))
    scale, total = w.variable(kind, 0), w.variable(part, 0)
    with w.when(~(below.value.apply("maximum", imaginary)).equals(0)):
        with w.loop(j, n) as i:
            for x in _parts(a[i * k + j]):
                ratio = x / largest.value
                total.value = total.value + ratio * ratio
        real = _parts(alpha)[0]
        beta = -(largest.value * total.value.apply("sqrt")).apply("copysign", real)
        difference = alpha - beta.to(kind)
        with w.loop(j + 1, n) as i:
            a[i * k + j] = a[i * k + j] / difference
        a[j * k + j] = beta.to(kind)
        tau = (beta - real) / beta
        scale.value = Value(w, kind, (tau.name, (-alpha.part(1) / beta).name)) if kind.kind == "c" else tau
    return scale.value


def _divided(x: Value, real: Value) -> Value:
    """By a real number."""
    return Value(x.writer, x.kind, tuple((part / real).name for part in _parts(x))) if x.kind.kind == "c" else x / real


def _parts(x: Value) -> list[Value]:
    return [x.part(0), x.part(1)] if x.kind.kind == "c" else [x]


def reflect(module: Module, kind: np.dtype) -> str:
    """(target, vectors, scale, row, j, n, width, vector_width, start): ``target -= scale v (v^H target)``.

    The vector has 1 at j and then column j of `vectors`; columns of `target` before `start` stay, and `row` is scratch.
    """

    def write(w: Writer, target, vectors, scale, row, j, n, width, vector_width, start):
        matrix, reflected, sums = (w.array(kind, x) for x in (target, vectors, row))
        factor, top = w.array(kind, scale)[0], matrix.at(j * width)
        with w.loop(start, width, parallel=True) as q:
            sums[q] = top[q]
        with w.loop(j + 1, n) as i:
            entry, source = reflected[i * vector_width + j].conj(), matrix.at(i * width)
            with w.loop(start, width, parallel=True) as q:
                sums[q] = sums[q] + entry * source[q]
        with w.loop(start, width, parallel=True) as q:
            sums[q] = sums[q] * factor
            top[q] = top[q] - sums[q]
        with w.loop(j + 1, n) as i:
            _subtract(w, matrix.at(i * width), reflected[i * vector_width + j], sums, start, width)

    names = ("target", "vectors", "scale", "row", "<j>", "<n>", "<width>", "<vector_width>", "<start>")
    return kernel(module, ("reflect", kind), names, write)
