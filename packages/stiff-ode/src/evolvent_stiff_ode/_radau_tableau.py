"""The coefficients of Radau IIA methods, from their nodes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache
from math import comb

import numpy as np

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class RadauTableau:
    """A Radau IIA method, its matrix split as its eigenvectors split it.

    With ``A^-1 = T blkdiag(gamma, ...) T^-1`` stages z are known by ``w = T^-1 z``. A pair of conjugate eigenvalues
    ``alpha + i beta`` has two rows of `inwards`, the real and the imaginary part of one row of ``T^-1``.

    Parameters
    ----------
    c : tuple
        Nodes.
    gamma : float or None
        The real eigenvalue of ``A^-1``; None for an even number of stages.
    pairs : tuple of (alpha, beta)
        The complex ones.
    inwards, scaled, outwards : rows
        ``T^-1``, ``T^-1 A^-1`` and T.
    terms : rows
        From stages to the coefficients of ``s - 1, (s - 1)^2, ...`` in the collocation polynomial over the step.
    begins : tuple
        From stages to that polynomial's derivative where the step begins.
    """

    c: tuple[float, ...]
    gamma: float | None
    pairs: tuple[tuple[float, float], ...]
    inwards: Rows
    scaled: Rows
    outwards: Rows
    terms: Rows
    begins: tuple[float, ...]

    @property
    def stages(self) -> int:
        """How many there are."""
        return len(self.c)

    @property
    def order(self) -> int:
        """The order of the step: that of the quadrature."""
        return 2 * self.stages - 1


@lru_cache
def radau(stages: int) -> RadauTableau:
    """Derive the method with so many stages."""
    with localcontext() as context:
        context.prec = 60
        nodes = _nodes(stages)
        # Lagrange's polynomials of the stages; that of the start, where z is zero, is not needed.
        basis = [_lagrange(nodes, j) for j in range(stages)]
        inverse = np.asarray([[float(_derivative(p, c - 1)) for p in basis] for c in nodes])
        terms = tuple(tuple(float(p[k]) for p in basis) for k in range(1, stages + 1))
        begins = tuple(float(_derivative(p, Decimal(-1))) for p in basis)
        c = tuple(float(node) for node in nodes)
    values, vectors = (np.asarray(part, dtype=complex) for part in np.linalg.eig(inverse))
    # One of each pair of eigenvalues, the real one first. The last stage's entry is scaled to one.
    heights = np.imag(values)
    chosen = sorted(np.flatnonzero(heights > -1e-8), key=lambda i: abs(heights[i]))
    vectors = vectors / vectors[-1]
    gamma, pairs, columns = None, [], []
    for i in chosen:
        value, vector = values[i], vectors[:, i]
        if abs(value.imag) < 1e-8:
            gamma = float(value.real)
            columns.append(vector.real)
        else:
            pairs.append((float(value.real), float(value.imag)))
            columns += [2.0 * vector.real, -2.0 * vector.imag]
    outwards = np.stack(columns, axis=1)
    inwards = np.linalg.inv(outwards)
    return RadauTableau(
        c=c,
        gamma=gamma,
        pairs=tuple(pairs),
        inwards=_rows(inwards),
        # Of the exact matrix: what the iteration converges to does not see how its eigenvectors were rounded.
        scaled=_rows(inwards @ inverse),
        outwards=_rows(outwards),
        terms=terms,
        begins=begins,
    )


def _nodes(s: int) -> list[Decimal]:
    """The zeros of ``d^(s-1)/dx^(s-1) [x^(s-1) (x - 1)^s]``, to many digits."""
    powers = [0] * (s - 1) + [comb(s, k) * (-1) ** (s - k) for k in range(s + 1)]
    for _ in range(s - 1):
        powers = [k * a for k, a in enumerate(powers)][1:]
    found = []
    for root in sorted(np.roots(powers[::-1]).real):
        x = Decimal(float(root))
        for _ in range(6):
            value, slope = (
                sum((a * x**k for k, a in enumerate(p)), Decimal(0)) for p in (powers, _differentiated(powers))
            )
            x -= value / slope
        found.append(x)
    return found


def _differentiated(powers: list[int]) -> list[int]:
    return [k * a for k, a in enumerate(powers)][1:]


def _lagrange(nodes: list[Decimal], j: int) -> list[Decimal]:
    """The powers of ``u = s - 1`` in the polynomial that is one at a node, zero at the others and where s is."""
    found = [Decimal(1)]
    for other in [Decimal(0), *nodes[:j], *nodes[j + 1 :]]:
        shift, scale = 1 - other, 1 / (nodes[j] - other)
        raised = [Decimal(0), *found]
        found = [scale * (up + shift * here) for up, here in zip(raised, [*found, Decimal(0)], strict=True)]
    return found


def _derivative(powers: list[Decimal], u: Decimal) -> Decimal:
    total = Decimal(0)
    for k in range(len(powers) - 1, 0, -1):
        total = total * u + k * powers[k]
    return total


def _rows(matrix: np.ndarray) -> Rows:
    return tuple(tuple(row.tolist()) for row in matrix)
