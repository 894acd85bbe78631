"""What a node can be replaced by when it is recorded, with the same IEEE result."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _graph
from ._graph import BOOL, ELEMENTWISE, Node

FOLDED = 64  # constants of more entries are computed when the code runs


def simplified(op: str, inputs: tuple[Node, ...], shape: tuple[int, ...], dtype: Any, attrs: tuple[Any, ...]):
    """The simpler node, or None."""
    rule = _RULES.get(op)
    if rule is not None:
        found = rule(inputs, shape, dtype, attrs)
        if found is not None:
            return found
    # One by one: this runs for every operation of a user's.
    if not inputs or op not in _FOLDABLE:
        return None
    for x in inputs:
        if x.op != "constant":
            return None
    return _folded(op, inputs, shape, dtype, attrs)


_FOLDABLE = ELEMENTWISE | {"broadcast", "reshape", "permute", "slice", "concat", "pack", "gather", "update"}


def _folded(op, inputs, shape, dtype, attrs):
    if sum(x.size for x in inputs) > FOLDED or int(np.prod(shape)) > FOLDED:
        return None
    from ._interpret import evaluate

    with np.errstate(all="ignore"):
        value = np.asarray(evaluate(op, attrs, [x.value for x in inputs], shape, dtype))
    return _graph.constant(value.astype(dtype, copy=False).reshape(shape))


_MAYBE_FILLED = frozenset({"constant", "broadcast", "reshape"})


def filled_with(node: Node) -> Any:
    """The number that all entries of a node are, or None."""
    if node.op not in _MAYBE_FILLED:
        return None
    while node.op in ("broadcast", "reshape"):
        node = node.inputs[0]
    if node.op != "constant" or not node.size:
        return None
    (literal,), size = node.attrs, node.dtype.itemsize
    if node.size > 1 and literal[:size] * node.size != literal:
        return None
    return np.frombuffer(literal, node.dtype, 1)[0].item()


def _is(node: Node, number: float) -> bool:
    if node.op not in _MAYBE_FILLED:
        return False
    value = filled_with(node)
    if value is None or value != number:
        return False
    return bool(np.signbit(np.real(value)) == np.signbit(number)) if node.dtype.kind in "fc" else True


def _add(inputs, shape, dtype, attrs):
    a, b = inputs
    nothing = -0.0 if dtype.kind == "f" else 0
    if dtype.kind in "fiu":
        if _is(b, nothing):
            return a
        if _is(a, nothing):
            return b
    return None


def _sub(inputs, shape, dtype, attrs):
    a, b = inputs
    return a if dtype.kind in "fiu" and _is(b, 0.0) else None


def _mul(inputs, shape, dtype, attrs):
    a, b = inputs
    if dtype.kind in "fiu":
        if _is(b, 1.0):
            return a
        if _is(a, 1.0):
            return b
        if dtype.kind == "f":
            if _is(b, -1.0):
                return _graph.make("neg", (a,), shape, dtype)
            if _is(a, -1.0):
                return _graph.make("neg", (b,), shape, dtype)
    return None


def _div(inputs, shape, dtype, attrs):
    a, b = inputs
    return a if dtype.kind == "f" and _is(b, 1.0) else None


def _pow(inputs, shape, dtype, attrs):
    x, n = inputs
    exponent = filled_with(n)
    if dtype.kind == "f" and exponent in (0, 0.5, -1):
        if exponent == 0.5:
            return _graph.make("sqrt", (x,), shape, dtype)
        one = _graph.constant(1, dtype)
        one = _graph.make("broadcast", (one,), shape, dtype)
        return one if exponent == 0 else _graph.make("div", (one, x), shape, dtype)
    if dtype.kind == "c" or exponent not in (1, 2, 3, 4):
        return None
    if exponent == 1:
        return x
    square = _graph.make("mul", (x, x), shape, dtype)
    if exponent == 2:
        return square
    return _graph.make("mul", (square, x if exponent == 3 else square), shape, dtype)


def _neg(inputs, shape, dtype, attrs):
    return inputs[0].inputs[0] if inputs[0].op == "neg" else None


def _not(inputs, shape, dtype, attrs):
    (x,) = inputs
    if x.op == "not":
        return x.inputs[0]
    # The other comparisons are false of NaN, and so are their opposites.
    opposite = {"eq": "ne", "ne": "eq"}.get(x.op)
    return _graph.make(opposite, x.inputs, shape, dtype) if opposite else None


def _where(inputs, shape, dtype, attrs):
    pred, yes, no = inputs
    if yes is no:
        return yes
    known = filled_with(pred)
    if known is not None:
        return yes if known else no
    if pred.op == "not":
        return _graph.make("where", (pred.inputs[0], no, yes), shape, dtype)
    return None


def _and(inputs, shape, dtype, attrs):
    a, b = inputs
    if a is b:
        return a
    if dtype == BOOL:
        for known, other in ((filled_with(a), b), (filled_with(b), a)):
            if known is not None:
                return other if known else (a if other is b else b)
    return None


def _or(inputs, shape, dtype, attrs):
    a, b = inputs
    if a is b:
        return a
    if dtype == BOOL:
        for known, other in ((filled_with(a), b), (filled_with(b), a)):
            if known is not None:
                return (a if other is b else b) if known else other
    return None


def _cast(inputs, shape, dtype, attrs):
    return inputs[0] if inputs[0].dtype == dtype else None


def _same_shape(op):
    def rule(inputs, shape, dtype, attrs):
        x = inputs[0]
        if x.shape == shape:
            return x
        if x.op == op:
            return _graph.make(op, x.inputs, shape, dtype)
        if x.op == "broadcast" and not x.inputs[0].shape:
            return _graph.make("broadcast", x.inputs, shape, dtype)
        return None

    return rule


def _permute(inputs, shape, dtype, attrs):
    (x,), (axes,) = inputs, attrs
    if axes == tuple(range(len(axes))):
        return x
    if x.op == "permute":
        return _graph.make("permute", x.inputs, shape, dtype, (tuple(x.attrs[0][a] for a in axes),))
    return None


def _slice(inputs, shape, dtype, attrs):
    (x,), (starts, steps) = inputs, attrs
    if shape == x.shape and all(s == 0 for s in starts) and all(s == 1 for s in steps):
        return x
    if x.op == "slice":
        first, stride = x.attrs
        starts = tuple(a + b * s for a, b, s in zip(first, stride, starts, strict=True))
        steps = tuple(a * b for a, b in zip(stride, steps, strict=True))
        return _graph.make("slice", x.inputs, shape, dtype, (starts, steps))
    if x.op == "pack" and shape != x.shape and 0 not in shape:
        inputs = tuple(x.inputs[starts[0] + i * steps[0]] for i in range(shape[0]))
        if shape == (1,):
            return _graph.make("reshape", inputs, shape, dtype)
        return _graph.make("pack", inputs, shape, dtype) if shape[0] <= FOLDED else None
    if x.op == "broadcast" and not x.inputs[0].shape:
        return _graph.make("broadcast", x.inputs, shape, dtype)
    if x.op == "update":
        return _beside_an_update(x, starts, steps, shape, dtype)
    if x.op == "concat":
        return _of_one_piece(x, starts, steps, shape, dtype)
    return None


def _beside_an_update(x, starts, steps, shape, dtype):
    """A slice that the update before it replaced exactly, or did not touch."""
    into, value = x.inputs
    first, strides = x.attrs
    if (starts, steps) == (first, strides) and shape == value.shape:
        return value
    for a, k, n, b, m, length in zip(starts, steps, shape, first, strides, value.shape, strict=True):
        if not n or not length:
            return None
        low, high = sorted((a, a + (n - 1) * k))
        least, most = sorted((b, b + (length - 1) * m))
        if high < least or most < low:
            return _graph.make("slice", (into,), shape, dtype, (starts, steps))
    return None


def _of_one_piece(x, starts, steps, shape, dtype):
    """A slice that lies in one of the pieces of a concatenation."""
    (axis,) = x.attrs
    if 0 in shape:
        return None
    first, last = starts[axis], starts[axis] + (shape[axis] - 1) * steps[axis]
    low, high = min(first, last), max(first, last)
    behind = 0
    for piece in x.inputs:
        if behind <= low and high < behind + piece.shape[axis]:
            moved = (*starts[:axis], starts[axis] - behind, *starts[axis + 1 :])
            return _graph.make("slice", (piece,), shape, dtype, (moved, steps))
        behind += piece.shape[axis]
    return None


def _concat(inputs, shape, dtype, attrs):
    if len(inputs) == 1:
        return inputs[0]
    (axis,) = attrs
    kept = tuple(x for x in inputs if x.shape[axis])
    return _graph.make("concat", kept, shape, dtype, attrs) if kept and len(kept) < len(inputs) else None


def _pack(inputs, shape, dtype, attrs):
    """A vector that was taken apart into its entries, in order."""
    if len(inputs) < 2:
        return _graph.make("reshape", inputs, shape, dtype) if inputs else None
    whole = None
    for i, x in enumerate(inputs):
        cut = x.inputs[0] if x.op == "reshape" else None
        if cut is None or cut.op != "slice" or cut.attrs[0] != (i,) or cut.shape != (1,):
            return None
        if whole is None:
            whole = cut.inputs[0]
        if cut.inputs[0] is not whole:
            return None
    return whole if whole is not None and whole.shape == shape else None


def _gather(inputs, shape, dtype, attrs):
    x, places = inputs
    if places.op != "constant" or not x.size or places.size > FOLDED:
        return None
    known = np.clip(places.value.reshape(-1), 0, x.size - 1)
    if x.op == "pack" and known.size:
        found = tuple(x.inputs[i] for i in known)
        if len(found) > 1:
            found = (_graph.make("pack", found, (len(found),), dtype),)
        return _graph.make("reshape", found, shape, dtype)
    steps = np.diff(known)
    if known.size and len(x.shape) == 1 and (known.size == 1 or (steps[0] and (steps == steps[0]).all())):
        step = int(steps[0]) if known.size > 1 else 1
        cut = _graph.make("slice", (x,), (known.size,), dtype, ((int(known[0]),), (step,)))
        return _graph.make("reshape", (cut,), shape, dtype)
    return None


def _update(inputs, shape, dtype, attrs):
    into, value = inputs
    _, steps = attrs
    if value.shape == shape and all(s == 1 for s in steps):
        return value
    if value.size == 0:
        return into
    if into.op == "update" and into.attrs == attrs and into.inputs[1].shape == value.shape:
        return _graph.make("update", (into.inputs[0], value), shape, dtype, attrs)
    return None


def _real_part(which):
    def rule(inputs, shape, dtype, attrs):
        return inputs[0].inputs[which] if inputs[0].op == "complex" else None

    return rule


_RULES: dict[str, Any] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "neg": _neg,
    "not": _not,
    "where": _where,
    "and": _and,
    "or": _or,
    "cast": _cast,
    "broadcast": _same_shape("broadcast"),
    "reshape": _same_shape("reshape"),
    "permute": _permute,
    "slice": _slice,
    "concat": _concat,
    "pack": _pack,
    "gather": _gather,
    "update": _update,
    "real": _real_part(0),
    "imag": _real_part(1),
}
