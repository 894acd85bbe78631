"""Loops, branches, calls and effects."""

from __future__ import annotations

import heapq
from typing import Any

from .. import _kernels
from .._builder import llvm_type
from .._graph import Block, Node
from . import loops
from .lanes import Lanes, vector_type
from .loops import promise, write_any, write_for_good
from .slots import Slots, seen_through


def emit(e: Any, node: Node) -> None:
    """Write a node with regions, with several results or with an effect."""
    if node.op == "while":
        _while(e, node)
    elif node.op == "cond":
        _cond(e, node)
    elif node.op == "call":
        _call(e, node)
    elif node.op == "pointer_call":
        _pointer_call(e, node)
    elif node.op == "put":
        _put(e, node)
    elif node.op in ("store", "fetch", "fetch_all"):
        {"store": _store, "fetch": _fetch, "fetch_all": _fetch_all}[node.op](e, node)
    elif node.op in _kernels.KERNELS:
        loops.kernel(e, node)
    else:
        raise AssertionError(node.op)


def is_small(node: Node) -> bool:
    from .emitter import SMALL

    return node.size <= SMALL


def results_of(node: Node) -> dict[int, Node]:
    """The nodes of a node's results, by number."""
    found = {}
    nodes = node.block.nodes
    place = nodes.index(node) + 1
    while place < len(nodes) and nodes[place].op == "result" and nodes[place].inputs[0] is node:
        found[nodes[place].attrs[0]] = nodes[place]
        place += 1
    return found


def _parts(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


class Phis:
    """The registers of one small array where ways of the program meet."""

    def __init__(self, e: Any, node: Node):
        self.e, self.node, self.f = e, node, e.function
        self.wide = e.is_wide(node)
        self.type = vector_type(node) if self.wide else llvm_type(node.dtype)
        count, width = 1 if self.wide else node.size, 2 if node.dtype.kind == "c" else 1
        self.names: list[tuple[str, ...]] = [tuple(self.f.fresh("p") for _ in range(width)) for _ in range(count)]
        self.places = [[self.f.reserve() for _ in range(width)] for _ in range(count)]
        self.ways: list[tuple[str, list[Any]]] = []

    def come(self, label: str, values: Any) -> None:
        """Say what the values are for those who come from `label`."""
        self.ways.append((label, values))

    def close(self) -> list[Any]:
        for i, names in enumerate(self.names):
            for j, name in enumerate(names):
                ways = ", ".join(f"[ {_parts(values[i])[j]}, %{label} ]" for label, values in self.ways)
                self.f.fill(self.places[i][j], f"{name} = phi {self.type} {ways}")
        return self.values

    @property
    def values(self) -> Any:
        if self.wide:
            return Lanes(self.e, self.names[0][0], self.node)
        return [names[0] if len(names) == 1 else names for names in self.names]


def needs(e: Any, node: Node) -> list[Node]:
    """What is computed before a node with regions or several results, whichever way it goes."""
    if node.op == "while":
        return [x for i, x in enumerate(node.inputs) if e.live.carries(node, i)] + [*_outside(e, node.regions)]
    if node.op == "cond":
        return [node.inputs[0], *_both_ways(e, node)]
    return list(node.inputs)


# ---------------------------------------------------------------- while
def _while(e: Any, node: Node) -> None:
    f = e.function
    condition, body = node.regions
    results = results_of(node)
    carried = [i for i in range(len(node.inputs)) if e.live.carries(node, i)]
    around = e.find(("lender", node))
    if around is not None and not around.lends():
        around = None
    slots = Slots(e, node) if around is None else around.inner[node]
    slots.reserve(around)
    homes: dict[int, str] = {}
    first: dict[int, list[Any]] = {}
    for i in carried:
        x = node.inputs[i]
        if is_small(x):
            first[i] = e.scalars(x)
        elif i not in slots.which:
            homes[i] = e.memory(x)
            for block in node.regions:
                e.set_memory(block.params[i], homes[i])
        elif i not in slots.borrowed:
            write_any(e, x, slots.first[i])
    _bring(e, node)
    moving = [i for i in first if body.outputs[i] is not body.params[i]]
    incoming = {i: e.way(node.inputs[i]) for i in moving}
    # What the loop starts from is in its own memory by now.
    e.keep(("begun", node), True)
    e.memory_plan.collect()
    before, head, inside, done = f.label, f.new_label("while"), f.new_label("body"), f.new_label("end")
    f.branch(head)
    f.begin(head)
    phis = {i: Phis(e, body.params[i]) for i in moving}
    for i, phi in phis.items():
        phi.come(before, incoming[i])
    slots.begin()
    homes.update((i, slots.pointers[i]) for i in slots.which)
    with e.scope():
        for block in (condition, body):
            for i in carried:
                if i in homes:
                    e.set_memory(block.params[i], homes[i])
                else:
                    e.set_scalars(block.params[i], phis[i].values if i in phis else first[i])
        e.effects(condition)
        with e.scope():
            f.branch_if(e.scalar(condition.outputs[0]), inside, done)
        f.begin(inside)
        with e.scope():
            slots.place()
            e.effects(body)
            values = {i: e.way(body.outputs[i]) for i in phis}
            following = slots.exchange()
        for i, phi in phis.items():
            phi.come(f.label, values[i])
            phi.close()
        slots.close(before, f.label, following)
        f.branch(head)
    f.begin(done)
    for i, result in results.items():
        if i in homes:
            e.set_memory(result, homes[i])
        elif i in carried:
            e.set_scalars(result, phis[i].values if i in phis else first[i])
    if around is None:
        slots.give_back()
    else:
        around.returned(slots)


def _bring(e: Any, node: Node) -> None:
    """Compute what a loop reads from around it before the loop, not in every turn."""
    for x in _outside(e, node.regions):
        if x.op in ("constant", "iota"):
            continue
        if is_small(x):
            e.scalars(x)
        elif x.op not in ("broadcast",):
            e.memory(x)


def _outside(e: Any, regions: tuple[Block, ...]) -> list[Node]:
    """What regions read from around them, in the order of recording."""
    found = e.outside.get(regions)
    if found is None:
        seen: set[Node] = set()
        inner = set(regions)
        for region in regions:
            _outer_uses(e, region, inner, seen)
        found = sorted((x for x in seen if x.shape is not None and x.op != "buffer"), key=lambda x: x.number)
        e.outside[regions] = found
    return found


def _outer_uses(e: Any, block: Block, inner: set[Block], seen: set[Node]) -> None:
    for node in block.nodes:
        if node not in e.live.live:
            continue
        for x in node.inputs:
            # A loop inside may carry what nobody needs.
            if x.block not in inner and x.op != "while" and x in e.live.live:
                seen.add(x)
        for region in node.regions:
            inner.add(region)
            _outer_uses(e, region, inner, seen)
    for x in block.outputs:
        if x in e.live.live and x.block not in inner:
            seen.add(x)


# ---------------------------------------------------------------- cond
def _both_ways(e: Any, node: Node) -> list[Node]:
    """What both branches read and would compute twice; what only one of them reads is left to it."""
    from .emitter import FUSED

    ways: dict[Node, int] = {}
    heap: list[tuple[int, Node]] = []
    found = []

    def meet(x: Node, way: int) -> None:
        if x.shape is not None and not e.is_known(x):
            if x not in ways:
                heapq.heappush(heap, (-x.number, x))
            ways[x] = ways.get(x, 0) | way

    for region, way in zip(node.regions, (1, 2), strict=True):
        for x in _outside(e, (region,)):
            meet(x, way)
    while heap:
        # What is recorded last comes first: all that reads a node was here before it.
        x = heapq.heappop(heap)[1]
        if ways[x] == 3 and (is_small(x) or (x.op not in FUSED and x.op != "combine")):
            found.append(x)
        else:
            for behind in _behind(e, x):
                meet(behind, ways[x])
    return found[::-1]


def _behind(e: Any, x: Node) -> list[Node]:
    """What a node may read, on either way."""
    if x.op != "result":
        return list(x.inputs)
    (producer,) = x.inputs
    if producer.op == "while":
        return needs(e, producer)
    return [*producer.inputs, *_outside(e, producer.regions)]


def _cond(e: Any, node: Node) -> None:
    f = e.function
    results = {i: x for i, x in results_of(node).items() if x in e.live.live}
    yes, no = node.regions
    same = {i for i in results if yes.outputs[i] is no.outputs[i]}
    large = {i: x for i, x in results.items() if i not in same and not is_small(x)}
    small = [i for i, x in results.items() if i not in same and is_small(x)]
    for i in same:
        # Both ways give what was there before.
        x = yes.outputs[i]
        (e.scalars if is_small(x) else e.memory)(x)
    condition = e.scalar(node.inputs[0])
    there = {i: _there(e, x, yes.outputs[i], no.outputs[i]) for i, x in large.items()}
    rooms = {i: e.room(x) for i, x in large.items() if None in there[i]}
    labels = [f.new_label("yes"), f.new_label("no")]
    done = f.new_label("join")
    f.branch_if(condition, *labels)
    ways = []
    for way, (label, region) in enumerate(zip(labels, (yes, no), strict=True)):
        f.begin(label)
        with e.scope():
            new = [i for i in rooms if there[i][way] is None]
            for i in new:
                promise(e, region.outputs[i], rooms[i])
            e.effects(region)
            values = {i: e.way(region.outputs[i]) for i in small}
            for i in new:
                write_any(e, region.outputs[i], rooms[i])
        ways.append((f.label, values))
        f.branch(done)
    f.begin(done)
    phis = {i: Phis(e, results[i]) for i in small}
    for i, phi in phis.items():
        for label, values in ways:
            phi.come(label, values[i])
        e.set_scalars(results[i], phi.close())
    for i, x in large.items():
        pointers = [rooms[i] if known is None else known for known in there[i]]
        if pointers[0] != pointers[1]:
            comes = ", ".join(f"[ {pointer}, %{label} ]" for pointer, (label, _) in zip(pointers, ways, strict=True))
            name = f.emit(f"phi ptr {comes}")
            e.either[name] = (pointers[0], pointers[1])
            pointers[0] = name
        e.set_memory(x, pointers[0])
    for i in same:
        x = yes.outputs[i]
        if is_small(x):
            e.set_scalars(results[i], e.scalars(x))
        else:
            e.set_memory(results[i], e.memory(x))


def _there(e: Any, result: Node, yes: Node, no: Node) -> tuple[str | None, str | None]:
    """Where a large result lies on each way, if it lies somewhere before the ways part: it need not be copied then."""
    wanted = e.find(("room", result)) is not None  # somebody wants it there
    kept = e.find(("either", result))
    ways = zip((yes, no), kept or (not wanted, not wanted), strict=True)
    # What lies in slots is computed in any case.
    find = e.memory if kept else lambda x: e.find(("memory", x))
    places = [find(seen_through(x)) if may else None for x, may in ways]
    return places[0], places[1]


# ---------------------------------------------------------------- calls
def _call(e: Any, node: Node) -> None:
    graph, offset = node.attrs
    name, room = e.callee(graph)
    f = e.function
    arguments = []
    for x in node.inputs:
        if x.shape == () and x.dtype.kind != "c":
            arguments.append(f"{llvm_type(x.dtype)} {e.scalar(x)}")
        else:
            arguments.append(f"ptr {e.memory(x)}")
    results = results_of(node)
    pointers = []
    for i, out in enumerate(graph.outputs):
        pointers.append(e.room(results[i]) if i in results else e.bytes(out.size * out.dtype.itemsize))
        arguments.append(f"ptr {pointers[-1]}")
    arguments.append(f"ptr {e.data_table(offset)}")
    with e.scope():
        arguments.append(f"ptr {e.bytes(room) if room else 'null'}")
        f.void(f"call void @{name}({', '.join(arguments)})")
    for i, result in results.items():
        e.set_memory(result, pointers[i])


def _pointer_call(e: Any, node: Node) -> None:
    """Call ``f(t, y, dy, params)``: a function of C's, by its address."""
    f = e.function
    states, index = node.attrs
    address = f.emit(f"load ptr, ptr {e.data(index)}, align 8")
    (result,) = results_of(node).values()
    pointer = e.room(result)
    t, *arrays = node.inputs
    with e.scope():
        given = []
        for i, x in enumerate(arrays):
            # What it does to its state is nobody's concern, and literals can't be written to at all.
            if i < states or x.op == "constant":
                given.append(e.room(x))
                write_any(e, x, given[-1])
            else:
                given.append(e.memory(x))
        given.insert(states, pointer)
        arguments = ", ".join([f"double {e.scalar(t)}", *(f"ptr {p}" for p in given)])
        f.void(f"call void {address}({arguments})")
    e.set_memory(result, pointer)


def _store(e: Any, node: Node) -> None:
    """Write all rows of a buffer."""
    buffer, value = node.inputs
    with e.scope():
        write_any(e, value, e.buffer(buffer))


def _fetch(e: Any, node: Node) -> None:
    """Read a row of a buffer, a number, as it is now."""
    buffer, row = node.inputs
    at = e._clamp(e.scalar(row), buffer.attrs[0])
    e.set_scalars(node, [e.function.load(node.dtype, e.buffer(buffer), at)])


def _fetch_all(e: Any, node: Node) -> None:
    """Copy all rows of a buffer, as they are now."""
    (buffer,) = node.inputs
    pointer = e.room(node)
    e.copy(node.dtype, node.size, e.buffer(buffer), pointer)
    e.set_memory(node, pointer)


def _put(e: Any, node: Node) -> None:
    """Write a row of a buffer."""
    buffer, row, value, when = node.inputs
    f = e.function
    rows = buffer.attrs[0]
    condition = e.scalar(when)
    at = e.scalar(row)
    fits = f.emit(f"icmp ult i64 {at}, {rows}")
    test = fits if condition == "true" else f.emit(f"and i1 {condition}, {fits}")
    if not is_small(value):
        loops_ready = e.find(("memory", value))
        if loops_ready is None and e.live.uses[value] > 1:
            e.memory(value)
    else:
        e.scalars(value)
    with f.when(test), e.scope():
        start = f.emit(f"mul nsw i64 {at}, {value.size}")
        base = f.at("i8", e.buffer(buffer), f.emit(f"mul nsw i64 {start}, {value.dtype.itemsize}"))
        write_for_good(e, value, base)
