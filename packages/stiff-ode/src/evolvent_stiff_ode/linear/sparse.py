"""LU factorisation of a sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from evolvent import InputError
from evolvent.sparse import Pattern
from evolvent_stepping import Part

from .._straight_lu import straight_lu, straight_solve
from .._symbolic import Symbolic
from .mass import scalar
from .pattern import mass_pattern_of, pattern_of, places_in, sparse_jacobian
from .solver import LinearSolver, flat, norm_bound, size_of, unflat


@dataclass(frozen=True)
class SparseLU(LinearSolver):
    """LU factorisation of a sparse matrix, whose order of elimination is settled before the solve.

    The pattern is the problem's ``sparsity``, or found from f where that can be compiled. Compiled solves factorise by
    code for the pattern, without a loop where it is small; elsewhere SciPy's SuperLU does it. Pivots are not exchanged:
    a matrix that asks for it spoils the step, which is then taken with a smaller size.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> from evolvent_stiff_ode import Rodas4, SparseLU
    >>> def diffusion(t, y, p):
    ...     return 1000.0 * (np.roll(y, 1) - 2.0 * y + np.roll(y, -1))
    >>> heat = ev.ODEProblem(diffusion, y0=np.arange(50.0), t_span=(0.0, 10.0))
    >>> round(float(ev.solve(heat, Rodas4(linear_solver=SparseLU())).y[-1, 7]), 4)
    24.5
    """

    jacobian_pattern: Any = field(default=None, repr=False)
    mass_pattern: Any = field(default=None, repr=False)
    symbolic: Any = field(default=None, repr=False)
    straight: bool = field(default=False, repr=False)
    real: bool = field(default=True, repr=False)

    def prepared(self, model):
        """Find the pattern and the order of elimination."""
        if self.symbolic is not None:
            return self
        pattern = pattern_of(model)
        if pattern is None:
            raise InputError(
                "sparsity",
                "the Jacobian's pattern can't be found from f here.",
                "Give sparsity= to the problem, or take linear_solver='dense'.",
            )
        return self.for_pattern(model, pattern)

    def for_pattern(self, model, pattern: Pattern) -> SparseLU:
        """Settle the order of elimination for a pattern."""
        mass = mass_pattern_of(model)
        symbolic = _symbolic(pattern.union(mass), _typical(model, pattern, mass))
        b = model.backend
        straight = b.compiled and symbolic.straight is not None
        return replace(
            self,
            jacobian_pattern=pattern,
            mass_pattern=mass,
            symbolic=symbolic,
            straight=straight,
            real=b.is_real(model.y0.dtype),
        )

    def parts(self, model):
        """List the Jacobian's entries and, where they are written out, the factorisation and the substitution."""
        pattern = self.jacobian_pattern
        key = None if getattr(model.problem, "jacobian", None) is not None else ("jacobian", pattern, model.splits)
        parts = {"jacobian": Part(lambda t, y, params: sparse_jacobian(model, pattern, t, y, params), key=key)}
        if self.straight:
            b, y = model.backend, model.y0
            vector = b.zeros_like(flat(b, y))
            number = vector[0, ...]
            factors = b.xp.stack([number] * self.symbolic.straight.size)
            jacobian = b.xp.stack([number] * pattern.size)
            mass = () if model.mass is None else (model.mass,)
            parts["factor"] = Part(
                lambda jacobian, shift, *mass: self._written_out(b, jacobian, shift, None, mass),
                (jacobian, b.real(1.0), *mass),
                ("factor", self),
            )
            parts["substitute"] = Part(
                lambda factors, rhs: straight_solve(b, self.symbolic, factors, rhs),
                (factors, vector),
                ("substitute", self.symbolic),
            )
        return parts

    def factor(self, system, jacobian, shift, imaginary=None):
        """Factorise, in the order that was settled."""
        b = system.backend
        mass = () if system.mass is None else (system.mass,)
        if not self.straight:
            return b.sparse_lu(self.symbolic, self.entries(b, jacobian, shift, imaginary, mass))
        if imaginary is None:
            return system.functions["factor"](jacobian, shift, *mass)
        return self._written_out(b, jacobian, shift, imaginary, mass)

    def solve(self, system, factors, rhs):
        """Substitute."""
        b = system.backend
        vector = flat(b, rhs)
        if not self.straight:
            return unflat(b, b.sparse_solve(self.symbolic, factors, vector), rhs)
        if b.is_real(factors.dtype) == self.real:
            return unflat(b, system.functions["substitute"](factors, vector), rhs)
        return unflat(b, straight_solve(b, self.symbolic, factors, vector), rhs)

    def bound(self, system, jacobian):
        """Bound the spectral radius."""
        return norm_bound(system.backend, jacobian, int(np.diff(self.jacobian_pattern.starts).max(initial=0)))

    def times(self, system, jacobian, x):
        """Multiply the Jacobian's entries with those of a vector, and add up rows."""
        b, xp = system.backend, system.backend.xp
        pattern = self.jacobian_pattern
        columns, places = _rows_of(pattern)
        vector = flat(b, x)
        padded = xp.concat([jacobian, xp.zeros_like(jacobian[:1, ...])], axis=0)
        total = None
        for column, place in zip(columns, places, strict=True):
            entries = xp.take(padded, xp.asarray(place, device=b.device), axis=0)
            term = entries * xp.take(vector, xp.asarray(column, device=b.device), axis=0)
            total = term if total is None else total + term
        return b.zeros_like(x) if total is None else unflat(b, total, x)

    def entries(self, b, jacobian, shift, imaginary, mass) -> Any:
        """The entries of ``shift * M - J`` in the pattern of both."""
        xp, whole = b.xp, self.symbolic.pattern
        by = scalar(b, shift, imaginary, jacobian)
        if mass:
            entries = taken(b, self._mass_entries(b, mass[0]), places_in(whole, self.mass_pattern))
        else:
            on = (whole.rows == whole.columns).astype(np.float64)
            entries = xp.asarray(on, dtype=b.real_dtype(jacobian.dtype), device=b.device)
        entries = entries[:, None] if b.lanes else entries
        return by * entries - taken(b, jacobian, places_in(whole, self.jacobian_pattern))

    def _mass_entries(self, b, mass) -> Any:
        """The entries of the mass matrix in its pattern."""
        xp, pattern = b.xp, self.mass_pattern
        if len(mass.shape) == 2:
            n = mass.shape[0]
            flat_places = pattern.rows.astype(np.int64) * n + pattern.columns
            return xp.take(xp.reshape(mass, (n * n,)), xp.asarray(flat_places, device=b.device), axis=0)
        if mass.shape[0] == pattern.size:
            return mass
        return xp.take(mass, xp.asarray(pattern.rows.astype(np.int64), device=b.device), axis=0)

    def _written_out(self, b, jacobian, shift, imaginary, mass) -> Any:
        """The factors of a small matrix, entry by entry."""
        whole = self.symbolic.pattern
        by = scalar(b, shift, imaginary, jacobian)
        own = places_in(whole, self.jacobian_pattern)
        massive = places_in(whole, self.mass_pattern)
        given = self._mass_entries(b, mass[0]) if mass else None
        entries = []
        for place in range(whole.size):
            entry = -jacobian[int(own[place]), ...] if own[place] < self.jacobian_pattern.size else None
            if massive[place] < self.mass_pattern.size:
                weight = by if given is None else by * given[int(massive[place]), ...]
                entry = weight if entry is None else weight + entry
            entries.append(b.xp.astype(entry, (by * jacobian[0, ...]).dtype))
        return straight_lu(b, self.symbolic, b.xp.stack(entries))


def taken(b, values, places: np.ndarray) -> Any:
    """The values at places, zero where a place lies behind them."""
    count, xp = values.shape[0], b.xp
    if len(places) == count and bool(np.all(places == np.arange(count))):
        return values
    if np.any(places == count):
        values = xp.concat([values, xp.zeros_like(values[:1, ...])], axis=0)
    return xp.take(values, xp.asarray(places, device=b.device), axis=0)


@lru_cache(maxsize=32)
def _rows_of(pattern: Pattern) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The k-th entry of every row: its column and its place; where a row has fewer, the place behind the last."""
    lengths = np.diff(pattern.starts)
    columns, places = [], []
    for k in range(int(lengths.max(initial=0))):
        there = lengths > k
        place = np.where(there, pattern.starts[:-1] + k, pattern.size).astype(np.int64)
        columns.append(np.where(there, pattern.columns[np.minimum(place, pattern.size - 1)], 0).astype(np.int64))
        places.append(place)
    return columns, places


def _typical(model, pattern: Pattern, mass: Pattern) -> tuple[float, ...] | None:
    """Entries of a matrix at the start, where pivots must be chosen off the diagonal."""
    n = size_of(model)
    whole = pattern.union(mass)
    if "residual" in model.right_sides:
        return _typical_of_residual(model, pattern, whole)
    diagonal = int(np.count_nonzero(whole.rows == whole.columns))
    if mass.size == n == diagonal or model.backend.traced or model.backend.lanes:
        return None
    from .pattern import sparse_jacobian

    try:
        found = sparse_jacobian(model, pattern, model.backend.real(model.problem.t_span[0]), model.y0, model.params0)
    except Exception:
        return None
    values = np.zeros(whole.size)
    values[whole.positions(pattern)] -= np.abs(np.asarray(model.backend.host(found)))
    values[whole.positions(mass)] += 1.0
    return tuple(values.tolist()) if np.all(np.isfinite(values)) else None


def _typical_of_residual(model, pattern: Pattern, whole: Pattern) -> tuple[float, ...] | None:
    """The same for an implicit problem: its equations may come in any order."""
    from .pencil import derivatives

    if model.backend.traced or model.backend.lanes:
        return None
    t, y, b = model.backend.real(model.problem.t_span[0]), model.y0, model.backend
    try:
        pair = derivatives(model, pattern, t, y, b.zeros_like(y), model.params0)
    except Exception:
        return None
    by_state, by_slope = (np.abs(np.asarray(b.host(x))) for x in pair)
    values = np.zeros(whole.size)
    # Steps are short beside the span, and what changes weighs the more.
    values[whole.positions(pattern)] = by_state + 1e3 / abs(float(np.subtract(*model.problem.t_span))) * by_slope
    return tuple(values.tolist()) if np.all(np.isfinite(values)) else None


@lru_cache(maxsize=64)
def _symbolic(pattern: Pattern, values: tuple[float, ...] | None) -> Symbolic:
    return Symbolic.of(pattern, None if values is None else np.asarray(values))
