"""Where the Jacobian of a problem may differ from zero, and its entries there."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from evolvent import InputError
from evolvent.sparse import Pattern

from .solver import dense_jacobian, size_of


def require_fitting(model) -> None:
    """Raise where the pattern that the user gave is of another size than the problem."""
    given, n = getattr(model.problem, "sparsity", None), size_of(model)
    if given is not None and np.shape(given) != (n, n):
        raise InputError("sparsity", f"must be ({n}, {n}) for {n} equations, got {np.shape(given)}.")


def pattern_of(model) -> Pattern | None:
    """The pattern that the user gave, or that f shows; None where nobody can tell."""
    given = getattr(model.problem, "sparsity", None)
    if given is not None:
        require_fitting(model)
        return Pattern.from_matrix(given)
    if model.backend.traced:
        return None
    t = model.backend.real(model.problem.t_span[0])
    try:
        if "residual" in model.right_sides:
            found = residual_patterns(model)
            return None if found is None else found[0].union(found[1])
        return model.backend.sparsity(lambda y, t, params: model.derivative(t, y, params), model.y0, t, model.params0)
    except Exception:
        # A function that can't be compiled, or is wrong: the solve will say so, or run it otherwise.
        return None


def residual_patterns(model) -> tuple[Pattern, Pattern] | None:
    """Where an implicit problem's residual depends on y, and where on y'; None where nobody can tell."""
    b, y, params = model.backend, model.y0, model.params0
    if b.traced:
        return None
    t = b.real(model.problem.t_span[0])
    by_state = b.sparsity(lambda y, yp, t, params: model.residual(t, y, yp, params), y, y, t, params)
    by_slope = b.sparsity(lambda yp, y, t, params: model.residual(t, y, yp, params), y, y, t, params)
    return None if by_state is None or by_slope is None else (by_state, by_slope)


def mass_pattern_of(model) -> Pattern:
    """Where the mass matrix has entries: the diagonal for the identity."""
    n = size_of(model)
    if model.mass is None:
        return Pattern.diagonal(n)
    if model.mass_pattern is not None:
        return model.mass_pattern
    entries = np.asarray(model.backend.host(model.mass))
    return Pattern.from_matrix(np.diag(entries) if entries.ndim == 1 else entries) if n <= 2000 else _diagonal(entries)


def _diagonal(entries: np.ndarray) -> Pattern:
    """The places of the entries of a long diagonal that are not zero."""
    if entries.ndim != 1:
        return Pattern.from_matrix(entries)
    places = np.flatnonzero(entries)
    return Pattern(places, places, (len(entries), len(entries)))


@lru_cache(maxsize=32)
def places_in(whole: Pattern, part: Pattern) -> np.ndarray:
    """For each entry of a pattern its number among those of a part, or the part's size where it has none."""
    found = np.full(whole.size, part.size, dtype=np.int64)
    found[whole.positions(part)] = np.arange(part.size)
    return found


def sparse_jacobian(model, pattern: Pattern, t, y, params) -> Any:
    """The Jacobian's entries: the user's, or derived of f."""
    b, n = model.backend, size_of(model)
    if getattr(model.problem, "jacobian", None) is None:
        return b.sparse_jacobian(lambda y: model.derivative(t, y, params), y, pattern)
    given = model.given_jacobian(t, y, params)
    if hasattr(given, "tocsr"):
        given = np.asarray(given.tocsr()[pattern.rows, pattern.columns]).reshape(-1)
    shape = tuple(given.shape) if hasattr(given, "shape") else (len(given),)
    if shape in ((pattern.size,), (pattern.size, *b.lanes)) and pattern.size != n:
        return b.as_array(given, y, (pattern.size, *b.lanes), "jacobian")
    return entries_at(b, dense_jacobian(model, t, y, params), pattern)


def entries_at(b, matrix, pattern: Pattern) -> Any:
    """The entries of a full matrix at the places of a pattern."""
    n = pattern.shape[1]
    entries = b.xp.reshape(matrix, (pattern.shape[0] * n, *b.lanes))
    places = b.xp.asarray(pattern.rows.astype(np.int64) * n + pattern.columns, device=b.device)
    return b.xp.take(entries, places, axis=0)
