"""Which linear solver to take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evolvent import InputError

from .banded import Banded
from .bicgstab import BiCGStab
from .dense import DenseLU
from .gmres import GMRES
from .krylov import Krylov
from .pattern import pattern_of
from .solver import LinearSolver, size_of
from .sparse import SparseLU

TINY = 3  # equations up to which a full matrix is factorised in no time
DENSE = 0.3  # of a larger matrix, the part that may be filled before sparsity is of no use
NAMED = {"dense": DenseLU, "sparse": SparseLU, "banded": Banded, "gmres": GMRES, "bicgstab": BiCGStab}


def linear_solver_for(given: Any, model: Any, *, exactly: bool = False) -> LinearSolver:
    """Settle the linear solver of a method for a problem: the one that the user gave, or by size and density.

    A method that has no iteration to mend what is left of a residual says so by `exactly`.
    """
    if isinstance(given, type) and issubclass(given, LinearSolver):
        given = given()
    if isinstance(given, str) and given in NAMED:
        given = NAMED[given]()
    if isinstance(given, str) and given == "auto":
        given = _by_size_and_density(model)
    if isinstance(given, LinearSolver):
        if isinstance(given, Krylov) and exactly:
            given = replace(given, iterates=False)
        return given.prepared(model)
    raise InputError(
        "linear_solver", f"must be a LinearSolver, 'auto' or one of {', '.join(map(repr, NAMED))}, got {given!r}."
    )


def _by_size_and_density(model: Any) -> LinearSolver:
    n, b = size_of(model), model.backend
    told = getattr(model.problem, "sparsity", None) is not None
    if n <= TINY or b.lanes or (n <= 50 and not (told or b.compiled)):
        return DenseLU()
    pattern = pattern_of(model)
    if pattern is None:
        return DenseLU()
    solver = SparseLU().for_pattern(model, pattern)
    if solver.straight or pattern.density <= DENSE:
        return solver
    return DenseLU()
