"""Arrays of torch and JAX on the CPU: they share their memory with NumPy's, and their functions become graphs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def name_of(leaves: list[Any]) -> str:
    """The library that arrays are of, where it is torch or JAX; whoever has such an array has imported that."""
    for name, kind in (("torch", "Tensor"), ("jax", "Array")):
        array = getattr(sys.modules.get(name), kind, None)
        if array is not None and any(isinstance(leaf, array) for leaf in leaves):
            return name
    return ""


def takes(leaves: list[Any]) -> bool:
    """Whether these arrays run natively, if the problem's functions stage."""
    name = name_of(leaves)
    return bool(name) and _home(name, leaves) is not None and not _library(name).refusal(leaves)


def make(leaves: list[Any], forced: bool) -> Any:
    """The native backend for a problem with these arrays."""
    from evolvent import BackendError

    from .backend import ForeignBackend

    name = name_of(leaves)
    library, home = _library(name), _home(name, leaves)
    why = library.refusal(leaves) if home is not None else f"evolvent-{name} is not installed"
    if home is None or why:
        raise BackendError("backend", f"'native' can't run these arrays: {why}.", "Leave backend= out.")
    return ForeignBackend(home, library, forced=forced)


def stage(function: Any, examples: tuple[Any, ...], home: Any) -> Any:
    """Stage a function of arrays of any of the libraries."""
    from .._staging import flatten, stage_function

    name = name_of(flatten(examples)[0])
    return _library(name).stage(function, examples, home) if name else stage_function(function, examples)


def _library(name: str) -> Any:
    return import_module(f".{name}_arrays", __package__)


def _home(name: str, leaves: list[Any]) -> Any:
    """The library's own backend, if it is installed."""
    from evolvent import BackendError, choose_backend

    try:
        return choose_backend(name, leaves)
    except BackendError:
        return None
