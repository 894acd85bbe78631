"""Reverse mode: how a number follows everything that it was computed from.

Cotangents of complex numbers pair without conjugation: the change of the result is the real part of the sum of
cotangent times change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _graph
from .._graph import Block, Node
from .._inline import copy_nodes, inline
from .combined import written_out
from .forward import Forward
from .linear import is_factors
from .partials import has_partials, partial
from .recording import (
    add,
    cast,
    div,
    entry,
    fill,
    flip,
    gather,
    join,
    like,
    lu_solve,
    matmul,
    mul,
    neg,
    pack,
    part,
    permute,
    reshape,
    scatter_add,
    spread,
    stretch,
    total,
    transpose,
    triangle,
    triangular_solve,
    unary,
    where,
)
from .walk import NotDifferentiable, followers, free, ordered, result
from .weights import exclusive_product, places_along, share_of_extremes

IN_REGISTERS = 32  # entries of arrays whose pieces are put together one by one


def vjp(outputs: Sequence[Node], inputs: Sequence[Node], cotangents: Sequence[Node | None]) -> list[Node]:
    """Record how the sum of outputs times cotangents follows the inputs.

    Parameters
    ----------
    outputs, inputs : sequence of Node
        Nodes of the current block or of those around it.
    cotangents : sequence of Node or None
        What each output counts, an array like it; None is zero.

    Returns
    -------
    list of Node
        What each input counts.

    Raises
    ------
    NotDifferentiable
        A loop or a foreign function lies between.
    """
    return _counts(Reverse(outputs, inputs), outputs, inputs, cotangents)


def _counts(reverse: Reverse, outputs, inputs, cotangents) -> list[Node]:
    for node, ct in zip(outputs, cotangents, strict=True):
        if ct is not None:
            reverse.give(node, ct)
    reverse.run()
    found = {x: reverse.taken(x) for x in dict.fromkeys(inputs)}
    return [found[x] or like(0, x) for x in inputs]


class Reverse:
    """What the nodes between inputs and outputs count."""

    def __init__(self, outputs: Sequence[Node], inputs: Sequence[Node], stop: Callable[[Node], bool] | None = None):
        ends = set(inputs)
        self.order = ordered(outputs, lambda x: x in ends or (stop is not None and stop(x)))
        self.active = followers(self.order, {x for x in inputs if x.dtype.kind in "fc"})
        self.whole: dict[Node, Node] = {}
        self.pieces: dict[Node, list[tuple[np.ndarray, Node]]] = {}

    def give(self, node: Node, ct: Node | None) -> None:
        """Add to what a node counts."""
        if ct is not None and node in self.active:
            known = self.whole.get(node)
            self.whole[node] = ct if known is None else add(known, ct)

    def give_piece(self, node: Node, places: np.ndarray, ct: Node) -> None:
        """Add to what the entries at some flat positions, all different, count."""
        if node in self.active:
            self.pieces.setdefault(node, []).append((places.reshape(-1), ct))

    def taken(self, node: Node) -> Node | None:
        """What a node counts, once everything that uses it has given its part."""
        whole, pieces = self.whole.pop(node, None), self.pieces.pop(node, None)
        return whole if pieces is None else _together(node, whole, pieces)

    def run(self) -> None:
        results: dict[Node, dict[int, Node]] = {}
        for node in reversed(self.order):
            if node not in self.active:
                continue
            if node.shape is None:
                if node in results:
                    _several(self, node, results.pop(node))
                continue
            ct = self.taken(node)
            if ct is None:
                continue
            if node.op == "result":
                results.setdefault(node.inputs[0], {})[node.attrs[0]] = ct
            elif has_partials(node):
                self._elementwise(node, ct)
            elif node.op in _RULES:
                _RULES[node.op](self, node, ct)
            else:
                self.transposed(node, {0: ct})

    def _elementwise(self, node: Node, ct: Node) -> None:
        for i, x in enumerate(node.inputs):
            if x in self.active:
                factor = partial(node, i)
                if isinstance(factor, int):
                    self.give(x, ct if factor > 0 else neg(ct))
                elif factor is not None:
                    self.give(x, mul(ct, factor))

    def through(self, node: Node, outputs: list[Node], cts: list[Node]) -> None:
        """By the same, recorded in other words."""
        inputs = list(dict.fromkeys(x for x in node.inputs if x in self.active))
        inner = Reverse(outputs, inputs, set(node.inputs).__contains__)
        for x, count in zip(inputs, _counts(inner, outputs, inputs, cts), strict=True):
            self.give(x, count)

    def transposed(self, node: Node, cts: dict[int, Node]) -> None:
        """By the forward rule, which is linear in the changes, read backwards."""
        block = _graph.current()
        mark = len(block.nodes)
        moving = list(dict.fromkeys(x for x in node.inputs if x in self.active))
        changes = [Node("param", (), (("change", i),), x.shape, x.dtype, block) for i, x in enumerate(moving)]
        forward = Forward()
        forward.known.update((x, None) for x in node.inputs)
        forward.known.update(zip(moving, changes, strict=True))
        ends = [node] if node.shape is not None else [result(node, i, ct.shape, ct.dtype) for i, ct in cts.items()]
        found, given = [forward.of(x) for x in ends], list(cts.values())
        pairs = [(t, ct) for t, ct in zip(found, given, strict=True) if t is not None]
        found, given = [t for t, _ in pairs], [ct for _, ct in pairs]
        new = set(block.nodes[mark:])
        cotangents = _counts(Reverse(found, changes, lambda x: x not in new), found, changes, given)
        _forget(block, mark, changes)
        for x, ct in zip(moving, cotangents, strict=True):
            self.give(x, ct)


def _forget(block: Block, mark: int, changes: list[Node]) -> None:
    """Drop what was recorded on changes that nobody gives."""
    imagined = set(changes)
    for node in block.nodes[mark:]:
        if any(x in imagined for x in node.inputs):
            imagined.add(node)
    block.nodes[mark:] = [node for node in block.nodes[mark:] if node not in imagined]
    block.known = {key: node for key, node in block.known.items() if node not in imagined}


def _together(node: Node, whole: Node | None, pieces: list[tuple[np.ndarray, Node]]) -> Node:
    """The sum of what the pieces of an array count."""
    count = sum(len(places) for places, _ in pieces)
    if node.size <= IN_REGISTERS and count <= IN_REGISTERS:
        sums: list[Any] = [None if whole is None else entry(whole, k) for k in range(node.size)]
        for places, ct in pieces:
            for number, k in enumerate(places):
                x = entry(ct, number)
                sums[k] = x if sums[k] is None else add(sums[k], x)
        zero = _graph.constant(0, node.dtype)
        return reshape(pack([zero if x is None else x for x in sums]), node.shape)
    whole = like(0, node) if whole is None else whole
    if all(len(places) == 1 for places, _ in pieces):
        values = pack([reshape(ct, ()) for _, ct in pieces])
        return scatter_add(whole, _graph.constant(np.concatenate([places for places, _ in pieces])), values)
    for places, ct in pieces:
        whole = scatter_add(whole, _graph.constant(places), reshape(ct, (len(places),)))
    return whole


# ---------------------------------------------------------------- one result
def _real(r: Reverse, node: Node, ct: Node) -> None:
    r.give(node.inputs[0], join(ct, like(0, ct)))


def _imag(r: Reverse, node: Node, ct: Node) -> None:
    r.give(node.inputs[0], join(like(0, ct), neg(ct)))


def _conj(r: Reverse, node: Node, ct: Node) -> None:
    r.give(node.inputs[0], unary("conj", ct))


def _complex(r: Reverse, node: Node, ct: Node) -> None:
    re, im = node.inputs
    r.give(re, part("real", ct))
    r.give(im, neg(part("imag", ct)))


def _where(r: Reverse, node: Node, ct: Node) -> None:
    pred, yes, no = node.inputs
    zero = like(0, ct)
    if yes in r.active:
        r.give(yes, where(pred, ct, zero))
    if no in r.active:
        r.give(no, where(pred, zero, ct))


def _cast(r: Reverse, node: Node, ct: Node) -> None:
    (x,) = node.inputs
    if ct.dtype.kind == "c" and x.dtype.kind != "c":
        ct = part("real", ct)
    r.give(x, cast(ct, x.dtype))


def _broadcast(r: Reverse, node: Node, ct: Node) -> None:
    (x,) = node.inputs
    new = len(node.shape) - len(x.shape)
    axes = [a for a, n in enumerate(node.shape) if a < new or (x.shape[a - new] == 1 and n != 1)]
    r.give(x, reshape(total(ct, axes), x.shape))


def _reshape(r: Reverse, node: Node, ct: Node) -> None:
    r.give(node.inputs[0], reshape(ct, node.inputs[0].shape))


def _permute(r: Reverse, node: Node, ct: Node) -> None:
    r.give(node.inputs[0], permute(ct, [int(a) for a in np.argsort(node.attrs[0])]))


def _cut_places(x: Node, attrs: tuple, shape: tuple[int, ...]) -> np.ndarray:
    places = np.zeros(shape, np.int64)
    stride = x.size
    for axis, (start, step, n) in enumerate(zip(*attrs, shape, strict=True)):
        stride //= max(x.shape[axis], 1)
        along = (start + step * np.arange(n)) * stride
        places += along.reshape((-1,) + (1,) * (len(shape) - axis - 1))
    return places


def _slice(r: Reverse, node: Node, ct: Node) -> None:
    (x,) = node.inputs
    if node.size == 1:
        r.give_piece(x, _cut_places(x, node.attrs, node.shape), ct)
    elif node.size:
        r.give(x, _graph.make("update", (like(0, x), ct), x.shape, x.dtype, node.attrs))


def _update(r: Reverse, node: Node, ct: Node) -> None:
    x, value = node.inputs
    if x in r.active:
        r.give(x, _graph.make("update", (ct, like(0, value)), x.shape, x.dtype, node.attrs))
    if value in r.active:
        r.give(value, _graph.make("slice", (ct,), value.shape, value.dtype, node.attrs))


def _concat(r: Reverse, node: Node, ct: Node) -> None:
    (axis,) = node.attrs
    at = 0
    for x in node.inputs:
        r.give(x, stretch(ct, axis, at, at + x.shape[axis]) if x in r.active else None)
        at += x.shape[axis]


def _pack(r: Reverse, node: Node, ct: Node) -> None:
    for k, x in enumerate(node.inputs):
        if x in r.active:
            r.give(x, entry(ct, k))


def _gather(r: Reverse, node: Node, ct: Node) -> None:
    x, i = node.inputs
    low, high = fill(0, i.shape, i.dtype), fill(max(x.size - 1, 0), i.shape, i.dtype)
    i = _graph.make("maximum", (i, low), i.shape, i.dtype)
    i = _graph.make("minimum", (i, high), i.shape, i.dtype)
    r.give(x, scatter_add(like(0, x), i, ct))


def _scatter(r: Reverse, node: Node, ct: Node) -> None:
    x, i, v = node.inputs
    r.give(x, _graph.make("scatter", (ct, i, like(0, v)), x.shape, x.dtype))
    if v in r.active:
        # Of several values for one position, the last counts.
        number = reshape(_graph.make("iota", (), (i.size,), _graph.INT), i.shape)
        winner = _graph.make("scatter", (fill(0, x.shape, _graph.INT), i, number), x.shape, _graph.INT)
        wins = _graph.make("eq", (gather(winner, i), number), i.shape, _graph.BOOL)
        r.give(v, where(wins, gather(ct, i), like(0, v)))


def _scatter_add(r: Reverse, node: Node, ct: Node) -> None:
    x, i, v = node.inputs
    r.give(x, ct)
    r.give(v, gather(ct, i) if v in r.active else None)


def _sum(r: Reverse, node: Node, ct: Node) -> None:
    r.give(node.inputs[0], spread(ct, node.attrs[0], node.inputs[0].shape))


def _extreme(r: Reverse, node: Node, ct: Node) -> None:
    (x,) = node.inputs
    r.give(x, mul(spread(ct, node.attrs[0], x.shape), share_of_extremes(node)))


def _prod(r: Reverse, node: Node, ct: Node) -> None:
    (x,), (axes,) = node.inputs, node.attrs
    r.give(x, mul(spread(ct, axes, x.shape), exclusive_product(x, axes)))


def _cumsum(r: Reverse, node: Node, ct: Node) -> None:
    (axis,) = node.attrs
    back = flip(ct, axis)
    r.give(node.inputs[0], flip(_graph.make("cumsum", (back,), back.shape, back.dtype, (axis,)), axis))


def _sort(r: Reverse, node: Node, ct: Node) -> None:
    r.give(node.inputs[0], scatter_add(like(0, node), places_along(node), ct))


def _abs(r: Reverse, node: Node, ct: Node) -> None:
    """Of a complex number."""
    (x,) = node.inputs
    zero = _graph.make("eq", (node, like(0, node)), node.shape, _graph.BOOL)
    scaled = div(ct, where(zero, like(1, node), node))
    r.give(x, join(mul(scaled, part("real", x)), neg(mul(scaled, part("imag", x)))))


def _combine(r: Reverse, node: Node, ct: Node) -> None:
    r.through(node, [written_out(node)], [ct])


def _matmul(r: Reverse, node: Node, ct: Node) -> None:
    a, b = node.inputs
    if a in r.active:
        r.give(a, matmul(ct, transpose(b)))
    if b in r.active:
        r.give(b, matmul(transpose(a), ct))


def _lu_solve(r: Reverse, node: Node, ct: Node) -> None:
    factors, exchanges, b = node.inputs
    (transposed,) = node.attrs
    known = is_factors(factors) and factors.inputs[0].inputs[0] in r.active
    if factors in r.active and not known:
        r.transposed(node, {0: ct})
        return
    back = lu_solve(factors, exchanges, ct, not transposed)
    r.give(b, back)
    if known:
        matrix = factors.inputs[0].inputs[0]
        pair = (node, back) if transposed else (back, node)
        r.give(matrix, neg(matmul(pair[0], transpose(pair[1]))))


def _triangular_solve(r: Reverse, node: Node, ct: Node) -> None:
    a, b = node.inputs
    lower, unit, transposed = node.attrs
    back = triangular_solve(a, ct, lower, unit, not transposed)
    r.give(b, back)
    if a in r.active:
        pair = (node, back) if transposed else (back, node)
        r.give(a, neg(triangle(matmul(pair[0], transpose(pair[1])), lower, not unit)))


# ---------------------------------------------------------------- several results
def _several(r: Reverse, node: Node, cts: dict[int, Node]) -> None:
    if node.op == "cond":
        _cond(r, node, cts)
    elif node.op == "call":
        graph, offset = node.attrs
        outputs = inline(graph, node.inputs, offset)
        r.through(node, [outputs[i] for i in cts], list(cts.values()))
    elif node.op == "while":
        raise NotDifferentiable(
            "reverse mode can't go back through a loop, whose steps it would have to remember; use forward mode "
            "(jvp), or write a loop over a fixed number of steps as a Python loop"
        )
    elif node.op in ("lu", "qr"):
        r.transposed(node, cts)
    else:
        raise NotDifferentiable(
            f"the derivative of {node.op} is not known; write the function without it, or give its derivative"
        )


def _cond(r: Reverse, node: Node, cts: dict[int, Node]) -> None:
    around = [x for x in free(node.regions) if x in r.active and x.shape is not None]
    blocks = []
    for region in node.regions:
        block = Block(_graph.current())
        replaced: dict[Node, Any] = {}
        with _graph.record_in(block):
            copy_nodes(region, replaced)
            outputs = [replaced.get(x, x) for x in region.outputs]
            block.outputs = vjp([outputs[i] for i in cts], around, list(cts.values()))
        blocks.append(block)
    found = _graph.make_many("cond", node.inputs, [(x.shape, x.dtype) for x in around], node.attrs, blocks)
    for x, ct in zip(around, found, strict=True):
        r.give(x, ct)


_RULES: dict[str, Any] = {
    "real": _real,
    "imag": _imag,
    "conj": _conj,
    "complex": _complex,
    "where": _where,
    "cast": _cast,
    "broadcast": _broadcast,
    "reshape": _reshape,
    "permute": _permute,
    "slice": _slice,
    "update": _update,
    "concat": _concat,
    "pack": _pack,
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter_add,
    "sum": _sum,
    "max": _extreme,
    "min": _extreme,
    "prod": _prod,
    "cumsum": _cumsum,
    "sort": _sort,
    "abs": _abs,
    "combine": _combine,
    "matmul": _matmul,
    "lu_solve": _lu_solve,
    "triangular_solve": _triangular_solve,
}
