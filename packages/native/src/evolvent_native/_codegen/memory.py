"""The workspace of a function: where large arrays are kept, in memory that is used again when nobody reads them.

A block of memory belongs to the part of the function (`Emitter.scope`) that it was taken in, and is free behind it. In
the same part it is free as soon as all that reads the arrays in it has been computed. What is computed where it is
read, and so keeps nothing, passes the question on to its own readers.
"""

from __future__ import annotations

from typing import Any

from .._graph import EFFECTS, Node

LINE = 64  # bytes that blocks start at multiples of
_DEEPEST = 100  # readers of readers that are asked


class Piece:
    """A block of memory.

    Attributes
    ----------
    nodes : list of Node
        The arrays in it.
    held : bool
        Whether it is in use for other reasons.
    """

    __slots__ = ("held", "nodes", "offset", "size")

    def __init__(self, offset: int, size: int):
        self.offset, self.size = offset, size
        self.nodes: list[Node] = []
        self.held = True


class Workspace:
    """Hands out pieces of a function's workspace.

    Attributes
    ----------
    most : int
        Bytes that are in use at the same time, at most.
    """

    def __init__(self, e: Any):
        self.e = e
        self.most = self._top = 0
        self._free: list[tuple[int, int]] = []  # offsets and sizes
        self._patience = 0  # pieces to take before it's asked again what is free
        self._levels: list[list[Piece]] = [[]]
        self._entered: list[tuple[int, list[tuple[int, int]]]] = []

    def enter(self) -> None:
        """Begin a part of the function."""
        self._entered.append((self._top, list(self._free)))
        self._levels.append([])
        self._patience = 0

    def leave(self) -> None:
        """End it: what was taken in it is free."""
        self._top, self._free = self._entered.pop()
        self._levels.pop()

    def take(self, size: int) -> Piece:
        """Memory that is in use until `held` is false and nobody reads its nodes."""
        size = -(-max(size, 1) // LINE) * LINE
        fits = self._holes(size)
        if not fits and self._patience <= 0:
            # To ask costs as much as there are pieces: where many are in use, not each time.
            freed = self.collect()
            self._patience = 0 if freed else len(self._levels[-1]) // 8
            fits = self._holes(size)
        self._patience -= 1
        if fits:
            offset, length = min(fits, key=lambda hole: hole[1])
            self._free.remove((offset, length))
            if length > size:
                self._free.append((offset + size, length - size))
        else:
            offset = self._top
            self._top += size
            self.most = max(self.most, self._top)
        piece = Piece(offset, size)
        self._levels[-1].append(piece)
        return piece

    def _holes(self, size: int) -> list[tuple[int, int]]:
        return [hole for hole in self._free if hole[1] >= size]

    def collect(self) -> bool:
        """Find out what is free by now, of what was taken in this part of the function; whether anything is."""
        pieces, asked = self._levels[-1], {}
        kept = []
        for piece in pieces:
            if piece.held or not all(self._over(x, asked, 0) for x in piece.nodes):
                kept.append(piece)
            else:
                self._release(piece.offset, piece.size)
        freed = len(kept) < len(pieces)
        pieces[:] = kept
        return freed

    def _release(self, offset: int, size: int) -> None:
        for hole in list(self._free):
            if hole[0] + hole[1] == offset or offset + size == hole[0]:
                self._free.remove(hole)
                offset, size = min(offset, hole[0]), size + hole[1]
        self._free.append((offset, size))

    def _over(self, node: Node, asked: dict[Node, bool], depth: int) -> bool:
        """Whether everything that reads a node has been computed."""
        found = asked.get(node)
        if found is None:
            e = self.e
            if depth > _DEEPEST or (node.op == "result" and not e.find(("done", node.inputs[0]))):
                return False
            # Ahead of the answer: a loop's parameters are read by what they are computed from.
            asked[node] = False
            found = asked[node] = all(self._settled(x, asked, depth) for x in e.live.readers(node))
        return found

    def _settled(self, reader: Any, asked: dict[Node, bool], depth: int) -> bool:
        e = self.e
        block = reader.block if isinstance(reader, Node) else reader
        owner = e.live.owner(block)
        if owner is not None and e.find(("done", owner)):
            return True
        if not isinstance(reader, Node):
            return False  # what a block gives back
        if reader.shape is None:
            return bool(e.find(("done", reader)) or e.find(("begun", reader)))
        return e.is_known(reader) or (reader.op not in EFFECTS and self._over(reader, asked, depth + 1))
