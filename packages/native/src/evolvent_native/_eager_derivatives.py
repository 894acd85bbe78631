"""Derivatives for the eager backend of NumPy arrays: the functions that ask for them, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._backend import NativeBackend
from ._compiled import Call
from ._program import Programs
from ._staging import flatten, stage_function, unflatten


def staged(function: Callable[..., Any], examples: tuple[Any, ...], backend: Any) -> Callable[..., Any] | None:
    """Compile a function that asks an eager backend for derivatives; None if it can't be staged."""
    backend.recorder = NativeBackend()
    try:
        first, second = stage_function(function, examples), stage_function(function, examples)
    except Exception:  # whatever users' functions raise
        return None
    finally:
        backend.recorder = None
    if not first.computes_as(second):
        return None
    program = Programs(None, Call(), {"f": first})
    kinds = [node.dtype.type for node in first.graph.outputs]

    def run(*arguments: Any) -> Any:
        found, structure = flatten(program(*arguments))
        # Scalars come out of programs as Python's numbers.
        return unflatten(structure, [x if type(x) is np.ndarray else k(x) for x, k in zip(found, kinds, strict=True)])

    return run
