"""One call of a function as a program of its own: recorded, compiled and run on NumPy arrays."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _functions
from .._array import Array
from .._codegen import generate
from .._graph import Graph, record_in
from .._machine import compile_ir
from .._program import Kind, Program
from .._staging import flatten, node_of

KEPT = 8192  # programs in memory; those used longest ago go first
SPEED_LEVEL = 0  # of LLVM's: most programs run once

assert _functions.pi  # imported, it gives recording arrays their operators

_made: OrderedDict[Any, tuple[Program | None, Any, list[np.dtype]]] = OrderedDict()
_lock = threading.Lock()


class Place:
    """Where an array stands among a call's arguments or results."""

    __slots__ = ("index",)

    def __init__(self, index: int):
        self.index = index

    def __repr__(self) -> str:
        return f"<{self.index}>"


def mapped(tree: Any, kind: type | tuple[type, ...], change: Callable[[Any], Any]) -> Any:
    """The tree with all leaves of a kind changed."""
    if isinstance(tree, kind):
        return change(tree)
    if isinstance(tree, tuple | list):
        parts = [mapped(x, kind, change) for x in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, dict):
        return {name: mapped(x, kind, change) for name, x in tree.items()}
    return tree


def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Run the machine code for a recording function, compiling it on the first call of the kind.

    NumPy arrays among the arguments are operands: code depends on their shapes and dtypes only. All else, Python's
    numbers too, is part of the code.
    """
    operands: list[np.ndarray] = []

    def operand(x: Any) -> Place:
        operands.append(np.asarray(x))
        return Place(len(operands) - 1)

    form = mapped((arguments, options), (np.ndarray, np.generic), operand)
    kinds = [(x.shape, x.dtype.str) for x in operands]
    key = (function, f"{form}{kinds}")  # as text, True is not 1, nor 0.0 the same as -0.0
    with _lock:
        found = _made.get(key)
        if found is not None:
            _made.move_to_end(key)
    if found is None:
        found = _compiled(function, form, operands)
        with _lock:
            _made[key] = found
            if len(_made) > KEPT:
                _made.popitem(last=False)
    program, result, dtypes = found
    leaves = program([x if x.ndim else x.item() for x in operands], []) if program is not None else ()
    arrays = [np.asarray(x, dtype) for x, dtype in zip(leaves, dtypes, strict=True)]
    return mapped(result, Place, lambda place: arrays[place.index])


def _compiled(function: Callable[..., Any], form: Any, operands: list[np.ndarray]) -> Any:
    graph = Graph(literal_bytes=float("inf"))
    params = [Array(graph.param(x.shape, x.dtype)) for x in operands]
    for param in params:
        param.writable = False
    with record_in(graph):
        arguments, options = mapped(form, Place, lambda place: params[place.index])

        def output(x: Array) -> Place:
            graph.outputs.append(node_of(x))
            return Place(len(graph.outputs) - 1)

        result = mapped(function(*arguments, **options), Array, output)
    outputs = graph.outputs
    if not outputs:
        return None, result, []
    text, workspace = generate(graph)
    about = {
        "coming": [Kind(x) for x in operands],
        "structure": flatten(list(range(len(outputs))))[1],
        "going": [("array", x.dtype, x.shape) if x.shape else ("scalar", x.dtype) for x in outputs],
        "new_rows": [],
        "workspace": workspace,
        "literals": [],
    }
    return Program(compile_ir(text, speed_level=SPEED_LEVEL), about), result, [x.dtype for x in outputs]
