"""The functions phi_k of matrices: ``phi_0 = exp``, ``phi_k(z) = z phi_(k+1)(z) + 1 / k!``."""

from __future__ import annotations

from math import factorial, log
from typing import Any

BLOCK = 4  # of the powers in a Taylor polynomial: each further block costs one product
DEGREE = 4 * BLOCK - 1
SMALL = 0.5  # a norm at which that polynomial is exact to rounding
MOST = 1100  # doublings of what is still finite


def product(b, x, y, diagonal: bool) -> Any:
    """Multiply two matrices, (n, n) and lanes, or diagonals, (n,) and lanes."""
    if diagonal:
        return x * y
    if b.lanes:
        return b.xp.sum(x[:, :, None, :] * y[None, ...], axis=1)
    return b.xp.matmul(x, y)


def identity(b, like, diagonal: bool) -> Any:
    """The identity, in the form of a matrix or of its diagonal."""
    xp = b.xp
    if diagonal:
        return xp.ones_like(like)
    one = xp.eye(like.shape[0], dtype=like.dtype, device=b.device)
    return one[..., None] if b.lanes else one


def phi(b, matrix, highest: int, diagonal: bool = False) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Compute ``phi_0 .. phi_highest`` of a matrix, and of half of it.

    A Taylor polynomial of the scaled matrix, then doublings ``2^k phi_k(2 z) = phi_0(z) phi_k(z) + sum_(j=1)^k
    phi_j(z) / (k - j)!`` (Skaflestad & Wright, Appl. Numer. Math. 59 (2009), doi:10.1016/j.apnum.2008.03.035). What is
    doubled in place of the exponential is what it is more than one: where others are stiff, slow components would
    else be lost in the rounding of that one.
    """
    xp, c = b.xp, b.control
    size = xp.abs(matrix) if diagonal else xp.sum(xp.abs(matrix), axis=1)
    size = b.to_control(b.stop_gradient(xp.max(size, axis=0)))
    size = c.where(c.isfinite(size), c.maximum(size, SMALL), SMALL)
    # At least one, for the half.
    doublings = c.minimum(c.maximum(c.ceil(c.log(size / SMALL) / log(2.0)), 1.0), 1.0 * MOST)
    scaled = b.time(c.power(b.real(0.5), doublings), matrix) * matrix
    found = _small(b, scaled, highest, diagonal)

    def doubled(carry):
        count, now, _ = carry
        new = [product(b, now[0], now[0], diagonal) + 2.0 * now[0]]
        for k in range(1, highest + 1):
            term = product(b, now[0], now[k], diagonal) + now[k]
            for j in range(1, k + 1):
                term = term + now[j] / factorial(k - j)
            new.append(term * 0.5**k)
        return count + 1.0, tuple(new), now

    start = (b.real(0.0), found, found)
    _, whole, half = b.while_loop(lambda carry: carry[0] < doublings, doubled, start, max_iterations=MOST)
    one = identity(b, matrix, diagonal)
    return (one + whole[0], *whole[1:]), (one + half[0], *half[1:])


def _small(b, a, highest: int, diagonal: bool) -> tuple[Any, ...]:
    """Compute ``phi_0 - 1, phi_1 ..`` where the norm is small: the last by its Taylor polynomial, others from it."""
    one = identity(b, a, diagonal)
    powers = [one, a]
    for _ in range(2, BLOCK + 1):
        powers.append(product(b, powers[-1], a, diagonal))
    total, last = None, max(highest, 1)
    for first in range(DEGREE + 1 - BLOCK, -1, -BLOCK):
        part = one / factorial(first + last)
        for j in range(1, BLOCK):
            part = part + powers[j] / factorial(first + j + last)
        total = part if total is None else product(b, total, powers[BLOCK], diagonal) + part
    found = [total]
    for k in range(last - 1, 0, -1):
        found.append(product(b, a, found[-1], diagonal) + one / factorial(k))
    found.append(product(b, a, found[-1], diagonal))
    return tuple(reversed(found))[: highest + 1]
