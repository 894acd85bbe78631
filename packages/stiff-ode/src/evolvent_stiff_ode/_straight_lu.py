"""Small sparse factorisations without loops: every entry is a number of its own."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np

from ._symbolic import Straight, Symbolic

CANCELLED = 100.0  # spacings of numbers at the terms of a pivot: so little of them is left by chance only
GROWTH = -2 / 3  # a power of the spacing: pivots that grow by more have lost what the matrix said


@np.errstate(all="ignore")  # what a bad pivot leads to is told by NaN
def straight_lu(b: Any, symbolic: Symbolic, values: Any) -> Any:
    """Factorise.

    Parameters
    ----------
    b : Backend
        What the arrays are run by.
    symbolic : Symbolic
        Whose `straight` is not None.
    values : array, shape (entries, ...)
        The matrix's entries, in the order of the pattern.

    Returns
    -------
    array, shape (symbolic.straight.size, ...)
        Row by row the entries of L with the opposite sign, the inverse pivot, and the entries of U over the pivot with
        the opposite sign. The last pivot is NaN if some pivot has cancelled or grown so much that the factors are of no
        use.
    """
    xp, straight = b.xp, _written_out(symbolic)
    add_product = _fused(b, values)
    spacing = float(xp.finfo(values.dtype).eps)
    inverse: list[Any] = []
    upper: list[dict[int, Any]] = []
    factors: list[Any] = []
    terms: list[Any] = []
    good: Any = None
    entries = [values[place, ...] for place in range(len(symbolic.pattern.rows))]
    for i in range(symbolic.n):
        row = {j: entries[place] for j, place in straight.given[i]}
        size: Any = xp.abs(row[i]) if i in row else None
        for k in straight.lower[i]:
            factor = -(row.pop(k) * inverse[k])
            factors.append(factor)
            for j, u in upper[k].items():
                row[j] = add_product(row[j], factor, u) if j in row else factor * u
            if i in upper[k]:
                size = xp.abs(row[i]) if size is None else size + xp.abs(row[i])
        pivot = row.pop(i)
        kept = xp.abs(pivot) > CANCELLED * spacing * size
        good = kept if good is None else xp.logical_and(good, kept)
        terms.append(size)
        inverse.append(1.0 / pivot)
        upper.append({j: row[j] for j in straight.upper[i]})
        # Of rows over their pivots each unknown is one product behind the last: what a step of few equations waits for.
        factors += [inverse[i], *(-(u * inverse[i]) for u in upper[i].values())]
    given = xp.sum(xp.abs(values), axis=0)
    good = xp.logical_and(good, sum(terms) <= spacing**GROWTH * given)
    factors[-1] = xp.where(good, factors[-1], xp.full_like(factors[-1], nan))
    return xp.stack(factors)


def _written_out(symbolic: Symbolic) -> Straight:
    """The entries of factors that are few."""
    if symbolic.straight is None:
        raise ValueError(f"{symbolic!r} has too many factors to be written out: use the backend's sparse_lu.")
    return symbolic.straight


def _fused(b: Any, values: Any) -> Any:
    """``a + x * y``: where the backend's weighted sums round once, so does this."""
    if b.is_real(values.dtype):
        return lambda a, x, y: b.combine(a, 1.0, (x,), (y,))
    return lambda a, x, y: a + x * y


@np.errstate(all="ignore")
def straight_solve(b: Any, symbolic: Symbolic, factors: Any, rhs: Any) -> Any:
    """Substitute.

    Parameters
    ----------
    b : Backend
        What the arrays are run by.
    symbolic : Symbolic
        Of the factors.
    factors : array
        By `straight_lu`.
    rhs : array, shape (n, ...)
        The right side.

    Returns
    -------
    array, shape (n, ...)
    """
    straight = _written_out(symbolic)
    add_product = _fused(b, factors)
    x: list[Any] = []
    for i in range(symbolic.n):
        value = rhs[int(symbolic.rows[i]), ...]
        for k in straight.lower[i]:
            value = add_product(value, factors[straight.place[i, k], ...], x[k])
        x.append(value)
    for i in reversed(range(symbolic.n)):
        value = x[i] * factors[straight.place[i, i], ...]
        # The unknown that was found last comes last: the other products don't wait for it.
        for j in reversed(straight.upper[i]):
            value = add_product(value, factors[straight.place[i, j], ...], x[j])
        x[i] = value
    found: list[Any] = [None] * symbolic.n
    for column, value in zip(symbolic.columns.tolist(), x, strict=True):
        found[column] = value
    return b.xp.stack(found)
