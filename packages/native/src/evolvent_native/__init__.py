"""Solves as machine code: the compiler that is one more array namespace."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._compiled import StagedFunction, stage
    from ._errors import StagingError

__version__ = "0.1.0"

_HOME = {"StagedFunction": "_compiled", "StagingError": "_errors", "stage": "_compiled"}

__all__ = ["StagedFunction", "StagingError", "stage"]


def __getattr__(name):
    if name in _HOME:
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
