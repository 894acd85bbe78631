"""Which nodes are needed, and how often each is used."""

from __future__ import annotations

from collections import Counter

from .._graph import EFFECTS, Block, Node


class Liveness:
    """What the outputs and effects of a block need.

    Attributes
    ----------
    live : set of Node
    uses : Counter
        For each live node by how many edges of live nodes and regions it is used.
    """

    def __init__(self, block: Block):
        self._block = block
        self._owners: dict[Block, Node] = {}
        self._readers: dict[Node, list[Node | Block]] | None = None
        self.live: set[Node] = set()
        self.uses: Counter[Node] = Counter()
        self._owner: dict[Block, tuple[Node, int]] = {}
        self._carried: set[tuple[Node, int]] = set()
        self._pending: list[Node] = []
        self.effectful: dict[Block, bool] = {}
        self._effects(block)
        for node in block.outputs:
            self._use(node)
        self._run()

    def carries(self, loop: Node, i: int) -> bool:
        """Whether anything needs entry i of a loop's carry."""
        return (loop, i) in self._carried

    def owner(self, block: Block) -> Node | None:
        """The loop or branch that a block is a region of."""
        self._all_readers()
        return self._owners.get(block)

    def readers(self, node: Node) -> list[Node | Block]:
        """The live nodes that a node is an input of, and the blocks that give it back."""
        return self._all_readers().get(node, [])

    def _all_readers(self) -> dict[Node, list[Node | Block]]:
        if self._readers is not None:
            return self._readers
        found: dict[Node, list[Node | Block]] = {}
        self._readers = found
        blocks = [self._block]
        for block in blocks:
            for node in block.nodes:
                for region in node.regions:
                    self._owners[region] = node
                    blocks.append(region)
                if node in self.live:
                    for x in node.inputs:
                        found.setdefault(x, []).append(node)
            for x in block.outputs:
                found.setdefault(x, []).append(block)
        return found

    def has_effects(self, node: Node) -> bool:
        return node.op in EFFECTS or any(self.effectful.get(region, False) for region in node.regions)

    def _use(self, node: Node) -> None:
        self.uses[node] += 1
        if node not in self.live:
            self.live.add(node)
            self._pending.append(node)

    def _effects(self, block: Block) -> bool:
        """Mark what effects need; whether the block has any."""
        found = False
        for node in block.nodes:
            if node.op in EFFECTS:
                found = True
                self.live.add(node)
                for x in node.inputs:
                    self._use(x)
            elif node.regions:
                inside = [self._effects(region) for region in node.regions]  # all of them are to be marked
                if any(inside):
                    found = True
                    if node not in self.live:
                        self.live.add(node)
                        self._pending.append(node)
        self.effectful[block] = found
        return found

    def _run(self) -> None:
        while self._pending:
            node = self._pending.pop()
            if node.op == "result":
                self._result(node)
            elif node.op == "param" and node.block in self._owner:
                self._carry(self._owner[node.block][0], node.attrs[0])
            elif node.op == "while":
                for region in node.regions:
                    self._owner[region] = (node, 0)
                self._use(node.regions[0].outputs[0])
                # A loop's parameters may have been met before the loop itself, inside of effects.
                for region in node.regions:
                    for param in region.params:
                        if param in self.live:
                            self._carry(node, param.attrs[0])
            else:
                for x in node.inputs:
                    self._use(x)

    def _result(self, node: Node) -> None:
        (producer,), (i,) = node.inputs, node.attrs
        self._use(producer)
        if producer.op == "while":
            self._carry(producer, i)
        elif producer.op == "cond":
            for region in producer.regions:
                self._use(region.outputs[i])

    def _carry(self, loop: Node, i: int) -> None:
        if (loop, i) not in self._carried:
            self._carried.add((loop, i))
            self._use(loop.inputs[i])
            self._use(loop.regions[1].outputs[i])
