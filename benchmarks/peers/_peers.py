"""Who can be compared: every ``with_<library>.py`` beside this file, found by its name."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ._case import Case


@dataclass(frozen=True)
class Peer:
    """One method of one library, by the name that the table shows."""

    name: str
    method: str
    module: ModuleType

    def load(self) -> None:
        """Import the library, or raise ImportError."""
        self.module.load(self.method)

    def prepare(self, case: Case, tolerance: float) -> Callable[[], Any]:
        """Return the call that solves the case, and returns when the result is there."""
        return getattr(self.module, case.task)(case, tolerance, self.method)


def all_peers() -> dict[str, Peer]:
    """Every peer by name, whether or not its library is installed."""
    names = [found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = [import_module(f".{name}", __package__) for name in names if name.startswith("with_")]
    peers = {}
    for module in modules:
        library = module.__name__.rpartition(".with_")[2]
        for method in module.METHODS:
            peers[f"{library}-{method}"] = Peer(f"{library}-{method}", method, module)
    return peers


def chosen(names: tuple[str, ...], wanted: list[str]) -> list[str]:
    """Those of `names` that begin with one of the words that the user wrote; all when none was written."""
    return [name for name in names if not wanted or name.startswith(tuple(wanted))]
