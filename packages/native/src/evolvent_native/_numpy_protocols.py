"""NumPy's own functions, called with recorded arrays."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from . import _functions as xp
from ._array import Array, array, broadcast, cast
from ._errors import StagingError
from ._functions import elementwise as each
from ._functions import indexing, linalg, methods

# As NumPy names them, too.
_OWN_NAMES = """
    add subtract multiply divide floor_divide remainder negative positive sign sqrt square reciprocal exp
    expm1 exp2 log log1p log2 log10 sin cos tan sinh cosh tanh floor ceil trunc isnan isinf isfinite
    signbit copysign nextafter hypot maximum minimum fmax fmin fmod heaviside logaddexp logaddexp2 cbrt
    float_power deg2rad rad2deg equal not_equal less less_equal greater greater_equal logical_and
    logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor ldexp modf divmod matmul vecdot
""".split()  # noqa: SIM905

# NumPy's name of each ufunc, and the function's name here where it is another one.
_UFUNCS: dict[str, str] = {
    **{name: name for name in _OWN_NAMES},
    "absolute": "abs",
    "fabs": "abs",
    "power": "pow",
    "conjugate": "conj",
    "rint": "round",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "radians": "deg2rad",
    "degrees": "rad2deg",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
}
_REDUCING = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip
_RUNNING = {"add": "cumulative_sum", "multiply": "cumulative_prod"}


def ufunc_of_numpy(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What one of NumPy's ufuncs gives for recorded arrays."""
    name = ufunc.__name__
    out = options.pop("out", None)
    options.pop("casting", None)
    options.pop("order", None)
    options.pop("subok", None)
    dtype = options.pop("dtype", None)
    if method == "reduce" and name in _REDUCING:
        found = getattr(xp, _REDUCING[name])(
            inputs[0], axis=options.get("axis", 0), keepdims=options.get("keepdims", False)
        )
    elif method == "accumulate" and name in _RUNNING:
        found = getattr(xp, _RUNNING[name])(inputs[0], axis=options.get("axis", 0))
    elif method == "outer" and name in _UFUNCS:
        a, b = array(inputs[0]), array(inputs[1])
        found = getattr(xp, _UFUNCS[name])(xp.reshape(a, a.shape + (1,) * b.ndim), b)
    elif method == "at":
        raise StagingError(f"np.{name}.at changes an array in place: sum the parts, or use xp.where")
    elif getattr(np, name, None) is not ufunc and name not in _UFUNCS:
        raise StagingError(
            f"{name} is a function of another library, scipy.special for one, and can't be recorded: write it with "
            "functions of xp, or look up a table of known values by np.interp"
        )
    elif method == "__call__" and name in _UFUNCS:
        where = options.pop("where", True)
        if where is not True:
            raise StagingError(f"np.{name} with where=: write xp.where(condition, np.{name}(x), other)")
        if any(value is not None for value in options.values()):
            raise StagingError(f"np.{name} with {', '.join(options)}=: leave it out")
        if dtype is not None:
            inputs = tuple(cast(array(x), dtype) for x in inputs)
        found = getattr(xp, _UFUNCS[name])(*inputs)
    else:
        raise StagingError(
            f"np.{name}{'' if method == '__call__' else '.' + method} of a recorded array isn't supported"
        )
    return _written(f"np.{name}", found, out)


def _written(name: str, found: Any, out: Any) -> Any:
    """The result, put into the array that was given for it."""
    if isinstance(out, tuple):
        out = out[0] if len(out) == 1 else out
    if out is None or (isinstance(out, tuple) and all(x is None for x in out)):
        return found
    if not isinstance(out, Array):
        raise StagingError(f"{name} with out= a NumPy array, which can't hold recorded values: use the result")
    indexing.write_all(out, found, checked=True)
    return out


_FUNCTIONS: dict[Any, Callable[..., Any]] = {}


_SHAPES = {
    "flatnonzero": "Use xp.where(x != 0, a, b)",
    "argwhere": "Use xp.where(x != 0, a, b)",
    "extract": "Use xp.where(condition, x, 0)",
    "compress": "Use xp.where(condition, x, 0)",
    "unique": "Use xp.sort",
}


def function_of_numpy(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What another of NumPy's functions gives for recorded arrays."""
    ours = _FUNCTIONS.get(function)
    module = getattr(function, "__module__", None) or "numpy"
    name = f"{module.replace('numpy', 'np', 1)}.{getattr(function, '__name__', function)}"
    if ours is None:
        if function.__name__ in _SHAPES:
            raise StagingError(f"{name}: its result's shape depends on values. {_SHAPES[function.__name__]}")
        raise StagingError(f"{name} of a recorded array isn't supported: write it with the functions of the Array API")
    out = kwargs.pop("out", None)
    kwargs.pop("like", None)
    try:
        return _written(name, ours(*args, **kwargs), out)
    except TypeError as error:
        if "unexpected keyword" in str(error) or "positional argument" in str(error):
            raise StagingError(f"{name} of a recorded array with these arguments: {error}") from error
        raise


def _of(*functions: Any) -> Callable[[Any], Any]:
    def register(ours: Any) -> Any:
        for function in functions:
            _FUNCTIONS[function] = ours
        return ours

    return register


for _theirs, _ours in {
    np.where: lambda condition, *choices: each.where(condition, *choices) if choices else xp.nonzero(condition),
    np.clip: each.clip,
    np.real: each.real,
    np.imag: each.imag,
    np.sinc: each.sinc,
    np.isclose: each.isclose,
    np.reshape: lambda a, shape, order="C", *, copy=None: xp.reshape(a, shape, copy=copy),
    np.ravel: lambda a, order="C": xp.reshape(a, (-1,)),
    np.transpose: lambda a, axes=None: methods.transpose(array(a), axes),
    np.moveaxis: lambda a, source, destination: xp.moveaxis(a, source, destination),
    np.swapaxes: xp.swapaxes,
    np.expand_dims: lambda a, axis: xp.expand_dims(a, axis=axis),
    np.squeeze: xp.squeeze,
    np.broadcast_to: lambda array, shape, subok=False: xp.broadcast_to(array, shape),
    np.broadcast_arrays: lambda *arrays, subok=False: tuple(xp.broadcast_arrays(*arrays)),
    np.concatenate: lambda arrays, axis=0, dtype=None, casting=None: _typed(xp.concat(arrays, axis=axis), dtype),
    np.stack: lambda arrays, axis=0, dtype=None, casting=None: _typed(xp.stack(arrays, axis=axis), dtype),
    np.unstack: lambda x, /, *, axis=0: xp.unstack(x, axis=axis),
    np.flip: lambda m, axis=None: xp.flip(m, axis=axis),
    np.fliplr: lambda m: xp.flip(m, axis=1),
    np.flipud: lambda m: xp.flip(m, axis=0),
    np.roll: lambda a, shift, axis=None: xp.roll(a, shift, axis=axis),
    np.repeat: lambda a, repeats, axis=None: xp.repeat(a, repeats, axis=axis),
    np.tile: lambda A, reps: xp.tile(A, reps),
    np.copy: lambda a, order="K", subok=False: xp.copy(a),
    np.astype: xp.astype,
    np.zeros_like: lambda a, dtype=None, *rest, shape=None, **more: _like(a, 0, dtype, shape),
    np.empty_like: lambda a, dtype=None, *rest, shape=None, **more: _like(a, 0, dtype, shape),
    np.ones_like: lambda a, dtype=None, *rest, shape=None, **more: _like(a, 1, dtype, shape),
    np.full_like: lambda a, fill_value, dtype=None, *rest, shape=None, **more: _like(a, fill_value, dtype, shape),
    np.tril: lambda m, k=0: xp.tril(m, k=k),
    np.triu: lambda m, k=0: xp.triu(m, k=k),
    np.meshgrid: lambda *x, indexing="xy", copy=True, sparse=False: tuple(xp.meshgrid(*x, indexing=indexing)),
    np.sum: lambda a, axis=None, dtype=None, keepdims=False: xp.sum(a, axis=axis, dtype=dtype, keepdims=keepdims),
    np.prod: lambda a, axis=None, dtype=None, keepdims=False: xp.prod(a, axis=axis, dtype=dtype, keepdims=keepdims),
    np.max: lambda a, axis=None, keepdims=False: xp.max(a, axis=axis, keepdims=keepdims),
    np.min: lambda a, axis=None, keepdims=False: xp.min(a, axis=axis, keepdims=keepdims),
    np.all: lambda a, axis=None, keepdims=False: xp.all(a, axis=axis, keepdims=keepdims),
    np.any: lambda a, axis=None, keepdims=False: xp.any(a, axis=axis, keepdims=keepdims),
    np.mean: lambda a, axis=None, dtype=None, keepdims=False: xp.mean(_typed(a, dtype), axis=axis, keepdims=keepdims),
    np.ptp: lambda a, axis=None, keepdims=False: xp.subtract(
        xp.max(a, axis=axis, keepdims=keepdims), xp.min(a, axis=axis, keepdims=keepdims)
    ),
    np.count_nonzero: lambda a, axis=None, *, keepdims=False: xp.count_nonzero(a, axis=axis, keepdims=keepdims),
    np.argmax: lambda a, axis=None, *, keepdims=False: xp.argmax(a, axis=axis, keepdims=keepdims),
    np.argmin: lambda a, axis=None, *, keepdims=False: xp.argmin(a, axis=axis, keepdims=keepdims),
    np.cumsum: lambda a, axis=None, dtype=None: methods.cumsum(array(a), axis, dtype),
    np.cumprod: lambda a, axis=None, dtype=None: methods.cumprod(array(a), axis, dtype),
    np.cumulative_sum: xp.cumulative_sum,
    np.cumulative_prod: xp.cumulative_prod,
    np.diff: lambda a, n=1, axis=-1, prepend=None, append=None: xp.diff(
        a,
        axis=axis,
        n=n,
        prepend=None if prepend is np._NoValue else prepend,
        append=None if append is np._NoValue else append,
    ),
    np.sort: lambda a, axis=-1, kind=None, order=None, *, stable=None: xp.sort(
        a if axis is not None else xp.reshape(a, (-1,)), axis=-1 if axis is None else axis
    ),
    np.argsort: lambda a, axis=-1, kind=None, order=None, *, stable=None: xp.argsort(
        a if axis is not None else xp.reshape(a, (-1,)), axis=-1 if axis is None else axis
    ),
    np.searchsorted: lambda a, v, side="left", sorter=None: xp.searchsorted(a, v, side=side, sorter=sorter),
    np.nonzero: xp.nonzero,
    np.take: lambda a, indices, axis=None, mode="raise": xp.take(a, indices, axis=axis),
    np.take_along_axis: lambda arr, indices, axis=-1: xp.take_along_axis(arr, indices, axis=axis),
    np.dot: linalg.dot,
    np.inner: linalg.inner,
    np.outer: linalg.outer,
    np.vdot: lambda a, b: linalg.vecdot(xp.reshape(a, (-1,)), xp.reshape(b, (-1,))),
    np.kron: linalg.kron,
    np.cross: lambda a, b, axisa=-1, axisb=-1, axisc=-1, axis=None: linalg.cross(
        a, b, axis=-1 if axis is None else axis
    ),
    np.tensordot: lambda a, b, axes=2: linalg.tensordot(a, b, axes=axes),
    np.einsum: linalg.einsum,
    np.trace: lambda a, offset=0, axis1=0, axis2=1: methods.trace(array(a), offset, axis1, axis2),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: methods.diagonal(array(a), offset, axis1, axis2),
    np.diag: lambda v, k=0: linalg.diag(v, k),
    np.matrix_transpose: xp.matrix_transpose,
    np.linalg.solve: linalg.solve,
    np.linalg.inv: linalg.inv,
    np.linalg.det: linalg.det,
    np.linalg.slogdet: linalg.slogdet,
    np.linalg.norm: linalg.norm,
    np.linalg.cholesky: linalg.cholesky,
    np.linalg.qr: linalg.qr,
    np.linalg.matrix_power: linalg.matrix_power,
    np.linalg.matrix_norm: linalg.matrix_norm,
    np.linalg.vector_norm: linalg.vector_norm,
    np.linalg.matmul: linalg.matmul,
    np.linalg.outer: linalg.outer,
    np.linalg.cross: linalg.cross,
    np.linalg.tensordot: linalg.tensordot,
    np.linalg.vecdot: linalg.vecdot,
    np.linalg.trace: linalg.trace,
    np.linalg.diagonal: linalg.diagonal,
    np.linalg.matrix_transpose: xp.matrix_transpose,
    np.result_type: xp.result_type,
    np.can_cast: lambda from_, to, casting="safe": _can_cast(from_, to, casting),
    np.shape: lambda a: array(a).shape,
    np.ndim: lambda a: array(a).ndim,
    np.size: lambda a, axis=None: array(a).size if axis is None else array(a).shape[axis],
    np.iscomplexobj: lambda x: array(x).dtype.kind == "c",
    np.isrealobj: lambda x: array(x).dtype.kind != "c",
    np.round: lambda a, decimals=0: methods.rounded(a, decimals),
    np.around: lambda a, decimals=0: methods.rounded(a, decimals),
    np.fix: each.trunc,
    np.angle: lambda z, deg=False: _angle(z, deg),
    np.array_equal: lambda a1, a2, equal_nan=False: xp.all(xp.equal(a1, a2)) if np.shape(a1) == np.shape(a2) else False,
    np.allclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: xp.all(each.isclose(a, b, rtol, atol, equal_nan)),
}.items():
    _FUNCTIONS[_theirs] = _ours


def _typed(x: Any, dtype: Any) -> Array:
    return array(x) if dtype is None else xp.astype(x, dtype)


def _like(x: Any, value: Any, dtype: Any, shape: Any) -> Array:
    x = array(x)
    return xp.full(x.shape if shape is None else shape, value, dtype=x.dtype if dtype is None else dtype)


def _can_cast(x: Any, to: Any, casting: Any) -> bool:
    return np.can_cast(x.dtype if isinstance(x, Array) else x, to, casting)


def _angle(z: Any, degrees: bool) -> Array:
    found = each.atan2(each.imag(z), each.real(z))
    return each.rad2deg(found) if degrees else found


@_of(np.std)
def _std(a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, **more: Any) -> Array:
    return xp.std(_typed(a, dtype), axis=axis, correction=more.get("correction", ddof), keepdims=keepdims)


@_of(np.var)
def _var(a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False, **more: Any) -> Array:
    return xp.var(_typed(a, dtype), axis=axis, correction=more.get("correction", ddof), keepdims=keepdims)


@_of(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None) -> Array:
    if weights is None:
        return xp.mean(a, axis=axis)
    if array(weights).shape != array(a).shape:
        raise StagingError("np.average with weights of another shape: broadcast them")
    return xp.divide(xp.sum(xp.multiply(a, weights), axis=axis), xp.sum(weights, axis=axis))


def _at_least(x: Any, ndim: int) -> Array:
    x = array(x)
    if x.ndim >= ndim:
        return x
    if ndim == 2:
        return xp.reshape(x, (1, x.size))
    return xp.reshape(
        x, (1,) if ndim == 1 else (1, *x.shape, 1) if x.ndim == 1 else (*x.shape, 1) if x.ndim else (1, 1, 1)
    )


def _each_at_least(ndim: int) -> Callable[..., Any]:
    def function(*arrays: Any) -> Any:
        found = tuple(_at_least(x, ndim) for x in arrays)
        return found[0] if len(found) == 1 else found

    return function


_FUNCTIONS[np.atleast_1d], _FUNCTIONS[np.atleast_2d] = _each_at_least(1), _each_at_least(2)
_FUNCTIONS[np.atleast_3d] = _each_at_least(3)


@_of(np.hstack)
def _hstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Array:
    arrays = [_at_least(x, 1) for x in tup]
    return _typed(xp.concat(arrays, axis=0 if arrays[0].ndim == 1 else 1), dtype)


@_of(np.vstack)
def _vstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Array:
    return _typed(xp.concat([_at_least(x, 2) for x in tup], axis=0), dtype)


@_of(np.dstack)
def _dstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Array:
    return _typed(xp.concat([_at_least(x, 3) for x in tup], axis=2), dtype)


@_of(np.column_stack)
def _column_stack(tup: Any) -> Array:
    columns = [array(x) for x in tup]
    return xp.concat([x if x.ndim > 1 else xp.reshape(x, (x.size, 1)) for x in columns], axis=1)


@_of(np.append)
def _append(arr: Any, values: Any, axis: Any = None) -> Array:
    arrays = [array(arr), array(values)]
    return xp.concat(arrays, axis=axis)


@_of(np.array_split, np.split)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    x = array(ary)
    n = x.shape[axis]
    if isinstance(indices_or_sections, int | np.integer):
        pieces, longer = divmod(n, operator.index(indices_or_sections))
        bounds = np.cumsum([0] + [pieces + 1] * longer + [pieces] * (int(indices_or_sections) - longer))
    else:
        bounds = np.array([0, *(operator.index(i) for i in indices_or_sections), n])
    behind = (slice(None),) * (axis % x.ndim)
    return [x[(*behind, slice(int(a), int(b)))] for a, b in pairwise(bounds)]


@_of(np.hsplit)
def _hsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    return _array_split(ary, indices_or_sections, 0 if array(ary).ndim == 1 else 1)


@_of(np.vsplit)
def _vsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    return _array_split(ary, indices_or_sections, 0)


@_of(np.pad)
def _pad(array: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Array:
    x = xp.asarray(array)
    if isinstance(pad_width, dict) or mode not in ("constant", "edge", "wrap", "reflect", "symmetric"):
        raise StagingError(f"np.pad with mode = {mode!r}: use 'constant', 'edge', 'wrap', 'reflect' or 'symmetric'")
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    if mode != "constant":
        for axis, (before, after) in enumerate(widths):
            x = xp.take(x, np.pad(np.arange(x.shape[axis]), (int(before), int(after)), mode=mode), axis=axis)  # type: ignore[call-overload]
        return x
    shape = tuple(int(n + a + b) for n, (a, b) in zip(x.shape, widths, strict=True))
    found = xp.full(shape, options.get("constant_values", 0), dtype=x.dtype)
    found[tuple(slice(int(a), int(a) + n) for n, (a, _) in zip(x.shape, widths, strict=True))] = x
    return found


@_of(np.delete)
def _delete(arr: Any, obj: Any, axis: Any = None) -> Array:
    x = array(arr)
    n = x.size if axis is None else x.shape[axis]
    return xp.take(x, np.delete(np.arange(n), obj), axis=axis)


def _interpolated(x: Any, xp_: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Array:
    if period is not None:
        raise StagingError("np.interp with a period: reduce x by np.mod first")
    x, known, values = (each.floating(v) for v in (x, xp_, fp))
    n = known.shape[0]
    i = xp.clip(xp.searchsorted(known, x, side="right"), 1, max(n - 1, 1))
    i = broadcast(i, x.shape)
    a, b = xp.take(known, i - 1), xp.take(known, xp.minimum(i, n - 1))
    p, q = xp.take(values, i - 1), xp.take(values, xp.minimum(i, n - 1))
    found = p + (q - p) / (b - a) * (x - a) if n > 1 else p
    found = xp.where(x < known[0], values[0] if left is None else left, found)
    found = xp.where(x == known[n - 1], values[n - 1], found)
    return xp.where(x > known[n - 1], values[n - 1] if right is None else right, found)


@_of(np.interp)
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Array:
    """Linear interpolation, with NumPy's names of the arguments."""
    return _interpolated(x, xp, fp, left, right, period)


@_of(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    y = xp.moveaxis(array(y), axis, -1)
    gaps = dx if x is None else xp.diff(x if array(x).ndim == 1 else xp.moveaxis(array(x), axis, -1))
    return xp.sum(gaps * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


@_of(np.gradient)
def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = each.floating(f)
    axes = xp.axes_of(axis, f.ndim)
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"np.gradient: {len(spacings)} spacings for {len(axes)} axes")
    if edge_order not in (1, 2):
        raise ValueError(f"edge_order = {edge_order}: use 1 or 2")
    found = [_slope(f, a, h, edge_order) for a, h in zip(axes, spacings, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _slope(f: Array, axis: int, spacing: Any, edge_order: int) -> Array:
    f = xp.moveaxis(f, axis, 0)
    n = f.shape[0]
    if n < edge_order + 1:
        raise ValueError(f"np.gradient: {n} entries along axis {axis} are too few")
    h = array(spacing)
    if not h.ndim:
        inside = (f[2:] - f[:-2]) / (2.0 * spacing)
        h1 = h2 = g1 = g2 = spacing
    else:
        gaps = xp.reshape(xp.diff(h), (n - 1,) + (1,) * (f.ndim - 1))
        a, b = gaps[:-1], gaps[1:]
        inside = f[:-2] * (-b / (a * (a + b))) + f[1:-1] * ((b - a) / (a * b)) + f[2:] * (a / (b * (a + b)))
        h1, h2, g1, g2 = gaps[0], gaps[min(1, n - 2)], gaps[-1], gaps[max(-2, 1 - n)]
    if edge_order == 1:
        first, last = (f[1] - f[0]) / h1, (f[-1] - f[-2]) / g1
    else:
        first = -(2 * h1 + h2) / (h1 * (h1 + h2)) * f[0] + (h1 + h2) / (h1 * h2) * f[1] - h1 / (h2 * (h1 + h2)) * f[2]
        last = g1 / (g2 * (g1 + g2)) * f[-3] - (g1 + g2) / (g1 * g2) * f[-2] + (2 * g1 + g2) / (g1 * (g1 + g2)) * f[-1]
    return xp.moveaxis(xp.concat([xp.expand_dims(first), inside, xp.expand_dims(last)], axis=0), 0, axis)


@_of(np.select)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    found = default
    for condition, choice in zip(reversed(list(condlist)), reversed(list(choicelist)), strict=True):
        found = xp.where(condition, choice, found)
    return array(found)


@_of(np.piecewise)
def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Array:
    if isinstance(condlist, Array | np.ndarray) and array(condlist).ndim <= array(x).ndim:
        condlist = [condlist]
    choices = [function(x, *args, **kw) if callable(function) else function for function in funclist]
    conditions = list(condlist)
    default = choices.pop() if len(choices) == len(conditions) + 1 else 0
    # The last condition that holds wins, as with NumPy.
    return cast(_select(conditions[::-1], choices[::-1], default), array(x).dtype)


@_of(np.polyval)
def _polyval(p: Any, x: Any) -> Array:
    found = xp.zeros_like(x)
    for coefficient in p if not isinstance(p, np.ndarray) else p.tolist():
        found = found * x + coefficient
    return found


@_of(np.linalg.lstsq, np.linalg.eig, np.linalg.eigh, np.linalg.svd, np.linalg.pinv, np.linalg.eigvals)
def _decomposition(*args: Any, **options: Any) -> Any:
    raise StagingError("np.linalg.eig, svd, pinv and lstsq of recorded matrices aren't supported: use solve or qr")
