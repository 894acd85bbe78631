"""What torch's operations are in the recording namespace."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .. import _functions as xp
from .. import _graph
from .._array import Array, array, broadcast, cast
from .._errors import StagingError
from .._functions import elementwise as each
from .._functions import indexing, linalg, methods

DTYPES: dict[np.dtype, torch.dtype] = {
    np.dtype(name): getattr(torch, name)
    for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "float32", "float64", "complex64", "complex128")
}
names_of_dtypes: dict[torch.dtype, np.dtype] = {theirs: ours for ours, theirs in DTYPES.items()}


class Recorded(torch.Tensor):
    """A tensor without memory: what is done to it is recorded."""

    array: Array

    @staticmethod
    def __new__(cls, array: Array, strides: Any = None) -> Recorded:
        made = torch.Tensor._make_wrapper_subclass(
            cls, array.shape, strides=strides, dtype=DTYPES[array.dtype], device="cpu"
        )
        made.array = array
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise StagingError(f"torch.{func.__name__} of a recorded tensor after its function has returned")

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self, **unused: Any) -> str:
        return f"<recorded {self.dtype} tensor of shape {tuple(self.shape)}>"


class Recording(TorchDispatchMode):
    """While it is entered, operations on recorded tensors go to a block of a graph; all others run as ever.

    Tensors that are made of nothing (``torch.zeros(3)``) are recorded as well: entries may be written to them.
    """

    def __init__(self, block: _graph.Block):
        super().__init__()
        self.block = block
        self.differentiates = torch.is_grad_enabled()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Or torch imports a compiler of its own, for a second, where the first operation is recorded.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.__name__.partition(".")[0]
        if name not in _MAKING and not any(map(_is_recorded, args)) and not any(map(_is_recorded, kwargs.values())):
            return func(*args, **kwargs)
        function = _OPERATIONS.get(name)
        if function is None:
            if name.endswith("_") and name[:-1] in _OPERATIONS and not name.endswith("__"):
                if torch.Tag.inplace_view in func.tags:
                    return self._reshaped(func, name[:-1], args, kwargs)
                return self._in_place(name[:-1], args, kwargs)
            with self:
                found = func.decompose(*args, **kwargs)
            if found is NotImplemented:
                raise StagingError(f"torch's {name} isn't supported")
            return found
        if "out" in kwargs:
            raise StagingError(f"torch.{name} with out=: leave it out")
        found = self._recorded(function, args, kwargs)
        if name in _VIEWS and args[0].ndim > 1:
            return _laid_out(found, func, args, kwargs)
        return _wrapped(found)

    def _recorded(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        before, _graph._recorder.block = _graph._recorder.block, self.block
        try:
            return function(*map(self._operand, args), **{k: self._operand(v) for k, v in kwargs.items()})
        finally:
            _graph._recorder.block = before

    def _in_place(self, name: str, args: Any, kwargs: Any) -> Any:
        target = args[0]
        if not isinstance(target, Recorded):
            raise StagingError("recorded values are written to a tensor that was made elsewhere: use torch.stack")

        def write(x: Array, *others: Any, **options: Any) -> None:
            indexing.write_all(x, cast(_OPERATIONS[name](x, *others, **options), x.dtype))

        self._recorded(write, args, kwargs)
        return target

    def _reshaped(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Change the shape that a tensor has: torch itself does so to products (squeeze_)."""
        target = args[0]
        target.array = self._recorded(_OPERATIONS[name], args, kwargs)
        with torch._C._DisableTorchDispatch():
            func(*args, **kwargs)
        return target

    def _operand(self, x: Any) -> Any:
        kind = type(x)
        if kind is Recorded:
            return x.array
        if kind is float or kind is int or x is None or kind is torch.dtype:
            return x
        if isinstance(x, torch.Tensor):
            if x.requires_grad and self.differentiates:
                raise StagingError("a tensor of the function's own wants gradients: solve under torch.no_grad()")
            if x.device.type != "cpu" or x.dtype not in names_of_dtypes:
                raise StagingError(f"a tensor of {x.dtype} on {x.device}")
            if x._is_zerotensor():
                return xp.zeros(tuple(x.shape), dtype=names_of_dtypes[x.dtype])
            return array(x.detach().resolve_conj().resolve_neg().numpy())
        if kind is list or kind is tuple:
            return [self._operand(item) for item in x]
        return x


def _is_recorded(x: Any) -> bool:
    return type(x) is Recorded or ((type(x) is list or type(x) is tuple) and any(map(_is_recorded, x)))


def _wrapped(x: Any) -> Any:
    if isinstance(x, Array):
        return Recorded(x)
    if x is None or isinstance(x, torch.Tensor | bool | int | float | complex):
        return x
    return [_wrapped(item) for item in x] if isinstance(x, list) else tuple(map(_wrapped, x))


def _laid_out(found: Any, func: Any, args: Any, kwargs: Any) -> Any:
    """Parts of a tensor, with the strides by which torch decides what else is a part of it, and what a copy."""
    like = torch.empty_strided(args[0].shape, args[0].stride(), device="meta")
    like = func(like, *args[1:], **kwargs)
    if isinstance(found, Array):
        return Recorded(found, like.stride())
    return [Recorded(x, part.stride()) for x, part in zip(found, like, strict=True)]


def _closed(x: Array) -> Array:
    """A part of an array that isn't linked with it: nothing may be written to it."""
    x = Array(x.node)
    x.writable = False
    return x


_VIEWS = frozenset({"select", "slice", "t", "transpose", "permute", "unsqueeze", "squeeze", "expand", "unbind", "split",
                    "split_with_sizes", "diagonal"})  # fmt: skip


# ---------------------------------------------------------------- dtypes, as torch promotes them
_KINDS = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def _real() -> np.dtype:
    return names_of_dtypes[torch.get_default_dtype()]


def _of_numbers(numbers: list[Any]) -> np.dtype | None:
    if not numbers:
        return None
    kind = max(
        0 if isinstance(x, bool) else 1 if isinstance(x, int) else 2 if isinstance(x, float) else 3 for x in numbers
    )
    return (np.dtype(bool), np.dtype(np.int64), _real(), np.result_type(_real(), np.complex64))[kind]


def _of_arrays(arrays: list[Array]) -> np.dtype | None:
    if not arrays:
        return None
    first = arrays[0].dtype
    return first if all(x.dtype == first for x in arrays) else _promoted(*(x.dtype for x in arrays))


def _promoted(*dtypes: np.dtype) -> np.dtype:
    highest = max(_KINDS[dtype.kind] for dtype in dtypes)
    among = [d for d in dtypes if _KINDS[d.kind] == highest or (highest == 3 and d.kind == "f")]
    return np.result_type(*among)


def _combined(higher: np.dtype | None, lower: np.dtype | None) -> np.dtype | None:
    if higher is None or lower is None:
        return lower if higher is None else higher
    if higher.kind == "c" or (higher.kind == "f" and lower.kind != "c"):
        return higher
    if higher.kind == "f":
        return np.result_type(higher, np.complex64)
    return _promoted(higher, lower) if higher.kind == "b" or lower.kind in "fc" else higher


def _dtype_of(*operands: Any) -> np.dtype:
    """The dtype of what operands give together: arrays with axes before scalars, these before numbers."""
    arrays = [x for x in operands if isinstance(x, Array)]
    of_axes = _of_arrays([x for x in arrays if x.shape])
    of_scalars = _of_arrays([x for x in arrays if not x.shape])
    found = _combined(_combined(of_axes, of_scalars), _of_numbers([x for x in operands if not isinstance(x, Array)]))
    assert found is not None
    return found


def _together(*operands: Any, dtype: np.dtype | None = None) -> list[Array]:
    dtype = _dtype_of(*operands) if dtype is None else dtype
    return [Array(cast(x, dtype).node) if isinstance(x, Array) else Array(array(x, dtype).node) for x in operands]


def _floats(*operands: Any) -> list[Array]:
    dtype = _dtype_of(*operands)
    return _together(*operands, dtype=dtype if dtype.kind in "fc" else _real())


def _typed(x: Array, dtype: Any) -> Array:
    """The array with a dtype of torch's, if one is given."""
    if dtype is None:
        return x
    dtype = names_of_dtypes[dtype]
    return x if x.dtype == dtype else Array(xp.astype(x, dtype).node)


# ---------------------------------------------------------------- of each entry
_OPERATIONS: dict[str, Callable[..., Any]] = {}
_MAKING = frozenset({"zeros", "empty", "ones", "full", "new_zeros", "new_empty", "new_ones", "new_full", "zeros_like",
                     "ones_like", "empty_like", "full_like"})  # fmt: skip


def _of(*names: str):
    def keep(function):
        for name in names:
            _OPERATIONS[name] = function
        return function

    return keep


def _one(function: Callable[..., Any], *, floats: bool = True) -> Callable[..., Any]:
    return lambda x: function(*(_floats(x) if floats else (x,)))


for _name in """
    exp exp2 expm1 log log1p log2 log10 sin cos tan asin acos atan
    sinh cosh tanh asinh acosh atanh sqrt reciprocal deg2rad rad2deg
""".split():  # noqa: SIM905
    _OPERATIONS[_name] = _one(getattr(each, _name))
for _name in """
    floor ceil trunc abs sign isnan isinf isfinite logical_not signbit square
""".split():  # noqa: SIM905
    _OPERATIONS[_name] = _one(getattr(each, _name), floats=False)
_OPERATIONS |= {
    "neg": _one(each.negative, floats=False),
    "sgn": _one(each.sign, floats=False),
    "bitwise_not": _one(each.bitwise_invert, floats=False),
    "_conj": _one(each.conj, floats=False),
    "_conj_physical": _one(each.conj, floats=False),
    "conj_physical": _one(each.conj, floats=False),
    "rsqrt": _one(lambda x: 1.0 / xp.sqrt(x)),
    "frac": _one(lambda x: x - xp.trunc(x)),
    "sigmoid": _one(lambda x: 1.0 / (1.0 + xp.exp(-x))),
    "silu": _one(lambda x: x / (1.0 + xp.exp(-x))),
    "mish": _one(lambda x: x * xp.tanh(_softplus(x))),
    "relu": _one(lambda x: xp.maximum(x, 0), floats=False),
    "relu6": _one(lambda x: xp.clip(x, 0, 6), floats=False),
    "hardsigmoid": _one(lambda x: xp.clip(x / 6.0 + 0.5, 0.0, 1.0)),
    "hardswish": _one(lambda x: x * xp.clip(x + 3.0, 0.0, 6.0) / 6.0),
    "sinc": _one(lambda x: xp.where(x == 0, 1.0, xp.sin(math.pi * x) / (math.pi * xp.where(x == 0, 1.0, x)))),
    "real": lambda x: _closed(xp.real(x)),
    "imag": lambda x: _closed(xp.imag(x)),
    "view_as_real": lambda x: _closed(xp.stack([xp.real(x), xp.imag(x)], axis=-1)),
    "view_as_complex": lambda x: _closed(each.complex_of(x[..., 0], x[..., 1])),
    "angle": lambda x: each.atan2(each.imag(x), each.real(x)),
}


@_of("round")
def _round(x, decimals=0):
    return methods.rounded(x, decimals)


@_of("softplus")
def _softplus(x, beta=1, threshold=20):
    scaled = x * beta
    return xp.where(scaled > threshold, x, xp.log1p(xp.exp(xp.minimum(scaled, threshold))) / beta)


@_of("log_sigmoid_forward")
def _log_sigmoid(x):
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x))), x


# What torch.func.grad and torch.autograd.grad, used inside of a function, are made of.
_OPERATIONS |= {
    "tanh_backward": lambda slope, value: slope * (1.0 - value * value),
    "sigmoid_backward": lambda slope, value: slope * (1.0 - value) * value,
    "threshold_backward": lambda slope, x, threshold: xp.where(x <= threshold, 0.0, slope),
    "leaky_relu_backward": lambda slope, x, below, is_result: xp.where(x > 0, slope, slope * below),
}


@_of("select_backward")
def _select_backward(slope, sizes, dim, index):
    x = xp.zeros(tuple(sizes), dtype=slope.dtype)
    x[(slice(None),) * (dim % x.ndim) + (index,)] = slope
    return x


@_of("slice_backward")
def _slice_backward(slope, sizes, dim, start, end, step):
    x = xp.zeros(tuple(sizes), dtype=slope.dtype)
    x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)] = slope
    return x


@_of("softplus_backward")
def _softplus_backward(slope, x, beta, threshold):
    return xp.where(x * beta > threshold, slope, slope / (1.0 + xp.exp(-x * beta)))


@_of("silu_backward")
def _silu_backward(slope, x):
    s = 1.0 / (1.0 + xp.exp(-x))
    return slope * s * (1.0 + x * (1.0 - s))


@_of("gelu")
def _gelu(x, approximate="none"):
    if approximate != "tanh":
        raise StagingError("gelu by the error function isn't supported: use approximate='tanh'")
    return 0.5 * x * (1.0 + xp.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


@_of("elu")
def _elu(x, alpha=1, scale=1, input_scale=1):
    return xp.where(x > 0, scale * x, scale * alpha * xp.expm1(input_scale * xp.minimum(x, 0)))


@_of("leaky_relu")
def _leaky_relu(x, negative_slope=0.01):
    return xp.where(x > 0, x, x * negative_slope)


@_of("hardtanh")
def _hardtanh(x, min_val=-1, max_val=1):
    return xp.clip(x, min_val, max_val)


@_of("threshold")
def _threshold(x, threshold, value):
    return xp.where(x > threshold, x, value)


def _two(function: Callable[..., Any], *, floats: bool = False) -> Callable[..., Any]:
    together = _floats if floats else _together
    return lambda x, y: function(*together(x, y))


for _name in ("maximum", "minimum", "fmod", "remainder", "logical_and", "logical_or", "logical_xor", "bitwise_and",
              "bitwise_or", "bitwise_xor", "fmax", "fmin"):  # fmt: skip
    _OPERATIONS[_name] = _two(getattr(each, _name))
for _name in ("atan2", "hypot", "copysign", "nextafter", "logaddexp", "logaddexp2"):
    _OPERATIONS[_name] = _two(getattr(each, _name), floats=True)
for _name, _ours in {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
                     "ge": "greater_equal"}.items():  # fmt: skip
    _OPERATIONS[_name] = _two(getattr(each, _ours))
_OPERATIONS |= {"__and__": _OPERATIONS["bitwise_and"], "__or__": _OPERATIONS["bitwise_or"],
                "__xor__": _OPERATIONS["bitwise_xor"], "floor_divide": _two(each.floor_divide)}  # fmt: skip


@_of("add")
def _add(x, y, alpha=1):
    x, y = _together(x, y)
    return each.add(x, y if alpha == 1 else y * alpha)


@_of("sub")
def _sub(x, y, alpha=1):
    x, y = _together(x, y)
    return each.subtract(x, y if alpha == 1 else y * alpha)


@_of("rsub")
def _rsub(x, y, alpha=1):
    return _sub(y, x, alpha)


@_of("mul")
def _mul(x, y):
    return each.multiply(*_together(x, y))


@_of("div", "true_divide")
def _div(x, y, rounding_mode=None):
    if rounding_mode == "floor":
        return each.floor_divide(*_together(x, y))
    if rounding_mode == "trunc":
        dtype = _dtype_of(x, y)
        return cast(each.trunc(each.divide(*_floats(x, y))), dtype)
    return each.divide(*_floats(x, y))


@_of("pow")
def _pow(x, y):
    dtype = _dtype_of(x, y)
    if isinstance(y, int) and not isinstance(y, bool):
        return each.pow(Array(cast(x, dtype).node), y)
    return each.pow(*_together(x, y, dtype=dtype))


@_of("where")
def _where(condition, x, y):
    return each.where(condition, *_together(x, y))


@_of("clamp", "clip")
def _clamp(x, min=None, max=None):
    dtype = _dtype_of(*(a for a in (x, min, max) if a is not None))
    bounds = [a if a is None else _together(a, dtype=dtype)[0] for a in (min, max)]
    return each.clip(cast(x, dtype), *bounds)


_OPERATIONS |= {"clamp_min": lambda x, y: _clamp(x, y), "clamp_max": lambda x, y: _clamp(x, None, y)}


@_of("lerp")
def _lerp(x, end, weight):
    return x + weight * (end - x)


@_of("addcmul")
def _addcmul(x, a, b, value=1):
    return x + (a * b if value == 1 else value * a * b)


@_of("addcdiv")
def _addcdiv(x, a, b, value=1):
    return x + (a / b if value == 1 else value * a / b)


@_of("xlogy")
def _xlogy(x, y):
    x, y = _floats(x, y)
    return xp.where(x == 0, 0.0, x * xp.log(xp.where(x == 0, 1.0, y)))


@_of("masked_fill")
def _masked_fill(x, mask, value):
    return each.where(mask, *_together(value, x, dtype=x.dtype))


# ---------------------------------------------------------------- new ones, and copies
@_of("zeros", "empty")
def _zeros(size, dtype=None, **unused):
    return xp.zeros(size, dtype=_real() if dtype is None else names_of_dtypes[dtype])


@_of("ones")
def _ones(size, dtype=None, **unused):
    return xp.ones(size, dtype=_real() if dtype is None else names_of_dtypes[dtype])


@_of("full")
def _full(size, value, dtype=None, **unused):
    kind = names_of_dtypes[dtype] if dtype is not None else _of_numbers([value])
    return xp.full(size, value, dtype=kind)


def _like(x, dtype):
    return x.dtype if dtype is None else names_of_dtypes[dtype]


@_of("zeros_like", "empty_like")
def _zeros_like(x, dtype=None, **unused):
    return xp.zeros(x.shape, dtype=_like(x, dtype))


@_of("ones_like")
def _ones_like(x, dtype=None, **unused):
    return xp.ones(x.shape, dtype=_like(x, dtype))


@_of("full_like")
def _full_like(x, value, dtype=None, **unused):
    return xp.full(x.shape, value, dtype=_like(x, dtype))


@_of("new_zeros", "new_empty")
def _new_zeros(x, size, dtype=None, **unused):
    return xp.zeros(size, dtype=_like(x, dtype))


@_of("new_ones")
def _new_ones(x, size, dtype=None, **unused):
    return xp.ones(size, dtype=_like(x, dtype))


@_of("new_full")
def _new_full(x, size, value, dtype=None, **unused):
    return xp.full(size, value, dtype=_like(x, dtype))


@_of("clone", "contiguous", "lift_fresh_copy")
def _clone(x, **unused):
    return xp.copy(x)


@_of("detach", "alias", "lift_fresh", "lift", "resolve_conj", "resolve_neg", "positive")
def _same(x):
    return x


@_of("_to_copy", "to")
def _to_copy(x, dtype=None, *unused, device=None, **more):
    if device is not None and torch.device(device).type == "meta":  # torch looks for a shape
        return torch.empty(x.shape, dtype=DTYPES[x.dtype] if dtype is None else dtype, device="meta")
    if device is not None and torch.device(device).type != "cpu":
        raise StagingError(f"a recorded tensor can't be moved to {device}")
    if not (dtype is None or isinstance(dtype, torch.dtype)):
        raise StagingError(f"to({dtype!r}) of a recorded tensor: give a dtype")
    return xp.copy(_typed(x, dtype))


@_of("copy")
def _copied(x, source, non_blocking=False):
    return broadcast(cast(source if isinstance(source, Array) else array(source, x.dtype), x.dtype), x.shape)


@_of("fill")
def _fill(x, value):
    return _copied(x, value)


@_of("zero")
def _zero(x):
    return xp.zeros_like(x)


# ---------------------------------------------------------------- shapes
@_of("view", "reshape", "_unsafe_view", "_reshape_alias")
def _view(x, size, *unused):
    if isinstance(size, torch.dtype):
        raise StagingError("view(dtype) of a recorded tensor: use to(dtype)")
    return xp.reshape(x, tuple(size))


@_of("select")
def _select(x, dim, index):
    dim = xp.axis_of(dim, x.ndim)
    if not -x.shape[dim] <= index < x.shape[dim]:
        raise IndexError(f"index {index} is out of range for axis {dim} with {x.shape[dim]} entries")
    key = (slice(None),) * dim
    if not x.writable:
        return _closed(x[(*key, index)])
    # A view, so that what is written to it is seen in x.
    index %= x.shape[dim]
    return xp.reshape(x[(*key, slice(index, index + 1))], (*x.shape[:dim], *x.shape[dim + 1 :]))


@_of("slice")
def _slice(x, dim=0, start=None, end=None, step=1):
    dim = xp.axis_of(dim, x.ndim)
    return x[(slice(None),) * dim + (slice(start, None if end is None else min(end, x.shape[dim]), step),)]


@_of("t")
def _t(x):
    return xp.permute_dims(x, (1, 0)) if x.ndim == 2 else x


@_of("transpose")
def _transpose(x, a, b):
    return xp.swapaxes(x, a, b)


@_of("permute")
def _permute(x, dims):
    return xp.permute_dims(x, tuple(d % x.ndim for d in dims))


@_of("unsqueeze")
def _unsqueeze(x, dim):
    return xp.expand_dims(x, axis=dim)


@_of("squeeze")
def _squeeze(x, dim=None):
    dims = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    dropped = {d % x.ndim for d in dims if x.ndim and x.shape[d] == 1}
    return xp.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in dropped))


@_of("expand")
def _expand(x, size, implicit=False):
    front = len(size) - x.ndim
    return xp.broadcast_to(x, tuple(x.shape[i - front] if n == -1 else n for i, n in enumerate(size)))


@_of("repeat")
def _repeat(x, repeats):
    return xp.tile(x, tuple(repeats))


@_of("cat", "concat")
def _cat(tensors, dim=0):
    tensors = [x for x in tensors if x.shape != (0,)]
    return xp.concat(_together(*tensors, dtype=_promoted(*(x.dtype for x in tensors))), axis=dim)


@_of("stack")
def _stack(tensors, dim=0):
    return xp.stack(_together(*tensors, dtype=_promoted(*(x.dtype for x in tensors))), axis=dim)


@_of("unbind")
def _unbind(x, dim=0):
    return [_select(x, dim, i) for i in range(x.shape[dim])]


@_of("split")
def _split(x, size, dim=0):
    n = x.shape[dim]
    sizes = [min(size, n - at) for at in range(0, n, size)] if isinstance(size, int) else size
    return _split_with_sizes(x, sizes, dim)


@_of("split_with_sizes")
def _split_with_sizes(x, sizes, dim=0):
    found, at = [], 0
    for n in sizes:
        found.append(_slice(x, dim, at, at + n))
        at += n
    return found


@_of("flip")
def _flip(x, dims):
    return xp.copy(xp.flip(x, axis=tuple(dims)))


@_of("roll")
def _roll(x, shifts, dims=()):
    return xp.roll(x, tuple(shifts), axis=tuple(dims)) if dims else xp.roll(x, shifts[0])


@_of("constant_pad_nd")
def _pad(x, pad, value=0):
    widths = [(0, 0)] * x.ndim
    for i in range(len(pad) // 2):
        widths[-1 - i] = (pad[2 * i], pad[2 * i + 1])
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True))
    x, widths = x[cut], [(max(a, 0), max(b, 0)) for a, b in widths]
    for axis, ends in enumerate(widths):
        made = [xp.full((*x.shape[:axis], n, *x.shape[axis + 1 :]), value, dtype=x.dtype) for n in ends]
        parts = [part for part in (made[0], x, made[1]) if part.shape[axis]]
        x = xp.concat(parts, axis=axis) if len(parts) > 1 else x
    return xp.copy(x)


@_of("diagonal")
def _diagonal(x, offset=0, dim1=0, dim2=1):
    if (x.ndim, dim1 % x.ndim, dim2 % x.ndim) != (2, 0, 1):
        return _closed(methods.diagonal(x, offset, dim1, dim2))
    n, m = x.shape
    length = max(min(n, m - offset) if offset >= 0 else min(n + offset, m), 0)
    start = offset if offset >= 0 else -offset * m
    return xp.reshape(x, (n * m,))[start : start + max(length * (m + 1) - m, 0) : m + 1]


@_of("trace")
def _trace(x):
    return linalg.trace(x)


@_of("diag_embed")
def _diag_embed(x, offset=0, dim1=-2, dim2=-1):
    if x.ndim != 1 or (dim1, dim2) != (-2, -1):
        raise StagingError("diag_embed of other than a vector isn't supported")
    return linalg.diag(x, offset)


@_of("tril")
def _tril(x, diagonal=0):
    return xp.tril(x, k=diagonal)


@_of("triu")
def _triu(x, diagonal=0):
    return xp.triu(x, k=diagonal)


@_of("index")
def _index(x, indices):
    if any(i is not None and i.dtype.kind == "b" and i.node.op != "constant" for i in indices):
        raise StagingError("x[mask] with a recorded mask: its shape depends on values. Use torch.where(mask, x, 0)")
    return x[tuple(slice(None) if i is None else i for i in indices)]


@_of("index_put")
def _index_put(x, indices, values, accumulate=False):
    if accumulate:
        raise StagingError("index_put_ with accumulate=True isn't supported")
    x = xp.copy(x)
    x[tuple(slice(None) if i is None else i for i in indices)] = values
    return x


@_of("index_select")
def _index_select(x, dim, index):
    return xp.take(x, index, axis=dim)


@_of("take")
def _take(x, index):
    return xp.take(xp.reshape(x, (-1,)), index)


@_of("gather")
def _gather(x, dim, index, sparse_grad=False):
    if any(n != m for i, (n, m) in enumerate(zip(x.shape, index.shape, strict=True)) if i != dim % x.ndim):
        raise StagingError("gather by places of another shape isn't supported")
    return xp.take_along_axis(x, index, axis=dim)


# ---------------------------------------------------------------- reductions
def _axes(dim: Any) -> Any:
    return None if dim is None or dim == [] else tuple(dim) if isinstance(dim, list | tuple) else dim


def _reducing(function: Callable[..., Any], *, floats: bool = False) -> Callable[..., Any]:
    def reduce(x, dim=None, keepdim=False, dtype=None):
        x = _typed(x, dtype)
        if x.dtype.kind in "bui" and not floats:
            x = cast(x, np.int64)
        return Array(function(x, axis=_axes(dim), keepdims=keepdim).node)

    return reduce


_OPERATIONS |= {"sum": _reducing(xp.sum), "prod": _reducing(xp.prod), "mean": _reducing(xp.mean, floats=True)}


@_of("amax")
def _amax(x, dim=None, keepdim=False):
    return xp.max(x, axis=_axes(dim), keepdims=keepdim)


@_of("amin")
def _amin(x, dim=None, keepdim=False):
    return xp.min(x, axis=_axes(dim), keepdims=keepdim)


@_of("max")
def _max(x, dim=None, keepdim=False):
    if dim is None:
        return xp.max(x)
    return xp.max(x, axis=dim, keepdims=keepdim), xp.argmax(x, axis=dim, keepdims=keepdim)


@_of("min")
def _min(x, dim=None, keepdim=False):
    if dim is None:
        return xp.min(x)
    return xp.min(x, axis=dim, keepdims=keepdim), xp.argmin(x, axis=dim, keepdims=keepdim)


@_of("any")
def _any(x, dim=None, keepdim=False):
    return xp.any(x, axis=_axes(dim), keepdims=keepdim)


@_of("all")
def _all(x, dim=None, keepdim=False):
    return xp.all(x, axis=_axes(dim), keepdims=keepdim)


@_of("argmax")
def _argmax(x, dim=None, keepdim=False):
    return xp.argmax(x, axis=dim, keepdims=keepdim)


@_of("argmin")
def _argmin(x, dim=None, keepdim=False):
    return xp.argmin(x, axis=dim, keepdims=keepdim)


@_of("var")
def _var(x, dim=None, unbiased=None, keepdim=False, correction=None):
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = correction if correction is not None else 0 if unbiased is False else 1
    return xp.var(x, axis=_axes(dim), correction=correction, keepdims=keepdim)


@_of("std")
def _std(x, dim=None, unbiased=None, keepdim=False, correction=None):
    return xp.sqrt(_var(x, dim, unbiased, keepdim, correction))


@_of("cumsum")
def _cumsum(x, dim, dtype=None):
    return xp.cumulative_sum(_typed(x, dtype), axis=dim)


@_of("cumprod")
def _cumprod(x, dim, dtype=None):
    return xp.cumulative_prod(_typed(x, dtype), axis=dim)


@_of("logsumexp")
def _logsumexp(x, dim, keepdim=False):
    greatest = xp.max(x, axis=_axes(dim), keepdims=True)
    found = xp.log(xp.sum(xp.exp(x - greatest), axis=_axes(dim), keepdims=True)) + greatest
    return found if keepdim else xp.squeeze(found, xp.axes_of(_axes(dim), x.ndim))


@_of("_softmax", "softmax")
def _softmax(x, dim, *unused):
    shifted = xp.exp(x - xp.max(x, axis=dim, keepdims=True))
    return shifted / xp.sum(shifted, axis=dim, keepdims=True)


@_of("_log_softmax", "log_softmax")
def _log_softmax(x, dim, *unused):
    return x - _logsumexp(x, dim, True)


@_of("linalg_vector_norm")
def _vector_norm(x, ord=2, dim=None, keepdim=False, dtype=None):
    return linalg.vector_norm(_typed(x, dtype), ord=ord, axis=_axes(dim), keepdims=keepdim)


@_of("norm")
def _norm(x, p=2, dim=None, keepdim=False, dtype=None):
    return linalg.vector_norm(_typed(x, dtype), ord=2 if p is None else p, axis=_axes(dim), keepdims=keepdim)


@_of("dist")
def _dist(x, y, p=2):
    return linalg.vector_norm(x - y, ord=p)


# ---------------------------------------------------------------- linear algebra
_OPERATIONS |= {
    name: lambda x, y: linalg.matmul(x, y) for name in ("mm", "mv", "bmm", "dot", "matmul")
} | {"vdot": lambda x, y: linalg.matmul(each.conj(x), y)}  # fmt: skip


def _plus(x, product, beta, alpha):
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else (x if beta == 1 else x * beta) + product


@_of("addmm", "addmv", "baddbmm")
def _addmm(x, a, b, beta=1, alpha=1):
    return _plus(x, linalg.matmul(a, b), beta, alpha)


@_of("addr")
def _addr(x, a, b, beta=1, alpha=1):
    return _plus(x, linalg.outer(a, b), beta, alpha)


@_of("_linalg_solve_ex")
def _solve(a, b, left=True, check_errors=False):
    if not left:
        raise StagingError("torch.linalg.solve with left=False isn't supported")
    nothing = xp.zeros((), dtype=np.int32)
    return linalg.solve(a, b), nothing, nothing, nothing


@_of("linalg_inv_ex")
def _inv(a, check_errors=False):
    return linalg.inv(a), xp.zeros((), dtype=np.int32)


@_of("_linalg_det")
def _det(a):
    nothing = xp.zeros((), dtype=np.int32)
    return linalg.det(a), nothing, nothing


@_of("linalg_cholesky_ex")
def _cholesky(a, upper=False, check_errors=False):
    return linalg.cholesky(a, upper=upper), xp.zeros((), dtype=np.int32)


@_of("_linalg_check_errors")
def _check_errors(*unused, **more):
    return None


@_of("linalg_cross")
def _cross(x, y, dim=-1):
    return linalg.cross(x, y, axis=dim)


# ---------------------------------------------------------------- what can't be
@_of("_local_scalar_dense", "item")
def _value(x, *unused, **more):
    if x.node.op == "constant" and x.size == 1:
        return x.node.value.item()
    raise StagingError(
        "the value of a recorded tensor (if, while, float, math.sin, item): write torch.where(condition, a, b), "
        "torch.sin(x), and torch.stack for tensors of results"
    )


@_of("nonzero", "masked_select", "unique", "bincount")
def _shapeless(*unused, **more):
    raise StagingError("a tensor whose shape depends on recorded values: use torch.where(mask, x, 0)")


@_of("rand", "randn", "bernoulli", "normal", "rand_like", "randn_like", "uniform", "randint")
def _random(*unused, **more):
    raise StagingError("random numbers in a function: draw them before the solve")
