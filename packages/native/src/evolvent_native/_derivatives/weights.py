"""What the entries of a reduction's or a scan's input count for its result."""

from __future__ import annotations

import numpy as np

from .. import _graph
from .._graph import Node
from .recording import (
    add,
    binary,
    broadcast,
    cast,
    concat,
    div,
    fill,
    flip,
    like,
    mul,
    permute,
    reshape,
    running,
    spread,
    stretch,
    total,
)


def share_of_extremes(node: Node) -> Node:
    """One over the number of extreme entries, at each of them; zero elsewhere."""
    (x,), (axes,) = node.inputs, node.attrs
    there = cast(binary("eq", x, spread(node, axes, x.shape)), x.dtype)
    return div(there, spread(total(there, axes), axes, x.shape))


def exclusive_product(x: Node, axes: tuple[int, ...]) -> Node:
    """For each entry the product of the others."""
    if not axes or 0 in x.shape:
        return like(1, x)
    kept = [a for a in range(len(x.shape)) if a not in axes]
    order = (*kept, *axes)
    moved = permute(x, order)
    row = reshape(moved, (*(x.shape[a] for a in kept), int(np.prod([x.shape[a] for a in axes]))))
    axis = len(kept)
    product = mul(_before(row, axis), flip(_before(flip(row, axis), axis), axis))
    return permute(reshape(product, moved.shape), [int(a) for a in np.argsort(order)])


def _before(x: Node, axis: int) -> Node:
    """The running product without the entry itself."""
    return shifted(running("cumprod", x, axis), 1, axis, 1)


def shifted(x: Node, by: int, axis: int, first: float) -> Node:
    """Entries moved up along an axis, with a number before them."""
    shape = (*x.shape[:axis], by, *x.shape[axis + 1 :])
    return concat([fill(first, shape, x.dtype), stretch(x, axis, 0, x.shape[axis] - by)], axis)


def linear_recurrence(x: Node, t: Node, products: Node, axis: int) -> Node:
    """The change d[k] = x[k] d[k-1] + t[k] products[k-1] of running products, in log2(n) sweeps."""
    behind = len(t.shape) - len(x.shape)
    change = mul(t, broadcast(shifted(products, 1, axis, 1), t.shape))
    by, count = 1, x.shape[axis]
    while by < count:
        change = add(change, mul(broadcast(x, t.shape), shifted(change, by, axis + behind, 0)))
        x = mul(x, shifted(x, by, axis, 1))
        by *= 2
    return change


def places_along(node: Node) -> Node:
    """The flat positions in its input of a sorted array's entries."""
    (x,), (axis, descending) = node.inputs, node.attrs
    rank = _graph.make("argsort", (x,), x.shape, _graph.INT, (axis, descending))
    if x.size == 0:
        return rank
    stride = int(np.prod(x.shape[axis + 1 :]))
    others = np.arange(x.size).reshape(x.shape)
    others = others - others // stride % x.shape[axis] * stride
    place = broadcast(_graph.constant(others.take([0], axis)), x.shape)
    return add(place, mul(rank, fill(stride, x.shape, _graph.INT)))
