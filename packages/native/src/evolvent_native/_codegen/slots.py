"""Large arrays that a loop changes: new values are written beside the old ones, and then pointers are exchanged.

A value that is carried from turn to turn lives in a slot. What a turn computes for the next one is written to a slot
that no carried value lives in, so that nothing is read after it was written over and nothing is copied. Where the new
value is a choice between arrays, by a truth value of the whole array, the choice is between their slots. So it is where
a branch gives back a carried array as it is, and a new one on its other way.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from .._graph import Node

DECISIONS = 4  # truth values that slots may depend on: each doubles the ways that slots can be exchanged


@dataclass(frozen=True)
class _Copy:
    """What a carried array becomes, if it is a copy of its own."""

    place: int


class Slots:
    """The slots of one loop.

    A loop inside of it that goes on with a carried array, which nothing else reads, and gives back the next one is lent
    the array's slot, and slots for its own new values: pointers go through both loops.

    Attributes
    ----------
    which : list of int
        The places in the carry of the arrays that are large and change.
    sizes : dict
        The bytes of each slot: of a carried array, by its place, of a new node, or of what a loop inside needs besides.
    """

    def __init__(self, e: Any, loop: Node):
        self.e, self.f, self.loop = e, e.function, loop
        self.body = loop.regions[1]
        self.which = changing(e, loop)
        self.decisions: list[Node] = []
        self.lent: dict[Node, dict[int, int]] = {}
        # New on one way of a branch, and on the other a carried array: which of the ways.
        self.either: dict[Node, tuple[bool, ...]] = {}
        # The longest first: there are only so many decisions.
        by_length = sorted(self.which, key=lambda i: -_bytes(self.body.params[i]))
        self.choices = {i: self._choice(self.body.outputs[i]) for i in by_length}
        self.copies = self._same_twice()
        self.new: list[Node] = sorted({x for i in self.which for x in _new(self.choices[i])}, key=lambda x: x.number)
        self.inner = {x: Slots(e, x) for x in self.lent}
        self.sizes: dict[Any, int] = {i: _bytes(self.body.params[i]) for i in self.which}
        self.sizes.update((x, _bytes(x)) for x in self.new)
        self.sizes.update((self.choices[i], self.sizes[i]) for i in self.copies)
        for x, slots in self.inner.items():
            self.sizes.update(((x, key), size) for key, size in slots.sizes.items() if key not in self.lent[x])
        self.first: dict[Any, str] = {}
        self.pointers: dict[Any, str] = {}  # in the loop, at its head
        self.now: dict[Any, str] = {}  # where a turn has come to
        self.borrowed: frozenset[int] = frozenset()
        self.level = 0
        self._lines: dict[Any, int] = {}
        self._pieces: list[Any] = []

    def reserve(self, around: Slots | None) -> None:
        """Find memory: that of the loop around, if it lends some, or new one."""
        if around is not None:
            lent = around.lent[self.loop]
            self.borrowed = frozenset(lent)
            self.first = {key: around.now[lent.get(key, (self.loop, key))] for key in self.sizes}
            return
        nodes: list[Node] = []
        target = self._target()
        for key, size in self.sizes.items():
            if key in target:
                self.first[key], piece = target[key], self.e.elsewhere(target[key])
            else:
                self.first[key], piece = self.e.take(size)
            # Which result is where, nobody knows while code is written: they go together.
            piece.nodes = nodes
            self._pieces.append(piece)

    def _target(self) -> dict[int, str]:
        """The memory that the longest array goes to behind the loop: nothing is there yet, so that it makes a slot."""
        # One only. Where two had exchanged theirs by the end, neither could go to its own.
        from .control import results_of

        results, targets = results_of(self.loop), self.e.targets
        found = [i for i in self.which if results.get(i) in targets]
        if not found:
            return {}
        longest = max(found, key=self.sizes.__getitem__)
        return {longest: targets.pop(results[longest])}

    def _choice(self, node: Node) -> Any:
        """What a carried array becomes: another carried one, by its place, a new node, or (decision, yes, no)."""
        node = seen_through(node)
        i = self._carried(node)
        if i is not None:
            return i
        if node.op == "where":
            pred = one_truth(node.inputs[0])
            if pred is not None and (pred in self.decisions or len(self.decisions) < DECISIONS):
                before = list(self.decisions)
                if pred not in before:
                    self.decisions.append(pred)
                yes, no = self._choice(node.inputs[1]), self._choice(node.inputs[2])
                if _old(yes) or _old(no):
                    return pred, yes, no
                self.decisions[:] = before
        if node.op == "result" and node.inputs[0].op == "cond" and node.block is self.body:
            return self._branched(node)
        if node.op == "result" and node.inputs[0].op == "while" and node.block is self.body:
            (inner,), (k,) = node.inputs, node.attrs
            i = self._carried(seen_through(inner.inputs[k]))
            # A result is read by many, but there is only one place in the carry that it goes to as it is.
            if i is not None and k in changing(self.e, inner) and self.e.live.readers(self.body.params[i]) == [inner]:
                self.lent.setdefault(inner, {})[k] = i
                return i
        return node

    def _branched(self, node: Node) -> Any:
        """The same for a branch's result, which on one way may be what lies in slots already."""
        (cond,), (k,) = node.inputs, node.attrs
        pred = cond.inputs[0]
        if pred not in self.decisions and len(self.decisions) >= DECISIONS:
            return node
        before = list(self.decisions)
        if pred not in before:
            self.decisions.append(pred)
        ways = [self._kept(seen_through(region.outputs[k])) for region in cond.regions]
        if ways == [None, None]:
            self.decisions[:] = before
            return node
        if None in ways:
            self.either[node] = tuple(way is not None for way in ways)
        yes, no = (node if way is None else way for way in ways)
        return pred, yes, no

    def _kept(self, x: Node) -> Any:
        """The same for what a branch gives back, or None where that is no array of the body that lies in slots."""
        if x.block is not self.body or x.op not in ("param", "result"):
            return None
        choice = self._choice(x)
        return choice if _old(choice) else None

    def _same_twice(self) -> list[int]:
        """Find carried arrays that may become what another one becomes; they get slots for copies."""
        found = []
        for truths in product((True, False), repeat=len(self.decisions)):
            taken = set()
            for i in self.which:
                slot = _decided(self.choices[i], self.decisions, truths)
                if slot in taken:
                    found.append(i)
                    slot = self.choices[i] = _Copy(i)
                taken.add(slot)
        return found

    def _carried(self, node: Node) -> int | None:
        return node.attrs[0] if node.op == "param" and node.block is self.body and node.attrs[0] in self.which else None

    def begin(self) -> None:
        """At the loop's head: say that pointers come from two sides."""
        for key in self.first:
            self.pointers[key] = self.now[key] = self.f.fresh("s")
            self._lines[key] = self.f.reserve()
            # Also where the memory is lent: then it's a piece of the loop around.
            piece = self.e.pieces.get(self.first[key])
            if piece is not None:
                self.e.pieces[self.pointers[key]] = piece

    def place(self) -> None:
        """In the loop's body: say where new values are to be written, and that memory may be lent."""
        self.level = len(self.e.known)
        for node in self.new:
            self.e.keep(("room", node), self.pointers[node])
            if node in self.either:
                self.e.keep(("either", node), self.either[node])
        for inner in self.inner:
            self.e.keep(("lender", inner), self)

    def lends(self) -> bool:
        """Whether a loop that comes now runs once in each turn: it stands in no branch of the body."""
        return len(self.e.known) == self.level

    def returned(self, inner: Slots) -> None:
        """Behind a loop that memory was lent to."""
        lent = self.lent[inner.loop]
        self.now.update((lent.get(key, (inner.loop, key)), pointer) for key, pointer in inner.pointers.items())

    def exchange(self) -> dict[Any, str]:
        """At the end of the body: write what is not written yet, and give the pointers of the next turn."""
        from .control import results_of
        from .loops import write_any

        e = self.e
        for inner, places in self.lent.items():
            results = results_of(inner)
            for k, i in places.items():
                if e.memory(results[k]) != self.now[i]:
                    write_any(e, results[k], self.now[i])
        for node in self.new:
            if node in self.either:
                e.memory(node)
            elif e.find(("memory", node)) != self.pointers[node]:
                write_any(e, node, self.pointers[node])
                e.set_memory(node, self.pointers[node])
        for i in self.copies:
            write_any(e, self.body.outputs[i], self.pointers[self.choices[i]])
        truths = [e.scalar(x) for x in self.decisions]
        ways = [self._exchanged(way) for way in product((True, False), repeat=len(truths))]
        return {key: self._chosen(truths, [way[key] for way in ways]) for key in self.first}

    def _exchanged(self, truths: tuple[bool, ...]) -> dict[Any, Any]:
        """Which slot each gets, if the decisions are these."""
        found: dict[Any, Any] = {i: _decided(self.choices[i], self.decisions, truths) for i in self.which}
        taken = set(found.values())
        free = [i for i in self.which if i not in taken]
        for key, size in self.sizes.items():
            if key in found:
                continue
            found[key] = key
            if key in taken:
                found[key] = next(i for i in free if self.sizes[i] == size)
                free.remove(found[key])
        return found

    def _chosen(self, truths: list[str], keys: list[Any]) -> str:
        if all(key == keys[0] for key in keys):
            return self.now[keys[0]]
        half = len(keys) // 2
        yes, no = self._chosen(truths[1:], keys[:half]), self._chosen(truths[1:], keys[half:])
        return yes if yes == no else self.f.emit(f"select i1 {truths[0]}, ptr {yes}, ptr {no}")

    def close(self, before: str, last: str, following: dict[Any, str]) -> None:
        """Say where the pointers at the loop's head come from, now that it is known."""
        for key, line in self._lines.items():
            ways = f"[ {self.first[key]}, %{before} ], [ {following[key]}, %{last} ]"
            self.f.fill(line, f"{self.pointers[key]} = phi ptr {ways}")

    def give_back(self) -> None:
        """Behind the loop: memory is needed as long as the results are."""
        for piece in self._pieces:
            piece.held = False


def changing(e: Any, loop: Node) -> list[int]:
    """The places in a loop's carry of arrays that are large and change."""
    from .emitter import SMALL

    body = loop.regions[1]
    return [
        i
        for i, x in enumerate(loop.inputs)
        if x.size > SMALL and e.live.carries(loop, i) and body.outputs[i] is not body.params[i]
    ]


def seen_through(node: Node) -> Node:
    """The node whose entries, in the same order, a node's are."""
    while True:
        if node.op == "reshape":
            node = node.inputs[0]
        elif node.op == "result" and node.inputs[0].op == "cond":
            yes, no = (region.outputs[node.attrs[0]] for region in node.inputs[0].regions)
            if yes is not no:
                return node
            node = yes
        else:
            return node


def one_truth(pred: Node) -> Node | None:
    """The truth value that a condition is for all entries alike, or None."""
    while pred.op in ("broadcast", "reshape") and pred.size != 1:
        pred = pred.inputs[0]
    return pred if pred.size == 1 else None


def _bytes(node: Node) -> int:
    return node.size * node.dtype.itemsize


def _leaves(choice: Any) -> list[Any]:
    return [*_leaves(choice[1]), *_leaves(choice[2])] if isinstance(choice, tuple) else [choice]


def _new(choice: Any) -> list[Node]:
    return [x for x in _leaves(choice) if isinstance(x, Node)]


def _old(choice: Any) -> bool:
    return any(isinstance(x, int) for x in _leaves(choice))


def _decided(choice: Any, decisions: list[Node], truths: tuple[bool, ...]) -> Any:
    while isinstance(choice, tuple):
        pred, yes, no = choice
        choice = yes if truths[decisions.index(pred)] else no
    return choice
