"""Arrays from numbers, shapes and other arrays."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .._array import Array, _is_number, array, broadcast, cast, common_dtype
from .._errors import StagingError
from .._graph import INT, REAL, make
from . import elementwise as each

SPELT_OUT = 512  # entries of the longest range that is a literal


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape from a number or several."""
    if isinstance(shape, Array) and shape.ndim:
        raise StagingError("a recorded array as a shape: take lengths from the shapes of other arrays")
    if isinstance(shape, int | np.integer | Array):
        return (operator.index(shape),)
    return tuple(operator.index(n) for n in shape)


def from_objects(x: Any, dtype: Any = None) -> Array:
    """One array of nested lists or NumPy object arrays that hold recorded arrays and numbers."""
    if isinstance(x, Array):
        return x if dtype is None else cast(x, dtype)
    if isinstance(x, np.ndarray) and x.dtype != object:
        return array(x) if dtype is None else cast(array(x), dtype)
    if not isinstance(x, list | tuple | np.ndarray):
        return array(x) if dtype is None else cast(array(x), dtype)
    if isinstance(x, np.ndarray):
        shape, leaves = x.shape, list(x.reshape(-1))
        if not shape:
            return from_objects(leaves[0], dtype)
    else:
        shape, leaves = (
            (len(x),),
            [from_objects(item) if isinstance(item, list | tuple | np.ndarray) else item for item in x],
        )
    if not any(isinstance(leaf, Array) for leaf in leaves):
        known = np.array(leaves, dtype=dtype)
        if known.dtype == object:
            strange = next(
                (x for x in leaves if not isinstance(x, np.ndarray | np.generic) and not _is_number(x)), leaves
            )
            raise TypeError(f"can't make an array of a list with {strange!r} in it: use numbers and arrays")
        return array(known.reshape(shape + known.shape[1:]))
    kind = np.dtype(dtype) if dtype is not None else _dtype_of_all(leaves)
    arrays = [
        cast(leaf, kind) if isinstance(leaf, Array) else array(leaf, kind if _is_number(leaf) else None)
        for leaf in leaves
    ]
    inner = arrays[0].shape
    if any(leaf.shape != inner for leaf in arrays):
        raise ValueError(f"arrays in a list have different shapes: {inner} and others. Give all of them one shape")
    nodes = tuple((leaf if leaf.dtype == kind else cast(leaf, kind)).node for leaf in arrays)
    if not inner:
        return Array(make("reshape", (make("pack", nodes, (len(nodes),), kind),), shape, kind))
    rows = tuple(make("reshape", (node,), (1, *inner), kind) for node in nodes)
    return Array(make("reshape", (make("concat", rows, (len(rows), *inner), kind, (0,)),), shape + inner, kind))


def _dtype_of_all(leaves: list[Any]) -> np.dtype:
    strong = {
        x.dtype for x in leaves if isinstance(x, Array | np.ndarray | np.generic) and not getattr(x, "weak", False)
    }
    weak = {type(np.zeros((), x.dtype).item()) for x in leaves if isinstance(x, Array) and x.weak}
    weak |= {type(x) for x in leaves if _is_number(x)}
    if not strong:
        return np.result_type(*(np.dtype(t) for t in weak))
    return np.result_type(*strong, *(t() for t in weak))


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Array:
    """A recorded array of numbers, lists, NumPy arrays or recorded arrays."""
    if isinstance(obj, Array):
        if (dtype is None or obj.dtype == np.dtype(dtype)) and not copy:
            return obj
        return Array(cast(obj, dtype or obj.dtype).node)
    if _is_number(obj):
        return Array(array(obj, np.dtype(dtype) if dtype is not None else None).node)
    if isinstance(obj, list | tuple):
        return from_objects(obj, dtype)
    if hasattr(obj, "__array__") and not isinstance(obj, np.ndarray | np.generic):
        obj = np.asarray(obj)
    found = array(obj)
    return found if dtype is None else Array(cast(found, dtype).node)


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Array:
    """The array of another library."""
    return asarray(x if isinstance(x, Array) else np.from_dlpack(x))


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of one number."""
    shape = shape_of(shape)
    value = asarray(fill_value, dtype=dtype)
    return Array(broadcast(value, shape).node)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of zeros."""
    return full(shape, 0, dtype=REAL if dtype is None else dtype)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of ones."""
    return full(shape, 1, dtype=REAL if dtype is None else dtype)


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array to be filled; it holds zeros until then."""
    return zeros(shape, dtype=dtype)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of one number, of the shape of another one."""
    x = array(x)
    return full(x.shape, fill_value, dtype=x.dtype if dtype is None else dtype)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of zeros, of the shape of another one."""
    return full_like(x, 0, dtype=dtype)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of ones, of the shape of another one."""
    return full_like(x, 1, dtype=dtype)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Array:
    """An array to be filled, of the shape of another one; it holds zeros until then."""
    return full_like(x, 0, dtype=dtype)


def iota(n: int) -> Array:
    """0, 1, ... n - 1."""
    return Array(make("iota", (), (n,), INT))


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Array:
    """start, start + step, ... before stop."""
    if stop is None:
        start, stop = 0, start
    if any(isinstance(x, Array) for x in (start, stop, step)):
        start, stop, step = (x._known(_LENGTHS).item() if isinstance(x, Array) else x for x in (start, stop, step))
    n = max(math.ceil((stop - start) / step), 0)
    kind = (
        np.dtype(dtype) if dtype is not None else np.result_type(np.asarray(start), np.asarray(stop), np.asarray(step))
    )
    if n <= SPELT_OUT:
        return array(np.arange(start, stop, step, dtype=kind)[:n])
    places = cast(iota(n), kind)
    return each.add(each.multiply(places, array(step, kind)), array(start, kind))


_LENGTHS = "a range between recorded values: its length must be known. Scale a range of fixed length instead"


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> Array:
    """`num` numbers at equal distances from start to stop."""
    num = operator.index(num)
    if not any(isinstance(x, Array) for x in (start, stop)) and num <= SPELT_OUT:
        return array(np.linspace(start, stop, num, dtype=dtype, endpoint=endpoint))
    first, last = each.floating(start), each.floating(stop)
    kind = common_dtype(first, last)
    first, last = Array(cast(first, kind).node), Array(cast(last, kind).node)
    if first.ndim or last.ndim:
        raise StagingError("xp.linspace between arrays: between two numbers is supported")
    gaps = num - 1 if endpoint else num
    places = cast(iota(num), kind)
    found = each.add(each.multiply(places, each.divide(each.subtract(last, first), max(gaps, 1))), first)
    if endpoint and num > 1:
        found = each.where(each.equal(iota(num), num - 1), last, found)
    return found if dtype is None else Array(cast(found, dtype).node)


def eye(n_rows: int, n_cols: Any = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Array:
    """Ones on a diagonal."""
    n_rows = operator.index(n_rows)
    n_cols = n_rows if n_cols is None else operator.index(n_cols)
    kind = np.dtype(REAL if dtype is None else dtype)
    k = min(max(operator.index(k), -n_rows), n_cols)
    if n_rows * n_cols <= SPELT_OUT:
        return array(np.eye(n_rows, n_cols, k, dtype=kind))
    return cast(each.equal(*_rows_and_columns((n_rows, n_cols), k)), kind)


def _rows_and_columns(shape: tuple[int, ...], k: int) -> tuple[Array, Array]:
    rows = make("reshape", (iota(shape[-2]).node,), (shape[-2], 1), INT)
    rows = each.add(Array(make("broadcast", (rows,), shape, INT)), k)
    return rows, broadcast(iota(shape[-1]), shape)


def tril(x: Any, /, *, k: int = 0) -> Array:
    """The lower triangle; zeros above diagonal k."""
    x = array(x)
    rows, columns = _rows_and_columns(x.shape, k)
    return each.where(each.less_equal(columns, rows), x, Array(zeros_like(x).node))


def triu(x: Any, /, *, k: int = 0) -> Array:
    """The upper triangle; zeros below diagonal k."""
    x = array(x)
    rows, columns = _rows_and_columns(x.shape, k)
    return each.where(each.greater_equal(columns, rows), x, Array(zeros_like(x).node))


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Array]:
    """Coordinates of the points of a grid."""
    vectors = [array(x) for x in arrays]
    n = len(vectors)
    order = list(range(n))
    if indexing == "xy" and n > 1:
        order[:2] = [1, 0]
    elif indexing not in ("xy", "ij"):
        raise ValueError(f"indexing = {indexing!r}: use 'xy' or 'ij'")
    shape = [0] * n
    for x, axis in zip(vectors, order, strict=True):
        shape[axis] = x.size
    found = []
    for x, axis in zip(vectors, order, strict=True):
        line = make("reshape", (x.node,), tuple(x.size if i == axis else 1 for i in range(n)), x.dtype)
        found.append(broadcast(Array(line), tuple(shape)))
    return found


def copy(x: Any, /) -> Array:
    """A copy that may be written to."""
    return Array(array(x).node)


__all__ = [
    "arange",
    "asarray",
    "copy",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_objects",
    "full",
    "full_like",
    "iota",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "shape_of",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]
