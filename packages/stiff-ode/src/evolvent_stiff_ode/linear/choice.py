"""Which linear solver to take."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from evolvent import InputError
from evolvent.sparse import Pattern

from .banded import Banded
from .bicgstab import BiCGStab
from .dense import DenseLU
from .gmres import GMRES
from .krylov import Krylov
from .pattern import pattern_of, require_fitting
from .preconditioner import ILU
from .solver import LinearSolver, size_of
from .sparse import SparseLU

TINY = 3  # equations up to which nothing is found out of a pattern
DENSE = 0.3  # of a larger matrix, the part that may be filled before sparsity is of no use
# Factors are made up to sizes at which they, and the search for their order, take about a gigabyte and half a minute:
# two substances on a square of 256 points a side have an envelope of 1.8e8 entries (2.1e7 in a good order), and
# factors of four times as many would not fit into a laptop's memory. Below that, factors cost no more than iterations
# that have to be preconditioned, and can't fail to converge.
MANY, FILL = 20_000, 5e8
NAMED = {"dense": DenseLU, "sparse": SparseLU, "banded": Banded, "gmres": GMRES, "bicgstab": BiCGStab}


def linear_solver_for(given: Any, model: Any, *, exactly: bool = False) -> LinearSolver:
    """Settle the linear solver of a method for a problem: the one that the user gave, or by size and density.

    A method that has no iteration to mend what is left of a residual says so by `exactly`.
    """
    require_fitting(model)
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
    if b.lanes or (n <= 50 and not (told or b.compiled)):
        return DenseLU()
    # Written out without exchanges, the factors of three equations take a fifth off a compiled step of Rodas4.
    if n <= TINY and (
        n == 1 or model.mass is not None or "residual" in model.right_sides or not b.is_real(model.y0.dtype)
    ):
        return DenseLU()
    pattern = pattern_of(model)
    # Without an entry, where f depends on time alone, there is nothing to be sparse.
    if pattern is None or pattern.size == 0:
        return DenseLU()
    if n > MANY and pattern.density <= DENSE and envelope(pattern) > FILL and "residual" not in model.right_sides:
        return BiCGStab(ILU())
    solver = SparseLU().for_pattern(model, pattern)
    if solver.straight or pattern.density <= DENSE:
        return solver
    return DenseLU()


@lru_cache(maxsize=16)
def envelope(pattern: Pattern) -> int:
    """Bound the entries of the factors: those of a band, in the order that makes it narrow."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    whole = pattern.union(pattern.transpose())
    graph = csr_array((np.ones(whole.size, np.int8), whole.columns, whole.starts), shape=whole.shape)
    place = np.empty(whole.shape[0], np.int64)
    place[reverse_cuthill_mckee(graph, symmetric_mode=True)] = np.arange(whole.shape[0])
    first = np.arange(whole.shape[0])
    np.minimum.at(first, place[whole.rows], place[whole.columns])
    return int(2 * np.sum(np.arange(len(first)) - first))
