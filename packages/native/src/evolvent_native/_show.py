"""A graph as text: one line for each node."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._graph import Block, Graph, Node

SHOWN = 6  # entries of the longest literal that is written out


def show(block: Block) -> str:
    """A graph as text: ``%3 = add %1, %2 : float64[3]``, with the bodies of loops and branches indented."""
    names: dict[Node, str] = {}
    lines: list[str] = []
    _write(block, "", names, lines)
    return "\n".join(lines)


def _write(block: Block, indent: str, names: dict[Node, str], lines: list[str]) -> None:
    for param in block.params:
        names[param] = f"%{len(names)}"
        lines.append(f"{indent}{names[param]} = param {param.attrs[0]} : {_kind(param)}")
    for node in block.nodes:
        names[node] = f"%{len(names)}"
        inputs = ", ".join(names.get(x, f"<{x.op}>") for x in node.inputs)
        words = " ".join(word for word in (node.op, _attrs(node), inputs) if word)
        kind = "" if node.shape is None else f" : {_kind(node)}"
        lines.append(f"{indent}{'' if node.op == 'put' else names[node] + ' = '}{words}{kind}")
        for label, region in zip(_labels(node), node.regions, strict=True):
            lines.append(f"{indent}  {label}:")
            _write(region, indent + "    ", names, lines)
    if block.outputs:
        lines.append(f"{indent}return {', '.join(names.get(x, f'<{x.op}>') for x in block.outputs)}")


def _labels(node: Node) -> tuple[str, ...]:
    if node.op == "while":
        return ("while", "do")
    return ("yes", "no") if node.op == "cond" else tuple(f"region {i}" for i in range(len(node.regions)))


def _kind(node: Node) -> str:
    return f"{node.dtype}[{', '.join(map(str, node.shape))}]"


def _attrs(node: Node) -> str:
    if node.op == "constant":
        if node.size > SHOWN:
            return f"<{node.size} entries>"
        return np.array2string(node.value, separator=", ", max_line_width=10**6)
    return ", ".join(map(_attr, node.attrs))


def _attr(value: Any) -> str:
    if isinstance(value, Graph):
        return f"<graph of {len(value.nodes)} nodes>"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return str(value)
