"""Exact and leaping simulation of Markov jump processes.

Every method that ``pyproject.toml`` registers is an attribute of this package, imported when it is first asked for;
so is what a new method is made of.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

_BUILDING_BLOCKS = {
    "Aggregator": "_aggregator",
    "Next": "_aggregator",
}


def _registered() -> dict[str, str]:
    """Find the module of each method: adding one touches its own file and its line in pyproject.toml."""
    try:
        entry_points = distribution("evolvent-jumps").entry_points
    except PackageNotFoundError:  # a source tree that is not installed: its modules can still be imported
        return {}
    return {entry.name: entry.module for entry in entry_points if entry.group == "evolvent.algorithms"}


_METHODS = _registered()

__all__ = [*sorted(_METHODS), *_BUILDING_BLOCKS]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _METHODS:
        found = getattr(import_module(_METHODS[name]), name)
    elif name in _BUILDING_BLOCKS:
        found = getattr(import_module(f".{_BUILDING_BLOCKS[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
