"""LU factorisation of a band matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from evolvent import InputError
from evolvent.sparse import Pattern

from .pattern import pattern_of
from .solver import LinearSolver, flat, size_of, unflat
from .sparse import SparseLU


class Factors(NamedTuple):
    """LAPACK's factors of a band matrix, and its pivots."""

    band: Any
    pivots: Any


class Storage(NamedTuple):
    """Where a matrix's entries lie in LAPACK's band storage, and the order of equations that makes it narrow."""

    order: np.ndarray
    lower: int
    upper: int
    places: np.ndarray


@dataclass(frozen=True)
class Banded(LinearSolver):
    """LU factorisation of a band matrix: for chains and lines, whose equations know their neighbours only.

    Work and memory are those of a band, n times its width squared and n times its width. Eager NumPy solves take
    LAPACK, with pivots; all others what `SparseLU` makes of the band. Without `lower` and `upper` the pattern is the
    problem's ``sparsity``, or found from f where that can be compiled, and equations are put into the order that makes
    the band narrow.

    Parameters
    ----------
    lower, upper : int, optional
        How far entries lie below and above the diagonal, at most: derivatives then are found with as many directions
        as the band is wide. Nothing outside of the band is seen.

    References
    ----------
    E. Cuthill, J. McKee, Reducing the bandwidth of sparse symmetric matrices (1969), doi:10.1145/800195.805928.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> from evolvent_stiff_ode import Banded, QNDF
    >>> def diffusion(t, y, p):
    ...     inner = 1000.0 * (y[:-2] - 2.0 * y[1:-1] + y[2:])
    ...     return np.concatenate([0.0 * y[:1], inner, 0.0 * y[:1]])
    >>> heat = ev.ODEProblem(diffusion, y0=np.arange(50.0) ** 2, t_span=(0.0, 10.0))
    >>> round(float(ev.solve(heat, QNDF(linear_solver=Banded(1, 1))).y[-1, 7]), 1)
    343.0
    """

    lower: int | None = None
    upper: int | None = None
    sparse: SparseLU | None = field(default=None, repr=False)
    by_lapack: bool = field(default=False, repr=False)

    def __post_init__(self):
        if (self.lower is None) != (self.upper is None):
            raise InputError("lower", "and upper are given together, or neither.")
        for name in ("lower", "upper"):
            given = getattr(self, name)
            if given is not None and (not isinstance(given, int) or given < 0):
                raise InputError(name, f"must be a whole number of diagonals, got {given!r}.")

    def prepared(self, model):
        """Settle the pattern and the order of equations."""
        if self.sparse is not None:
            return self
        b = model.backend
        by_lapack = b.xp is np and not (b.compiled or b.traced or b.lanes)
        sparse = SparseLU().for_pattern(model, self._pattern(model))
        return replace(self, sparse=sparse, by_lapack=by_lapack)

    def _pattern(self, model) -> Pattern:
        if self.lower is not None and self.upper is not None:
            return Pattern.banded(size_of(model), self.lower, self.upper)
        pattern = pattern_of(model)
        if pattern is None:
            raise InputError(
                "sparsity",
                "the Jacobian's pattern can't be found from f here.",
                "Give the width of the band, as Banded(lower, upper), or sparsity= to the problem.",
            )
        return pattern

    @property
    def _sparse(self) -> SparseLU:
        assert self.sparse is not None, "prepared() was not called"
        return self.sparse

    def parts(self, model):
        """List the Jacobian's entries, and the factorisation of a narrow band that is written out."""
        return self._sparse.parts(model)

    def factor(self, system, jacobian, shift, imaginary=None):
        """Factorise."""
        if not self.by_lapack:
            return self._sparse.factor(system, jacobian, shift, imaginary)
        from scipy.linalg.lapack import get_lapack_funcs

        storage = _storage(self._sparse.symbolic.pattern)
        mass = () if system.mass is None else (system.mass,)
        values = self._sparse.entries(system.backend, jacobian, shift, imaginary, mass)
        n = len(storage.order)
        band = np.zeros((2 * storage.lower + storage.upper + 1, n), values.dtype, order="F")
        band.reshape(-1, order="F")[storage.places] = values
        factorise: Any = get_lapack_funcs("gbtrf", (band,))
        factors, pivots, singular = factorise(band, storage.lower, storage.upper, overwrite_ab=True)
        if singular or not np.isfinite(values).all():
            factors = np.full_like(factors, np.nan)
        return Factors(factors, pivots)

    def solve(self, system, factors, rhs):
        """Substitute."""
        if not self.by_lapack:
            return self._sparse.solve(system, factors, rhs)
        from scipy.linalg.lapack import get_lapack_funcs

        storage = _storage(self._sparse.symbolic.pattern)
        b, vector = system.backend, flat(system.backend, rhs)
        solve: Any = get_lapack_funcs("gbtrs", (factors.band, vector))
        given = vector[storage.order].astype(solve.dtype, copy=False)
        x = np.empty_like(given)
        x[storage.order] = solve(factors.band.astype(solve.dtype), storage.lower, storage.upper, given, factors.pivots)[
            0
        ]
        return unflat(b, x, rhs)

    def bound(self, system, jacobian):
        """Bound the spectral radius."""
        return self._sparse.bound(system, jacobian)

    def times(self, system, jacobian, x):
        """Multiply the Jacobian's entries with those of a vector, and add up rows."""
        return self._sparse.times(system, jacobian, x)


@lru_cache(maxsize=16)
def _storage(pattern: Pattern) -> Storage:
    """Lay out the band, in the given order or Cuthill and McKee's, whichever is narrower."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    n = pattern.shape[0]
    graph = csr_array((np.ones(pattern.size, np.int8), pattern.columns, pattern.starts), shape=pattern.shape)
    found = []
    for order in (np.arange(n), reverse_cuthill_mckee(graph, symmetric_mode=False)):
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n)
        i, j = place[pattern.rows], place[pattern.columns]
        lower, upper = (max(0, int((x - y).max(initial=0))) for x, y in ((i, j), (j, i)))
        places = j * (2 * lower + upper + 1) + lower + upper + i - j
        found.append(Storage(order, lower, upper, places))
    return min(found, key=lambda storage: (2 * storage.lower + storage.upper, storage.lower))
