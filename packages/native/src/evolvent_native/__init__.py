"""Solves as machine code: the compiler that is one more array namespace."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._compiled import StagedFunction, stage
    from ._derivatives import NotDifferentiable
    from ._derived import hvp, jacobian, jvp, pattern, sparse_jacobian, sparsity, vjp
    from ._errors import StagingError

__version__ = "0.1.0"

_HOME = {
    "NotDifferentiable": "_derivatives",
    "StagedFunction": "_compiled",
    "StagingError": "_errors",
    "hvp": "_derived",
    "jacobian": "_derived",
    "jvp": "_derived",
    "pattern": "_derived",
    "sparse_jacobian": "_derived",
    "sparsity": "_derived",
    "stage": "_compiled",
    "vjp": "_derived",
}

__all__ = [
    "NotDifferentiable",
    "StagedFunction",
    "StagingError",
    "hvp",
    "jacobian",
    "jvp",
    "pattern",
    "sparse_jacobian",
    "sparsity",
    "stage",
    "vjp",
]


def __getattr__(name):
    if name in _HOME:
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
