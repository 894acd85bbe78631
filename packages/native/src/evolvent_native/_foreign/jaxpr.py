"""What JAX traced, in the recording namespace: a jaxpr's primitives become nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend import core

from .. import _functions as xp
from .. import _graph, _recording
from .._array import Array, array, broadcast, cast
from .._errors import StagingError
from .._functions import elementwise as each
from .._functions import linalg
from .._graph import BOOL, INT, make

UNROLLED = 8  # turns of the longest scan that is written out


def evaluate(jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Array]) -> list[Array]:
    """Record what a jaxpr computes."""
    known: dict[Any, Array] = {}

    def read(atom: Any) -> Array:
        if not isinstance(atom, core.Literal):
            return known[atom]
        return array(np.asarray(atom.val, atom.aval.dtype))

    known.update(zip(jaxpr.constvars, map(_constant, consts), strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        function = _PRIMITIVES.get(name)
        if function is None:
            raise StagingError(f"JAX's {name} isn't supported{_line(equation)}")
        found = function(*map(read, equation.invars), **equation.params)
        results = found if equation.primitive.multiple_results else (found,)
        for variable, result in zip(equation.outvars, results, strict=True):
            known[variable] = _fitted(result, variable.aval)
    return [read(atom) for atom in jaxpr.outvars]


def _line(equation: Any) -> str:
    try:
        from jax._src import source_info_util

        return f", at {source_info_util.summarize(equation.source_info)}"
    except (ImportError, AttributeError):  # not a public part of JAX
        return ""


def _constant(x: Any) -> Array:
    if isinstance(x, jax.core.Tracer):
        raise StagingError("a value that JAX traces is used")
    if not isinstance(x, np.ndarray):
        x = np.asarray(x)
    return array(x)


def _fitted(x: Array, aval: Any) -> Array:
    return broadcast(Array(cast(x, aval.dtype).node), aval.shape)


_PRIMITIVES: dict[str, Callable[..., Any]] = {}


def _of(*names: str):
    def keep(function):
        for name in names:
            _PRIMITIVES[name] = function
        return function

    return keep


# ---------------------------------------------------------------- of each entry
def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands, **unused: function(*operands)


_PRIMITIVES |= {
    name: _plain(getattr(each, name))
    for name in """
        sign floor exp exp2 log expm1 log1p sin cos tan asin acos atan sinh cosh tanh asinh
        acosh atanh sqrt cbrt abs square real imag conj atan2 nextafter
    """.split()  # noqa: SIM905
}  # fmt: skip
_PRIMITIVES |= {
    name: _plain(getattr(each, ours))
    for name, ours in {
        "neg": "negative", "ceil": "ceil", "is_finite": "isfinite", "add": "add", "add_any": "add", "sub": "subtract",
        "mul": "multiply", "max": "maximum", "min": "minimum", "eq": "equal", "ne": "not_equal", "lt": "less",
        "le": "less_equal", "gt": "greater", "ge": "greater_equal", "and": "bitwise_and", "or": "bitwise_or",
        "xor": "bitwise_xor", "not": "bitwise_invert", "shift_left": "bitwise_left_shift",
        "shift_right_arithmetic": "bitwise_right_shift", "complex": "complex_of", "rem": "fmod",
    }.items()
}  # fmt: skip
_PRIMITIVES |= {
    "logistic": _plain(lambda x: 1.0 / (1.0 + xp.exp(-x))),
    "rsqrt": _plain(lambda x: 1.0 / xp.sqrt(x)),
}


@_of("stop_gradient", "copy", "copy_p", "name")
def _same(x, **unused):
    return x


@_of("device_put", "optimization_barrier")
def _all_same(*operands, **unused):
    return operands


@_of("div")
def _div(x, y, **unused):
    if x.dtype.kind in "fc":
        return each.divide(x, y)
    if x.dtype.kind == "u":
        return each.floor_divide(x, y)
    found = each.floor_divide(each.abs(x), each.abs(y))
    return xp.where((x < 0) != (y < 0), -found, found)


@_of("pow")
def _pow(x, y, **unused):
    return each.pow(x, cast(y, x.dtype))


@_of("integer_pow")
def _integer_pow(x, *, y, **unused):
    return each.divide(1, each.pow(x, -y)) if y < 0 else each.pow(x, int(y))


@_of("round")
def _round(x, *, rounding_method, **unused):
    if rounding_method == lax.RoundingMethod.TO_NEAREST_EVEN:
        return xp.round(x)
    return each.copysign(xp.floor(xp.abs(x) + 0.5), x)


@_of("clamp")
def _clamp(low, x, high):
    return xp.minimum(xp.maximum(x, low), high)


@_of("select_n")
def _select_n(which, *cases):
    if len(cases) == 1:
        return cases[0]
    found = cases[0]
    if which.dtype == BOOL:
        return each.where(which, cases[1], found)
    for i, case in enumerate(cases[1:], 1):
        found = each.where(which >= i, case, found)
    return found


@_of("lt_to")
def _before(x, y, **unused):
    """Less in the order of all floats, NaN last and -0.0 before 0.0."""
    if x.dtype.kind != "f":
        return x < y
    signs = xp.logical_and(xp.signbit(x), xp.logical_not(xp.signbit(y)))
    numbers = xp.logical_or(x < y, xp.logical_and(x == y, signs))
    return xp.logical_or(numbers, xp.logical_and(xp.isnan(y), xp.logical_not(xp.isnan(x))))


@_of("le_to")
def _not_behind(x, y, **unused):
    return xp.logical_not(_before(y, x))


@_of("eq_to")
def _same_place(x, y, **unused):
    return xp.logical_not(xp.logical_or(_before(x, y), _before(y, x)))


@_of("convert_element_type")
def _convert(x, *, new_dtype, **unused):
    new_dtype = np.dtype(new_dtype)
    if x.dtype.kind == "c" and new_dtype.kind != "c":
        x = each.real(x)
    return each.truth(x) if new_dtype == BOOL else cast(x, new_dtype)


@_of("reduce_precision")
def _reduce_precision(x, *, exponent_bits, mantissa_bits):
    if (exponent_bits, mantissa_bits) != ((8, 23) if x.dtype.itemsize == 4 else (11, 52)):
        raise StagingError("reduce_precision isn't supported")
    return x


# ---------------------------------------------------------------- shapes
@_of("reshape")
def _reshape(x, *, new_sizes, dimensions=None, **unused):
    x = x if dimensions is None else xp.permute_dims(x, dimensions)
    return xp.reshape(x, new_sizes)


@_of("broadcast_in_dim")
def _broadcast_in_dim(x, *rest, shape, broadcast_dimensions, **unused):
    if rest:
        raise StagingError("broadcast_in_dim to a shape that is not known")
    kept = [1] * len(shape)
    for n, axis in zip(x.shape, broadcast_dimensions, strict=True):
        kept[int(axis)] = n
    return broadcast(xp.reshape(x, tuple(kept)), tuple(shape))


@_of("transpose")
def _transpose(x, *, permutation):
    return xp.permute_dims(x, tuple(map(int, permutation)))


@_of("squeeze")
def _squeeze(x, *, dimensions):
    return xp.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in {d % x.ndim for d in dimensions}))


@_of("stack")
def _stack(*operands, axis):
    return xp.stack(operands, axis=int(axis))


@_of("unstack")
def _unstack(x, *, axis, **unused):
    return xp.unstack(x, axis=int(axis))


@_of("zeros_like")
def _zeros_like(x, **unused):
    return xp.zeros_like(x)


@_of("tile")
def _tile(x, *, reps):
    return xp.tile(x, tuple(map(int, reps)))


@_of("broadcast_to")
def _broadcast_to(x, *, shape, **unused):
    return broadcast(x, tuple(map(int, shape)))


@_of("concatenate")
def _concatenate(*operands, dimension):
    return xp.concat(operands, axis=int(dimension))


@_of("slice")
def _slice(x, *, start_indices, limit_indices, strides):
    strides = strides or (1,) * x.ndim
    parts = tuple(map(slice, map(int, start_indices), map(int, limit_indices), map(int, strides)))
    return x[parts] if parts else x


@_of("split")
def _split(x, *, sizes, axis):
    found, at, before = [], 0, (slice(None),) * int(axis)
    for n in map(int, sizes):
        found.append(x[(*before, slice(at, at + n))])
        at += n
    return found


@_of("rev")
def _rev(x, *, dimensions):
    return xp.flip(x, axis=tuple(map(int, dimensions))) if dimensions else x


@_of("iota")
def _iota(*rest, dtype, shape, dimension, **unused):
    if rest:
        raise StagingError("iota of a length that is not known")
    line = cast(xp.arange(shape[dimension]), dtype)
    return broadcast(xp.reshape(line, (-1,) + (1,) * (len(shape) - dimension - 1)), tuple(shape))


@_of("pad")
def _pad(x, value, *, padding_config):
    shape, there, taken = [], [], []
    for n, (low, high, inner) in zip(x.shape, padding_config, strict=True):
        step = inner + 1
        length = low + high + (n - 1) * step + 1 if n else low + high
        first = -(min(low, 0) // step)  # the first entry that is not cut off
        last = first
        while last < n and low + last * step < length:
            last += 1
        shape.append(length)
        taken.append(slice(first, last))
        there.append(slice(low + first * step, low + (last - 1) * step + 1 if last > first else 0, step))
    found = xp.full(tuple(shape), value)
    if found.ndim and all(s.stop > s.start for s in taken):
        found[tuple(there)] = x[tuple(taken)]
    return found if found.ndim else x


# ---------------------------------------------------------------- taking and putting
def _strides(shape: tuple[int, ...]) -> list[int]:
    return [prod(shape[i + 1 :]) for i in range(len(shape))]


def _starts(indices: Sequence[Array], shape: Any, sizes: Any) -> Array:
    """The flat position of a window's corner, moved into the array."""
    total = array(np.int64(0))
    for i, n, size, stride in zip(indices, shape, sizes, _strides(shape), strict=True):
        total = each.add(total, xp.clip(cast(i, INT), 0, int(n - size)) * stride)
    return total


def _window(shape: tuple[int, ...], sizes: tuple[int, ...]) -> np.ndarray:
    """Flat positions of a window's entries behind its corner."""
    found = np.zeros((), np.int64)
    for n, stride in zip(sizes, _strides(shape), strict=True):
        found = found[..., None] + np.arange(n) * stride
    return found


def _all_known(indices: Sequence[Array]) -> Any:
    return [int(i.node.value) for i in indices] if all(i.node.op == "constant" for i in indices) else None


@_of("dynamic_slice")
def _dynamic_slice(x, *starts, slice_sizes):
    known = _all_known(starts)
    if known is not None:
        first = [min(max(i, 0), n - size) for i, n, size in zip(known, x.shape, slice_sizes, strict=True)]
        return x[tuple(slice(a, a + size) for a, size in zip(first, slice_sizes, strict=True))]
    places = each.add(_starts(starts, x.shape, slice_sizes), array(_window(x.shape, slice_sizes)))
    return Array(make("gather", (x.node, places.node), tuple(slice_sizes), x.dtype))


@_of("dynamic_update_slice")
def _dynamic_update_slice(x, update, *starts):
    known = _all_known(starts)
    if known is not None:
        first = [min(max(i, 0), n - size) for i, n, size in zip(known, x.shape, update.shape, strict=True)]
        found = xp.copy(x)
        found[tuple(slice(a, a + size) for a, size in zip(first, update.shape, strict=True))] = update
        return found
    places = each.add(_starts(starts, x.shape, update.shape), array(_window(x.shape, update.shape)))
    return _put("scatter", x, places, update)


def _put(op: str, x: Array, places: Array, values: Array) -> Array:
    flat = tuple(xp.reshape(v, (-1,)).node for v in (broadcast(places, values.shape), values))
    return Array(make(op, (x.node, *flat), x.shape, x.dtype))


def _positions(
    shape: tuple[int, ...],
    indices: Array,
    windows: Sequence[int],
    runs: Sequence[int],
    sizes: Sequence[int],
    axes: Sequence[int],
    batching: Any,
    final: tuple[int, ...],
) -> tuple[Array, Any]:
    """Flat positions of windows of an array, and whether those are inside of it.

    Parameters
    ----------
    windows, runs : sequence of int
        The result's axes that run along a window, and the array's axes that these are.
    sizes : sequence of int
        The window's size along each axis of the array.
    axes : sequence of int
        The array's axis of each component of an index.
    batching : sequence of (axis of the array, axis of the indices)
        Axes on which both have the same place.
    """
    strides = _strides(shape)
    batch = [i for i in range(len(final)) if i not in windows]
    spread = tuple(n if i in batch else 1 for i, n in enumerate(final))
    offsets = np.zeros((1,) * len(final), np.int64)
    lines = [*zip(windows, runs, strict=True), *((batch[place], axis) for axis, place in batching)]
    for place, axis in lines:
        line = np.arange(final[place]) * strides[axis]
        offsets = offsets + line.reshape(-1, *(1,) * (len(final) - place - 1))
    total, inside = array(offsets), None
    for k, axis in enumerate(axes):
        i = xp.reshape(cast(indices[..., k], INT), spread)
        last = shape[axis] - sizes[axis]
        good = xp.logical_and(i >= 0, i <= last)
        inside = good if inside is None else xp.logical_and(inside, good)
        total = each.add(total, xp.clip(i, 0, last) * strides[axis])
    return broadcast(total, final), inside


_FILLS = {"f": np.nan, "c": np.nan, "b": True}


@_of("gather")
def _gather(x, indices, *, dimension_numbers, slice_sizes, mode, fill_value, **unused):
    d = dimension_numbers
    gone = {*d.collapsed_slice_dims, *d.operand_batching_dims}
    runs = [axis for axis in range(x.ndim) if axis not in gone]
    windows = list(map(int, d.offset_dims))
    batch = list(indices.shape[:-1])
    final = [0] * (len(batch) + len(windows))
    for place, axis in zip(windows, runs, strict=True):
        final[place] = int(slice_sizes[axis])
    rest = iter(batch)
    final = [n if i in windows else next(rest) for i, n in enumerate(final)]
    batching = list(zip(d.operand_batching_dims, d.start_indices_batching_dims, strict=True))
    places, inside = _positions(x.shape, indices, windows, runs, slice_sizes, d.start_index_map, batching, tuple(final))
    found = Array(make("gather", (x.node, places.node), places.shape, x.dtype))
    if mode != lax.GatherScatterMode.FILL_OR_DROP or inside is None:
        return found
    if fill_value is None:
        kind = x.dtype.kind
        fill_value = _FILLS[kind] if kind in _FILLS else np.iinfo(x.dtype).min if kind == "i" else np.iinfo(x.dtype).max
    return xp.where(inside, found, array(np.asarray(fill_value, x.dtype)))


def _scatter(op: str):
    def scatter(x, indices, updates, *, dimension_numbers, mode, **unused):
        d = dimension_numbers
        gone = {*d.inserted_window_dims, *d.operand_batching_dims}
        runs = [axis for axis in range(x.ndim) if axis not in gone]
        windows = list(map(int, d.update_window_dims))
        sizes = [1] * x.ndim
        for place, axis in zip(windows, runs, strict=True):
            sizes[axis] = updates.shape[place]
        batching = list(zip(d.operand_batching_dims, d.scatter_indices_batching_dims, strict=True))
        places, inside = _positions(
            x.shape, indices, windows, runs, sizes, d.scatter_dims_to_operand_dims, batching, updates.shape
        )
        dropping = mode == lax.GatherScatterMode.FILL_OR_DROP
        if inside is None or not dropping or (inside.node.op == "constant" and inside.node.value.all()):
            return _put(op, x, places, updates)
        # What lies outside goes to one more entry, which is cut off.
        more = xp.concat([xp.reshape(x, (-1,)), xp.zeros((1,), dtype=x.dtype)])
        found = _put(op, more, xp.where(inside, places, x.size), updates)
        return xp.reshape(found[: x.size], x.shape)

    return scatter


_PRIMITIVES |= {"scatter": _scatter("scatter"), "scatter-add": _scatter("scatter_add")}


# ---------------------------------------------------------------- reductions and sorting
def _reducing(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, *, axes, **unused: function(x, axis=tuple(map(int, axes))) if axes else x


_PRIMITIVES |= {
    "reduce_sum": _reducing(xp.sum), "reduce_prod": _reducing(xp.prod), "reduce_max": _reducing(xp.max),
    "reduce_min": _reducing(xp.min), "reduce_and": _reducing(xp.all), "reduce_or": _reducing(xp.any),
}  # fmt: skip


@_of("argmax")
def _argmax(x, *, axes, index_dtype):
    return cast(xp.argmax(x, axis=int(axes[0])), index_dtype)


@_of("argmin")
def _argmin(x, *, axes, index_dtype):
    return cast(xp.argmin(x, axis=int(axes[0])), index_dtype)


def _running(function: Callable[..., Array]) -> Callable[..., Array]:
    def run(x, *, axis, reverse):
        x = xp.flip(x, axis=axis) if reverse else x
        found = function(x, axis=axis)
        return xp.flip(found, axis=axis) if reverse else found

    return run


_PRIMITIVES |= {"cumsum": _running(xp.cumulative_sum), "cumprod": _running(xp.cumulative_prod)}


@_of("sort")
def _sort(*operands, dimension, num_keys, **unused):
    if num_keys != 1:
        raise StagingError("a sort by several keys isn't supported")
    if len(operands) == 1:
        return [xp.sort(operands[0], axis=dimension)]
    order = xp.argsort(operands[0], axis=dimension)
    return [xp.take_along_axis(x, order, axis=dimension) for x in operands]


# ---------------------------------------------------------------- linear algebra
@_of("dot_general")
def _dot_general(x, y, *, dimension_numbers, preferred_element_type=None, **unused):
    (over_x, over_y), (batch_x, batch_y) = (tuple(tuple(map(int, axes)) for axes in d) for d in dimension_numbers)
    if preferred_element_type is not None:
        x, y = (cast(a, preferred_element_type) for a in (x, y))
    rest_x = [i for i in range(x.ndim) if i not in (*over_x, *batch_x)]
    rest_y = [i for i in range(y.ndim) if i not in (*over_y, *batch_y)]
    batch, rows, columns = (tuple(a.shape[i] for i in axes) for a, axes in ((x, batch_x), (x, rest_x), (y, rest_y)))
    inner = prod(x.shape[i] for i in over_x)
    left = xp.reshape(xp.permute_dims(x, (*batch_x, *rest_x, *over_x)), (*batch, prod(rows), inner))
    right = xp.reshape(xp.permute_dims(y, (*batch_y, *over_y, *rest_y)), (*batch, inner, prod(columns)))
    if not batch and not rows:
        left = xp.reshape(left, (inner,))
    if not batch and not columns:
        right = xp.reshape(right, (inner,))
    return xp.reshape(linalg.matmul(left, right), (*batch, *rows, *columns))


@_of("cholesky")
def _cholesky(x, **unused):
    return linalg.cholesky(x)


@_of("lu")
def _lu(x, **unused):
    if x.ndim != 2 or x.shape[0] != x.shape[1]:
        raise StagingError("lu of other than one square matrix isn't supported")
    n = x.shape[0]
    node = xp.reshape(x, (1, n, n)).node
    factors, exchanges = _graph.make_many("lu", (node,), (((1, n, n), x.dtype), ((1, n), INT)))
    pivots = xp.reshape(Array(exchanges), (n,))

    def exchange(carry: Any) -> Any:
        i, order = carry
        j = xp.take(pivots, i)
        both = xp.stack([xp.take(order, j), xp.take(order, i)])
        return i + 1, _put("scatter", order, xp.stack([i, j]), both)

    _, order = _recording.while_loop(lambda c: c[0] < n, exchange, (array(np.int64(0)), array(np.arange(n))))
    return [xp.reshape(Array(factors), (n, n)), pivots, order]


@_of("triangular_solve")
def _triangular_solve(a, b, *, left_side, lower, transpose_a, conjugate_a, unit_diagonal):
    if not left_side or conjugate_a or a.ndim != 2:
        raise StagingError("triangular_solve of other than one real system isn't supported")
    nodes = tuple(xp.reshape(x, (1, *x.shape)).node for x in (a, b))
    found = make("triangular_solve", nodes, nodes[1].shape, b.dtype, (lower, unit_diagonal, transpose_a))
    return xp.reshape(Array(found), b.shape)


@_of("custom_linear_solve")
def _custom_linear_solve(*operands, const_lengths, jaxprs):
    lengths = [int(n) for n in const_lengths]
    before, own = sum(lengths[:2]), lengths[2]
    return _called(jaxprs.solve, [*operands[before : before + own], *operands[sum(lengths) :]])


# ---------------------------------------------------------------- functions, branches and loops
def _called(jaxpr: Any, operands: Sequence[Array]) -> list[Array]:
    if isinstance(jaxpr, core.ClosedJaxpr):
        return evaluate(jaxpr.jaxpr, jaxpr.consts, operands)
    return evaluate(jaxpr, (), operands)


@_of("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat2", "custom_lin", "custom_jvp_call",
     "custom_vjp_call", "custom_vjp_call_jaxpr")  # fmt: skip
def _call(*operands, jaxpr=None, call_jaxpr=None, fun_jaxpr=None, **unused):
    found = jaxpr if jaxpr is not None else call_jaxpr if call_jaxpr is not None else fun_jaxpr
    return _called(found, operands)


@_of("platform_index")
def _platform_index(*, platforms, **unused):
    for i, names in enumerate(platforms):
        if names is None or "cpu" in names:
            return array(np.int32(i))
    raise StagingError(f"a choice among platforms without the CPU: {platforms}")


@_of("cond")
def _cond(index, *operands, branches, **unused):
    if index.node.op == "constant":
        return _called(branches[min(max(int(index.node.value), 0), len(branches) - 1)], operands)
    found = branches[-1]

    def choose(first: int) -> list[Array]:
        if first == len(branches) - 1:
            return _called(branches[first], operands)
        return _recording.cond(index <= first, lambda: _called(branches[first], operands), lambda: choose(first + 1))

    if index.dtype == BOOL:
        return _recording.cond(index, lambda: _called(found, operands), lambda: _called(branches[0], operands))
    return choose(0)


@_of("while")
def _while(*operands, cond_jaxpr, body_jaxpr, cond_nconsts, body_nconsts, **unused):
    for_cond, rest = operands[:cond_nconsts], operands[cond_nconsts:]
    for_body, carry = rest[:body_nconsts], rest[body_nconsts:]
    return _recording.while_loop(
        lambda c: _called(cond_jaxpr, [*for_cond, *c])[0], lambda c: _called(body_jaxpr, [*for_body, *c]), list(carry)
    )


@_of("scan")
def _scan(*operands, jaxpr, length, num_consts=0, num_carry=0, reverse=False, **unused):
    consts, rest = operands[:num_consts], operands[num_consts:]
    carry, rows = list(rest[:num_carry]), rest[num_carry:]
    if length <= UNROLLED:
        found: list[Any] = [None] * length
        for i in reversed(range(length)) if reverse else range(length):
            out = _called(jaxpr, [*consts, *carry, *(x[i] for x in rows)])
            carry, found[i] = out[:num_carry], out[num_carry:]
        avals = jaxpr.out_avals[num_carry:]
        stacks = (
            [xp.stack(column) for column in zip(*found, strict=True)]
            if length
            else [xp.zeros((0, *a.shape), dtype=a.dtype) for a in avals]
        )
        return [*carry, *stacks]
    results = [xp.zeros((length, *a.shape), dtype=a.dtype) for a in jaxpr.out_avals[num_carry:]]

    def turn(state: Any) -> Any:
        count, carry, results = state
        i = length - 1 - count if reverse else count
        out = _called(jaxpr, [*consts, *carry, *(x[i] for x in rows)])
        kept = [_with_row(x, i, row) for x, row in zip(results, out[num_carry:], strict=True)]
        return count + 1, out[:num_carry], kept

    _, carry, results = _recording.while_loop(
        lambda state: state[0] < length, turn, (array(np.int64(0)), carry, results)
    )
    return [*carry, *results]


def _with_row(x: Array, i: Array, row: Array) -> Array:
    places = each.add(i * row.size, array(np.arange(row.size).reshape(row.shape)))
    return _put("scatter", x, places, row)
