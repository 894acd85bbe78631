"""Derivatives entry by entry: for models of few, or of scalar, quantities.

Each entry's derivatives by the input's entries are scalars of their own, so those that are zero cost nothing and those
that are one or constant stay so. Code grows with the number of derivatives that are not zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _graph
from .._graph import Node
from .partials import has_partials, partial
from .recording import add, entry, mul, neg, sub, where
from .sparsity import REARRANGING, Patterns, sources
from .walk import ordered, smooth

IN_REGISTERS = 32  # entries of arrays that are computed with one by one
PER_ENTRY = 16  # derivatives on the average for each entry that is computed
AT_LEAST = 512  # derivatives are always few enough

# What an entry follows: for each position in the input, a whole number or a scalar node.
Row = dict[int, Any]


def few(output: Node, input: Node, patterns: Patterns) -> bool:
    """Whether entry by entry is possible, and code for it stays in proportion."""
    entries = derivatives = 0
    for node in ordered([output], lambda x: x is input):
        pattern = None if node.shape is None or not smooth(node) else patterns.of(node)
        if pattern is None:
            if node.shape is None and patterns.of(node) is not None:
                return False
            continue
        if node.dtype != input.dtype:
            return False
        if node.op in REARRANGING:
            continue
        if not (has_partials(node) or node.op in _RULES) or node.size > IN_REGISTERS:
            return False
        if node.op == "gather" and patterns.value(node.inputs[1]) is None:
            return False
        if node.op != "gather" and max(x.size for x in node.inputs) > 4 * IN_REGISTERS:
            return False
        entries += node.size
        derivatives += len(pattern.columns)
    return derivatives <= max(PER_ENTRY * entries, AT_LEAST)


def rows(output: Node, input: Node, patterns: Patterns) -> list[Row]:
    """Record the derivatives of each entry of the output."""
    known: dict[Node, list[Row]] = {input: [{k: 1} for k in range(input.size)]}
    for node in ordered([output], lambda x: x is input):
        if node.shape is None or not smooth(node) or patterns.of(node) is None:
            known[node] = []
        elif node.op == "reshape":
            known[node] = known[node.inputs[0]]
        elif node.op == "slice":
            known[node] = [known[node.inputs[0]][k] for k in sources(node)]
        elif node.op in REARRANGING:
            every = [row for x in node.inputs for row in (known[x] or [{}] * x.size)]
            known[node] = [every[k] for k in sources(node)]
        elif has_partials(node):
            known[node] = _elementwise(node, known)
        else:
            known[node] = _RULES[node.op](node, known, patterns)
    return known.get(output) or [{}] * output.size


def scalar(value: Any, dtype: Any) -> Node:
    """A derivative as a node."""
    return value if isinstance(value, Node) else _graph.constant(value, dtype)


def _elementwise(node: Node, known: dict[Node, list[Row]]) -> list[Row]:
    found: list[Row] = [{} for _ in range(node.size)]
    for i, x in enumerate(node.inputs):
        if not any(known[x]):
            continue
        factor = partial(node, i)
        if factor is None:
            continue
        for k, (row, into) in enumerate(zip(known[x], found, strict=True)):
            if row:
                accumulate(into, row, factor if isinstance(factor, int) else entry(factor, k))
    return found


def accumulate(into: Row, row: Row, factor: Any) -> None:
    """Add a row, times a number, to another."""
    for column, value in row.items():
        term = times(value, factor)
        into[column] = plus(into[column], term) if column in into else term


def times(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if isinstance(b, int):
        a, b = b, a
    if isinstance(a, int):
        if a in (0, 1, -1):
            return b if a == 1 else neg(b) if a else 0
        return mul(_graph.constant(a, b.dtype), b)
    return mul(a, b)


def plus(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if isinstance(b, int):
        a, b = b, a
    if isinstance(a, int):
        return add(b, _graph.constant(a, b.dtype)) if a else b
    return sub(a, b.inputs[0]) if b.op == "neg" else add(a, b)


def _where(node: Node, known: dict[Node, list[Row]], patterns: Patterns) -> list[Row]:
    pred, yes, no = node.inputs
    value = patterns.value(pred)
    found: list[Row] = []
    for k in range(node.size):
        rows = [known[x][k] if known[x] else {} for x in (yes, no)]
        if value is not None:
            found.append(rows[0] if value.reshape(-1)[k] else rows[1])
            continue
        on = entry(pred, k)
        columns = dict.fromkeys([*rows[0], *rows[1]])
        found.append({c: where(on, *(scalar(row.get(c, 0), node.dtype) for row in rows)) for c in columns})
    return found


def _gather(node: Node, known: dict[Node, list[Row]], patterns: Patterns) -> list[Row]:
    x, i = node.inputs
    at = patterns.value(i)
    assert at is not None
    return [known[x][k] for k in np.clip(at.reshape(-1), 0, x.size - 1)]


def _sum(node: Node, known: dict[Node, list[Row]], patterns: Patterns) -> list[Row]:
    (x,), (axes,) = node.inputs, node.attrs
    kept = [1 if a in axes else n for a, n in enumerate(x.shape)]
    into = np.broadcast_to(np.arange(node.size).reshape(kept), x.shape).reshape(-1)
    found: list[Row] = [{} for _ in range(node.size)]
    for k, row in zip(into, known[x], strict=True):
        accumulate(found[k], row, 1)
    return found


def _matmul(node: Node, known: dict[Node, list[Row]], patterns: Patterns) -> list[Row]:
    a, b = node.inputs
    (_, n, inner), m = a.shape, b.shape[2]
    values = [patterns.value(x) for x in node.inputs]
    found: list[Row] = [{} for _ in range(node.size)]
    for at, i, j, c in np.ndindex(a.shape[0], n, inner, m):
        into = found[(at * n + i) * m + c]
        places = ((at * n + i) * inner + j, (at * inner + j) * m + c)
        for mine in (0, 1):
            x, other = node.inputs[mine], node.inputs[1 - mine]
            value = values[1 - mine]
            row = known[x][places[mine]] if known[x] else {}
            if row and (value is None or value.reshape(-1)[places[1 - mine]] != 0):
                accumulate(into, row, entry(other, places[1 - mine]))
    return found


_RULES: dict[str, Any] = {"where": _where, "gather": _gather, "sum": _sum, "matmul": _matmul}
