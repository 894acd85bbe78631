"""The numbers of nodes that depend on nothing that is given when the code runs."""

from __future__ import annotations

import numpy as np

from .._graph import Graph, Node

UNKNOWN = frozenset({"param", "result", "buffer", "pointer_call"})
LIMIT = 1 << 24  # entries that are computed for it


def known_value(node: Node, memory: dict[Node, np.ndarray | None]) -> np.ndarray | None:
    """What a node is, computed from literals and the arrays that the function closed over, or None."""
    from .._interpret import evaluate
    from .walk import ordered

    for x in ordered([node], memory.__contains__):
        values = [memory[i] for i in x.inputs]
        memory[x] = None
        if x.op == "constant":
            memory[x] = x.value
        elif x.op == "data":
            root = x.block.root
            if isinstance(root, Graph) and x.attrs[0] < len(root.data):
                memory[x] = root.data[x.attrs[0]]
        elif x.shape is not None and x.op not in UNKNOWN and x.size <= LIMIT and all(v is not None for v in values):
            with np.errstate(all="ignore"):
                memory[x] = np.asarray(evaluate(x.op, x.attrs, values, x.shape, x.dtype))  # type: ignore[arg-type]
    return memory[node]
