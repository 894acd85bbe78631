"""What is wrong where an implicit method has failed."""

from __future__ import annotations

from typing import Any

import numpy as np

from evolvent import Status


def explain_failure(method: Any, run: Any, state: Any) -> str:
    """Say what is not finite, or singular, at the state that was reached; nothing where all looks well."""
    model, m = run.model, state.march
    b = model.backend
    if b.traced or b.lanes:
        return ""
    try:
        with np.errstate(all="ignore"):
            slope = np.asarray(b.host(model.derivative(m.t, m.y, state.params))).reshape(-1)
            found = method.parts(model)["jacobian"].function(m.t, m.y, state.params)
            entries = np.asarray(b.host(found)) if hasattr(found, "shape") else None
    except Exception as error:
        return f"There, the Jacobian can't be computed: {error!r}."
    if not np.all(np.isfinite(slope)):
        return f"There, entry {int(np.argmin(np.isfinite(slope)))} of f is not finite."
    constraints = getattr(method, "constraints", None)
    if int(m.status) == Status.INCONSISTENT_START and constraints is not None:
        if entries is None or entries.ndim != 2:
            from scipy.sparse import coo_array

            pattern = method.solver.jacobian_pattern
            entries = coo_array((entries, (pattern.rows, pattern.columns)), shape=pattern.shape).toarray()
        return constraints.describe(entries, slope)
    if entries is None or entries.ndim != 2:
        wrong = entries is not None and not np.all(np.isfinite(entries))
        return "There, the Jacobian is not finite." if wrong else ""
    if not np.all(np.isfinite(entries)):
        i, j = np.argwhere(~np.isfinite(entries))[0]
        return f"There, the Jacobian's entry ({i}, {j}) is {entries[i, j]}."
    return _singular(model, entries)


def _singular(model: Any, jacobian: np.ndarray) -> str:
    """Say so where shift * M - J is singular for any shift: the problem has no unique solution of this kind."""
    if model.mass is None or model.mass_pattern is not None:
        return ""
    mass = np.asarray(model.backend.host(model.mass))
    mass = np.diag(mass) if mass.ndim == 1 else mass
    size = max(float(np.max(np.abs(jacobian))), 1e-300)
    for shift in (size, 1e3 * size, 1e6 * size):
        matrix = shift * mass - jacobian
        scale = np.max(np.abs(matrix), axis=1)
        if np.all(scale > 0.0) and np.linalg.cond(matrix / scale[:, None]) < 1e14:
            return ""
    return (
        "There, shift * M - J is singular for every shift: the algebraic equations don't determine the algebraic "
        "unknowns (their index is above 1, or one of them is redundant)."
    )
