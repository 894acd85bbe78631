"""The methods and attributes of arrays that NumPy's have, too."""

from __future__ import annotations

from typing import Any

from .._array import Array
from . import creation, data_types, indexing, linalg, manipulation, searching, sorting, statistical
from . import elementwise as each


def _shape(shape: tuple[Any, ...]) -> Any:
    return shape[0] if len(shape) == 1 else shape


@property
def T(self: Array) -> Array:
    return manipulation.permute_dims(self, range(self.ndim)[::-1])


@property
def mT(self: Array) -> Array:
    return manipulation.matrix_transpose(self)


@property
def real(self: Array) -> Array:
    return each.real(self)


@property
def imag(self: Array) -> Array:
    return each.imag(self)


@property
def flat(self: Array) -> Array:
    return manipulation.reshape(self, (-1,))


def reshape(self: Array, *shape: Any, order: str = "C") -> Array:
    if order not in ("C", "A"):
        raise ValueError(f"order = {order!r}: recorded arrays are reshaped in row-major order, 'C'")
    return manipulation.reshape(self, _shape(shape))


def ravel(self: Array, order: str = "C") -> Array:
    return reshape(self, -1, order=order)


def flatten(self: Array, order: str = "C") -> Array:
    return creation.copy(reshape(self, -1, order=order))


def transpose(self: Array, *axes: Any) -> Array:
    if not axes or axes == (None,):
        return self.T  # type: ignore[attr-defined]
    return manipulation.permute_dims(self, _shape(axes))


def swapaxes(self: Array, axis1: int, axis2: int) -> Array:
    return manipulation.swapaxes(self, axis1, axis2)


def squeeze(self: Array, axis: Any = None) -> Array:
    return manipulation.squeeze(self, axis)


def repeat(self: Array, repeats: Any, axis: Any = None) -> Array:
    return manipulation.repeat(self, repeats, axis=axis)


def astype(self: Array, dtype: Any, copy: bool = True, **unused: Any) -> Array:
    return data_types.astype(self, dtype, copy=copy)


def copy(self: Array, order: str = "C") -> Array:
    return creation.copy(self)


__copy__ = copy


def __deepcopy__(self: Array, memo: Any) -> Array:
    return creation.copy(self)


def fill(self: Array, value: Any) -> None:
    self[...] = value  # type: ignore[index]


def conj(self: Array) -> Array:
    return each.conj(self)


conjugate = conj


def sum(self: Array, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Array:
    return statistical.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)


def prod(self: Array, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Array:
    return statistical.prod(self, axis=axis, dtype=dtype, keepdims=keepdims)


def mean(self: Array, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Array:
    return statistical.mean(self if dtype is None else astype(self, dtype), axis=axis, keepdims=keepdims)


def std(
    self: Array, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False
) -> Array:
    return statistical.std(self, axis=axis, correction=ddof, keepdims=keepdims)


def var(
    self: Array, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False
) -> Array:
    return statistical.var(self, axis=axis, correction=ddof, keepdims=keepdims)


def max(self: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    return statistical.max(self, axis=axis, keepdims=keepdims)


def min(self: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    return statistical.min(self, axis=axis, keepdims=keepdims)


def all(self: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    return statistical.all(self, axis=axis, keepdims=keepdims)


def any(self: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    return statistical.any(self, axis=axis, keepdims=keepdims)


def argmax(self: Array, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
    return searching.argmax(self, axis=axis, keepdims=keepdims)


def argmin(self: Array, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
    return searching.argmin(self, axis=axis, keepdims=keepdims)


def nonzero(self: Array) -> Any:
    return searching.nonzero(self)


def searchsorted(self: Array, v: Any, side: str = "left", sorter: Any = None) -> Array:
    return searching.searchsorted(self, v, side=side, sorter=sorter)


def sort(self: Array, axis: int = -1, **unused: Any) -> None:
    indexing.write_all(self, sorting.sort(self, axis=axis))


def argsort(self: Array, axis: int = -1, **unused: Any) -> Array:
    return sorting.argsort(self, axis=axis)


def cumsum(self: Array, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
    x = self if axis is not None else ravel(self)
    return statistical.cumulative_sum(x, axis=0 if axis is None else axis, dtype=dtype)


def cumprod(self: Array, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
    x = self if axis is not None else ravel(self)
    return statistical.cumulative_prod(x, axis=0 if axis is None else axis, dtype=dtype)


def take(self: Array, indices: Any, axis: Any = None, **unused: Any) -> Array:
    return indexing.take(self, indices, axis=axis)


def clip(self: Array, min: Any = None, max: Any = None, out: None = None) -> Array:
    return each.clip(self, min, max)


def round(self: Array, decimals: int = 0, out: None = None) -> Array:
    return rounded(self, decimals)


def rounded(x: Any, decimals: int = 0) -> Array:
    """Numbers rounded to decimals."""
    if not decimals:
        return each.round(x)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return each.divide(each.round(each.multiply(x, scale)), scale)
    return each.multiply(each.round(each.divide(x, scale)), scale)


def rounded_as_python(x: Array, decimals: int | None = None) -> Array:
    """What round(x) is: an integer, unless decimals are asked for."""
    return data_types.astype(each.round(x), data_types.int64) if decimals is None else rounded(x, decimals)


def dot(self: Array, other: Any) -> Array:
    return linalg.dot(self, other)


def diagonal(self: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    return linalg.diagonal(manipulation.moveaxis(self, (axis1, axis2), (-2, -1)), offset=offset)


def trace(self: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    return statistical.sum(diagonal(self, offset, axis1, axis2), axis=-1)


__all__ = [
    name for name in dict(globals()) if not name.startswith("_") and name not in (
        "Any", "Array", "annotations", "creation", "data_types", "each", "indexing", "linalg", "manipulation",
        "rounded",
        "rounded_as_python", "searching", "sorting", "statistical",
    )
]  # fmt: skip
__all__ += ["__copy__", "__deepcopy__"]

# NumPy's functions of object arrays call the methods of the entries: np.sin(np.array([y[0], y[1]])).
_OF_OBJECTS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "exp": "exp", "expm1": "expm1", "exp2": "exp2", "log": "log", "log1p": "log1p", "log2": "log2", "log10": "log10",
    "sqrt": "sqrt", "cbrt": "cbrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "round",
    "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "signbit": "signbit",
    "deg2rad": "deg2rad", "rad2deg": "rad2deg", "radians": "deg2rad", "degrees": "rad2deg", "fabs": "abs",
    "arctan2": "atan2", "hypot": "hypot", "copysign": "copysign", "logaddexp": "logaddexp", "fmod": "fmod",
    "logical_not": "logical_not", "square": "square", "reciprocal": "reciprocal",
}  # fmt: skip


def _as_method(function: Any) -> Any:
    return lambda self, *others: function(self, *others)


for _name, _function in _OF_OBJECTS.items():
    globals()[_name] = _as_method(getattr(each, _function))
    __all__.append(_name)
