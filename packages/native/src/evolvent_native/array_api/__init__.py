"""The Array API with values: every call is staged, compiled and run as machine code on NumPy's memory.

It is the recording namespace, with which solves are staged, as one that computes at once: to look at what a function
gives, and so that the standard's own tests can be pointed at the compiler. Each kind of call (function, shapes,
dtypes, Python numbers) compiles once, in some milliseconds; programs of many operations belong in `stage` or `solve`.

What depends on values is found by NumPy: the places of masks in indices, `nonzero`, the functions for sets, and how
often `repeat` repeats when the counts are an array.

Examples
--------
>>> import evolvent_native.array_api as xp
>>> x = xp.linspace(0, 1, 5)
>>> xp.sum(x[x > 0.3] ** 2)
Array(1.8125)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _functions
from .._functions import (
    bool,
    complex64,
    complex128,
    e,
    float32,
    float64,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)
from ._array import Array, check_device, mapped, run

if TYPE_CHECKING:  # given below, from the recording namespace

    def __getattr__(name: str) -> Any: ...


__array_api_version__ = "2024.12"

COMPILED = (  # noqa: SIM905
    "arange empty empty_like eye full full_like linspace meshgrid ones ones_like tril triu zeros zeros_like astype "
    "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or "
    "bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide "
    "greater greater_equal hypot imag isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp "
    "logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive "
    "pow real reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc "
    "take take_along_axis matmul matrix_transpose tensordot vecdot broadcast_arrays broadcast_to concat expand_dims "
    "flip moveaxis permute_dims reshape roll squeeze stack tile unstack argmax argmin count_nonzero searchsorted "
    "where argsort sort cumulative_prod cumulative_sum max mean min prod std sum var all any diff"
).split()
OF_DTYPES = ("can_cast", "finfo", "iinfo", "isdtype", "result_type")
OF_VALUES = ("nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for arrays with values."""

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        check_device(options.get("device"))
        return run(function, *arguments, **options)

    return call


def _by_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it stands, called with NumPy's arrays."""

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        arguments, options = mapped((arguments, options), Array, lambda x: x._value)
        return mapped(function(*arguments, **options), np.ndarray, Array)

    return call


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Array:
    """An array of numbers, lists or other arrays; arrays of NumPy are shared where that is possible."""
    check_device(device)
    found = np.asarray(mapped(obj, Array, lambda x: x._value), dtype=dtype, copy=copy)
    found = found.astype(found.dtype.newbyteorder("="), copy=False)
    if found.dtype.kind not in "biufc" or found.dtype.char in "egG":
        raise TypeError(f"an array of {found.dtype}: use bool, integers, float32, float64, complex64 or complex128")
    return Array(found)


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Array:
    """The array of another library, shared where that is possible."""
    check_device(device)
    return asarray(np.from_dlpack(x, copy=copy))


def repeat(x: Any, repeats: Any, /, *, axis: Any = None) -> Array:
    """Every entry, or row along an axis, several times."""
    if isinstance(repeats, Array):
        if axis is None:
            x, axis = run(_functions.reshape, x, (-1,)), 0
        places = np.repeat(np.arange(x.shape[axis]), repeats._value)
        return run(_functions.take, x, Array(places), axis=axis)
    return run(_functions.repeat, x, repeats, axis=axis)


class _Info(_functions._Info):
    """What the namespace says of itself."""

    def capabilities(self):
        return super().capabilities() | {"boolean indexing": True, "data-dependent shapes": True}


def __array_namespace_info__() -> _Info:
    return _Info()


for _name in COMPILED:
    globals()[_name] = compiled(getattr(_functions, _name))
for _name in OF_DTYPES:
    globals()[_name] = _by_values(getattr(_functions, _name))
for _name in OF_VALUES:
    globals()[_name] = _by_values(getattr(np, _name))

from . import linalg  # noqa: E402  needs `compiled`

__all__ = [
    *COMPILED,
    *OF_DTYPES,
    *OF_VALUES,
    "Array",
    "__array_api_version__",
    "__array_namespace_info__",
    "asarray",
    "bool",
    "complex64",
    "complex128",
    "e",
    "float32",
    "float64",
    "from_dlpack",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "linalg",
    "nan",
    "newaxis",
    "pi",
    "repeat",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]
