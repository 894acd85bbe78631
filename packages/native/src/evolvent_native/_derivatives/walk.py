"""The order in which nodes depend on each other, and which of them follow a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import _graph
from .._errors import StagingError
from .._graph import Block, Node
from .partials import STEPS


class NotDifferentiable(StagingError):
    """The derivative of what was recorded can't be recorded."""


def smooth(node: Node) -> bool:
    """Whether small changes of its inputs change it little, and its numbers can change little."""
    if node.op in STEPS:
        return False
    return node.dtype is None or node.dtype.kind in "fc"


def needs(node: Node) -> list[Node]:
    """The nodes that a node is computed from, those which its regions use included."""
    if not node.regions:
        return list(node.inputs)
    return [*node.inputs, *free(node.regions)]


def result(node: Node, i: int, shape: tuple[int, ...], dtype: Any) -> Node:
    """Result i of a node that has several."""
    for x in node.block.nodes:
        if x.op == "result" and x.inputs[0] is node and x.attrs[0] == i:
            return x
    return _graph.make("result", (node,), shape, dtype, (i,))


def free(regions: Iterable[Block]) -> list[Node]:
    """The nodes of blocks around that regions use."""
    found: dict[Node, None] = {}
    for region in regions:
        inside = {*region.nodes, *region.params}
        for node in region.nodes:
            found.update((x, None) for x in needs(node) if x not in inside)
        found.update((x, None) for x in region.outputs if x not in inside)
    return list(found)


def ordered(outputs: Iterable[Node], stop: Callable[[Node], bool]) -> list[Node]:
    """What outputs depend on, inputs first; not beyond nodes at which to stop."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(node, False) for node in outputs]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            if not stop(node):
                stack.append((node, True))
                stack.extend((x, False) for x in needs(node) if x not in seen)
    return order


def followers(nodes: Iterable[Node], moved: set[Node]) -> set[Node]:
    """Those among ordered nodes that follow changes of the moved ones, and these."""
    found = set(moved)
    for node in nodes:
        if node not in found and smooth(node) and any(x in found for x in needs(node)):
            found.add(node)
    return found


def loop_followers(node: Node, start: list[bool], moved: Callable[[Node], bool]) -> list[bool]:
    """Which of a loop's carries follow changes, given which initial ones do."""
    body = node.regions[1]
    around = {x for x in free([body]) if moved(x)}
    active = list(start)
    while True:
        found = followers(body.nodes, around | {p for p, on in zip(body.params, active, strict=True) if on})
        after = [on or (out in found) for on, out in zip(active, body.outputs, strict=True)]
        after = [on and p.dtype.kind in "fc" for on, p in zip(after, body.params, strict=True)]
        if after == active:
            return active
        active = after
