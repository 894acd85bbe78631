"""What each operation means, by NumPy: folds constants, and is the tests' referee of the machine code."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from . import _interpret_sparse
from ._graph import Block, Graph, Node


def run(graph: Graph, args: Any, buffers: dict[int, np.ndarray] | None = None) -> list[np.ndarray]:
    """Compute a graph's outputs from its arguments.

    Parameters
    ----------
    graph : Graph
        What to compute.
    args : sequence of array_like
        One for each parameter of the graph.
    buffers : dict, optional
        The memory of the graph's buffers by their numbers; missing ones are added.
    """
    memory = {} if buffers is None else buffers
    with np.errstate(all="ignore"):
        return _Run(graph.data, memory).block(graph, [np.asarray(a) for a in args], {})


class _Run:
    """The arrays that a graph closed over, and its buffers."""

    def __init__(self, data: list[np.ndarray], buffers: dict[int, np.ndarray]):
        self.data = data
        self.buffers = buffers

    def block(self, block: Block, args: list[np.ndarray], outside: dict[Node, Any]) -> list[np.ndarray]:
        if len(args) != len(block.params):
            raise ValueError(f"{len(args)} arguments for {len(block.params)} parameters")
        values = dict(outside)
        for param, value in zip(block.params, args, strict=True):
            values[param] = _fitting(np.asarray(value), param)
        for node in block.nodes:
            values[node] = self.node(node, values)
        return [values[out] for out in block.outputs]

    def node(self, node: Node, values: dict[Node, Any]) -> Any:
        op, inputs = node.op, [values[x] for x in node.inputs]
        if op == "constant":
            return node.value
        if op == "data":
            return np.asarray(self.data[node.attrs[0]])
        if op == "result":
            return _fitting(np.asarray(inputs[0][node.attrs[0]]), node)
        if op == "while":
            condition, body = node.regions
            carry = inputs
            while self.block(condition, carry, values)[0]:
                carry = self.block(body, carry, values)
            return carry
        if op == "cond":
            return self.block(node.regions[0 if inputs[0] else 1], [], values)
        if op == "call":
            graph, offset = node.attrs
            return _Run(self.data[offset : offset + len(graph.data)], self.buffers).block(graph, inputs, {})
        if op == "buffer":
            rows, number = node.attrs
            return self.buffers.setdefault(number, np.zeros((rows, *node.shape[1:]), node.dtype))
        if op == "put":
            memory, row, value, when = inputs
            if when:
                memory[row] = value
            return None
        if op == "store":
            memory, value = inputs
            memory[...] = value
            return None
        if op == "fetch":
            memory, row = inputs
            return memory[row]
        if op == "fetch_all":
            return inputs[0].copy()
        if op in _SEVERAL:
            return _SEVERAL[op](*inputs)
        if op not in _OPERATIONS:
            raise NotImplementedError(f"{op} can't be interpreted")
        return _fitting(np.asarray(evaluate(op, node.attrs, inputs, node.shape, node.dtype)), node)


def _fitting(value: np.ndarray, node: Node) -> np.ndarray:
    if value.shape != node.shape or value.dtype != node.dtype:
        raise ValueError(f"{node} was computed as {value.dtype}{list(value.shape)}")
    return value


def evaluate(op: str, attrs: tuple[Any, ...], values: list[np.ndarray], shape: Any, dtype: Any) -> Any:
    """Compute one node that has a single result and no regions."""
    return _OPERATIONS[op](attrs, shape, dtype, *values)


def _direct(function):
    return lambda attrs, shape, dtype, *values: function(*values)


def _reduction(function):
    return lambda attrs, shape, dtype, x: np.asarray(function(x, axis=attrs[0])).astype(dtype)


def _typed(function):
    """By a function of NumPy's whose result has another dtype for some inputs."""
    return lambda attrs, shape, dtype, *values: np.asarray(function(*values)).astype(dtype, copy=False)


def _cut(x, attrs, shape):
    starts, steps = attrs
    places = [s + k * np.arange(n) for s, k, n in zip(starts, steps, shape, strict=True)]
    return np.ix_(*places) if places else ()


def _update(attrs, shape, dtype, x, value):
    out = x.copy()
    out[_cut(x, attrs, value.shape)] = value
    return out


def _gather(attrs, shape, dtype, x, i):
    return x.reshape(-1)[np.clip(i, 0, max(x.size - 1, 0))]


def _scatter(attrs, shape, dtype, x, i, v):
    out = x.copy().reshape(-1)
    for place, value in zip(np.clip(i, 0, max(x.size - 1, 0)).reshape(-1), v.reshape(-1), strict=True):
        out[place] = value
    return out.reshape(x.shape)


def _scatter_add(attrs, shape, dtype, x, i, v):
    out = x.copy().reshape(-1)
    np.add.at(out, np.clip(i, 0, max(x.size - 1, 0)).reshape(-1), v.reshape(-1))
    return out.reshape(x.shape)


def _floordiv(attrs, shape, dtype, a, b):
    return np.floor_divide(a, b)


def _combine(attrs, shape, dtype, *values):
    """The sum y + scale * sum(weights[i] * ks[i])."""
    with_y, with_scale, weights = attrs
    rest = list(values)
    y = rest.pop(0) if with_y else None
    scale = rest.pop(0) if with_scale else None
    if weights is None:
        half = len(rest) // 2
        rest, weights = rest[:half], rest[half:]
    total = np.zeros(shape, dtype)
    for weight, k in zip(weights, rest, strict=True):
        total = total + weight * k
    if scale is not None:
        total = scale * total
    return np.asarray(total if y is None else y + total).astype(dtype, copy=False)


def _descending(order):
    """Reversed sorting of a reversed array keeps equal entries in their order."""

    def function(attrs, shape, dtype, x):
        axis, descending = attrs
        if not descending:
            found = order(x, axis)
        else:
            found = np.flip(order(np.flip(x, axis), axis), axis)
            if order is _argsort:
                found = x.shape[axis] - 1 - found
        return np.ascontiguousarray(found)

    return function


def _sort(x, axis):
    return np.sort(x, axis=axis, stable=True)


def _argsort(x, axis):
    return np.argsort(x, axis=axis, stable=True)


def _triangle(a, lower, unit, transposed):
    part = np.tril(a) if lower else np.triu(a)
    if unit:
        n = a.shape[-1]
        part = part - part * np.eye(n, dtype=a.dtype) + np.eye(n, dtype=a.dtype)
    return np.swapaxes(part, -1, -2) if transposed else part


def _lu(a):
    factors = a.copy()
    count, n, _ = a.shape
    exchanges = np.zeros((count, n), np.int64)
    for b in range(count):
        f = factors[b]
        for k in range(n):
            row = k + int(np.argmax(np.abs(f[k:, k])))
            exchanges[b, k] = row
            f[[k, row]] = f[[row, k]]
            f[k + 1 :, k] /= f[k, k]
            f[k + 1 :, k + 1 :] -= np.outer(f[k + 1 :, k], f[k, k + 1 :])
    return factors, exchanges


def _lu_solve(attrs, shape, dtype, factors, exchanges, sides):
    (transposed,) = attrs
    out = sides.copy()
    lower, upper = _triangle(factors, True, True, transposed), _triangle(factors, False, False, transposed)
    n = factors.shape[-1]
    for b in range(len(out)):
        rows = list(range(n))
        for k in range(n):
            i = int(exchanges[b, k])
            rows[k], rows[i] = rows[i], rows[k]
        if transposed:
            out[b][rows] = _solved(lower[b], _solved(upper[b], out[b]))
        else:
            out[b] = _solved(upper[b], _solved(lower[b], out[b][rows]))
    return out


def _solved(matrix, sides):
    """Singular systems have infinite solutions, not errors."""
    try:
        return np.linalg.solve(matrix, sides)
    except np.linalg.LinAlgError:
        return np.full_like(sides, np.nan)


def _triangular_solve(attrs, shape, dtype, a, sides):
    triangle = _triangle(a, *attrs)
    return np.stack([_solved(m, s) for m, s in zip(triangle, sides, strict=True)]) if len(a) else sides


def _cholesky(attrs, shape, dtype, a):
    out = np.full_like(a, np.nan)
    for b in range(len(a)):
        with suppress(np.linalg.LinAlgError):
            out[b] = np.linalg.cholesky(a[b])
    return out


def _complex(attrs, shape, dtype, re, im):
    out = np.empty(np.shape(re), dtype)
    out.real, out.imag = re, im
    return out


def _sign(attrs, shape, dtype, x):
    return np.sign(x)


# As NumPy names them, too.
_OWN_NAMES = """
    sqrt exp expm1 log log1p log2 log10 sin cos tan sinh cosh tanh floor ceil trunc isnan isinf isfinite
    signbit hypot copysign nextafter maximum minimum
""".split()  # noqa: SIM905

_OPERATIONS: dict[str, Any] = {
    "iota": lambda attrs, shape, dtype: np.arange(shape[0], dtype=dtype),
    "cast": lambda attrs, shape, dtype, x: (x.real if x.dtype.kind == "c" and dtype.kind != "c" else x).astype(dtype),
    "broadcast": lambda attrs, shape, dtype, x: np.broadcast_to(x, shape),
    "reshape": lambda attrs, shape, dtype, x: x.reshape(shape),
    "permute": lambda attrs, shape, dtype, x: x.transpose(attrs[0]),
    "slice": lambda attrs, shape, dtype, x: x[_cut(x, attrs, shape)],
    "update": _update,
    "combine": _combine,
    "concat": lambda attrs, shape, dtype, *xs: np.concatenate(xs, axis=attrs[0]),
    "pack": lambda attrs, shape, dtype, *xs: np.stack(xs),
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter_add,
    "floordiv": _floordiv,
    "complex": _complex,
    "sign": _sign,
    "neg": _direct(np.negative),
    "abs": _direct(np.abs),
    "argmax": lambda attrs, shape, dtype, x: np.asarray(np.argmax(x, axis=attrs[0])),
    "argmin": lambda attrs, shape, dtype, x: np.asarray(np.argmin(x, axis=attrs[0])),
    "cumsum": lambda attrs, shape, dtype, x: np.cumsum(x, axis=attrs[0], dtype=dtype),
    "cumprod": lambda attrs, shape, dtype, x: np.cumprod(x, axis=attrs[0], dtype=dtype),
    "sort": _descending(_sort),
    "argsort": _descending(_argsort),
    "searchsorted": lambda attrs, shape, dtype, x, v: np.asarray(np.searchsorted(x, v, side=attrs[0])),
    "matmul": _direct(np.matmul),
    "lu_solve": _lu_solve,
    "triangular_solve": _triangular_solve,
    "cholesky": _cholesky,
    "sparse_lu": _interpret_sparse.lu,
    "sparse_solve": _interpret_sparse.solve,
    "not": _direct(np.invert),
    "div": _direct(np.divide),
    "mod": _direct(np.remainder),
    "pow": _direct(np.power),
    "asin": _direct(np.arcsin),
    "acos": _direct(np.arccos),
    "atan": _direct(np.arctan),
    "asinh": _direct(np.arcsinh),
    "acosh": _direct(np.arccosh),
    "atanh": _direct(np.arctanh),
    "atan2": _direct(np.arctan2),
    "round": _direct(np.rint),
    "and": _direct(np.bitwise_and),
    "or": _direct(np.bitwise_or),
    "xor": _direct(np.bitwise_xor),
    "shl": _direct(np.left_shift),
    "shr": _direct(np.right_shift),
    "eq": _direct(np.equal),
    "ne": _direct(np.not_equal),
    "lt": _direct(np.less),
    "le": _direct(np.less_equal),
    "gt": _direct(np.greater),
    "ge": _direct(np.greater_equal),
    "add": _direct(np.add),
    "sub": _direct(np.subtract),
    "mul": _direct(np.multiply),
    "where": _direct(np.where),
    "real": _direct(np.real),
    "imag": _direct(np.imag),
    "conj": _direct(np.conj),
    "sum": _reduction(np.sum),
    "prod": _reduction(np.prod),
    "max": _reduction(np.max),
    "min": _reduction(np.min),
    "all": _reduction(np.all),
    "any": _reduction(np.any),
    **{name: _direct(getattr(np, name)) for name in _OWN_NAMES},
}

_SEVERAL: dict[str, Any] = {"lu": _lu, "qr": lambda a: tuple(np.linalg.qr(a))}
