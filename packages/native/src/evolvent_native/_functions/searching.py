"""Places of extremes and of values."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from .._array import Array, array, cast, common_dtype
from .._errors import StagingError
from .._graph import BOOL, INT, make
from . import elementwise as each
from .indexing import take
from .manipulation import axis_of, expand_dims, reshape
from .statistical import any as any_of


def _place_of(op: str):
    def function(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        x = array(x)
        if x.dtype.kind == "c":
            raise TypeError(f"{op} of complex numbers: they have no order")
        if x.dtype == BOOL:
            x = cast(x, np.uint8)
        ndim = x.ndim
        if axis is None:
            x, axis = reshape(x, (-1,)), 0
            kept = (1,) * ndim
        else:
            axis = axis_of(axis, ndim)
            kept = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        if not x.shape[axis]:
            raise ValueError(f"{op} of no numbers")
        node = make(op, (x.node,), (*x.shape[:axis], *x.shape[axis + 1 :]), INT, (axis,))
        return Array(make("reshape", (node,), kept, INT) if keepdims else node)

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"The place of the first {'greatest' if op == 'argmax' else 'smallest'} entry."
    return function


argmax = _place_of("argmax")
argmin = _place_of("argmin")


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Array:
    """Where values would be put into a sorted vector."""
    if side not in ("left", "right"):
        raise ValueError(f"side = {side!r}: use 'left' or 'right'")
    x1, x2 = array(x1), array(x2)
    if x1.ndim != 1:
        raise ValueError(f"x1: a vector is needed, its shape is {x1.shape}")
    if sorter is not None:
        x1 = take(x1, sorter)
    dtype = common_dtype(x1, x2)
    nodes = (cast(x1, dtype).node, cast(x2, dtype).node)
    return Array(make("searchsorted", nodes, x2.shape, INT, (side,)))


def nonzero(x: Any, /) -> tuple[Array, ...]:
    """Places of the entries that are not zero, where those are known."""
    x = array(x)
    known = x._known("xp.nonzero of a recorded array: its result's shape depends on values. Use xp.where(x != 0, a, b)")
    return tuple(array(places) for places in np.nonzero(known))


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Array:
    """Whether entries of x1 are among those of x2."""
    x1, x2 = array(x1), array(x2)
    found = any_of(each.equal(expand_dims(x1, axis=-1), reshape(x2, (-1,))), axis=-1)
    return each.logical_not(found) if invert else found


def _unique(name: str):
    def function(x: Any, /) -> NoReturn:
        raise StagingError(f"xp.{name} of a recorded array: its result's shape depends on values. Use xp.sort")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Not possible: the shape of its result depends on values."
    return function


unique_all, unique_counts = _unique("unique_all"), _unique("unique_counts")
unique_inverse, unique_values = _unique("unique_inverse"), _unique("unique_values")

__all__ = [
    "argmax",
    "argmin",
    "isin",
    "nonzero",
    "searchsorted",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]
