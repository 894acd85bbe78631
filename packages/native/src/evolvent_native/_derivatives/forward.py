"""Forward mode: how small changes go through the graph, one direction at a time or many at once.

The changes of many directions are arrays with one more axis, which leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _graph
from .._graph import Block, Node
from .._inline import copy_nodes, inline
from .combined import written_out
from .partials import has_partials, partial
from .recording import (
    add,
    broadcast,
    cast,
    concat,
    fill,
    gather,
    iota,
    join,
    mul,
    neg,
    pack,
    part,
    permute,
    reshape,
    sub,
    total,
    unary,
    where,
)
from .walk import NotDifferentiable, loop_followers, ordered, smooth
from .weights import exclusive_product, linear_recurrence, places_along, share_of_extremes


def jvp(outputs: Sequence[Node], inputs: Sequence[Node], tangents: Sequence[Node | None]) -> list[Node]:
    """Record how outputs change with inputs.

    Parameters
    ----------
    outputs, inputs : sequence of Node
        Nodes of the current block or of those around it.
    tangents : sequence of Node or None
        The change of each input; None is zero. All may have one more axis than the inputs, of several directions,
        which leads; then the results have it too.

    Returns
    -------
    list of Node
        The change of each output.

    Raises
    ------
    NotDifferentiable
        A foreign function lies between.
    """
    lead: tuple[int, ...] = ()
    for x, t in zip(inputs, tangents, strict=True):
        if t is not None:
            lead = t.shape[: len(t.shape) - len(x.shape)]
    forward = Forward(lead)
    forward.known.update(zip(inputs, tangents, strict=True))
    return forward.filled(outputs)


class Forward:
    """The changes of the nodes of a block, and of those around it.

    Attributes
    ----------
    lead : tuple of int
        The number of directions, or nothing.
    known : dict
        The change of each node; None is zero.
    """

    def __init__(self, lead: tuple[int, ...] = (), around: Forward | None = None):
        self.lead = lead
        self.around = around
        self.known: dict[Node, Any] = {}

    def is_known(self, node: Node) -> bool:
        return node in self.known or (self.around is not None and self.around.is_known(node))

    def of(self, node: Node) -> Any:
        """The change of a node, or None for zero."""
        if node not in self.known:
            if self.around is not None and self.around.is_known(node):
                return self.around.of(node)
            self.known[node] = self._change(node)
        return self.known[node]

    def follow(self, outputs: Sequence[Node]) -> list[Node | None]:
        """The changes of nodes whose inputs' are not known yet."""
        for node in ordered(outputs, self.is_known):
            # Factors are mostly used by solves alone, which need the change of the matrix only.
            if not (node.op == "result" and node.inputs[0].op == "lu"):
                self.of(node)
        return [self.of(node) for node in outputs]

    def filled(self, outputs: Sequence[Node]) -> list[Node]:
        """The same with zeros where nothing changes."""
        return [
            fill(0, (*self.lead, *node.shape), node.dtype) if change is None else change
            for node, change in zip(outputs, self.follow(outputs), strict=True)
        ]

    def _change(self, node: Node) -> Any:
        if not smooth(node):
            return None
        if node.op == "result":
            of = node.inputs[0]
            if of.op == "lu":
                from .linear import lu_change

                return lu_change(self, node)
            changes = self.of(of)
            return None if changes is None else changes[node.attrs[0]]
        if not node.regions and all(self.of(x) is None for x in node.inputs):
            return None
        if has_partials(node):
            return self._elementwise(node)
        rule = _RULES.get(node.op)
        if rule is None:
            raise NotDifferentiable(
                f"the derivative of {node.op} is not known; write the function without it, or give its derivative"
            )
        return rule(self, node)

    def _elementwise(self, node: Node) -> Node | None:
        change: Node | None = None
        for i, x in enumerate(node.inputs):
            t = self.of(x)
            factor = None if t is None else partial(node, i)
            if t is None or factor is None:
                continue
            if not isinstance(factor, int):
                t = self.times(t, factor)
            negative = isinstance(factor, int) and factor < 0
            if change is None:
                change = neg(t) if negative else t
            else:
                change = sub(change, t) if negative else add(change, t)
        return change

    # ------------------------------------------------------------ for the rules
    def shape(self, node: Node) -> tuple[int, ...]:
        """The shape of a node's change."""
        return (*self.lead, *node.shape)

    def times(self, t: Node, factor: Node) -> Node:
        """A change times an array without directions."""
        return mul(t, broadcast(factor, t.shape))

    def axes(self, axes: Sequence[int]) -> tuple[int, ...]:
        """Axes of a node as those of its change."""
        return tuple(a + len(self.lead) for a in axes)

    def or_zero(self, node: Node) -> Node:
        """The change, zeros if there is none."""
        t = self.of(node)
        return fill(0, self.shape(node), node.dtype) if t is None else t

    def places(self, i: Node, size: int) -> Node:
        """Flat positions in an array of that size as those in its changes."""
        if not self.lead:
            return i
        limit = fill(max(size - 1, 0), i.shape, i.dtype)
        i = _graph.make("minimum", (i, limit), i.shape, i.dtype)
        i = _graph.make("maximum", (i, fill(0, i.shape, i.dtype)), i.shape, i.dtype)
        (count,) = self.lead
        shape = (count, *i.shape)
        behind = mul(iota(count), fill(size, (count,), _graph.INT))
        return add(broadcast(i, shape), broadcast(reshape(behind, (count, *(1,) * len(i.shape))), shape))


def _linear_part(f: Forward, node: Node) -> Node:
    return part(node.op, f.of(node.inputs[0]))


def _conj(f: Forward, node: Node) -> Node:
    return unary("conj", f.of(node.inputs[0]))


def _complex(f: Forward, node: Node) -> Node:
    return join(f.or_zero(node.inputs[0]), f.or_zero(node.inputs[1]))


def _abs(f: Forward, node: Node) -> Node:
    """Of a complex number: the part of the change along it."""
    (x,) = node.inputs
    t = f.of(x)
    safe = where(_graph.make("eq", (node, fill(0, node.shape, node.dtype)), node.shape, _graph.BOOL), _one(node), node)
    re, im = (_graph.make("div", (part(p, x), safe), node.shape, node.dtype) for p in ("real", "imag"))
    return add(f.times(part("real", t), re), f.times(part("imag", t), im))


def _sign(f: Forward, node: Node) -> Node:
    """Of a complex number: the part of the change across it, by the distance from zero."""
    (x,) = node.inputs
    size = unary("abs", x, np.zeros((), x.dtype).real.dtype)
    zero = _graph.make("eq", (size, fill(0, size.shape, size.dtype)), size.shape, _graph.BOOL)
    inverse = where(
        zero, fill(0, size.shape, size.dtype), _graph.make("div", (_one(size), size), size.shape, size.dtype)
    )
    turned = f.times(f.of(x), unary("conj", node))
    across = f.times(part("imag", turned), inverse)
    return f.times(join(fill(0, across.shape, across.dtype), across), node)


def _one(x: Node) -> Node:
    return fill(1, x.shape, x.dtype)


def _where(f: Forward, node: Node) -> Node | None:
    pred, yes, no = node.inputs
    if f.of(yes) is None and f.of(no) is None:
        return None
    return where(pred, f.or_zero(yes), f.or_zero(no))


def _cast(f: Forward, node: Node) -> Node:
    t = f.of(node.inputs[0])
    if t.dtype.kind == "c" and node.dtype.kind != "c":
        t = part("real", t)
    return cast(t, node.dtype)


def _broadcast(f: Forward, node: Node) -> Node:
    (x,) = node.inputs
    ones = (1,) * (len(node.shape) - len(x.shape))
    return broadcast(reshape(f.of(x), (*f.lead, *ones, *x.shape)), f.shape(node))


def _reshape(f: Forward, node: Node) -> Node:
    return reshape(f.of(node.inputs[0]), f.shape(node))


def _permute(f: Forward, node: Node) -> Node:
    return permute(f.of(node.inputs[0]), (*range(len(f.lead)), *f.axes(node.attrs[0])))


def _places(f: Forward, attrs: tuple) -> tuple:
    starts, steps = attrs
    return ((0,) * len(f.lead) + starts, (1,) * len(f.lead) + steps)


def _slice(f: Forward, node: Node) -> Node:
    return _graph.make("slice", (f.of(node.inputs[0]),), f.shape(node), node.dtype, _places(f, node.attrs))


def _update(f: Forward, node: Node) -> Node:
    inputs = tuple(f.or_zero(x) for x in node.inputs)
    return _graph.make("update", inputs, f.shape(node), node.dtype, _places(f, node.attrs))


def _concat(f: Forward, node: Node) -> Node:
    return concat([f.or_zero(x) for x in node.inputs], node.attrs[0] + len(f.lead))


def _pack(f: Forward, node: Node) -> Node:
    changes = [f.or_zero(x) for x in node.inputs]
    if not f.lead:
        return pack(changes)
    return concat([reshape(t, (*f.lead, 1)) for t in changes], 1)


def _gather(f: Forward, node: Node) -> Node:
    x, i = node.inputs
    return gather(f.of(x), f.places(i, x.size))


def _scatter(f: Forward, node: Node) -> Node:
    x, i, v = node.inputs
    return _graph.make(node.op, (f.or_zero(x), f.places(i, x.size), f.or_zero(v)), f.shape(node), node.dtype)


def _sum(f: Forward, node: Node) -> Node:
    return total(f.of(node.inputs[0]), f.axes(node.attrs[0]))


def _extreme(f: Forward, node: Node) -> Node:
    return total(f.times(f.of(node.inputs[0]), share_of_extremes(node)), f.axes(node.attrs[0]))


def _prod(f: Forward, node: Node) -> Node:
    return total(f.times(f.of(node.inputs[0]), exclusive_product(node.inputs[0], node.attrs[0])), f.axes(node.attrs[0]))


def _cumsum(f: Forward, node: Node) -> Node:
    t = f.of(node.inputs[0])
    return _graph.make("cumsum", (t,), t.shape, t.dtype, f.axes(node.attrs))


def _cumprod(f: Forward, node: Node) -> Node:
    (x,), (axis,) = node.inputs, node.attrs
    t = f.of(x)
    if 0 in t.shape:
        return t
    return linear_recurrence(x, t, node, axis)


def _sort(f: Forward, node: Node) -> Node:
    (x,) = node.inputs
    return gather(f.of(x), f.places(places_along(node), x.size))


def _while(f: Forward, node: Node) -> list[Node | None] | None:
    condition, body = node.regions
    if any(x.op in _graph.EFFECTS for region in node.regions for x in region.nodes):
        raise NotDifferentiable("a loop that keeps records has no derivative; differentiate one without them")
    starts = [f.of(x) for x in node.inputs]
    active = loop_followers(node, [t is not None for t in starts], lambda x: f.of(x) is not None)
    if not any(active):
        return None
    moving = [x for x, on in zip(node.inputs, active, strict=True) if on]
    initial = (*node.inputs, *(f.or_zero(x) for x in moving))
    count = len(node.inputs)

    def params_of(block: Block) -> tuple[list[Node], list[Node]]:
        params = [block.param(x.shape, x.dtype) for x in initial]
        return params[:count], params[count:]

    new_condition, new_body = Block(_graph.current()), Block(_graph.current())
    params, _ = params_of(new_condition)
    replaced: dict[Node, Any] = dict(zip(condition.params, params, strict=True))
    with _graph.record_in(new_condition):
        copy_nodes(condition, replaced)
    new_condition.outputs = [replaced.get(x, x) for x in condition.outputs]

    params, changes = params_of(new_body)
    replaced = dict(zip(body.params, params, strict=True))
    within = Forward(f.lead, f)
    within.known.update((p, None) for p in params)
    within.known.update(zip([p for p, on in zip(params, active, strict=True) if on], changes, strict=True))
    with _graph.record_in(new_body):
        copy_nodes(body, replaced)
        outputs = [replaced.get(x, x) for x in body.outputs]
        new_body.outputs = outputs + within.filled([x for x, on in zip(outputs, active, strict=True) if on])
    kinds = [(x.shape, x.dtype) for x in initial]
    found = iter(_graph.make_many("while", initial, kinds, node.attrs, (new_condition, new_body))[count:])
    return [next(found) if on else None for on in active]


def _cond(f: Forward, node: Node) -> list[Node | None] | None:
    branches = []
    for region in node.regions:
        block = Block(_graph.current())
        replaced: dict[Node, Any] = {}
        within = Forward(f.lead, f)
        with _graph.record_in(block):
            copy_nodes(region, replaced)
            outputs = [replaced.get(x, x) for x in region.outputs]
            branches.append((block, outputs, within.follow(outputs)))
    active = [any(change is not None for change in changes) for changes in zip(*(b[2] for b in branches), strict=True)]
    if not any(active):
        return None
    for block, outputs, changes in branches:
        with _graph.record_in(block):
            block.outputs = [
                fill(0, f.shape(x), x.dtype) if t is None else t
                for x, t, on in zip(outputs, changes, active, strict=True)
                if on
            ]
    kinds = [(x.shape, x.dtype) for x in branches[0][0].outputs]
    found = iter(_graph.make_many("cond", node.inputs, kinds, node.attrs, [b[0] for b in branches]))
    return [next(found) if on else None for on in active]


def _combine(f: Forward, node: Node) -> Node | None:
    return f.follow([written_out(node)])[0]


def _call(f: Forward, node: Node) -> list[Node | None]:
    graph, offset = node.attrs
    return f.follow(inline(graph, node.inputs, offset))


_RULES: dict[str, Any] = {
    "real": _linear_part,
    "imag": _linear_part,
    "conj": _conj,
    "complex": _complex,
    "abs": _abs,
    "sign": _sign,
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
    "scatter_add": _scatter,
    "sum": _sum,
    "max": _extreme,
    "min": _extreme,
    "prod": _prod,
    "cumsum": _cumsum,
    "cumprod": _cumprod,
    "sort": _sort,
    "combine": _combine,
    "while": _while,
    "cond": _cond,
    "call": _call,
}


def _install() -> None:
    from . import linear

    _RULES.update(linear.RULES)


_install()
