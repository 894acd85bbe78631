"""Matrix products of row-major arrays."""

from __future__ import annotations

import numpy as np

from .._builder import Module, literal, llvm_type
from .writing import Array, Place, Value, Writer, kernel, part_of

_DEPTH = 4  # rows of the second factor that one pass over a row of the product adds up


def dot(w: Writer, a: Array, b: Array, count: Place, *, conjugate: bool = False) -> Value:
    """The sum of products of the first entries; of the second array's conjugates if told so."""
    kind = a.kind
    if kind.kind == "f" and w.module.target == "host":
        return _real_dot(w, a, b, count)
    if kind.kind != "c":
        total = w.variable(kind, 0)
        with w.loop(0, count, inner=True) as i:
            total.value = total.value.apply("add", a[i] * b[i], reassociate=True)
        return total.value
    # One sum for each product of parts: vectors of them form without shuffles in between.
    part = part_of(kind)
    sums = [[w.variable(part, 0) for _ in range(2)] for _ in range(2)]
    with w.loop(0, count, inner=True) as i:
        x, y = a[i], b[i]
        for p in range(2):
            for q in range(2):
                sums[p][q].value = sums[p][q].value.apply("add", x.part(p) * y.part(q), reassociate=True)
    (rr, ri), (ir, ii) = [[total.value for total in row] for row in sums]
    re, im = (rr + ii, ir - ri) if conjugate else (rr - ii, ir + ri)
    return Value(w, kind, (re.name, im.name))


def _real_dot(w: Writer, a: Array, b: Array, count: Place) -> Value:
    """Written as vectors, two sums at a time: most rows are shorter than what LLVM itself would make of the loop."""
    f, kind = w.function, a.kind
    lanes = 32 // kind.itemsize
    entry, vector = llvm_type(kind), f"<{lanes} x {llvm_type(kind)}>"
    totals = [f.alloca(vector), f.alloca(vector)]
    for total in totals:
        f.void(f"store {vector} zeroinitializer, ptr {total}, align 32")

    def add(total: str, i: Place) -> None:
        x, y = (f.emit(f"load {vector}, ptr {z.at(i).pointer}, align {kind.itemsize}") for z in (a, b))
        before = f.emit(f"load {vector}, ptr {total}, align 32")
        term = f.emit(f"fmul contract {vector} {x}, {y}")
        f.void(f"store {vector} {f.emit(f'fadd contract {vector} {before}, {term}')}, ptr {total}, align 32")

    pairs, whole = (Place(w, f.emit(f"and i64 {count.name}, {-k * lanes}")) for k in (2, 1))
    with w.loop(0, pairs, 2 * lanes) as i:
        add(totals[0], i)
        add(totals[1], i + lanes)
    with w.loop(pairs, whole, lanes) as i:
        add(totals[0], i)
    first, second = (f.emit(f"load {vector}, ptr {total}, align 32") for total in totals)
    both = f.emit(f"fadd {vector} {first}, {second}")
    name = f"llvm.vector.reduce.fadd.v{lanes}f{8 * kind.itemsize}"
    f.module.declare(name, entry, [entry, vector])
    total = w.variable(kind, 0)
    total.value = Value(w, kind, f.emit(f"call reassoc {entry} @{name}({entry} {literal(0.0, kind)}, {vector} {both})"))
    with w.loop(whole, count) as i:
        total.value = total.value + a[i] * b[i]
    return total.value


def matmul(module: Module, kind: np.dtype) -> str:
    """(a, b, out, batch, n, k, m): (n, k) by (k, m)."""

    def write(w: Writer, a, b, out, batch, n, k, m):
        with w.loop(0, batch) as p:
            whole = k - k.apply("mod", _DEPTH)
            left, right, product = (w.array(kind, x) for x in (a, b, out))
            left, right, product = left.at(p * n * k), right.at(p * k * m), product.at(p * n * m)
            with w.loop(0, n) as i:
                row, factors = product.at(i * m), left.at(i * k)
                with w.loop(0, m, parallel=True) as j:
                    row[j] = 0
                # Rows of the product stay in the cache while rows of the second factor pass by.
                with w.loop(0, whole, _DEPTH) as q:
                    some = [factors[q + d] for d in range(_DEPTH)]
                    rows = [right.at((q + d) * m) for d in range(_DEPTH)]
                    with w.loop(0, m, parallel=True) as j:
                        total = row[j]
                        for factor, other in zip(some, rows, strict=True):
                            total = total + factor * other[j]
                        row[j] = total
                with w.loop(whole, k) as q:
                    factor, other = factors[q], right.at(q * m)
                    with w.loop(0, m, parallel=True) as j:
                        row[j] = row[j] + factor * other[j]

    return kernel(module, ("matmul", kind), ("a", "b", "out", "<batch>", "<n>", "<k>", "<m>"), write)


def matvec(module: Module, kind: np.dtype) -> str:
    """(a, b, out, batch, n, k): (n, k) by one column each."""

    def write(w: Writer, a, b, out, batch, n, k):
        with w.loop(0, batch) as p:
            left, right, product = (w.array(kind, x) for x in (a, b, out))
            left, right, product = left.at(p * n * k), right.at(p * k), product.at(p * n)
            with w.loop(0, n) as i:
                product[i] = dot(w, left.at(i * k), right, k)

    return kernel(module, ("matvec", kind), ("a", "b", "out", "<batch>", "<n>", "<k>"), write)
