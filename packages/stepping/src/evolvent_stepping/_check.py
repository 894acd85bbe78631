"""Whether what a user says of the Jacobian is true."""

from __future__ import annotations

from typing import Any

import numpy as np

from evolvent import InputError
from evolvent.sparse import Pattern

TOLERANCE = 1e-4  # of the largest entry: derivatives may be differences


def check_jacobian(model: Any) -> None:
    """Compare the problem's jacobian and sparsity with derivatives of f, at the start and beside it.

    Raises
    ------
    InputError
        With the first entry that is wrong.
    """
    b, problem = model.backend, model.problem
    given, sparsity = getattr(problem, "jacobian", None), getattr(problem, "sparsity", None)
    if (given is None and sparsity is None) or b.lanes:
        return
    t, params = b.real(problem.t_span[0]), model.params0
    if "residual" in model.right_sides:
        _check_residual(model, t, params)
        return
    for y in (model.y0, 1.01 * model.y0 + 1e-3):
        derived = np.asarray(b.host(b.jacobian(lambda y: model.derivative(t, y, params), y)))
        if sparsity is not None:
            _check_pattern(derived, Pattern.from_matrix(sparsity))
        if given is not None:
            _check_entries(model, t, y, derived, sparsity)


def _check_residual(model: Any, t: Any, params: Any) -> None:
    """Compare both derivatives of an implicit problem's residual."""
    b, problem = model.backend, model.problem
    for y in (model.y0, 1.01 * model.y0 + 1e-3):
        yp = 0.3 * y + 0.1
        by_state = b.jacobian(lambda y, yp=yp: model.residual(t, y, yp, params), y)
        by_slope = b.jacobian(lambda yp, y=y: model.residual(t, y, yp, params), yp)
        pair = [np.asarray(b.host(derived)) for derived in (by_state, by_slope)]
        if problem.sparsity is not None:
            for derived in pair:
                _check_pattern(derived, Pattern.from_matrix(problem.sparsity))
        if problem.jacobian is not None:
            for given, derived in zip(model.given_jacobians(t, y, yp, params), pair, strict=True):
                found = np.asarray(given.toarray() if hasattr(given, "toarray") else b.host(given))
                _compare(found, derived, "the residual")


def _check_pattern(derived: np.ndarray, pattern: Pattern) -> None:
    if pattern.shape != derived.shape:
        raise InputError("sparsity", f"must be {derived.shape}, got {pattern.shape}.")
    outside = np.abs(derived)
    outside[pattern.rows, pattern.columns] = 0.0
    i, j = np.unravel_index(np.argmax(outside), outside.shape)
    if outside[i, j] > 1e-10 * np.max(np.abs(derived)):
        raise InputError("sparsity", f"leaves out entry ({i}, {j}) of the Jacobian, which is {derived[i, j]:.6g}.")


def _check_entries(model: Any, t: Any, y: Any, derived: np.ndarray, sparsity: Any) -> None:
    b = model.backend
    given = model.given_jacobian(t, y, model.params0)
    found = np.asarray(given.toarray() if hasattr(given, "toarray") else b.host(given))
    if sparsity is not None and found.shape != derived.shape:
        pattern = Pattern.from_matrix(sparsity)
        if found.shape == (pattern.size,):
            whole = np.zeros_like(derived)
            whole[pattern.rows, pattern.columns] = found
            found = whole
    _compare(found, derived, "f")


def _compare(found: np.ndarray, derived: np.ndarray, of: str) -> None:
    """Refuse a matrix that is not the derived one."""
    if found.shape != derived.shape:
        raise InputError("jacobian", f"returned shape {found.shape} where {derived.shape} is needed.")
    if not np.all(np.isfinite(found)):
        i, j = np.argwhere(~np.isfinite(found))[0]
        raise InputError("jacobian", f"returned {found[i, j]} at ({i}, {j}).")
    apart = np.abs(found - derived)
    i, j = np.unravel_index(np.argmax(apart), apart.shape)
    if apart[i, j] > TOLERANCE * max(float(np.max(np.abs(derived))), 1e-12):
        raise InputError(
            "jacobian",
            f"returned {found[i, j]:.6g} at ({i}, {j}), where the derivative of {of} is {derived[i, j]:.6g}.",
            f"Entry (i, j) is the derivative of {of}'s entry i by y's entry j; leave jacobian out to have it derived.",
        )
