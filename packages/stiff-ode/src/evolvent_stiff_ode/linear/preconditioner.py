"""Approximate inverses of ``shift * M - J`` for iterative solvers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from evolvent import InputError
from evolvent.sparse import Pattern
from evolvent_stepping import Part

from .._incomplete import Incomplete
from .mass import scalar
from .pattern import mass_pattern_of, pattern_of, sparse_jacobian
from .solver import flat, unflat
from .sparse import SparseLU, taken


@dataclass(frozen=True)
class Preconditioner(ABC):
    """Approximately solves ``(shift * M - J) x = r``, linearly in r: an immutable value, a field of iterative solvers.

    All methods but `prepared`, `known` and `parts` are pure functions of arrays, written with the backend's operations
    alone.
    """

    def prepared(self, model) -> Preconditioner:
        """Settle what depends on the problem, on the host and before anything is staged."""
        return self

    def known(self, model) -> Callable[..., Any]:
        """The function ``(t, y, params)`` of what is to be known of the Jacobian: a tree of arrays."""
        return lambda t, y, params: ()

    def parts(self, model) -> dict[str, Part]:
        """List the functions of the user's that `apply` calls, as ``system.functions[name]``."""
        return {}

    @abstractmethod
    def prepare(self, system, point, shift, imaginary=None) -> Any:
        """Make what `apply` wants, a tree of arrays of fixed structure.

        Parameters
        ----------
        point : Point
            Where the Jacobian is: its ``t`` and ``y``, and as ``known`` what `known` gave.
        shift, imaginary : control scalar
            Usually ``1 / (gamma * dt)``, and the imaginary part of a complex shift.
        """

    def example(self, system, point, shift) -> Any:
        """Make something like what `prepare` gives in compiled code."""
        return self.prepare(system, point, shift)

    @abstractmethod
    def apply(self, system, state, rhs) -> Any:
        """Solve approximately for a right side of the shape of y."""


@dataclass(frozen=True)
class _OfEntries(Preconditioner):
    """A preconditioner made of the Jacobian's entries."""

    matrix: SparseLU | None = field(default=None, repr=False)

    def _given(self, model, symbolic: Callable[[Pattern], Any]) -> SparseLU:
        """The pattern of the matrix, and how to fill it with entries."""
        pattern = pattern_of(model)
        if pattern is None:
            raise InputError(
                "sparsity",
                f"the Jacobian's pattern, which {type(self).__name__} wants, can't be found from f here.",
                "Give sparsity= to the problem, or take UserPreconditioner(function).",
            )
        mass, b = mass_pattern_of(model), model.backend
        whole = symbolic(pattern.union(mass))
        return SparseLU(pattern, mass, whole, False, b.is_real(model.y0.dtype))

    @property
    def _filled(self) -> SparseLU:
        assert self.matrix is not None, "prepared() was not called"
        return self.matrix

    def known(self, model):
        """The Jacobian's entries."""
        pattern = self._filled.jacobian_pattern
        return lambda t, y, params: sparse_jacobian(model, pattern, t, y, params)


class Places(NamedTuple):
    """A pattern that is not factorised, as `SparseLU` wants it."""

    pattern: Pattern

    @property
    def digest(self) -> bytes:
        """That of the pattern."""
        return self.pattern.digest


@dataclass(frozen=True)
class Jacobi(_OfEntries):
    """The inverse diagonal: where components have rates of their own and are coupled weakly.

    The pattern of the Jacobian is the problem's ``sparsity``, or found from f where that can be compiled.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> from evolvent_stiff_ode import BiCGStab, Jacobi, QNDF
    >>> rates = np.logspace(0.0, 6.0, 40)
    >>> def decay(t, y, p):
    ...     return -rates * (y - 0.1 * np.roll(y, 1))
    >>> problem = ev.ODEProblem(decay, y0=np.ones(40), t_span=(0.0, 1.0))
    >>> solution = ev.solve(problem, QNDF(linear_solver=BiCGStab(Jacobi())))
    >>> solution.success
    True
    """

    def prepared(self, model):
        """Find the pattern."""
        if self.matrix is not None:
            return self
        return replace(self, matrix=self._given(model, lambda pattern: Places(pattern.with_diagonal())))

    def known(self, model):
        """The Jacobian's diagonal."""
        pattern, entries = self._filled.jacobian_pattern, super().known(model)
        there = np.flatnonzero(pattern.rows == pattern.columns)
        places = np.full(pattern.shape[0], pattern.size, dtype=np.int64)
        places[pattern.rows[there]] = there
        return lambda t, y, params: taken(model.backend, entries(t, y, params), places)

    def prepare(self, system, point, shift, imaginary=None):
        """Divide by the diagonal; a row without an entry on it stays as it is."""
        b, xp = system.backend, system.backend.xp
        diagonal = scalar(b, shift, imaginary, point.known) * self._mass(system, point.known) - point.known
        none = diagonal == 0.0
        return 1.0 / xp.where(none, xp.ones_like(diagonal), diagonal)

    def _mass(self, system, like) -> Any:
        """The diagonal of the mass matrix."""
        b, xp, mass = system.backend, system.backend.xp, system.mass
        if mass is None:
            return 1.0
        if len(mass.shape) == 2:
            mass = xp.sum(mass * xp.eye(mass.shape[0], dtype=mass.dtype, device=b.device), axis=0)
        elif mass.shape[0] == self._filled.mass_pattern.size and mass.shape[0] != like.shape[0]:
            pattern = self._filled.mass_pattern
            there = np.flatnonzero(pattern.rows == pattern.columns)
            places = np.full(pattern.shape[0], pattern.size, dtype=np.int64)
            places[pattern.rows[there]] = there
            mass = taken(b, mass, places)
        return mass[:, None] if b.lanes else mass

    def apply(self, system, state, rhs):
        """Multiply by the inverse diagonal."""
        b = system.backend
        return unflat(b, state * flat(b, rhs), rhs)


@dataclass(frozen=True)
class ILU(_OfEntries):
    """An incomplete LU factorisation: for diffusion in two and three dimensions, and for networks.

    Compiled solves factorise without fill, in Cuthill and McKee's order, by machine code; elsewhere SciPy's SuperLU
    does it on the host, which drops what is small. The diagonal must not be zero: algebraic equations whose own
    component is not in them can't be taken.

    The pattern of the Jacobian is the problem's ``sparsity``, or found from f where that can be compiled.

    References
    ----------
    Y. Saad, Iterative Methods for Sparse Linear Systems, section 10.3, doi:10.1137/1.9780898718003.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> from evolvent_stiff_ode import GMRES, ILU, QNDF
    >>> def diffusion(t, y, p):
    ...     return 1000.0 * (np.roll(y, 1) - 2.0 * y + np.roll(y, -1))
    >>> heat = ev.ODEProblem(diffusion, y0=np.arange(50.0), t_span=(0.0, 10.0))
    >>> round(float(ev.solve(heat, QNDF(linear_solver=GMRES(ILU()))).y[-1, 7]), 2)
    24.5
    """

    def prepared(self, model):
        """Find the pattern and the order of elimination."""
        return self if self.matrix is not None else replace(self, matrix=self._given(model, Incomplete.of))

    def prepare(self, system, point, shift, imaginary=None):
        """Factorise."""
        return self._filled.factor(system, point.known, shift, imaginary)

    def example(self, system, point, shift):
        """The factors, whose number the plan tells."""
        return np.zeros(self._filled.symbolic.plan.size, point.y.dtype)

    def apply(self, system, state, rhs):
        """Substitute."""
        return self._filled.solve(system, state, rhs)


@dataclass(frozen=True)
class AMG(_OfEntries):
    """Algebraic multigrid by pyamg, one cycle: for diffusion on large grids, on the eager NumPy backend.

    Ruge and Stueben's coarsening, or smoothed aggregation where the state is complex; of a complex shift the magnitude
    counts. The number of iterations hardly grows with the grid. Needs the extra `pyamg`:
    ``pip install "evolvent-stiff-ode[pyamg]"``.

    References
    ----------
    N. Bell, L. N. Olson, J. Schroder, B. Southworth, PyAMG, J. Open Source Softw. 8 (2023) 5495,
    doi:10.21105/joss.05495.
    """

    def prepared(self, model):
        """Find the pattern."""
        if self.matrix is not None:
            return self
        b = model.backend
        if b.traced or b.compiled or b.lanes or b.xp is not np:
            raise InputError(
                "preconditioner",
                f"AMG runs on NumPy arrays one solve at a time, by backend='eager', and this is {b.label}.",
                "Give backend='eager', or take ILU().",
            )
        _pyamg()
        return replace(self, matrix=self._given(model, lambda pattern: Places(pattern.with_diagonal())))

    def prepare(self, system, point, shift, imaginary=None):
        """Coarsen the grid."""
        from scipy.sparse import csr_array

        b, matrix, whole = system.backend, self._filled, self._filled.symbolic.pattern
        if imaginary is not None:
            shift = b.control.sqrt(shift * shift + imaginary * imaginary)
        mass = () if system.mass is None else (system.mass,)
        values = matrix.entries(b, point.known, shift, None, mass)
        if not np.all(np.isfinite(values)):
            return Cycle(None)
        given = csr_array((values, whole.columns, whole.starts), shape=whole.shape)
        coarsen = _pyamg().ruge_stuben_solver if values.dtype.kind == "f" else _pyamg().smoothed_aggregation_solver
        return Cycle(coarsen(given).aspreconditioner(cycle="V"))

    def apply(self, system, state, rhs):
        """Take one cycle, from zero."""
        return state(rhs.reshape(-1)).reshape(rhs.shape)


class Cycle:
    """A multigrid cycle as a linear function."""

    def __init__(self, operator: Any):
        self.operator = operator

    def __call__(self, rhs: Any) -> Any:
        """Apply the cycle, to both parts of what is complex."""
        if self.operator is None:
            return np.full_like(rhs, np.nan)
        if rhs.dtype.kind == "c" and self.operator.dtype.kind != "c":
            return self(rhs.real.copy()) + 1j * self(rhs.imag.copy())
        return self.operator.matvec(rhs)


def _pyamg() -> Any:
    try:
        import pyamg
    except ImportError as error:
        raise InputError(
            "preconditioner", "AMG needs the package pyamg.", 'Run: pip install "evolvent-stiff-ode[pyamg]"'
        ) from error
    return pyamg


class Asked(NamedTuple):
    """What the user's function gets besides the right side."""

    t: Any
    y: Any
    shift: Any


@dataclass(frozen=True)
class UserPreconditioner(Preconditioner):
    """A function of yours as an approximate inverse.

    Parameters
    ----------
    function : callable
        ``function(t, y, params, shift, r)``, an approximate solution of ``(shift * M - J) x = r`` with the Jacobian at
        (t, y): linear in r, and of y's structure, as r is. Where the shift is complex, the function is called with its
        magnitude, for the real and the imaginary part of r.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> from evolvent_stiff_ode import GMRES, QNDF, UserPreconditioner
    >>> rates = np.logspace(0.0, 6.0, 40)
    >>> def decay(t, y, p):
    ...     return -rates * (y - 0.1 * np.roll(y, 1))
    >>> def diagonal(t, y, p, shift, r):
    ...     return r / (shift + rates)
    >>> problem = ev.ODEProblem(decay, y0=np.ones(40), t_span=(0.0, 1.0))
    >>> solution = ev.solve(problem, QNDF(linear_solver=GMRES(UserPreconditioner(diagonal))))
    >>> solution.success
    True
    """

    function: Callable[..., Any]

    user_functions: ClassVar[tuple[str, ...]] = ("function",)

    def __post_init__(self):
        if not callable(self.function):
            raise InputError("function", f"must be callable as (t, y, params, shift, r), got {self.function!r}.")

    def parts(self, model):
        """The function, between flat arrays."""
        b, packing = model.backend, model.packing

        def approximate(t, y, shift, r, params):
            given = (b.time(t, y), packing.unpack(b, y), model.params(params), b.time(shift, y), packing.unpack(b, r))
            return packing.pack(b, b.asked(self.function, r, *given), r, "preconditioner")

        t = b.real(model.problem.t_span[0])
        return {"preconditioner": Part(approximate, (t, model.y0, b.real(1.0), model.y0, model.params0))}

    def prepare(self, system, point, shift, imaginary=None):
        """Keep the point."""
        b, c = system.backend, system.backend.control
        if imaginary is not None:
            shift = c.sqrt(shift * shift + imaginary * imaginary)
        return Asked(point.t, point.y, b.real(shift))

    def apply(self, system, state, rhs):
        """Call the function."""
        b, xp = system.backend, system.backend.xp

        def call(r):
            return system.functions["preconditioner"](state.t, state.y, state.shift, r, system.params)

        if b.is_real(state.y.dtype) and not b.is_real(rhs.dtype):
            return call(xp.real(rhs)) + 1j * call(xp.imag(rhs))
        return call(rhs)
