"""Recording single nodes, in short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _graph
from .._graph import BOOL, INT, Node

WRITTEN_OUT = 1024  # entries of a mask that is a literal


def fill(value: Any, shape: Sequence[int], dtype: Any) -> Node:
    """The number everywhere."""
    return broadcast(_graph.constant(value, dtype), shape)


def like(value: Any, x: Node) -> Node:
    """The number everywhere, as an array like x."""
    return fill(value, x.shape, x.dtype)


def unary(op: str, x: Node, dtype: Any = None) -> Node:
    return _graph.make(op, (x,), x.shape, x.dtype if dtype is None else dtype)


def binary(op: str, a: Node, b: Node) -> Node:
    return _graph.make(op, (a, b), a.shape, BOOL if op in _graph.COMPARISONS else a.dtype)


def add(a: Node, b: Node) -> Node:
    return binary("add", a, b)


def sub(a: Node, b: Node) -> Node:
    return binary("sub", a, b)


def mul(a: Node, b: Node) -> Node:
    return binary("mul", a, b)


def div(a: Node, b: Node) -> Node:
    return binary("div", a, b)


def neg(x: Node) -> Node:
    return unary("neg", x)


def where(pred: Node, yes: Node, no: Node) -> Node:
    return _graph.make("where", (broadcast(pred, yes.shape), yes, no), yes.shape, yes.dtype)


def cast(x: Node, dtype: Any) -> Node:
    return x if x.dtype == dtype else _graph.make("cast", (x,), x.shape, np.dtype(dtype))


def part(op: str, x: Node) -> Node:
    """The real or the imaginary part."""
    return _graph.make(op, (x,), x.shape, np.zeros((), x.dtype).real.dtype)


def join(re: Node, im: Node) -> Node:
    """The complex number of these parts."""
    return _graph.make("complex", (re, im), re.shape, np.result_type(re.dtype, np.complex64))


def broadcast(x: Node, shape: Sequence[int]) -> Node:
    return x if x.shape == tuple(shape) else _graph.make("broadcast", (x,), shape, x.dtype)


def reshape(x: Node, shape: Sequence[int]) -> Node:
    return x if x.shape == tuple(shape) else _graph.make("reshape", (x,), shape, x.dtype)


def permute(x: Node, axes: Sequence[int]) -> Node:
    return _graph.make("permute", (x,), [x.shape[a] for a in axes], x.dtype, (tuple(axes),))


def transpose(x: Node) -> Node:
    """The matrix with rows and columns exchanged."""
    n = len(x.shape)
    return permute(x, (*range(n - 2), n - 1, n - 2))


def cut(x: Node, starts: Sequence[int], steps: Sequence[int], shape: Sequence[int]) -> Node:
    return _graph.make("slice", (x,), shape, x.dtype, (tuple(starts), tuple(steps)))


def stretch(x: Node, axis: int, start: int, stop: int) -> Node:
    """The entries from start to stop along an axis."""
    starts = [0] * len(x.shape)
    starts[axis] = start
    shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
    return cut(x, starts, (1,) * len(shape), shape)


def flip(x: Node, axis: int) -> Node:
    starts, steps = [0] * len(x.shape), [1] * len(x.shape)
    starts[axis], steps[axis] = max(x.shape[axis] - 1, 0), -1
    return cut(x, starts, steps, x.shape)


def concat(xs: Sequence[Node], axis: int) -> Node:
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    return _graph.make("concat", tuple(xs), shape, xs[0].dtype, (axis,))


def pack(xs: Sequence[Node]) -> Node:
    return _graph.make("pack", tuple(xs), (len(xs),), xs[0].dtype)


def entry(x: Node, k: int) -> Node:
    """The scalar at a flat position."""
    while x.op in ("broadcast", "reshape") and x.inputs[0].size == 1:
        x, k = x.inputs[0], 0
    place = np.unravel_index(k, x.shape) if x.shape else ()
    return reshape(cut(x, [int(i) for i in place], (1,) * len(place), (1,) * len(place)), ())


def total(x: Node, axes: Sequence[int]) -> Node:
    """The sum over axes, which are gone."""
    axes = tuple(axes)
    if not axes:
        return x
    return _graph.make("sum", (x,), [n for a, n in enumerate(x.shape) if a not in axes], x.dtype, (axes,))


def spread(x: Node, axes: Sequence[int], shape: Sequence[int]) -> Node:
    """Give back the axes that a reduction took."""
    return broadcast(reshape(x, [1 if a in axes else n for a, n in enumerate(shape)]), shape)


def running(op: str, x: Node, axis: int) -> Node:
    return _graph.make(op, (x,), x.shape, x.dtype, (axis,))


def iota(n: int) -> Node:
    return _graph.make("iota", (), (n,), INT)


def gather(x: Node, i: Node) -> Node:
    return _graph.make("gather", (x, i), i.shape, x.dtype)


def scatter_add(x: Node, i: Node, v: Node) -> Node:
    return _graph.make("scatter_add", (x, i, v), x.shape, x.dtype)


def matmul(a: Node, b: Node) -> Node:
    return _graph.make("matmul", (a, b), (*a.shape[:2], b.shape[2]), a.dtype)


def lu_solve(factors: Node, exchanges: Node, b: Node, transposed: bool) -> Node:
    return _graph.make("lu_solve", (factors, exchanges, b), b.shape, b.dtype, (transposed,))


def triangular_solve(a: Node, b: Node, lower: bool, unit: bool = False, transposed: bool = False) -> Node:
    return _graph.make("triangular_solve", (a, b), b.shape, b.dtype, (lower, unit, transposed))


def triangle(x: Node, lower: bool, diagonal: bool) -> Node:
    """The entries below (or above) the diagonal of matrices, with or without it; zero elsewhere."""
    rows, columns = x.shape[-2:]
    op = ("ge" if diagonal else "gt") if lower else ("le" if diagonal else "lt")
    if rows * columns <= WRITTEN_OUT:
        i, j = np.indices((rows, columns))
        keep = _graph.constant({"ge": i >= j, "gt": i > j, "le": i <= j, "lt": i < j}[op])
    else:
        i = broadcast(reshape(iota(rows), (rows, 1)), (rows, columns))
        keep = binary(op, i, broadcast(iota(columns), (rows, columns)))
    return where(keep, x, like(0, x))
