"""Butcher tableaus: data that check themselves when they are built."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, repeat
from math import comb
from operator import mul
from typing import Any

import numpy as np

from ._order_conditions import forest, order_residuals

Row = tuple[float, ...]

# The 200 conditions to order 8 take a tenth of a millisecond; the 53,272 to order 14 are left to the tests.
CHECKED_ORDER = 8


@dataclass(frozen=True)
class Interpolant:
    """Dense output ``y(t + theta dt) = y0 + dt * sum_i b_i(theta) k_i``.

    The polynomials b_i are kept in the basis ``theta**j * (1 - theta)**(degree - j)``. In powers of theta
    the coefficients of high-order interpolants reach 1e6 with alternating signs, which costs six digits of
    the result, and all of them in single precision. Here ``theta = 1`` gives b to the last digit.

    Parameters
    ----------
    order : int
        The order of the interpolated values.
    weights : tuple of tuples of float
        ``weights[i][j - 1]`` is the coefficient of ``theta**j * (1 - theta)**(degree - j)`` in ``b_i``; an
        empty row is zero. There is a row for each stage, one for the derivative at the step's end unless the
        last stage is that (FSAL), then one for each extra stage.
    c, a : tuples
        Nodes and coefficients of the extra stages, computed only where the interpolant is asked for.
    tolerance : float
        How far the published digits may leave the order conditions unmet.
    """

    order: int
    weights: tuple[Row, ...]
    c: Row = ()
    a: tuple[Row, ...] = ()
    tolerance: float = field(default=1e-12, repr=False)

    @classmethod
    def from_powers(cls, order: int, powers: tuple[Row, ...], c: Row = (), a: tuple[Row, ...] = ()) -> Interpolant:
        """Convert from ``b_i(theta) = sum_j powers[i][j] * theta**(j + 1)``, as most papers print it."""
        degree = max(map(len, powers))
        weights = tuple(
            tuple(
                float(sum(row[p - 1] * comb(degree - p, j - p) for p in range(1, min(j, len(row)) + 1)))
                for j in range(1, degree + 1)
            )
            if row
            else ()
            for row in powers
        )
        return cls(order, weights, c, a)

    def at(self, theta: Any) -> list[Any]:
        """Evaluate every ``b_i(theta)`` for any scalar; an empty row stays a Python zero."""
        degree = max(map(len, self.weights))
        up = accumulate(repeat(theta, degree), mul)
        down = [1.0, *accumulate(repeat(1.0 - theta, degree - 1), mul)]
        basis = [rising * falling for rising, falling in zip(up, reversed(down), strict=True)]
        return [
            sum(weight * term for weight, term in zip(row, basis, strict=True) if weight) if row else 0.0
            for row in self.weights
        ]


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method's coefficients, checked against its order conditions.

    Parameters
    ----------
    order : int
        The order of the advancing formula.
    c, a, b : tuples of float
        Nodes (s), strictly lower triangular coefficients (row i has i entries), weights (s).
    error : tuple of float, optional
        ``b - b_hat``; one entry more than s when the derivative at the step's end enters.
    error_order : int, optional
        The order of the embedded formula.
    interpolant : Interpolant, optional
        Dense output of the method's own; else the driver's cubic Hermite.
    tolerance : float
        How far the published digits may leave the order conditions unmet.

    Raises
    ------
    ValueError
        If row sums or order conditions (to order 8) don't hold, or shapes disagree.

    Examples
    --------
    >>> Tableau(order=2, c=(0.0, 1.0), a=((), (1.0,)), b=(0.5, 0.5), error=(-0.5, 0.5), error_order=1).fsal
    False
    >>> Tableau(order=3, c=(0.0, 1.0), a=((), (1.0,)), b=(0.5, 0.5))
    Traceback (most recent call last):
        ...
    ValueError: tableau: b misses the order condition of the tree [[][]] by 1.67e-01
    """

    order: int
    c: Row
    a: tuple[Row, ...]
    b: Row
    error: Row | None = None
    error_order: int | None = None
    interpolant: Interpolant | None = None
    tolerance: float = field(default=1e-12, repr=False)

    def __post_init__(self) -> None:
        stages = self.stages
        if len(self.c) != stages or len(self.a) != stages or any(len(row) != i for i, row in enumerate(self.a)):
            raise ValueError(f"tableau: c, a, b must have {stages} rows and a be strictly lower triangular")
        for i, (node, row) in enumerate(self.rows()):
            if abs(sum(row) - node) > self.tolerance:
                raise ValueError(f"tableau: row {i} of a sums to {sum(row)!r}, not to c = {node!r}")
        self._check("b", self.b, self.order, self.tolerance)
        if self.error is not None:
            if self.error_order is None or not stages <= len(self.error) <= stages + 1:
                raise ValueError(f"tableau: error needs an error_order and {stages} or {stages + 1} entries")
            self._check("b - error", self.embedded, self.error_order, self.tolerance)
        if (dense := self.interpolant) is not None:
            for theta in (0.3, 0.7, 1.0):
                self._check(f"b({theta})", dense.at(theta), dense.order, dense.tolerance, theta)

    def _check(self, name: str, weights: Any, order: int, tolerance: float, theta: float = 1.0) -> None:
        used = self.dense_a[: len(weights), : len(weights)]
        residuals = abs(order_residuals(used, np.asarray(weights), min(order, CHECKED_ORDER), theta))
        worst = int(np.argmax(residuals > tolerance))
        if not residuals[worst] <= tolerance:
            tree = forest(order).draw(worst)
            raise ValueError(f"tableau: {name} misses the order condition of the tree {tree} by {residuals[worst]:.2e}")

    def rows(self) -> list[tuple[float, Row]]:
        """List node and coefficients of all that can be a stage: a step's own, its end, the interpolant's."""
        end = [] if self.fsal else [(1.0, self.b)]
        extra = [] if self.interpolant is None else list(zip(self.interpolant.c, self.interpolant.a, strict=True))
        return [*zip(self.c, self.a, strict=True), *end, *extra]

    @property
    def stages(self) -> int:
        """How many stages a step has."""
        return len(self.b)

    @property
    def embedded(self) -> Row:
        """The weights of the embedded formula, as many as `error` has."""
        error = self.error or ()
        return tuple(b - e for b, e in zip((*self.b, 0.0), error, strict=False))

    @cached_property
    def dense_a(self) -> np.ndarray:
        """The coefficients of `rows` as a square array."""
        rows = self.rows()
        square = np.zeros((len(rows), len(rows)))
        for i, (_, row) in enumerate(rows):
            square[i, : len(row)] = row
        return square

    @cached_property
    def twins(self) -> tuple[int, int] | None:
        """The last two evaluations of f at one time, that at the step's end among them."""
        times = [*self.c] if self.fsal else [*self.c, 1.0]
        for i in reversed(range(len(times))):
            for j in reversed(range(i)):
                if times[i] == times[j]:
                    return i, j
        return None

    @cached_property
    def real_stability(self) -> float:
        """How far to the left of the origin the stability interval reaches on the real axis."""
        s = len(self.c)
        a = np.zeros((s, s))
        for i, row in enumerate(self.a):
            a[i, :i] = row
        powers = [np.ones(s)]
        for _ in range(s - 1):
            powers.append(a @ powers[-1])
        polynomial = np.polynomial.Polynomial([1.0, *(float(np.dot(self.b, power)) for power in powers)])
        grid = np.arange(0.01, 200.0, 0.01)
        unstable = np.abs(polynomial(-grid)) > 1.0 + 1e-9
        return float(grid[np.argmax(unstable)]) if unstable.any() else float(grid[-1])

    @cached_property
    def fsal(self) -> bool:
        """Whether the last stage is the derivative at the end of the step (first same as last)."""
        return self.c[-1] == 1.0 and self.b[-1] == 0.0 and self.a[-1] == self.b[:-1]
