"""The coefficients of a Rosenbrock method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class RosenbrockTableau:
    """Coefficients in the form that needs no product with the Jacobian (Hairer & Wanner, Solving ODEs II, IV.7).

    The stages are ``(M / (gamma h) - J) u_i = f(t + alpha_i h, y + sum a_ij u_j) + M sum c_ij u_j / h + d_i h f_t``; a
    step goes to ``y + sum m_i u_i``, and its error is ``sum error_i u_i``.

    Parameters
    ----------
    order, error_order : int
        Of the step and of the embedded formula.
    dense : tuple of rows
        The continuous extension is ``(1 - s) y0 + s y1 + s (1 - s) (r_1 + s r_2 + ...)`` with ``r_k = sum_j dense[k, j]
        u_j``; of `dense_order`. Without rows it is the shortest one of second order.

    Raises
    ------
    ValueError
        If the coefficients miss a condition of order one or two, or don't belong together.
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

    def __post_init__(self) -> None:
        standard = self.standard()
        beta = standard.alpha + standard.gamma
        for name, found, wanted in (
            ("alpha", standard.alpha.sum(axis=1), np.asarray(self.alpha)),
            ("d", standard.gamma.sum(axis=1), np.asarray(self.d)),
            ("m", standard.b.sum(), 1.0),
            ("m", standard.b @ beta.sum(axis=1), 0.5),
        ):
            if not np.allclose(found, wanted, rtol=0.0, atol=1e-9):
                raise ValueError(f"{name} does not agree with the other coefficients: {found} instead of {wanted}")
        if not self.dense:
            conditions = np.stack([np.ones(len(self.m)), beta.sum(axis=1)])
            row = np.linalg.lstsq(conditions, np.asarray([0.0, -0.5]), rcond=None)[0] @ standard.inverse
            object.__setattr__(self, "dense", (tuple(row.tolist()),))

    @classmethod
    def from_standard(cls, gamma: Any, alpha: Any, b: Any, error: Any, dense: Any, **orders: int) -> RosenbrockTableau:
        """Make a tableau of the coefficients of the stages' increments k: lower triangular gamma and alpha, weights."""
        gamma, alpha = np.asarray(gamma, dtype=float), np.asarray(alpha, dtype=float)
        inverse = np.linalg.inv(gamma)
        s = len(b)

        def rows(matrix: Any) -> tuple[tuple[float, ...], ...]:
            return tuple(tuple(matrix[i, :i].tolist()) for i in range(s))

        def weights(row: Any) -> tuple[float, ...]:
            return tuple((np.asarray(row, dtype=float) @ inverse).tolist())

        return cls(
            gamma=float(gamma[0, 0]),
            alpha=tuple(alpha.sum(axis=1).tolist()),
            d=tuple(gamma.sum(axis=1).tolist()),
            a=rows(alpha @ inverse),
            c=rows(np.diag(1.0 / np.diagonal(gamma)) - inverse),
            m=weights(b),
            error=weights(error),
            dense=tuple(weights(row) for row in dense),
            **orders,
        )

    def standard(self) -> Standard:
        """Go back to the coefficients of the stages' increments, in which order conditions are stated."""
        s = len(self.m)
        a, c = np.zeros((s, s)), np.zeros((s, s))
        for i in range(1, s):
            a[i, :i], c[i, :i] = self.a[i], self.c[i]
        inverse = np.eye(s) / self.gamma - c
        gamma = np.linalg.inv(inverse)
        return Standard(a @ gamma, gamma, inverse, np.asarray(self.m) @ gamma, np.asarray(self.error) @ gamma)

    @property
    def fsal(self) -> bool:
        """Whether the last stage evaluates f where the step ends."""
        return self.m[-1] == 0.0 and self.alpha[-1] == 1.0 and self.a[-1] == self.m[:-1]

    def same_point(self, i: int) -> bool:
        """Whether stage i evaluates f where the stage before did."""
        longer = (*self.a[i - 1], *(0.0,) * (len(self.a[i]) - len(self.a[i - 1])))
        return self.alpha[i - 1] == self.alpha[i] and longer == self.a[i]


@dataclass(frozen=True, eq=False)
class Standard:
    """The coefficients of ``k_i = h f(y + sum alpha_ij k_j) + h J sum gamma_ij k_j + gamma_i h^2 f_t``."""

    alpha: np.ndarray
    gamma: np.ndarray
    inverse: np.ndarray
    b: np.ndarray
    error: np.ndarray
