"""Recording what another graph computes: its nodes again, on other arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _graph
from ._graph import Block, Graph, Node


def inline(graph: Graph, args: Sequence[Node], offset: int | None = None, calls: bool = False) -> list[Node]:
    """Record a graph's nodes in the current block.

    Parameters
    ----------
    graph : Graph
        What to record; it is left as it is.
    args : sequence of Node
        What its parameters become.
    offset : int, optional
        The number that its first data array has in the current graph. Without it, its arrays become the current
        graph's.
    calls : bool
        Whether to record the graphs that it calls in place of the calls, too.

    Returns
    -------
    list of Node
        What its outputs become.
    """
    if len(args) != len(graph.params):
        raise ValueError(f"args: the graph takes {len(graph.params)} arguments, {len(args)} were given")
    if offset is None:
        offset = adopt(graph)
    replaced: dict[Node, Any] = dict(zip(graph.params, args, strict=True))
    copy_nodes(graph, replaced, offset, calls)
    return [replaced[node] for node in graph.outputs]


def adopt(graph: Graph) -> int:
    """Make a graph's data arrays the current graph's, and say where they start."""
    root = _graph.current().root
    if root is graph or not graph.data:
        return 0
    assert isinstance(root, Graph)
    count = len(graph.data)
    for start in range(len(root.data) - count + 1):
        if all(mine is its for mine, its in zip(root.data[start:], graph.data, strict=False)):
            return start
    root.data.extend(graph.data)
    return len(root.data) - count


def copy_nodes(block: Block, replaced: dict[Node, Any], offset: int = 0, calls: bool = False) -> None:
    """Record a block's nodes in the current one; `replaced` says what nodes became, and learns what these do.

    Nodes that `replaced` does not know are those of blocks around both: they stay.
    """
    for node in block.nodes:
        if node not in replaced:
            copy_node(node, replaced, offset, calls)


def copy_block(
    block: Block, kinds: Sequence[Node], replaced: dict[Node, Any], offset: int = 0, calls: bool = False
) -> Block:
    """A block like this one inside of the current one, with parameters like `kinds`."""
    copy = Block(_graph.current())
    within = dict(replaced)
    for old, kind in zip(block.params, kinds, strict=True):
        within[old] = copy.param(kind.shape, kind.dtype)
    with _graph.record_in(copy):
        copy_nodes(block, within, offset, calls)
    copy.outputs = [within.get(node, node) for node in block.outputs]
    return copy


def copy_node(node: Node, replaced: dict[Node, Any], offset: int, calls: bool) -> None:
    """Record one node in the current block, as `copy_nodes` does."""
    if node.op == "result":
        of = replaced.get(node.inputs[0], node.inputs[0])
        if isinstance(of, list):
            replaced[node] = of[node.attrs[0]]
        else:
            replaced[node] = _graph.make("result", (of,), node.shape, node.dtype, node.attrs)
        return
    inputs = tuple(replaced.get(x, x) for x in node.inputs)
    attrs = node.attrs
    if node.op in ("call", "pointer_call"):
        attrs = (attrs[0], attrs[1] + offset)
    if node.op == "data":
        replaced[node] = data(attrs[0] + offset, node.shape, node.dtype)
    elif node.op == "buffer":
        raise ValueError("a graph with buffers of its own can't be recorded within another")
    elif node.op in _graph.EFFECTS:
        replaced[node] = _graph.effect(node.op, inputs, attrs, node.shape, node.dtype)
    elif node.op == "call" and calls:
        replaced[node] = inline(attrs[0], inputs, attrs[1], calls)
    elif node.shape is None:
        regions = [copy_block(region, region.params, replaced, offset, calls) for region in node.regions]
        _graph.make_many(node.op, inputs, (), attrs, regions)
        replaced[node] = _graph.current().nodes[-1]
    else:
        replaced[node] = _graph.make(node.op, inputs, node.shape, node.dtype, attrs)


def data(index: int, shape: tuple[int, ...], dtype: np.dtype) -> Node:
    """The node of the current graph's data array of that number."""
    root = _graph.current().root
    if isinstance(root, Graph) and index < len(root.data):
        for array, node in root.known_data.values():
            if node.attrs == (index,) and array.shape == shape and array.dtype == dtype:
                return node
    key = ("data", (), shape, dtype, (index,))
    if key not in root.known:
        node = root.known[key] = Node("data", (), (index,), shape, dtype, root)
        root.nodes.insert(0, node)
    return root.known[key]
