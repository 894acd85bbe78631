"""x[key] and x[key] = value, and taking entries by recorded places."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .._array import Array, _is_number, array, broadcast, cast, view
from .._errors import StagingError
from .._graph import BOOL, INT, make
from . import elementwise as each
from .creation import SPELT_OUT, from_objects, iota
from .manipulation import axis_of, reshape

_MASKED = (
    "x[mask] with a recorded mask: its shape depends on values. Write xp.where(mask, x, 0) and keep the shape, "
    "or use a constant mask"
)


def _place(i: int, n: int, axis: int = 0) -> int:
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range for axis {axis} with {n} entries")
    return i + n if i < 0 else i


def get_item(x: Array, key: Any) -> Array:
    """x[key]."""
    shape = x._node.shape
    if type(key) is int and len(shape) == 1:
        n = shape[0]
        if not -n <= key < n:
            raise IndexError(f"index {key} is out of range for axis 0 with {n} entries")
        return Array(x._entry(key + n if key < 0 else key), x.weak)
    items = _items(key, shape)
    if not any(isinstance(item, Array | np.ndarray) for item in items):
        return _basic(x, items)
    if all(item is None or isinstance(item, slice | np.ndarray | int) for item in items):
        places = np.arange(x.size).reshape(shape)[tuple(items)]
        return _gathered(x, array(np.asarray(places, dtype=INT)))
    return _gathered(x, _places(shape, items))


def _gathered(x: Array, places: Array) -> Array:
    return Array(make("gather", (x.node, places.node), places.shape, x.dtype), x.weak)


def _items(key: Any, shape: tuple[int, ...]) -> list[Any]:
    """The key's parts: for each axis an int, a slice or an array of places, and None for new axes."""
    parts = key if isinstance(key, tuple) else (key,)
    found: list[Any] = []
    for part in parts:
        if part is None or part is Ellipsis or isinstance(part, slice):
            found.append(part)
        elif isinstance(part, int | np.integer) and not isinstance(part, bool):
            found.append(int(part))
        else:
            found.extend(_array_items(part))
    used = sum(item is not None and item is not Ellipsis for item in found)
    if used > len(shape):
        raise IndexError(f"{used} indices for an array of {len(shape)} axes")
    whole = [slice(None)] * (len(shape) - used)
    ellipses = [i for i, item in enumerate(found) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can have one ellipsis only")
    if ellipses:
        found[ellipses[0] : ellipses[0] + 1] = whole
    else:
        found.extend(whole)
    return found


def _array_items(part: Any) -> list[Any]:
    if isinstance(part, list | tuple):
        part = from_objects(part) if part else np.zeros(0, INT)
    if isinstance(part, bool | np.bool):
        part = np.asarray(part)
    if not isinstance(part, Array | np.ndarray):
        part = array(part) if not hasattr(part, "__index__") else operator.index(part)
        if isinstance(part, int):
            return [part]
    if isinstance(part, Array) and part.node.op == "constant":
        part = part.node.value
    if isinstance(part, np.ndarray) and part.dtype == object:
        part = from_objects(part)
    if part.dtype == BOOL:
        if isinstance(part, Array):
            raise StagingError(_MASKED)
        if not part.ndim:
            raise IndexError("a single truth value as an index: use xp.where")
        return list(np.nonzero(part))
    if part.dtype.kind not in "iu":
        raise IndexError(f"an index of {part.dtype}: indices are integers or booleans")
    if isinstance(part, np.ndarray) and not part.ndim:
        return [int(part)]
    return [part]


def _cut(items: list[Any], shape: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    """Starts, steps and lengths of a slice on each axis, and the shape without the axes of single entries."""
    starts, steps, lengths, final = [], [], [], []
    axis = 0
    for item in items:
        if item is None:
            final.append(1)
            continue
        n = shape[axis]
        if isinstance(item, slice):
            start, stop, step = item.indices(n)
            length = len(range(start, stop, step))
            final.append(length)
            if length <= 1:
                step = 1
            if not length:
                start = 0
        else:
            start, step, length = _place(item, n, axis), 1, 1
        starts.append(start)
        steps.append(step)
        lengths.append(length)
        axis += 1
    return tuple(starts), tuple(steps), tuple(lengths), tuple(final)


def _basic(x: Array, items: list[Any]) -> Array:
    shape = x.shape
    if len(items) == len(shape) and all(type(item) is int for item in items):
        return Array(x._entry(_flat(items, shape)), x.weak)
    starts, steps, lengths, final = _cut(items, shape)
    found = x
    if lengths != shape or any(steps[i] != 1 for i in range(len(steps))):
        found = view(x, "slice", lengths, (starts, steps))
    if final != lengths or found is x:
        found = view(found, "reshape", final)
    return found


def _flat(items: list[Any], shape: tuple[int, ...]) -> int:
    place = 0
    for axis, (i, n) in enumerate(zip(items, shape, strict=True)):
        place = place * n + _place(i, n, axis)
    return place


def wrapped(places: Array, n: int) -> Array:
    """Places of int64, negative ones counted from the end."""
    if places.dtype.kind == "u" or places.node.op == "iota":
        return cast(places, INT)
    places = cast(places, INT)
    return each.where(each.less(places, 0), each.add(places, n), places)


def _line(n: int, stride: int) -> Array:
    if n <= SPELT_OUT:
        return array(np.arange(n, dtype=INT) * stride)
    return each.multiply(iota(n), stride)


def _places(shape: tuple[int, ...], items: list[Any]) -> Array:
    """Flat positions of what is indexed by recorded integers, as NumPy orders the axes of the result."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    axis, offset = 0, 0
    kept: list[tuple[int, Any]] = []  # (length, positions) of each axis that is not indexed by an array
    picked: list[Any] = []
    before: list[int] = []  # for each index array, how many other items came before it
    for item in items:
        if item is None:
            kept.append((1, None))
            continue
        n, stride = shape[axis], strides[axis]
        if isinstance(item, slice):
            start, stop, step = item.indices(n)
            length = len(range(start, stop, step))
            offset += start * stride if length else 0
            kept.append((length, _line(length, step * stride)))
        else:
            before.append(len(kept))
            if isinstance(item, int):
                offset += _place(item, n, axis) * stride
            elif isinstance(item, np.ndarray):
                known = np.where(item < 0, item + n, item)
                if known.size and (known.min() < 0 or known.max() >= n):
                    raise IndexError(f"an index is out of range for axis {axis} with {n} entries")
                picked.append(array(known.astype(INT) * stride))
            else:
                picked.append(each.multiply(wrapped(item, n), stride))
        axis += 1
    inner = np.broadcast_shapes(*(p.shape for p in picked))
    at = before[0] if len(set(before)) == 1 else 0
    front = [n for n, _ in kept[:at]]
    final = (*front, *inner, *(n for n, _ in kept[at:]))
    total = None
    for p in picked:
        total = p if total is None else each.add(total, p)
    behind = len(final) - at - len(inner)
    found = Array(make("reshape", (total.node,), inner + (1,) * behind, INT))  # type: ignore[union-attr]
    for i, (n, line) in enumerate(kept):
        if line is not None and n > 1:
            place = i if i < at else i + len(inner)
            line = Array(make("reshape", (line.node,), (n,) + (1,) * (len(final) - place - 1), INT))
            found = each.add(found, line)
    if offset:
        found = each.add(found, offset)
    return broadcast(found, final)


# ---------------------------------------------------------------- writing
def _value(x: Array, value: Any) -> Array:
    """What is written, in the array's dtype."""
    if _is_number(value) and not (isinstance(value, complex) and x.dtype.kind != "c"):
        return array(np.asarray(value).astype(x.dtype))
    value = array(value)
    if value.dtype.kind == "c" and x.dtype.kind != "c":
        raise TypeError(f"complex numbers can't be written to an array of {x.dtype}: make it complex, or use xp.real")
    return cast(value, x.dtype)


def _fitted(value: Array, shape: tuple[int, ...]) -> Array:
    if value.shape == shape:
        return value
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = Array(make("reshape", (value.node,), value.shape[1:], value.dtype))
    if value.ndim > len(shape) or np.broadcast_shapes(value.shape, shape) != shape:
        raise ValueError(f"a value of shape {value.shape} doesn't fit where shape {shape} is written to")
    return broadcast(value, shape)


def set_item(x: Array, key: Any, value: Any) -> None:
    """x[key] = value."""
    x._allow_writing()
    shape = x._node.shape
    if type(key) is int and len(shape) == 1:
        x._put_entry(_place(key, shape[0]), _fitted(_value(x, value), ()).node)
        return
    mask = _mask(key, shape)
    if mask is not None:
        return _set_masked(x, mask, value)
    value = _value(x, value)
    items = _items(key, shape)
    if not any(isinstance(item, Array | np.ndarray) for item in items):
        if len(items) == len(shape) and all(type(item) is int for item in items) and shape:
            x._put_entry(_flat(items, shape), _fitted(value, ()).node)
            return
        starts, steps, lengths, final = _cut(items, shape)
        node = _fitted(value, final).node
        if node.shape != lengths:
            node = make("reshape", (node,), lengths, x.dtype)
        if 0 not in lengths:
            whole = lengths == shape and all(s == 1 for s in steps)
            x._replace(node if whole else make("update", (x.node, node), shape, x.dtype, (starts, steps)))
        return
    if all(item is None or isinstance(item, slice | np.ndarray | int) for item in items):
        places = array(np.asarray(np.arange(x.size).reshape(shape)[tuple(items)], dtype=INT))
    else:
        places = _places(shape, items)
    value = _fitted(value, places.shape)
    if places.size:
        flat = tuple(make("reshape", (a.node,), (a.size,), a.dtype) for a in (places, value))
        x._replace(make("scatter", (x.node, *flat), shape, x.dtype))


def _mask(key: Any, shape: tuple[int, ...]) -> Any:
    """The mask that a key is, unless it is known and picks its own number of values."""
    if isinstance(key, tuple) and len(key) == 1:
        key = key[0]
    if isinstance(key, Array | np.ndarray) and key.dtype == BOOL:
        if key.shape != shape[: key.ndim]:
            raise IndexError(f"a mask of shape {key.shape} for an array of shape {shape}")
        return key
    if isinstance(key, tuple) and any(
        isinstance(k, Array) and k.dtype == BOOL and k.node.op != "constant" for k in key
    ):
        raise StagingError(
            "x[mask, ...] = value with a recorded mask and other indices: use x[...] = xp.where(mask, value, x)"
        )
    return None


def _set_masked(x: Array, mask: Any, value: Any) -> None:
    value = _value(x, value)
    shape = x.shape
    known = mask if isinstance(mask, np.ndarray) else mask.node.value if mask.node.op == "constant" else None
    rest = shape[mask.ndim :]
    if value.ndim > len(rest) and not (value.ndim == len(rest) + 1 and value.shape[0] == 1):
        if known is None:
            raise StagingError(
                "x[mask] = values with a recorded mask and several values: "
                "write x[...] = xp.where(mask, values of x's shape, x)"
            )
        places = np.arange(x.size).reshape(shape)[known]
        value = _fitted(value, places.shape)
        if places.size:
            flat = (array(places.reshape(-1).astype(INT)).node, make("reshape", (value.node,), (value.size,), x.dtype))
            x._replace(make("scatter", (x.node, *flat), shape, x.dtype))
        return
    if value.ndim > len(rest):
        value = Array(make("reshape", (value.node,), value.shape[1:], x.dtype))
    pred = array(mask)
    if rest:
        pred = reshape(Array(pred.node), pred.shape + (1,) * len(rest))
    x._replace(each.where(pred, broadcast(value, shape), Array(x.node)).node)


def write_all(x: Array, value: Array, checked: bool = False) -> None:
    """Replace all entries."""
    x._allow_writing()
    if checked and not np.can_cast(value.dtype, x.dtype, "same_kind"):
        raise TypeError(f"{value.dtype} can't be written into an array of {x.dtype} in place: write x = x + y")
    if value.shape != x.shape and (value.ndim > x.ndim or np.broadcast_shapes(value.shape, x.shape) != x.shape):
        raise ValueError(f"a result of shape {value.shape} doesn't fit into an array of shape {x.shape} in place")
    x._replace(broadcast(_value(x, value), x.shape).node)


# ---------------------------------------------------------------- taking
def take(x: Any, indices: Any, /, *, axis: Any = None) -> Array:
    """The entries, or rows, at places along an axis; negative ones count from the end."""
    x = array(x)
    if axis is None:
        if x.ndim != 1:
            x = reshape(x, (-1,))
        axis = 0
    axis = axis_of(axis, x.ndim)
    if not isinstance(indices, Array):
        indices = np.asarray(indices) if not isinstance(indices, list | tuple) else from_objects(indices)
    return Array(x[(slice(None),) * axis + (indices,)].node)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Array:
    """The entries at places along an axis, with places of their own for each line."""
    x, places = array(x), array(indices)
    axis = axis_of(axis, x.ndim)
    if places.ndim != x.ndim:
        raise ValueError(f"indices: {places.ndim} axes where x has {x.ndim}")
    shape = tuple(
        n if i == axis else np.broadcast_shapes((n,), (m,))[0]
        for i, (n, m) in enumerate(zip(places.shape, x.shape, strict=True))
    )
    key: list[Any] = []
    for i, n in enumerate(shape):
        if i == axis:
            key.append(broadcast(places, shape))
        else:
            line = np.arange(n) if x.shape[i] == n else np.zeros(n, INT)
            key.append(line.reshape((n,) + (1,) * (x.ndim - i - 1)))
    return Array(x[tuple(key)].node)


__all__ = ["get_item", "set_item", "take", "take_along_axis", "wrapped", "write_all"]
