"""Linear algebra."""

from __future__ import annotations

from typing import Any

from .._array import Array, array


def matmul(x1: Any, x2: Any, /) -> Array:
    raise NotImplementedError


def dot(x1: Any, x2: Any, /) -> Array:
    raise NotImplementedError


def diagonal(x: Any, /, *, offset: int = 0) -> Array:
    raise NotImplementedError
