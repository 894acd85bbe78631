"""What a user's function computes, as a graph with a name that equal graphs share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optree

from ._array import Array, array, cast, require_known
from ._errors import StagingError, users_line
from ._graph import Block, Graph, Node, literals_seen, make_many, record_in
from ._inline import inline

NAMESPACE = "evolvent"
INLINED = 60  # entries computed by a function that is written out wherever it is called


class Rows(np.ndarray):
    """The memory of a record, which compiled code writes to in place."""


class Buffer:
    """A record inside of a graph: memory that rows are put into."""

    __slots__ = ("node",)

    def __init__(self, node: Node):
        self.node = node

    @property
    def shape(self) -> tuple[int, ...]:
        return self.node.shape


def flatten(tree: Any) -> tuple[list[Any], Any]:
    return optree.tree_flatten(tree, namespace=NAMESPACE)


def unflatten(structure: Any, leaves: Any) -> Any:
    return optree.tree_unflatten(structure, leaves)


def node_of(x: Any) -> Node:
    """The node of a leaf: a recorded array, a number or an array that is known."""
    return x.node if isinstance(x, Array) else array(x).node


def parameter(block: Block, leaf: Any) -> Array:
    """A parameter of a block for a leaf like this one."""
    weak = isinstance(leaf, bool | int | float | complex) and not isinstance(leaf, np.generic)
    if isinstance(leaf, Array):
        shape, dtype, weak = leaf.shape, leaf.dtype, leaf.weak
    else:
        known = np.asarray(leaf)
        shape, dtype = known.shape, known.dtype
        require_known(dtype)
    result = Array(block.param(shape, dtype), weak)
    result.writable = False
    return result


@dataclass
class Staged:
    """A function that was staged.

    Attributes
    ----------
    key : bytes
        Equal for graphs that compute the same, whatever the data arrays hold.
    structure
        Of what the function returns.
    """

    graph: Graph
    in_structure: Any
    structure: Any

    @cached_property
    def key(self) -> bytes:
        return digest(self.graph)

    @cached_property
    def inlined(self) -> bool:
        """Whether the function is written out wherever it is called."""
        return weight(self.graph) <= INLINED

    def computes_as(self, other: Staged) -> bool:
        """Whether the keys are equal: quicker than to make both."""
        return self.structure == other.structure and _same(self.graph, other.graph, {})

    @property
    def data(self) -> list[np.ndarray]:
        return self.graph.data

    def call(self, offset: int, *arguments: Any) -> Any:
        """Record a call of the function; its data arrays start at `offset`."""
        leaves, structure = flatten(arguments)
        if structure != self.in_structure:
            raise StagingError(
                f"the function was staged for arguments {self.in_structure}, and called with {structure}"
            )
        nodes = tuple(node_of(cast(array(x), param.dtype)) for x, param in zip(leaves, self.graph.params, strict=True))
        if self.inlined:
            results = inline(self.graph, nodes, offset)
        else:
            kinds = [(x.shape, x.dtype) for x in self.graph.outputs]
            results = make_many("call", nodes, kinds, (self.graph, offset))
        return unflatten(self.structure, [Array(x) for x in results])


def stage_function(function: Callable[..., Any], examples: tuple[Any, ...]) -> Staged:
    """Call a function once with recording arrays."""
    leaves, in_structure = flatten(examples)
    graph = Graph()
    with record_in(graph):
        arguments = unflatten(in_structure, [parameter(graph, leaf) for leaf in leaves])
        result, structure = flatten(function(*arguments))
        graph.outputs = [node_of(x) for x in result]
    return Staged(graph, in_structure, structure)


UNSTEADY = (
    "it does not compute the same when it is called again: does it draw random numbers, count its calls, look at the "
    "clock, or keep values for the next call? Draw and compute them before the solve, and pass them as params"
)


def unsteady(stage: Callable[[], Any]) -> str:
    """The line of a function that sees other numbers in each call, where one is found."""
    calls: list[list[tuple[bytes, str]]] = []
    for _ in range(2):
        found: list[tuple[bytes, str]] = []
        with literals_seen(lambda x, found=found: found.append((x.tobytes(), users_line()))):
            try:
                stage()
            except Exception:
                return ""
        calls.append(found)
    return next((where for (x, where), (y, _) in zip(*calls, strict=False) if x != y), "")


def weight(graph: Graph) -> int:
    """How much code a graph makes; what is cut into pieces or calls others is never small."""
    from ._codegen.liveness import Liveness

    if len(graph.nodes) > _MANY:
        return INLINED + 1
    total = 0
    for node in Liveness(graph).live:
        if node.shape is None or node.op in ("call", "pointer_call"):
            return INLINED + 1
        if node.op in _FREE:
            continue
        if node.size > 32:
            if node.op in ("concat", "update"):
                return INLINED + 1
            total += 2
        else:
            total += node.size
    return total


_MANY = 50 * INLINED  # nodes; what so many compute is not looked at
_FREE = frozenset({"param", "constant", "data", "broadcast", "reshape", "permute", "slice", "pack", "result"})


def digest(graph: Graph) -> bytes:
    """A name of what a graph computes."""
    names: dict[Node, int] = {}
    parts: list[Any] = []
    _describe(graph, names, parts)
    parts.append([(x.shape, x.dtype.str) for x in graph.data])
    return hashlib.blake2b(repr(parts).encode(), digest_size=32).digest()


def _describe(block: Block, names: dict[Node, int], parts: list[Any]) -> None:
    for node in block.params:
        names[node] = len(names)
        parts.append(("param", node.shape, node.dtype.str))
    for node in block.nodes:
        attrs = node.attrs
        if node.op == "call":
            attrs = (digest(attrs[0]), *attrs[1:])
        parts.append(
            (
                node.op,
                tuple(names[x] for x in node.inputs),
                attrs,
                node.shape,
                node.dtype.str if node.dtype is not None else None,
            )
        )
        names[node] = len(names)
        for region in node.regions:
            parts.append("(")
            _describe(region, names, parts)
            parts.append(")")
    parts.append(tuple(names[x] for x in block.outputs))


def _same(a: Graph | Block, b: Graph | Block, partner: dict[Node, Node]) -> bool:
    """Whether two blocks have equal descriptions; `partner` has the nodes of the first for those of the second."""
    if len(a.nodes) != len(b.nodes) or len(a.params) != len(b.params) or len(a.outputs) != len(b.outputs):
        return False
    if isinstance(a, Graph) and isinstance(b, Graph):
        kinds = [[(x.shape, x.dtype.str) for x in graph.data] for graph in (a, b)]
        if kinds[0] != kinds[1] or any(
            x is not y and x.tobytes() != y.tobytes() for x, y in zip(a.data, b.data, strict=True)
        ):
            return False
    for x, y in zip(a.params, b.params, strict=True):
        if x.shape != y.shape or x.dtype != y.dtype:
            return False
        partner[y] = x
    for x, y in zip(a.nodes, b.nodes, strict=True):
        if x.op != y.op or x.shape != y.shape or x.dtype != y.dtype or len(x.regions) != len(y.regions):
            return False
        if x.op == "call":
            if x.attrs[1:] != y.attrs[1:] or digest(x.attrs[0]) != digest(y.attrs[0]):
                return False
        elif x.attrs != y.attrs:
            return False
        if len(x.inputs) != len(y.inputs):
            return False
        for i, j in zip(x.inputs, y.inputs, strict=True):
            # What is no node of the graph was kept from another call.
            if partner.get(j) is not i:
                return False
        partner[y] = x
        for p, q in zip(x.regions, y.regions, strict=True):
            if not _same(p, q, partner):
                return False
    return all(partner.get(j) is i for i, j in zip(a.outputs, b.outputs, strict=True))
