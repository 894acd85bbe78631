"""The coefficients of a Rosenbrock method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RosenbrockTableau:
    """Coefficients in the form that needs no product with the Jacobian (Hairer & Wanner, Solving ODEs II, IV.7).

    The stages are ``(M / (gamma h) - J) u_i = f(t + alpha_i h, y + sum a_ij u_j) + M sum c_ij u_j / h + d_i h f_t``; the
    step is ``y + sum m_i u_i``, its error ``sum error_i u_i``.

    Parameters
    ----------
    order, error_order : int
        Of the step and of the embedded formula.
    dense : tuple of rows
        The continuous extension is ``(1 - s) y0 + s y1 + s (1 - s) (r_1 + s r_2 + ...)`` with ``r_k = sum_j dense[k, j]
        u_j``; of `dense_order`.
    """

    order: int
    error_order: int
    gamma: float
    alpha: tuple[float, ...]
    d: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    c: tuple[tuple[float, ...], ...]
    m: tuple[float, ...]
    error: tuple[float, ...]
    dense: tuple[tuple[float, ...], ...]
    dense_order: int

    def same_point(self, i: int) -> bool:
        """Whether stage i evaluates f where the stage before did."""
        width = len(self.m)
        rows = [np.pad(np.asarray(row, dtype=float), (0, width - len(row))) for row in (self.a[i - 1], self.a[i])]
        return self.alpha[i - 1] == self.alpha[i] and bool(np.all(rows[0] == rows[1]))
