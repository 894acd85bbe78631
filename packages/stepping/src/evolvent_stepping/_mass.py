"""The mass matrix of a problem, as arrays that a step can use."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from evolvent import InputError

if TYPE_CHECKING:
    from evolvent.sparse import Pattern

LARGEST = 3000  # equations whose mass matrix is made full


def mass_of(model: Any) -> tuple[Any, Pattern | None]:
    """The entries of the mass matrix, and where they lie if it is sparse.

    Returns
    -------
    array, None
        (n, n), or (n,) for a diagonal.
    array, Pattern
        The entries of a sparse matrix.
    None, None
        For the identity.
    """
    given = getattr(model.problem, "mass", None)
    if given is None:
        return None, None
    b = model.backend
    n = prod(model.y0.shape[: len(model.y0.shape) - len(b.lanes)])
    shape = tuple(given.shape) if hasattr(given, "shape") else np.shape(given)
    if shape not in ((n,), (n, n)):
        raise InputError("mass", f"must be ({n}, {n}), or its diagonal ({n},), for {n} equations, got shape {shape}.")
    if hasattr(given, "tocoo"):
        return _sparse(model, given.tocoo())
    given = given if hasattr(given, "shape") else np.asarray(given)
    known = not b.traced and not hasattr(given, "aval")
    if len(shape) == 2 and known:
        entries = np.asarray(b.host(given))
        if np.count_nonzero(entries - np.diag(np.diagonal(entries))) == 0:
            given = np.diagonal(entries).copy()
    return _own(model, given), None


def _sparse(model: Any, given: Any) -> tuple[Any, Pattern | None]:
    given.sum_duplicates()
    if np.all(given.row == given.col):
        return _own(model, given.diagonal()), None
    if given.shape[0] > LARGEST:
        raise InputError(
            "mass",
            f"a sparse matrix with entries off its diagonal is taken for up to {LARGEST} equations, got "
            f"{given.shape[0]}.",
            "Give the problem divided by it, or a diagonal matrix (lumped masses).",
        )
    # Products with it are taken by all methods: they know full matrices and diagonals.
    return _own(model, given.toarray()), None


def _own(model: Any, array: Any) -> Any:
    """The entries in the library, dtype and place of the state."""
    b, xp = model.backend, model.backend.xp
    return xp.asarray(array, dtype=b.real_dtype(model.y0.dtype), device=b.device)
