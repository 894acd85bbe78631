"""Shapes and places of entries."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .._array import Array, array, cast, common_dtype, view
from .._array import broadcast as _broadcast
from .._graph import make
from .creation import from_objects, shape_of


def axis_of(axis: Any, ndim: int) -> int:
    """A non-negative axis."""
    place = operator.index(axis)
    if not -ndim <= place < ndim:
        raise np.exceptions.AxisError(place, ndim)
    return place % ndim if ndim else 0


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Non-negative axes from one, several or None, which is all."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis_of(a, ndim) for a in (axis if isinstance(axis, tuple | list) else (axis,)))
    if len(set(axes)) < len(axes):
        raise ValueError(f"axis = {axis}: an axis is named twice")
    return axes


def _arrays(arrays: Any) -> list[Array]:
    """Arrays of one dtype from a sequence or an array's rows."""
    if isinstance(arrays, Array):
        return list(arrays)
    found = [array(x) for x in arrays]
    if not found:
        raise ValueError("need at least one array")
    dtype = common_dtype(*found)
    return [cast(x, dtype) for x in found]


def reshape(x: Any, /, shape: Any, *, copy: Any = None) -> Array:
    """The same entries, in row-major order, in another shape."""
    x = array(x)
    shape = shape_of(shape)
    if -1 in shape:
        others = 1
        for n in shape:
            others *= n if n != -1 else 1
        if shape.count(-1) > 1 or (x.size % others if others else x.size):
            raise ValueError(f"can't reshape an array of shape {x.shape} into {shape}")
        shape = tuple(x.size // max(others, 1) if n == -1 else n for n in shape)
    size = 1
    for n in shape:
        size *= n
    if size != x.size:
        raise ValueError(f"can't reshape an array of shape {x.shape} into {shape}")
    if copy:
        return Array(make("reshape", (x.node,), shape, x.dtype))
    return view(x, "reshape", shape)


def expand_dims(x: Any, /, axis: Any = 0) -> Array:
    """The array with axes of length one put in."""
    x = array(x)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    ndim = x.ndim + len(axes)
    axes = axes_of(tuple(axes), ndim)
    rest = iter(x.shape)
    return view(x, "reshape", tuple(1 if i in axes else next(rest) for i in range(ndim)))


def squeeze(x: Any, /, axis: Any = None) -> Array:
    """The array without axes of length one."""
    x = array(x)
    axes = tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axes_of(axis, x.ndim)
    if any(x.shape[i] != 1 for i in axes):
        raise ValueError(f"axis = {axis}: only axes of length one can be squeezed; the shape is {x.shape}")
    return view(x, "reshape", tuple(n for i, n in enumerate(x.shape) if i not in axes))


def permute_dims(x: Any, /, axes: Any) -> Array:
    """The array with its axes in another order."""
    x = array(x)
    axes = axes_of(tuple(axes), x.ndim)
    if len(axes) != x.ndim:
        raise ValueError(f"axes = {axes}: name each of the {x.ndim} axes once")
    return view(x, "permute", tuple(x.shape[a] for a in axes), (axes,))


def moveaxis(x: Any, source: Any, destination: Any, /) -> Array:
    """The array with some axes moved to other places."""
    x = array(x)
    sources, targets = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    if len(sources) != len(targets):
        raise ValueError(f"source = {source} and destination = {destination}: give as many of one as of the other")
    order = [a for a in range(x.ndim) if a not in sources]
    for target, place in sorted(zip(targets, sources, strict=True)):
        order.insert(target, place)
    return permute_dims(x, tuple(order))


def swapaxes(x: Any, axis1: int, axis2: int) -> Array:
    """The array with two axes exchanged."""
    x = array(x)
    order = list(range(x.ndim))
    a, b = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    order[a], order[b] = order[b], order[a]
    return permute_dims(x, tuple(order))


def matrix_transpose(x: Any, /) -> Array:
    """The matrices transposed."""
    x = array(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose of an array of shape {x.shape}: it needs two axes")
    return swapaxes(x, -1, -2)


def broadcast_to(x: Any, /, shape: Any) -> Array:
    """The array repeated to another shape; it can't be written to."""
    x = array(x)
    shape = shape_of(shape)
    if np.broadcast_shapes(x.shape, shape) != shape:
        raise ValueError(f"can't broadcast an array of shape {x.shape} to {shape}")
    found = Array(_broadcast(x, shape).node)
    found.writable = False
    return found


def broadcast_arrays(*arrays: Any) -> list[Array]:
    """Arrays repeated to the shape that they have in common."""
    found = [array(x) for x in arrays]
    shape = np.broadcast_shapes(*(x.shape for x in found))
    return [broadcast_to(x, shape) for x in found]


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that arrays of several shapes are repeated to together."""
    return np.broadcast_shapes(*(shape_of(shape) for shape in shapes))


def concat(arrays: Any, /, *, axis: Any = 0) -> Array:
    """Arrays behind each other along an axis; None flattens them first."""
    found = _arrays(arrays)
    if axis is None:
        found, axis = [reshape(x, (-1,)) for x in found], 0
    first = found[0]
    axis = axis_of(axis, first.ndim)
    if not first.ndim:
        raise ValueError("zero-dimensional arrays can't be concatenated: use xp.stack")
    for x in found:
        if x.ndim != first.ndim or any(
            a != b for i, (a, b) in enumerate(zip(x.shape, first.shape, strict=True)) if i != axis
        ):
            raise ValueError(
                f"arrays of shapes {first.shape} and {x.shape} can't be put behind each other on axis {axis}"
            )
    nodes = tuple(x.node for x in found)
    shape = (*first.shape[:axis], sum(x.shape[axis] for x in found), *first.shape[axis + 1 :])
    return Array(make("concat", nodes, shape, first.dtype, (axis,)))


def stack(arrays: Any, /, *, axis: int = 0) -> Array:
    """Arrays of one shape along a new axis."""
    found = _arrays(arrays)
    first = found[0].shape
    for x in found:
        if x.shape != first:
            raise ValueError(f"arrays of shapes {first} and {x.shape} can't be stacked: all must have one shape")
    if not first:
        axis_of(axis, 1)
        return from_objects(found)
    axis = axis_of(axis, len(first) + 1)
    shape = (*first[:axis], 1, *first[axis:])
    nodes = tuple(make("reshape", (x.node,), shape, x.dtype) for x in found)
    return Array(make("concat", nodes, (*first[:axis], len(nodes), *first[axis:]), found[0].dtype, (axis,)))


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The arrays that lie along an axis."""
    x = array(x)
    axis = axis_of(axis, x.ndim)
    return tuple(x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis]))


def flip(x: Any, /, *, axis: Any = None) -> Array:
    """The array in reverse order along axes."""
    x = array(x)
    axes = axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))]


def _part(x: Array, axis: int, start: int, stop: int) -> Any:
    starts = tuple(start if i == axis else 0 for i in range(x.ndim))
    shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
    return make("slice", (x.node,), shape, x.dtype, (starts, (1,) * x.ndim))


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Array:
    """The array shifted along axes; what leaves it at one end comes in at the other."""
    x = array(x)
    if axis is None:
        return Array(reshape(roll(reshape(x, (-1,)), shift, axis=0), x.shape).node)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    shifts = shift if isinstance(shift, tuple | list) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"shift = {shift} and axis = {axis}: give one shift for each axis")
    found = Array(x.node)
    for a, s in zip(axes, shifts, strict=True):
        a = axis_of(a, x.ndim)
        n = x.shape[a]
        s = operator.index(s) % n if n else 0
        if s:
            pieces = (_part(found, a, n - s, n), _part(found, a, 0, n - s))
            found = Array(make("concat", pieces, x.shape, x.dtype, (a,)))
    return found


def repeat(x: Any, repeats: Any, /, *, axis: Any = None) -> Array:
    """The array with each entry repeated."""
    from .indexing import take

    x = array(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = axis_of(axis, x.ndim)
    n = x.shape[axis]
    if isinstance(repeats, Array):
        repeats = repeats._known("xp.repeat with recorded counts: its result's shape must be known. Use a fixed count")
    counts = np.asarray(repeats)
    if counts.size == 1:
        times = int(counts.reshape(()))
        wide = make("reshape", (x.node,), (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :]), x.dtype)
        wide = make("broadcast", (wide,), (*x.shape[: axis + 1], times, *x.shape[axis + 1 :]), x.dtype)
        return Array(make("reshape", (wide,), (*x.shape[:axis], n * times, *x.shape[axis + 1 :]), x.dtype))
    return take(x, np.repeat(np.arange(n), counts), axis=axis)


def tile(x: Any, repetitions: Any, /) -> Array:
    """The array put beside itself several times."""
    x = array(x)
    times = shape_of(repetitions)
    ndim = max(x.ndim, len(times))
    shape = (1,) * (ndim - x.ndim) + x.shape
    times = (1,) * (ndim - len(times)) + times
    apart = tuple(n for pair in zip((1,) * ndim, shape, strict=True) for n in pair)
    wide = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    node = make("broadcast", (make("reshape", (x.node,), apart, x.dtype),), wide, x.dtype)
    return Array(make("reshape", (node,), tuple(a * b for a, b in zip(times, shape, strict=True)), x.dtype))


__all__ = [
    "axes_of",
    "axis_of",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "concat",
    "expand_dims",
    "flip",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "unstack",
]
