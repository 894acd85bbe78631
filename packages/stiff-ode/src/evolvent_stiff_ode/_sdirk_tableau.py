"""The coefficients of a diagonally implicit Runge-Kutta method, or of an additive pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Row = tuple[float, ...]

PREDICTED = 3  # the degree of the polynomials that predict stages
TRUST = 0.02  # how much the terms that the step before hands on count beside the stages of this one


@dataclass(frozen=True)
class SdirkTableau:
    """Coefficients of a method whose first stage is explicit and whose others have `gamma` on the diagonal.

    The first stage is the derivative at the step's start, which the step before hands on. A method without explicit
    stage has a zero column there: then that derivative serves the error estimate and the prediction of stages alone.

    Parameters
    ----------
    order, error_order : int
        Of the step and of the embedded formula, where there is one.
    gamma : float
        The diagonal.
    c : tuple of float
        Nodes (s), the first one zero.
    a : tuple of rows
        What is left of the diagonal: row i has i entries, the first row none.
    error : tuple of float, optional
        ``b - b_hat`` (s).
    b : tuple of float, optional
        Weights (s) of a method that is not stiffly accurate; else the last row of a, with gamma.
    explicit : tuple of rows, optional
        Of an additive pair the explicit method's coefficients; its weights are b too.
    smooth : bool
        Whether the estimated error is multiplied by ``(I - gamma h J)**-1``: for embedded formulas that are not stable.
    dense : tuple of rows, optional
        The weights of dense output by powers: ``b_j(s) = s * (dense[0][j] + s * (dense[1][j] + ...))``; a cubic Hermite
        polynomial where there are none. They may have one entry more, for the derivative at the step's end, where that
        is not the last stage's: on split problems.
    dense_order : int
        Of that.
    memory : int
        How many terms of its derivative's Taylor series a step hands on, for the prediction of stages.

    Raises
    ------
    ValueError
        If shapes disagree or a row does not add up to its node.
    """

    order: int
    error_order: int | None
    gamma: float
    c: Row
    a: tuple[Row, ...]
    error: Row | None = None
    b: Row | None = None
    explicit: tuple[Row, ...] | None = None
    smooth: bool = False
    dense: tuple[Row, ...] | None = None
    dense_order: int = 3
    memory: int = 2

    def __post_init__(self) -> None:
        stages = len(self.c)
        for name, rows, diagonal in (("a", self.a, self.gamma), ("explicit", self.explicit or self.a, 0.0)):
            if len(rows) != stages or any(len(row) != i for i, row in enumerate(rows)):
                raise ValueError(f"tableau: {name} must have {stages} rows, row i of i entries")
            diagonal = self.gamma if rows is self.a else diagonal
            for node, row in zip(self.c[1:], rows[1:], strict=True):
                if abs(sum(row) + diagonal - node) > 1e-14 * (1.0 + sum(map(abs, row))):
                    raise ValueError(f"tableau: a row of {name} sums to {sum(row) + diagonal!r}, not to c = {node!r}")
        for name, row in (("error", self.error), ("b", self.b)):
            if row is not None and len(row) != stages:
                raise ValueError(f"tableau: {name} must have {stages} entries")
        if any(len(row) not in (stages, stages + 1) for row in self.dense or ()):
            raise ValueError(f"tableau: each row of dense must have {stages} or {stages + 1} entries")

    @property
    def weights(self) -> Row:
        """The weights of the step."""
        return (*self.a[-1], self.gamma) if self.b is None else self.b

    @cached_property
    def full(self) -> np.ndarray:
        """The implicit coefficients as a square matrix."""
        matrix = np.diag([0.0, *[self.gamma] * (len(self.c) - 1)])
        for i, row in enumerate(self.a):
            matrix[i, :i] = row
        return matrix

    @cached_property
    def full_explicit(self) -> np.ndarray:
        """The explicit coefficients as a square matrix; the implicit ones where there are none."""
        if self.explicit is None:
            return self.full
        matrix = np.zeros((len(self.c), len(self.c)))
        for i, row in enumerate(self.explicit):
            matrix[i, :i] = row
        return matrix

    # What multiplies increments z = gamma h y' instead of derivatives.

    @cached_property
    def unit(self) -> tuple[Row, ...]:
        """The rows of a over gamma."""
        return tuple(self._over_gamma(row) for row in self.a)

    @cached_property
    def unit_explicit(self) -> tuple[Row, ...]:
        """The rows of an additive pair's explicit method over gamma."""
        return tuple(self._over_gamma(row) for row in self.explicit or ())

    @cached_property
    def unit_weights(self) -> Row:
        """The weights over gamma."""
        return self._over_gamma(self.weights)

    @cached_property
    def unit_rest(self) -> Row:
        """What the explicit weights differ by from the last stage's row, over gamma."""
        last = (*(self.explicit or self.a)[-1], 0.0)
        return self._over_gamma(tuple(b - a for b, a in zip(self.weights, last, strict=True)))

    @cached_property
    def unit_error(self) -> Row:
        """The error's weights over gamma."""
        return self._over_gamma(self.error or ())

    @cached_property
    def unit_dense_split(self) -> tuple[Row, ...]:
        """The dense output's weights over gamma, on split problems."""
        return tuple(self._over_gamma(row) for row in self.dense or ())

    @cached_property
    def unit_dense(self) -> tuple[Row, ...]:
        """The dense output's weights over gamma, where the last stage is the step's end."""
        last = len(self.c) - 1
        return tuple((*row[:last], sum(row[last:])) for row in self.unit_dense_split)

    def _over_gamma(self, row: Row) -> Row:
        return tuple(weight / self.gamma for weight in row)

    @cached_property
    def predictors(self) -> tuple[Row, ...]:
        """Weights that predict each stage from the derivatives of the stages before, then from the bends.

        They are exact for polynomials of as high a degree as there is for; of these weights the least are taken.
        """
        known = len(self.bends)
        return tuple(
            moment_weights(self.c[:i], [self.c[i] ** p for p in range(min(i + known, PREDICTED + 1))], known)
            for i in range(len(self.c))
        )

    @cached_property
    def bends(self) -> tuple[Row, ...]:
        """Weights of the terms of the derivative's Taylor series about the step's end, after the first."""
        degree = min(len(set(self.c)) - 1, self.memory)
        back = tuple(node - 1.0 for node in self.c)
        rows = np.eye(degree + 1)[1:]
        return tuple(moment_weights(back, row) for row in rows)


def moment_weights(nodes: Row, moments: Sequence[float], terms: int = 0) -> Row:
    """The least weights of values at nodes, and of so many of a polynomial's terms after the first, for given moments.

    ``sum w_j nodes_j**p``, and the weight of the term of degree p, make the moment p.
    """
    powers = np.vander(nodes, len(moments), increasing=True).T
    scales = np.array([*[1.0] * len(nodes), *[TRUST] * terms])
    matrix = np.hstack([powers, np.eye(len(moments), terms, -1)]) * scales
    weights = scales * np.linalg.lstsq(matrix, np.asarray(moments, dtype=float), rcond=None)[0]
    return tuple(float(w) if abs(w) > 1e-14 else 0.0 for w in weights)


def difference(a: tuple[Row, ...], gamma: float, embedded: Row | None = None, factor: float = 1.0) -> Row:
    """The last stage's row less the embedded weights, by a factor; those are by default the row of the stage before."""
    embedded = (*a[-2], gamma) if embedded is None else embedded
    padded = (*embedded, *[0.0] * (len(a) - len(embedded)))
    return tuple(factor * (b - b_hat) for b, b_hat in zip((*a[-1], gamma), padded, strict=True))
