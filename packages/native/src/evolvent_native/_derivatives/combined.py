"""The sums of a stepper's stages, written out: y + scale * sum(weights[i] * k[i])."""

from __future__ import annotations

from .. import _graph
from .._graph import Node
from .recording import add, broadcast, cast, mul


def written_out(node: Node) -> Node:
    """The same sum as products and sums, each a node."""
    with_y, with_scale, weights = node.attrs
    rest = list(node.inputs)
    y = rest.pop(0) if with_y else None
    scale = rest.pop(0) if with_scale else None
    if weights is None:
        half = len(rest) // 2
        rest, factors = rest[:half], rest[half:]
    else:
        factors = [_graph.constant(float(w)) for w in weights]
    terms = [_scaled(k, w, node) for k, w in zip(rest, factors, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = add(total, term)
    if scale is not None:
        total = _scaled(total, scale, node)
    return total if y is None else add(broadcast(cast(y, node.dtype), node.shape), total)


def _scaled(x: Node, factor: Node, node: Node) -> Node:
    return mul(broadcast(cast(factor, node.dtype), node.shape), broadcast(cast(x, node.dtype), node.shape))
