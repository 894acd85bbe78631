"""Which linear solver to take."""

from __future__ import annotations

from typing import Any

from evolvent import InputError

from .dense import DenseLU
from .solver import LinearSolver


def linear_solver_for(given: Any, model: Any) -> LinearSolver:
    """Settle the linear solver of a method for a problem: the one that the user gave, or by size and density."""
    if isinstance(given, type) and issubclass(given, LinearSolver):
        given = given()
    if isinstance(given, LinearSolver):
        return given.prepared(model)
    if given in ("auto", "dense"):
        return DenseLU().prepared(model)
    raise InputError("linear_solver", f"must be a LinearSolver or 'auto', got {given!r}.")
