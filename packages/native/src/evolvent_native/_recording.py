"""The operations of a backend while a program is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evolvent import InputError

from . import _functions as functions
from ._array import Array, array, broadcast, cast
from ._functions.elementwise import real_dtype
from ._graph import BOOL, INT, REAL, Block, Graph, Node, current, effect, make, make_many, record_in
from ._simplify import filled_with
from ._staging import Buffer, flatten, node_of, unflatten

FEW_ROWS = 3  # of a known table that are chosen from rather than looked up


def strong(x: Any) -> Any:
    """A leaf as an array of a definite dtype; buffers stay."""
    return x if isinstance(x, Buffer) else Array(node_of(x))


def truth(x: Any) -> Node:
    return cast(array(x), BOOL).node


# ---------------------------------------------------------------- control flow
def while_loop(cond: Callable[..., Any], body: Callable[..., Any], carry: Any) -> Any:
    """Record a loop."""
    leaves, structure = flatten(carry)
    first = [strong(x) for x in leaves]
    while True:
        moving = [x for x in first if isinstance(x, Array)]
        condition, inner = Block(current()), Block(current())
        for block in (condition, inner):
            for x in moving:
                block.param(x.shape, x.dtype)
        with record_in(condition):
            condition.outputs = [truth(cond(_tree(structure, first, condition.params)))]
        with record_in(inner):
            after, found = flatten(body(_tree(structure, first, inner.params)))
            if found != structure:
                raise TypeError(f"the body of a loop must keep the carry's structure, {structure}, got {found}")
            values = [strong(x) for x in after]
            kinds = [
                np.result_type(x.dtype, y.dtype) if isinstance(x, Array) else None
                for x, y in zip(first, values, strict=True)
            ]
            if all(kind is None or kind == x.dtype for kind, x in zip(kinds, first, strict=True)):
                inner.outputs = [_kept(x, y).node for x, y in zip(first, values, strict=True) if isinstance(x, Array)]
                break
        # A number that was started as an integer, say, and goes on as a real: once more from a real.
        first = [x if kind is None else cast(x, kind) for x, kind in zip(first, kinds, strict=True)]
    results = make_many(
        "while",
        tuple(x.node for x in moving),
        [(x.shape, x.dtype) for x in moving],
        regions=(condition, inner),
    )
    return _tree(structure, first, results)


def _kept(before: Array, after: Any) -> Array:
    if after.shape != before.shape:
        raise TypeError(f"the body of a loop must keep shapes: {before.shape} became {after.shape}")
    return cast(after, before.dtype)


def _tree(structure: Any, first: list[Any], nodes: Any) -> Any:
    left = iter(nodes)
    return unflatten(structure, [Array(next(left)) if isinstance(x, Array) else x for x in first])


def cond(pred: Any, yes: Callable[..., Any], no: Callable[..., Any], *operands: Any) -> Any:
    """Record a branch."""
    condition = truth(pred)
    if condition.op == "constant":
        return yes(*operands) if condition.value else no(*operands)
    blocks, found = [], []
    for branch in (yes, no):
        block = Block(current())
        with record_in(block):
            leaves, structure = flatten(branch(*operands))
            found.append(([strong(x) for x in leaves], structure))
        blocks.append(block)
    (first, structure), (second, other) = found
    if structure != other:
        raise TypeError(f"both branches must return one structure, got {structure} and {other}")
    kinds = []
    for x, y in zip(first, second, strict=True):
        if isinstance(x, Buffer):
            if x is not y:
                raise TypeError("both branches must go on with one record")
            continue
        kinds.append((np.broadcast_shapes(x.shape, y.shape), np.result_type(x.dtype, y.dtype)))
    for block, values in zip(blocks, (first, second), strict=True):
        arrays = [x for x in values if isinstance(x, Array)]
        with record_in(block):
            block.outputs = [
                broadcast(cast(x, dtype), shape).node for x, (shape, dtype) in zip(arrays, kinds, strict=True)
            ]
    results = make_many("cond", (condition,), kinds, regions=blocks)
    return _tree(structure, first, results)


def select(pred: Any, yes: Any, no: Any) -> Any:
    """Record a choice between trees that are both computed."""
    condition = Array(truth(pred))
    if condition.node.op == "constant":
        return yes if condition.node.value else no
    first, structure = flatten(yes)
    second, _ = flatten(no)
    return unflatten(
        structure,
        [x if x is y else functions.where(condition, strong(x), strong(y)) for x, y in zip(first, second, strict=True)],
    )


# ---------------------------------------------------------------- arithmetic of steps
def combine(y: Any, dt: Any, weights: Any, ks: Any) -> Array:
    """Record ``y + dt * sum(weights[i] * ks[i])``."""
    terms = zip(weights, ks, strict=False)
    kept = [(w, array(k)) for w, k in terms if not (isinstance(w, int | float) and w == 0.0)]
    if not kept:
        return array(y) if y is not None else functions.zeros_like(ks[0])
    start = [] if y is None else [array(y)]
    dtype = np.result_type(*(k.dtype for _, k in kept), *(x.dtype for x in start))
    # The time derivative of most right sides is known to be zero.
    kept = [(w, k) for w, k in kept if filled_with(k.node) != 0.0]
    if not kept:
        return cast(start[0] if start else functions.zeros_like(ks[0]), dtype)
    arrays = [cast(x, dtype) for x in (*(k for _, k in kept), *start)]
    real = real_dtype(dtype)
    shape = arrays[0].shape
    factors: Any = None
    scale: Any = None
    static = all(isinstance(w, int | float) for w, _ in kept)
    if isinstance(dt, int | float):
        if static:
            factors = tuple(float(w) * dt for w, _ in kept)
        else:
            scale = None if dt == 1.0 else _scalar(dt, real)
    else:
        scale = _scalar(dt, real)
    if static and factors is None:
        factors = tuple(float(w) for w, _ in kept)
    inputs: list[Node] = []
    if y is not None:
        inputs.append(arrays.pop().node)
    if scale is not None:
        inputs.append(scale)
    inputs += [x.node for x in arrays]
    if not static:
        inputs += [_scalar(w, real) for w, _ in kept]
    return Array(make("combine", tuple(inputs), shape, dtype, (y is not None, scale is not None, factors)))


def _scalar(x: Any, dtype: np.dtype) -> Node:
    return cast(array(x, dtype) if isinstance(x, int | float) else array(x), dtype).node


# ---------------------------------------------------------------- what functions return
def as_array(value: Any, like: Any, shape: tuple[int, ...], what: str) -> Array:
    """Make a recorded array with the dtype of `like` and the given shape; say what is wrong if that can't be."""
    listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object)
    if value is None or isinstance(value, str):
        raise InputError(what, f"returned {value!r} where numbers are needed.", "Did a return statement get lost?")
    home = type(value).__module__.split(".")[0]
    if home in ("torch", "jax", "jaxlib", "cupy"):
        raise InputError(
            what,
            f"returned an array of {home}, but y is one of numpy.",
            "Use operations of y's own library.",
        )
    try:
        if listed:
            value = functions.from_objects(_objects(value, shape, what))
        else:
            value = array(value)
    except TypeError as error:
        raise InputError(
            what, f"returned {value!r} where numbers are needed.", "Did a return statement get lost?"
        ) from error
    if value.dtype != like.dtype:
        value = _cast(value, like.dtype, what, listed or value.weak)
    if value.shape != shape:
        raise InputError(what, f"returned shape {value.shape} where {shape} is needed.")
    return value


def _objects(value: Any, shape: tuple[int, ...], what: str) -> Any:
    if isinstance(value, list | tuple) and (not shape or len(value) != shape[0]):
        raise InputError(what, f"returned {len(value)} components where shape {shape} is needed.")
    if isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, str) or item is None:
                raise InputError(
                    what, f"returned {item!r} where numbers are needed.", "Did a return statement get lost?"
                )
            found = getattr(item, "shape", shape[1:])
            if tuple(found) != shape[1:]:
                raise InputError(what, f"returned a component of shape {tuple(found)} where {shape[1:]} is needed.")
    return value


def _cast(value: Array, dtype: np.dtype, what: str, free: bool) -> Array:
    """Cast as the eager backend does: never complex to real, and between precisions only what says nothing of it."""
    if value.dtype.kind == "c" and dtype.kind != "c":
        if free:
            raise InputError(what, "returned complex values, but y is real.", "Give y0 a complex dtype.")
        raise InputError(what, f"returned {value.dtype}, but y is {dtype}.", "Give y0 a complex dtype.")
    if free or value.dtype.kind in "biu" or (value.dtype.kind == "f" and dtype.kind == "c"):
        return cast(value, dtype)
    raise InputError(what, f"returned {value.dtype}, but y is {dtype}.", "Give y0 and params one dtype.")


# ---------------------------------------------------------------- records
def buffer(capacity: int, example: Any) -> Any:
    """Record memory for rows like `example`."""
    leaves, structure = flatten(example)
    return unflatten(structure, [Buffer(new_rows(capacity, node_of(x))) for x in leaves])


def new_rows(capacity: int, like: Node) -> Node:
    """A buffer of the graph's."""
    graph = current().root
    assert isinstance(graph, Graph)
    node = Node("buffer", (), (capacity, len(graph.buffers)), (capacity, *like.shape), like.dtype, graph)
    graph.nodes.insert(0, node)
    graph.buffers.append(node)
    return node


def put(rows: Any, index: Any, value: Any, when: Any) -> Any:
    """Record the writing of a row."""
    condition, place = truth(when), cast(array(index), INT).node
    if condition.op == "constant" and not condition.value:
        return rows
    buffers, structure = flatten(rows)
    values, found = flatten(value)
    if found != structure:
        raise TypeError(f"a record of {structure} can't take {found}")
    for one, x in zip(buffers, values, strict=True):
        x = broadcast(cast(array(x), one.node.dtype), one.node.shape[1:])
        effect("put", (one.node, place, x.node, condition))
    return rows


def pick(table: Any, *index: Any) -> Any:
    """An entry, or a row, of a table; of memory as it is now."""
    if isinstance(table, Buffer):
        (place,) = index
        return Array(effect("fetch", (table.node, cast(array(place), INT).node), (), (), table.node.dtype))
    for i in index:
        table = array(table)
        if isinstance(i, Array) and table.node.op == "constant" and 0 < table.shape[0] <= FEW_ROWS:
            table = _of_few(table, i)
        else:
            table = table[i if isinstance(i, Array) else int(i)]
    return table


def _of_few(table: Array, index: Array) -> Array:
    """One of a few known rows: by choices, which wait neither for an address nor for memory."""
    found = table[table.shape[0] - 1]
    for i in reversed(range(table.shape[0] - 1)):
        found = functions.where(index <= i, table[i], found)
    return found


def memory(array_: Any, into: Any = None) -> Any:
    """Record memory that holds an array, and may be written to in place; memory stays what it is."""
    if isinstance(array_, Buffer):
        if into is None or into is array_:
            return array_
        array_ = whole(array_)
    value = array(array_)
    kept = Buffer(new_rows(value.shape[0], value[0].node)) if into is None else into
    effect("store", (kept.node, cast(value, kept.node.dtype).node))
    return kept


def whole(kept: Any) -> Any:
    """Record all that is in memory now; an array as it is."""
    if not isinstance(kept, Buffer):
        return kept
    return Array(effect("fetch_all", (kept.node,), (), kept.node.shape, kept.node.dtype))


def replaced(table: Any, index: Any, value: Any) -> Any:
    """A table with one entry replaced: memory in place."""
    if isinstance(table, Buffer):
        return put(table, index, value, True)
    changed = Array(array(table).node)
    changed[index if isinstance(index, Array) else int(index)] = value
    return changed


def real(x: Any) -> Any:
    return cast(x, REAL)
