"""Sparse LU factorisations by a plan, in NumPy: entry by entry, as `_kernels.sparse` describes the plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._kernels.sparse import CANCELLED, GROWTH


class _Plan:
    """The numbers of a plan."""

    def __init__(self, attrs: tuple[int, ...], numbers: np.ndarray):
        self.n, self.count, self.widest, self.size, *offsets = attrs
        sections = [numbers[a:b] for a, b in zip(offsets, [*offsets[1:], len(numbers)], strict=True)]
        (self.rows, self.columns, self.first, self.behind, self.places, self.blocks) = sections[:6]
        (self.before, self.updates, self.lower, self.start, self.at, self.of) = sections[6:]

    def columns_of(self, block: int) -> np.ndarray:
        """The columns of a block's rows."""
        own = np.arange(self.first[block], self.first[block + 1])
        return np.concatenate([own, self.places[self.behind[block] : self.behind[block + 1]]])

    def row(self, factors: np.ndarray, block: int, i: int) -> np.ndarray:
        """A row of a block's rectangle."""
        width = self.first[block + 1] - self.first[block] + self.behind[block + 1] - self.behind[block]
        start = self.blocks[block] + (i - self.first[block]) * width
        return factors[start : start + width]

    def earlier(self, i: int):
        """The pivots of earlier blocks that row i has factors of, and where those are."""
        at = self.lower[i]
        for block in self.updates[self.before[i] : self.before[i + 1]]:
            for k in range(self.first[block], self.first[block + 1]):
                yield block, k, at
                at += 1


def lu(attrs: tuple[int, ...], shape: Any, dtype: Any, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The factors, row by row and pivot by pivot."""
    plan = _Plan(attrs, numbers)
    factors = np.zeros(shape, dtype)
    if not plan.n:
        return factors
    inverse = factors[plan.size - plan.n :]
    spacing = np.finfo(dtype).eps
    terms, good = 0.0, True
    for block in range(plan.count):
        columns = plan.columns_of(block)
        for i in range(plan.first[block], plan.first[block + 1]):
            full = np.zeros(plan.n, dtype)
            entries = slice(plan.start[i], plan.start[i + 1])
            full[plan.at[entries]] = values[plan.of[entries]]
            magnitude = _size(full[i])
            for other, k, at in plan.earlier(i):
                factors[at] = full[k] * inverse[k]
                behind = plan.columns_of(other)[k + 1 - plan.first[other] :]
                full[behind] -= factors[at] * plan.row(factors, other, k)[-len(behind) :]
                if k == plan.first[other + 1] - 1:
                    magnitude += _size(full[i])
            row = plan.row(factors, block, i)
            row[:] = full[columns]
            for k in range(i - plan.first[block]):
                row[k] *= inverse[plan.first[block] + k]
                row[k + 1 :] -= row[k] * plan.row(factors, block, plan.first[block] + k)[k + 1 :]
            pivot = row[i - plan.first[block]]
            magnitude += _size(pivot)
            terms += magnitude
            good = good and bool(_size(pivot) > CANCELLED * spacing * magnitude)
            inverse[i] = 1 / pivot
    if not (good and terms <= spacing**GROWTH * np.sum(_size(values))):
        inverse[-1] = np.nan
    return factors


def _size(x: Any) -> Any:
    return np.abs(np.real(x)) + np.abs(np.imag(x))


def solve(
    attrs: tuple[int, ...], shape: Any, dtype: Any, factors: np.ndarray, numbers: np.ndarray, sides: np.ndarray
) -> np.ndarray:
    """The solutions for right sides behind each other."""
    plan = _Plan(attrs, numbers)
    y = sides[:, plan.rows].T.copy()
    out = np.empty(shape, dtype)
    inverse = factors[plan.size - plan.n :]
    for block in range(plan.count):
        for i in range(plan.first[block], plan.first[block + 1]):
            for _, k, at in plan.earlier(i):
                y[i] -= factors[at] * y[k]
            own = i - plan.first[block]
            y[i] -= plan.row(factors, block, i)[:own] @ y[plan.first[block] : i]
    for block in reversed(range(plan.count)):
        for i in reversed(range(plan.first[block], plan.first[block + 1])):
            own = i - plan.first[block] + 1
            y[i] -= plan.row(factors, block, i)[own:] @ y[plan.columns_of(block)[own:]]
            y[i] *= inverse[i]
    out[:, plan.columns] = y.T
    return out
