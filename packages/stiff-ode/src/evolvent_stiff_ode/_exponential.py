"""Exponential methods: the Jacobian enters by functions phi_k of it, and no system is solved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from evolvent import InputError, ODEProblem, SecondOrderODEProblem
from evolvent_stepping import Hermite, Step, Work, hermite

from ._implicit import Implicit
from ._krylov_phi import phi_times
from ._phi import phi
from .linear.dense import DenseLU
from .linear.solver import flat, matrix_times, size_of, unflat
from .linear.sparse import SparseLU

FULL = 64  # equations up to which functions of the whole matrix cost less than Krylov spaces
DIMENSION = 30
BETWEEN = 0.05  # of what the middle adds to the dense output: its error, in units of the tolerance
Terms = tuple[tuple[int, float], ...]


class Bent(NamedTuple):
    """The cubic over a step, and what it lacks in the middle."""

    cubic: Hermite
    bend: Any


@dataclass(frozen=True)
class Exponential(Implicit):
    """A method that takes functions phi_k of the Jacobian: of all of it, of its diagonal if it has no more."""

    diagonal: bool = field(default=False, repr=False, kw_only=True)

    retakes: ClassVar[bool] = False

    def prepared(self, model):
        """Settle the form of the Jacobian."""
        ready = super().prepared(model)
        solver = ready.linear_solver
        pattern = solver.jacobian_pattern if isinstance(solver, SparseLU) else None
        return replace(ready, diagonal=pattern is not None and np.array_equal(pattern.rows, pattern.columns))

    def start(self, system, t, y):
        """Find the derivative."""
        return system.f(t, y)

    def at_rest(self, system, t, y):
        """A step of no length."""
        zero = system.backend.zeros_like(y)
        return Hermite(t, 0.0 * t, y, y, zero, zero)

    def functions(self, system, jacobian, dt, highest) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Compute phi_0 .. phi_highest of ``dt J``, and of half of it."""
        b = system.backend
        if b.lanes and len(jacobian.shape) == (1 if self.diagonal else 2):
            jacobian = jacobian[..., None]
        if isinstance(self.solver, SparseLU) and self.diagonal:
            jacobian = _diagonal(b, self.solver.jacobian_pattern, jacobian)
        return phi(b, b.time(dt, jacobian) * jacobian, highest, self.diagonal)

    def applied(self, system, matrix, x) -> Any:
        """Multiply one of those functions by an array like y."""
        b = system.backend
        vector = flat(b, x)
        return unflat(b, matrix * vector if self.diagonal else matrix_times(b, matrix, vector), x)


@dataclass(frozen=True)
class ExponentialTableau:
    """The coefficients of an exponential Rosenbrock method.

    With ``D_i = g(U_i) - g(y)``, where g is f less its linear part, the stages are ``U_i = y + c_i h phi_1(c_i h J) f +
    (c_i h)^2 phi_2(c_i h J) f_t + h sum a_ij D_j``, and the step is made of ``b_i D_i`` likewise. Entries of a, b and
    the error list terms ``(k, weight)`` of ``phi_k``.
    """

    order: int
    error_order: int
    c: tuple[float, ...]
    a: tuple[tuple[Terms, ...], ...]
    b: tuple[Terms, ...]
    error: tuple[Terms, ...]

    def wanted(self, j: int) -> tuple[tuple[float, int], ...]:
        """List the products with D_j that stages and the step ask for, as pairs of c and k."""
        found = {(c, k) for c, row in zip(self.c, self.a, strict=True) if j < len(row) for k, _ in row[j]}
        found |= {(1.0, k) for terms in (self.b, self.error) for k, _ in terms[j]}
        # The last is what the nonlinear part grows to, with the square of time.
        return tuple(sorted(found | {(0.5, 3)} if j == len(self.c) - 1 else found))

    @property
    def highest(self) -> int:
        """The highest k of all."""
        return max(k for j in range(len(self.c)) for _, k in self.wanted(j))


@dataclass(frozen=True)
class ExponentialRosenbrock(Exponential):
    """An exponential Rosenbrock method; a subclass is its `tableau` and a docstring.

    Parameters
    ----------
    linear_solver : LinearSolver or str
        What knows the Jacobian and its products; nothing is factorised.
    krylov_dimension : int, optional
        Of the spaces in which functions of the Jacobian are sought; by default whole matrices serve small systems, and
        30 is taken for large ones. What such a space leaves out counts as error, so that steps get small enough.
    """

    krylov_dimension: int | None = None

    tableau: ClassVar[ExponentialTableau]
    problem_types = (ODEProblem, SecondOrderODEProblem)
    wants_time_derivative: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        tableau = vars(cls).get("tableau")
        if tableau is not None:
            cls.order, cls.error_order, cls.dense_order = tableau.order, tableau.error_order, 3

    def prepared(self, model):
        """Settle whether to take whole matrices, and the dimension of Krylov spaces."""
        given, n = self.krylov_dimension, size_of(model)
        if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
            raise InputError("krylov_dimension", f"must be a positive integer, got {given!r}.")
        if given is None and n <= FULL:
            return super(Exponential, replace(self, linear_solver=DenseLU())).prepared(model)
        ready = super().prepared(model)
        if given is None and ready.diagonal:
            return ready
        return replace(ready, krylov_dimension=min(n, given or DIMENSION), diagonal=False)

    def at_rest(self, system, t, y):
        """A step of no length."""
        return Bent(super().at_rest(system, t, y), system.backend.zeros_like(y))

    def interpolate(self, system, dense, theta):
        """Evaluate a polynomial of fourth degree, by both ends and the middle."""
        inside = theta * (1.0 - theta)
        return system.combine(hermite(system, dense.cubic, theta), 16.0, (inside * inside,), (dense.bend,))

    def step(self, system, t, y, dt, cache) -> Step:
        """Evaluate the stages, and the products of functions of the Jacobian with what comes of them."""
        jacobian = system.jacobian(t, y)
        return self._step(system, t, y, dt, cache, jacobian)

    def measured_step(self, system, t, y, dt, cache):
        """Take a step, and give its Jacobian."""
        jacobian = system.jacobian(t, y)
        return self._step(system, t, y, dt, cache, jacobian), jacobian

    def _step(self, system, t, y, dt, cache, jacobian) -> Step:
        tableau, b = self.tableau, system.backend
        calls = system.calls
        products = self._products(system, jacobian, dt)
        drift = system.time_derivative(t, y)
        ends = tuple(sorted({*tableau.c, 0.5, 1.0}))
        along = products(cache, tuple((c, 1) for c in ends))
        bent = products(drift, tuple((c, 2) for c in ends))

        def reached(c, rows, pushes) -> tuple[Any, Any]:
            """The state at c by the terms of D, and its errors."""
            terms = [(c * dt, along[c, 1]), ((c * dt) * (c * dt), bent[c, 2])]
            terms += [(weight * dt, push[c, k]) for row, push in zip(rows, pushes, strict=False) for k, weight in row]
            return _summed(system, y, terms), _leaked(system, terms)

        pushes, leaks = [], []
        for j, (c, row) in enumerate(zip(tableau.c, tableau.a, strict=True)):
            stage, leak = reached(c, row, pushes)
            leaks.append(leak)
            linear = self.solver.times(system, jacobian, stage - y)
            push = system.f(t + c * dt, stage) - cache - linear - b.time(c * dt, y) * drift
            pushes.append(products(push, tableau.wanted(j)))
        y1, leak = reached(1.0, tableau.b, pushes)
        leaks.append(leak)
        terms = [
            (weight * dt, push[1.0, k]) for row, push in zip(tableau.error, pushes, strict=True) for k, weight in row
        ]
        norm = b.stop_gradient(system.scaled_norm(_summed(system, None, terms), y, y1))
        for leak in leaks:
            if leak is not None:
                norm = norm + b.stop_gradient(system.scaled_norm(leak, y, y1))
        slope = system.f(t + dt, y1)
        cubic = Hermite(t, dt, y, y1, cache, slope)
        middle = [
            (0.5 * dt, along[0.5, 1]),
            (0.25 * (dt * dt), bent[0.5, 2]),
            (0.25 * dt, pushes[-1][0.5, 3]),
        ]
        bend = _summed(system, y, middle) - hermite(system, cubic, 0.5)
        # Where the system is linear the ends of steps are exact, however long the steps: polynomials between are not.
        between = BETWEEN * b.stop_gradient(system.scaled_norm(bend, y, y1))
        norm = b.xp.maximum(norm, between)
        zero, one = b.integer(0), b.integer(1)
        work = Work(b.integer(system.calls - calls), one, zero, zero, zero)
        return Step(y1, norm, slope, Bent(cubic, bend), work=work)

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm: those of the method's error and of the Krylov spaces', added up."""
        return error

    def _products(self, system, jacobian, dt) -> Any:
        """Return a function from a vector and pairs (c, k) to its products, and errors where they have some."""
        dimension = self.krylov_dimension
        if dimension is not None:

            def in_space(x, wanted):
                times = lambda x: self.solver.times(system, jacobian, x)  # noqa: E731
                return dict(zip(wanted, phi_times(system.backend, times, dt, x, dimension, wanted), strict=True))

            return in_space
        whole, half = self.functions(system, jacobian, dt, self.tableau.highest)

        def in_full(x, wanted):
            return {(c, k): (self.applied(system, (whole if c == 1.0 else half)[k], x), None) for c, k in wanted}

        return in_full


def _diagonal(b, pattern, entries) -> Any:
    """The diagonal of a matrix with no other entries, of which some may be missing."""
    places = np.full(pattern.shape[0], pattern.size)
    places[pattern.rows] = np.arange(pattern.size)
    padded = b.xp.concat([entries, b.xp.zeros_like(entries[:1, ...])], axis=0)
    return b.xp.take(padded, b.xp.asarray(places, device=b.device), axis=0)


def _summed(system, y, terms) -> Any:
    return system.combine(y, 1.0, [weight for weight, _ in terms], [value for _, (value, _) in terms])


def _leaked(system, terms) -> Any:
    """The sum of the products' errors; None where they have none."""
    if terms[0][1][1] is None:
        return None
    return system.combine(None, 1.0, [weight for weight, _ in terms], [leak for _, (_, leak) in terms])
