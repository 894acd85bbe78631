"""Entries in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import Array, array, cast
from .._graph import BOOL, INT, make
from .manipulation import axis_of


def _ordered(x: Any, axis: int) -> tuple[Array, int]:
    x = array(x)
    if x.dtype.kind == "c":
        raise TypeError("complex numbers have no order: sort their absolute values or real parts")
    return x, axis_of(axis, x.ndim)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """The entries in order along an axis."""
    x, axis = _ordered(x, axis)
    wide = cast(x, np.uint8) if x.dtype == BOOL else x
    return cast(Array(make("sort", (wide.node,), x.shape, wide.dtype, (axis, bool(descending)))), x.dtype)


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Places of the entries in order along an axis; equal ones keep their order."""
    x, axis = _ordered(x, axis)
    wide = cast(x, np.uint8) if x.dtype == BOOL else x
    return Array(make("argsort", (wide.node,), x.shape, INT, (axis, bool(descending))))


__all__ = ["argsort", "sort"]
