"""Sums, means, extremes and running sums."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .._array import Array, array, cast
from .._graph import BOOL, INT, make
from . import elementwise as each
from .manipulation import axes_of, axis_of, concat


def _reduced(op: str, x: Array, axis: Any, keepdims: bool, dtype: Any = None) -> Array:
    axes = axes_of(axis, x.ndim)
    shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    node = make(op, (x.node,), shape, dtype or x.dtype, (tuple(sorted(axes)),)) if axes else x.node
    if keepdims:
        node = make("reshape", (node,), tuple(1 if i in axes else n for i, n in enumerate(x.shape)), node.dtype)
    return Array(node, x.weak)


def summed_dtype(dtype: np.dtype) -> np.dtype:
    """What numbers of a dtype are added up in."""
    if dtype.kind in "bi":
        return INT
    return np.dtype(np.uint64) if dtype.kind == "u" else dtype


def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The sum over axes."""
    x = array(x)
    return _reduced("sum", cast(x, dtype or summed_dtype(x.dtype)), axis, keepdims)


def prod(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The product over axes."""
    x = array(x)
    return _reduced("prod", cast(x, dtype or summed_dtype(x.dtype)), axis, keepdims)


def _extreme(op: str, of_bools: str):
    def function(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        x = array(x)
        if x.dtype.kind == "c":
            raise TypeError(f"{op} of complex numbers: they have no order")
        axes = axes_of(axis, x.ndim)
        if 0 in (x.shape[i] for i in axes):
            raise ValueError(f"{op} of no numbers: the shape is {x.shape}")
        return _reduced(of_bools if x.dtype == BOOL else op, x, axis, keepdims)

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"The {'greatest' if op == 'max' else 'smallest'} entry over axes; NaN if any is."
    return function


max = _extreme("max", "any")
min = _extreme("min", "all")


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Whether all entries are true."""
    return _reduced("all", each.truth(x), axis, keepdims, BOOL)


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Whether any entry is true."""
    return _reduced("any", each.truth(x), axis, keepdims, BOOL)


def _count(x: Array, axis: Any) -> int:
    n = 1
    for i in axes_of(axis, x.ndim):
        n *= x.shape[i]
    return n


def mean(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """The mean over axes."""
    x = each.floating(x)
    n = _count(x, axis)
    return each.divide(sum(x, axis=axis, keepdims=keepdims), float(n))


def var(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Array:
    """The variance over axes: squared distances from the mean over the number of entries less `correction`."""
    x = each.floating(x)
    n = _count(x, axis)
    away = each.subtract(x, mean(x, axis=axis, keepdims=True))
    if x.dtype.kind == "c":
        squares = each.add(each.square(each.real(away)), each.square(each.imag(away)))
    else:
        squares = each.square(away)
    return each.divide(sum(squares, axis=axis, keepdims=keepdims), float(builtins.max(n - correction, 0)))


def std(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Array:
    """The standard deviation over axes."""
    return each.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _running(op: str, start: int):
    def function(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Array:
        x = array(x)
        x = cast(x, dtype or summed_dtype(x.dtype))
        if axis is None:
            if x.ndim != 1:
                raise ValueError(f"axis: say along which of the {x.ndim} axes")
            axis = 0
        axis = axis_of(axis, x.ndim)
        found = Array(make(op, (x.node,), x.shape, x.dtype, (axis,)))
        if include_initial:
            from .creation import full

            first = full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), start, dtype=x.dtype)
            found = concat([first, found], axis=axis)
        return found

    return function


cumulative_sum = _running("cumsum", 0)
cumulative_sum.__doc__ = "Running sums along an axis."
cumulative_prod = _running("cumprod", 1)
cumulative_prod.__doc__ = "Running products along an axis."


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Array:
    """Differences of neighbours along an axis, n times over."""
    x = array(x)
    axis = axis_of(axis, x.ndim)
    pieces = []
    for piece in (prepend, x, append):
        if piece is not None:
            piece = array(piece)
            if not piece.ndim:
                piece = Array(make("broadcast", (piece.node,), (*x.shape[:axis], 1, *x.shape[axis + 1 :]), piece.dtype))
            pieces.append(piece)
    if len(pieces) > 1:
        x = concat(pieces, axis=axis)
    behind = (slice(None),) * axis
    for _ in range(n):
        later, earlier = x[(*behind, slice(1, None))], x[(*behind, slice(None, -1))]
        x = each.not_equal(later, earlier) if x.dtype == BOOL else each.subtract(later, earlier)
    return x


def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Array:
    """How many entries are not zero."""
    return sum(cast(each.truth(x), INT), axis=axis, keepdims=keepdims)


__all__ = [
    "all",
    "any",
    "count_nonzero",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "summed_dtype",
    "var",
]
