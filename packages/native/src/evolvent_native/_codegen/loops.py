"""Large arrays: one loop for a whole expression, cut where pieces meet, so that its body has no branch."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from itertools import pairwise, product
from typing import Any

import numpy as np

from .. import _kernels
from .._builder import literal, memory_type
from .._graph import ELEMENTWISE, REDUCTIONS, Node, named
from .._scalar_code import apply
from .._simplify import filled_with
from .indices import ZERO, Axis, Flat, Index, Place, along, number, source_place

CHEAP = 4  # what an expression may cost that is computed twice rather than kept
BOXES = 64  # parts that a loop may be cut into
COSTLY = named(
    "exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh pow atan2 hypot "
    "div sqrt floordiv mod"
)


class NotFlat(Exception):
    """An expression whose arrays are not all walked through in one order."""


def write(e: Any, node: Node, pointer: str) -> None:
    """Compute a node's entries into memory at `pointer`."""
    if node.size == 0:
        return
    e.ready(node)
    op = node.op
    if op in REDUCTIONS:
        _reduce(e, node, pointer)
    elif op == "pack":
        for i, x in enumerate(node.inputs):
            e.function.store(node.dtype, e.scalar(x), pointer, i)
    elif op in ("scatter", "scatter_add"):
        _scatter(e, node, pointer)
    elif op == "update" and any(abs(step) != 1 for step in node.attrs[1]):
        _update(e, node, pointer)
    elif op == "result":
        e.copy(node.dtype, node.size, e.memory(node), pointer)
    elif op in _kernels.KERNELS:
        _kernel(e, node, [pointer], [node])
    else:
        _fill(e, node, pointer)


def _kernel(e: Any, node: Node, pointers: list[str], results: list[Node]) -> None:
    kinds, shapes = [x.dtype for x in node.inputs], [x.shape for x in node.inputs]
    inputs = [e.memory(x) for x in node.inputs]
    scratch = _kernels.scratch_bytes(node.op, node.attrs, kinds, shapes)
    with e.scope():
        _kernels.emit(
            e.function,
            node.op,
            node.attrs,
            kinds,
            shapes,
            inputs,
            [x.dtype for x in results],
            [x.shape for x in results],
            pointers,
            e.bytes(scratch) if scratch else "null",
        )


def kernel(e: Any, node: Node) -> None:
    """Write a kernel with several results."""
    results = [x for x in node.block.nodes if x.op == "result" and x.inputs[0] is node]
    pointers = [e.room(x) for x in results]
    _kernel(e, node, pointers, results)
    for x, pointer in zip(results, pointers, strict=True):
        e.set_memory(x, pointer)


# ---------------------------------------------------------------- expressions
def _fill(e: Any, node: Node, pointer: str) -> None:
    axis = Axis("", 0, node.size - 1)
    try:
        plan = Plan(e, node, Flat(along(axis)), beside=True)
    except NotFlat:
        axes = [Axis("", 0, n - 1) for n in node.shape]
        place = tuple(along(axis) if n > 1 else ZERO for axis, n in zip(axes, node.shape, strict=True))
        plan = Plan(e, node, place)
        if plan.parts(axes) > BOXES and plan.pieces:
            # Cuts across each other multiply: what is cut below the root goes to memory on its own.
            for inner in plan.pieces:
                e.memory(inner)
            plan = Plan(e, node, place)
        for box in plan.boxes(axes):
            _nest(e, node, pointer, box)
        return
    beside = {x: e.room(x) for x in reversed(plan.beside or ()) if e.find(("memory", x)) is None}
    with e.scope(), e.function.loop(0, node.size, parallel=True) as i:
        place = Flat(along(Axis(i, 0, node.size - 1)))
        for x, where in (*beside.items(), (node, pointer)):
            e.function.store(x.dtype, e.element(x, place), where, i)
    for x, where in beside.items():
        e.set_memory(x, where)


def _nest(e: Any, node: Node, pointer: str, box: tuple[tuple[int, int], ...]) -> None:
    """Loop over a box of a node's entries."""

    def inner(place: tuple[Index, ...]) -> None:
        e.function.store(node.dtype, e.element(node, place), pointer, e.address(node.shape, place))

    _over(e, box, (), inner, parallel=True)


def _over(e: Any, box: Any, place: tuple[Index, ...], inner: Any, *, parallel: bool = False) -> None:
    """Write the loops of a box, one inside the other; the turns of a parallel one don't touch each other's entries."""
    if not box:
        inner(place)
        return
    (low, high), rest = box[0], box[1:]
    if high - low == 1:
        _over(e, rest, (*place, number(low)), inner, parallel=parallel)
        return
    innermost = all(high - low == 1 for low, high in rest)
    with e.scope(), e.function.loop(low, high, parallel=parallel and innermost) as i:
        _over(e, rest, (*place, along(Axis(i, low, high - 1))), inner, parallel=parallel)


class Plan:
    """Decides for all nodes below one whether they are read from memory or computed in its loop, and where to cut.

    What is needed in memory is written at once, ahead of the loop; but what the loop computes anyway, at the place that
    it stands at, may go to memory beside the root.

    Attributes
    ----------
    beside : list of Node
        What does, from the last to the first; None where nothing may.
    """

    def __init__(self, e: Any, root: Node, place: Place, *, beside: bool = False):
        self.e, self.root, self.place = e, root, place
        self.beside: list[Node] | None = [] if beside else None
        self.pieces: list[Node] = []
        self._cost: dict[Node, int] = {}
        self.cuts: dict[Axis, set[int]] = {}
        places: dict[Node, set[Place]] = {root: {place}}
        edges: Counter[Node] = Counter()
        heap = [(-root.number, id(root), root)]
        while heap:
            node = heapq.heappop(heap)[2]
            if node is not root and self._settled(node, places[node], edges[node]):
                continue
            for at in places[node]:
                for x, source in self._inputs(node, at):
                    edges[x] += 1
                    if x not in places:
                        places[x] = set()
                        heapq.heappush(heap, (-x.number, id(x), x))
                    places[x].add(source)

    def _settled(self, node: Node, places: set[Place], edges: int) -> bool:
        """Whether a node is read from registers or memory; if need be it is brought there."""
        from .emitter import FUSED, SMALL, VIEWS

        e = self.e
        if e.find(("memory", node)) is not None:
            return True
        if node.size <= SMALL:
            if node.size == 1 or all(self.e._known_place(node, at) is not None for at in places):
                e.scalars(node)
            else:
                e.memory(node)
            return True
        if node.op == "constant" and e._known_place(node, next(iter(places))) is None:
            if filled_with(node) is None:
                e.memory(node)
            return True
        if node.op not in FUSED and node.op != "combine":
            e.memory(node)
            return True
        if node.op == "update" and any(abs(step) != 1 for step in node.attrs[1]):
            e.memory(node)
            return True
        if node.op in VIEWS or node.op in ("concat", "update"):
            return False  # what they show decides for itself
        outside = e.live.uses[node] > edges
        if (outside or len(places) > 1) and self.cost(node) > CHEAP:
            if self.beside is not None and places == {self.place}:
                self.beside.append(node)
                return False
            e.memory(node)
            return True
        return False

    def cost(self, node: Node) -> int:
        """Roughly what an entry costs to compute: operations, and reads from memory."""
        found = self._cost.get(node)
        if found is None:
            found = self._cost[node] = self._own_cost(node)
        return found

    def _own_cost(self, node: Node) -> int:
        from .emitter import FUSED, SMALL

        if node.size <= SMALL:
            return 0
        if (node.op not in FUSED and node.op != "combine") or self.e.find(("memory", node)) is not None:
            return 1
        own = 20 if node.op in COSTLY else 1 if node.op in ELEMENTWISE else 0
        if node.op == "combine":
            own = len(node.inputs)
        return min(own + sum(self.cost(x) for x in node.inputs), 1000)

    def _inputs(self, node: Node, at: Place) -> list[tuple[Node, Place]]:
        op = node.op
        if op in ELEMENTWISE:
            return [(x, at) for x in node.inputs]
        if op == "combine":
            return [(x, at if x.shape == node.shape else _scalar_place(x)) for x in node.inputs]
        if op == "gather":
            self.e.memory(node.inputs[0])
            return [(node.inputs[1], at)]
        if op in ("iota", "constant"):
            return []
        if isinstance(at, Flat):
            return self._flat(node, at)
        if op in ("concat", "update"):
            return self._pieces(node, at)
        (x,) = node.inputs
        source = source_place(op, node.attrs, x.shape, node.shape, at)
        if source is None:
            self.e.memory(x)
            return []
        if op == "broadcast" and self.cost(x) > CHEAP and x.size < node.size:
            self.e.memory(x)  # or it would be computed again along the new axes
        return [(x, source)]

    def _flat(self, node: Node, at: Flat) -> list[tuple[Node, Place]]:
        if node.op == "reshape":
            return [(node.inputs[0], at)]
        if node.op == "broadcast" and node.inputs[0].size == 1:
            return [(node.inputs[0], _scalar_place(node.inputs[0]))]
        raise NotFlat

    def _pieces(self, node: Node, at: tuple[Index, ...]) -> list[tuple[Node, Place]]:
        """The inputs of a concatenation or an update, each at its part of the loop."""
        if node is not self.root and node not in self.pieces:
            self.pieces.append(node)
        if node.op == "concat":
            (axis,) = node.attrs
            found, behind = [], 0
            for x in node.inputs:
                self._cut(at[axis], behind)
                moved = (*at[:axis], at[axis].strided(-behind, 1), *at[axis + 1 :])
                found.append((x, moved))
                behind += x.shape[axis]
            return found
        x, value = node.inputs
        starts, steps = node.attrs
        for index, start, step, n in zip(at, starts, steps, value.shape, strict=True):
            low = min(start, start + step * (n - 1))
            self._cut(index, low)
            self._cut(index, low + n)
        moved = tuple(i.strided(-start * step, step) for i, start, step in zip(at, starts, steps, strict=True))
        return [(x, at), (value, moved)]

    def _cut(self, index: Index, where: int) -> None:
        """Cut the axis of an index, so that the index is all below or all at and above `where` in each part."""
        if index.axis is None or not index.scale:
            return
        if index.scale > 0:
            cut = -((index.offset - where) // index.scale)
        else:
            # offset - |scale| i >= where  <=>  i <= (offset - where) / |scale|
            cut = (index.offset - where) // -index.scale + 1
        if index.axis.low < cut <= index.axis.high:
            self.cuts.setdefault(index.axis, set()).add(cut)

    def boxes(self, axes: list[Axis]) -> list[tuple[tuple[int, int], ...]]:
        """The parts of the loops, in row-major order."""
        sides = []
        for axis in axes:
            ends = [axis.low, *sorted(self.cuts.get(axis, ())), axis.high + 1]
            sides.append(list(pairwise(ends)))
        return list(product(*sides))

    def parts(self, axes: list[Axis]) -> int:
        """How many boxes there are."""
        return math.prod(len(self.cuts.get(axis, ())) + 1 for axis in axes)


def _scalar_place(x: Node) -> tuple[Index, ...]:
    return (ZERO,) * len(x.shape)


# ---------------------------------------------------------------- reductions
def _reduce(e: Any, node: Node, pointer: str) -> None:
    from .emitter import _EMPTY, _STEP

    (x,), (axes,) = node.inputs, node.attrs
    f, kind = e.function, node.dtype
    if x.size == 0:
        for i in range(node.size):
            f.store(kind, literal(_EMPTY[node.op], kind), pointer, i)
        return
    step = _STEP[node.op]

    def add(total: Any, entry: Any) -> None:
        entry = apply(f, "cast", kind, [entry], [x.dtype])
        if node.op == "sum" and kind.kind == "f":
            # Sums of many terms are taken in the vector unit's order.
            total.write(f.emit(f"fadd reassoc contract {memory_type(kind)} {total.read()}, {entry}"))
        else:
            total.write(apply(f, step, kind, [total.read(), entry], [kind, kind]))

    if node.size == 1 and _is_flat(e, x):
        total = f.variable(kind, _first(node, kind))
        with e.scope(), f.loop(0, x.size) as i:
            add(total, e.element(x, Flat(along(Axis(i, 0, x.size - 1)))))
        f.store(kind, total.read(), pointer)
        return
    kept = [i for i in range(len(x.shape)) if i not in axes]
    every = [Axis("", 0, n - 1) for n in x.shape]
    place = tuple(along(a) if n > 1 else ZERO for a, n in zip(every, x.shape, strict=True))
    plan = Plan(e, _above(x), place)
    if plan.parts(every) > BOXES:
        for inner in plan.pieces:
            e.memory(inner)
        plan = Plan(e, _above(x), place)
    parts: dict[Any, list[Any]] = {}  # of the loops over the results, those of the loops over terms
    for box in plan.boxes(every):
        parts.setdefault(tuple(box[i] for i in kept), []).append([box[i] for i in axes])

    def one(outer: tuple[Index, ...], terms: list[Any]) -> None:
        total = f.variable(kind, _first(node, kind))

        def inner(within: tuple[Index, ...]) -> None:
            place: list[Any] = [None] * len(x.shape)
            for i, index in zip(kept, outer, strict=True):
                place[i] = index
            for i, index in zip(axes, within, strict=True):
                place[i] = index
            add(total, e.element(x, tuple(place)))

        for box in terms:
            _over(e, box, (), inner)
        f.store(kind, total.read(), pointer, e.address(node.shape, outer))

    for outer_box, terms in parts.items():
        _over(e, outer_box, (), lambda outer, terms=terms: one(outer, terms))


def _first(node: Node, kind: np.dtype) -> Any:
    """What a running reduction starts from."""
    if node.op in ("sum", "prod", "all", "any"):
        return literal({"sum": 0, "prod": 1, "all": True, "any": False}[node.op], kind)
    if kind.kind == "f":
        return literal(-np.inf if node.op == "max" else np.inf, kind)
    if kind.kind == "b":
        return literal(node.op == "min", kind)
    info = np.iinfo(kind)
    return literal(info.min if node.op == "max" else info.max, kind)


def _is_flat(e: Any, x: Node) -> bool:
    try:
        Plan(e, _above(x), Flat(along(Axis("", 0, x.size - 1))))
    except NotFlat:
        return False
    return True


def _above(x: Node) -> Node:
    """A node above an expression that is the root of a loop, so that it is itself planned."""
    return Node("reshape", (x,), (), x.shape, x.dtype, x.block)


# ---------------------------------------------------------------- writes to places
def _scatter(e: Any, node: Node, pointer: str) -> None:
    from .emitter import SMALL

    x, i, v = node.inputs
    f, kind = e.function, node.dtype
    places = i.value.reshape(-1) if i.op == "constant" else None
    values = None if v.size > SMALL else e.scalars(v)
    target_places = e.memory(i) if places is None else None
    source_values = e.memory(v) if values is None else None
    _start_from(e, x, pointer)

    def put(at: Any, value: Any) -> None:
        if node.op == "scatter_add":
            value = apply(f, "add", kind, [f.load(kind, pointer, at), value], [kind, kind])
        f.store(kind, value, pointer, at)

    if places is not None and values is not None:
        for at, value in zip(places.tolist(), values, strict=True):
            put(at, value)
        return
    if values is not None:
        source_values = e.memory(v)
    if target_places is None:
        target_places = e.memory(i)
    with e.scope(), f.loop(0, v.size) as k:
        at = e._clamp(f.load(i.dtype, target_places, k), x.size)
        put(at, f.load(kind, source_values, k))


def _update(e: Any, node: Node, pointer: str) -> None:
    """Replace a slice with steps."""
    x, value = node.inputs
    starts, steps = node.attrs
    source = e.memory(value)
    _start_from(e, x, pointer)

    def inner(place: tuple[Index, ...]) -> None:
        there = tuple(i.strided(start, step) for i, start, step in zip(place, starts, steps, strict=True))
        entry = e.function.load(node.dtype, source, e.address(value.shape, place))
        e.function.store(node.dtype, entry, pointer, e.address(node.shape, there))

    _over(e, [(0, n) for n in value.shape], (), inner)


def _start_from(e: Any, x: Node, pointer: str) -> None:
    if e.find(("memory", x)) is not None:
        e.copy(x.dtype, x.size, e.memory(x), pointer)
    else:
        write_any(e, x, pointer)


def write_any(e: Any, node: Node, pointer: str) -> None:
    """Write a node to memory of somebody else's, whatever is known of it."""
    from .emitter import SMALL

    known = e.find(("memory", node))
    if known is not None:
        if known != pointer:
            e.copy(node.dtype, node.size, known, pointer)
    elif node.size <= SMALL:
        e.store_all(node, e.scalars(node), pointer)
    elif node.op in ("data", "constant", "result") or (node.op == "reshape"):
        source = e.memory(node)
        if source != pointer:
            e.copy(node.dtype, node.size, source, pointer)
    else:
        write(e, node, pointer)


def write_for_good(e: Any, node: Node, pointer: str) -> None:
    """Write a node to memory that stays as it is as long as the node is known: it need not be kept elsewhere."""
    promise(e, node, pointer)
    write_any(e, node, pointer)


def promise(e: Any, node: Node, pointer: str) -> None:
    """Say where a node is going to be written to."""
    if node.op == "result" and e.find(("memory", node)) is None:
        e.keep(("room", node), pointer)
