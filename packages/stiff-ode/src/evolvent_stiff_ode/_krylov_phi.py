"""Products of the functions phi_k of a large matrix with a vector, from a Krylov space."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._phi import phi
from .linear.solver import flat, unflat

TWICE = 2  # how often vectors are made orthogonal: once loses digits


class Space(NamedTuple):
    """An orthonormal basis of a Krylov space, (dimension + 1, n) and lanes, and the matrix projected to it.

    `projected` is (dimension + 1, dimension) and lanes; `size` is the norm of the vector that spans it.
    """

    basis: Any
    projected: Any
    size: Any


def arnoldi(b, times, vector, dimension: int) -> Space:
    """Span a Krylov space by `times`, from vectors to vectors; the rest of it is zero where it is exhausted."""
    xp, c = b.xp, b.control
    places = xp.arange(dimension + 1, dtype=b.real_dtype(vector.dtype), device=b.device)
    places = places[:, None] if b.lanes else places
    size = _norm(b, vector)
    first = _unit(b, places, b.real(0.0), vector)
    basis = first[:, None, ...] * _divided(b, vector, size)[None, ...]
    projected = first[:, None, ...] * (0.0 * first[None, :-1, ...])

    def grow(carry):
        at, basis, projected, _ = carry
        here, after = _unit(b, places, at, vector), _unit(b, places, at + 1.0, vector)
        new = times(_sum(b, here, basis))
        scale = _norm(b, new)
        along = None
        for _ in range(TWICE):
            part = _dots(b, basis, new)
            new = new - _sum(b, part, basis)
            along = part if along is None else along + part
        left = _norm(b, new)
        # What is left of rounding alone is not another direction.
        ends = left <= 1e-14 * scale
        left = xp.where(ends, xp.zeros_like(left), left)
        projected = projected + (along + left * after)[:, None, ...] * here[None, :-1, ...]
        basis = basis + after[:, None, ...] * _divided(b, new, left)[None, ...]
        return at + 1.0, basis, projected, b.to_control(b.stop_gradient(left)) > 0.0

    start = (b.real(0.0), basis, projected, b.to_control(b.stop_gradient(size)) > 0.0)
    _, basis, projected, _ = b.while_loop(
        lambda carry: c.logical_and(carry[3], carry[0] < 1.0 * dimension), grow, start, max_iterations=dimension
    )
    return Space(basis, projected, size)


def phi_times(b, times, dt, vector, dimension: int, wanted) -> list[tuple[Any, Any]]:
    """Compute ``phi_k(c dt A) x`` for a list of (c, k), with c one or one half.

    Returns
    -------
    list of (array, array)
        Products, and the first terms of their errors (Saad, SIAM J. Numer. Anal. 29 (1992), doi:10.1137/0729014).
    """
    like, vector = vector, flat(b, vector)
    space = arnoldi(b, lambda x: flat(b, times(unflat(b, x, like))), vector, dimension)
    highest = max(k for _, k in wanted) + 1
    whole, half = _columns(b, b.time(dt, like) * space.projected[:-1, ...], highest)
    last, coupling = space.basis[-1, ...], space.projected[-1, -1, ...]
    found = []
    for c, k in wanted:
        columns = whole if c == 1.0 else half
        value = _sum(b, space.size * columns[k - 1], space.basis[:-1, ...])
        leak = b.time(c * dt, like) * coupling * (space.size * columns[k][-1, ...]) * last
        found.append((unflat(b, value, like), unflat(b, leak, like)))
    return found


def _columns(b, matrix, highest: int) -> tuple[list[Any], list[Any]]:
    """The first columns of ``phi_1 .. phi_highest`` of a matrix and of its half, by one exponential.

    Its argument is the matrix, bordered by a unit vector and a chain of ones.
    """
    xp, m = b.xp, matrix.shape[0]
    right, below = np.zeros((m, highest)), np.zeros((highest, m + highest))
    right[0, 0] = 1.0
    below[:-1, m + 1 :] = np.eye(highest - 1)
    parts = []
    for part in (right, below):
        part = xp.asarray(part, dtype=matrix.dtype, device=b.device)
        parts.append(xp.broadcast_to(part[..., None], (*part.shape, *b.lanes)) if b.lanes else part)
    bordered = xp.concat([xp.concat([matrix, parts[0]], axis=1), parts[1]], axis=0)
    (whole,), (half,) = phi(b, bordered, 0)
    columns = range(m, m + highest)
    # Half of the chain of ones has divided each column by two once more.
    return [whole[:m, i, ...] for i in columns], [2.0 ** (i - m + 1) * half[:m, i, ...] for i in columns]


def _unit(b, places, at, like) -> Any:
    """The unit vector of a place, and lanes."""
    xp = b.xp
    one = xp.where(xp.abs(places - b.time(at, like)) < 0.5, xp.ones_like(places), xp.zeros_like(places))
    return xp.astype(one, like.dtype)


def _norm(b, x) -> Any:
    xp = b.xp
    size = xp.abs(x)
    return xp.sqrt(xp.sum(size * size, axis=0))


def _divided(b, x, size) -> Any:
    """A vector over its size, zero where that is."""
    xp = b.xp
    safe = xp.where(size > 0.0, size, xp.ones_like(size))
    return xp.where(size > 0.0, x / safe, xp.zeros_like(x))


def _sum(b, weights, rows) -> Any:
    """Combine rows."""
    return b.xp.sum(weights[:, None, :] * rows, axis=0) if b.lanes else b.xp.matmul(weights, rows)


def _dots(b, rows, x) -> Any:
    """Project to rows."""
    xp = b.xp
    rows = rows if b.is_real(rows.dtype) else xp.conj(rows)
    return xp.sum(rows * x[None, ...], axis=1) if b.lanes else xp.matmul(rows, x)
