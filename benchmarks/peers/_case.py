"""What is compared: one problem, the peers that solve it, and how far each result lies from the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One problem that every peer solves in its own words.

    Parameters
    ----------
    name, title
        The word on the command line, and the line above the table.
    task
        The function of a peer's module that solves it: ``"trajectory"``, ``"fixed_trajectory"``,
        ``"ensemble"``, ``"fixed_ensemble"`` or ``"gradient"``.
    rhs
        ``f(t, y, params)``, on the Array API; a list of scalars or an array like `y`.
    y0
        Initial state, in the dtype that the whole case is solved in.
    params
        Numbers and arrays by name, in the order in which the C program takes them. In an ensemble the one
        named `varied` holds a value for each trajectory.
    t_span, saves
        Start and end, and the times (all after the start) at which the state is wanted.
    tolerances
        Values of rtol: the first is the case's own, at which peers are compared; the others draw the
        curve of time over error. With fixed steps: the one step size.
    reference
        Computes the true result, shaped as the peers' results are.
    peers, baseline
        Who takes part, in the table's order, and who the ratios are relative to.
    c_problem
        The header under ``c/`` that states this problem, if there is one.
    compared
        Selects the part of a result whose error counts; everything by default.
    relative
        Whether each entry's error counts relative to the entry.
    atol_per_rtol
        The absolute tolerance is this many times the relative one.
    sparsity
        Where the Jacobian of the flattened state may be other than zero, for peers that have to be told: a sparse
        matrix of SciPy.
    """

    name: str
    title: str
    task: str
    rhs: Callable[[Any, Any, Any], Any]
    y0: np.ndarray
    params: dict[str, Any]
    t_span: tuple[float, float]
    saves: np.ndarray
    tolerances: tuple[float, ...]
    reference: Callable[[Case], np.ndarray]
    peers: tuple[str, ...]
    baseline: str
    varied: str = ""
    c_problem: str = ""
    compared: Callable[[np.ndarray], np.ndarray] = lambda result: result
    relative: bool = False
    atol_per_rtol: float = 1.0
    sparsity: Callable[[], Any] | None = None

    @property
    def flat_params(self) -> np.ndarray:
        """All parameters in one row, for programs that take a pointer; never empty, so that there is one."""
        return np.concatenate([np.ravel(value) for value in (*self.params.values(), 0.0)])

    @property
    def final_only(self) -> bool:
        """Whether the state at the end is all that is wanted."""
        return len(self.saves) == 1 and self.saves[0] == self.t_span[1]

    def atol(self, rtol: float) -> float:
        """The absolute tolerance that goes with a relative one."""
        return self.atol_per_rtol * rtol

    def error(self, result: Any, reference: np.ndarray) -> float:
        """Largest difference from the reference, over what is compared."""
        truth = self.compared(reference)
        difference = np.abs(self.compared(np.asarray(result)) - truth)
        return float(np.max(difference / np.abs(truth) if self.relative else difference))
