"""Types of entries, and what they are promoted to."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._array import Array, array, cast, common_dtype

bool = np.dtype(np.bool_)
int8, int16, int32, int64 = (np.dtype(f"i{n}") for n in (1, 2, 4, 8))
uint8, uint16, uint32, uint64 = (np.dtype(f"u{n}") for n in (1, 2, 4, 8))
float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
complex64, complex128 = np.dtype(np.complex64), np.dtype(np.complex128)

KINDS = {"b": "bool", "i": "signed integer", "u": "unsigned integer", "f": "real floating", "c": "complex floating"}


def _dtype(x: Any) -> np.dtype:
    return x.dtype if isinstance(x, Array | np.ndarray | np.generic) else np.dtype(x)


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype that arrays, dtypes and Python numbers are promoted to together."""
    weak = [x for x in arrays_and_dtypes if isinstance(x, Array) and x.weak]
    others = [
        x.dtype if isinstance(x, Array) else x for x in arrays_and_dtypes if not (isinstance(x, Array) and x.weak)
    ]
    if not weak:
        return np.result_type(*others)
    if not others:
        return common_dtype(*weak)
    return np.result_type(*others, *(np.zeros((), x.dtype).item() for x in weak))


def astype(x: Any, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Array:
    """The array with another dtype."""
    x = array(x)
    dtype = np.dtype(dtype)
    if x.dtype.kind == "c" and dtype.kind not in "c":
        if dtype.kind == "b":
            from .elementwise import not_equal

            return not_equal(x, 0)
        raise TypeError(f"complex numbers as {dtype}: use xp.real(x) or xp.abs(x)")
    if x.dtype == dtype and not copy:
        return x
    return Array(cast(x, dtype).node)


def can_cast(from_: Any, to: Any, /) -> builtins.bool:
    """Whether an array or dtype can be cast to a dtype without loss."""
    return np.can_cast(_dtype(from_), np.dtype(to))


def isdtype(dtype: Any, kind: Any) -> builtins.bool:
    """Whether a dtype is of a kind."""
    return np.isdtype(np.dtype(dtype), kind)


@dataclass(frozen=True)
class FloatLimits:
    """Limits of a floating-point dtype, as Python numbers, which leave the precision of arrays alone."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype

    @property
    def tiny(self) -> float:
        return self.smallest_normal


def finfo(type: Any, /) -> FloatLimits:
    """Limits of a floating-point dtype; of a complex one those of its parts."""
    known = np.finfo(_dtype(type))
    eps, largest, least, normal = (float(x) for x in (known.eps, known.max, known.min, known.smallest_normal))
    return FloatLimits(known.bits, eps, largest, least, normal, known.dtype)


def iinfo(type: Any, /) -> np.iinfo:
    """Limits of an integer dtype."""
    return np.iinfo(_dtype(type))


__all__ = [
    "astype",
    "bool",
    "can_cast",
    "complex128",
    "complex64",
    "finfo",
    "float32",
    "float64",
    "iinfo",
    "int16",
    "int32",
    "int64",
    "int8",
    "isdtype",
    "result_type",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
]
