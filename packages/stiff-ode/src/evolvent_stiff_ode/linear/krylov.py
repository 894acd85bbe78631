"""Iterative solvers that never form the Jacobian: what they share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from evolvent import InputError
from evolvent_stepping import Part, System

from .mass import mass_times, scalar
from .preconditioner import Preconditioner
from .solver import LinearSolver, flat, unflat

NEWTON, EXACT = 1e-2, 1e-4  # of the tolerance: errors that Newton's iteration mends, and those that nobody does
SLACK, STRICT = 0.1, 1e-4  # what a residual is reduced by at least
ROUNDING = 1e4  # spacings of numbers that a residual can't be reduced below


class Point(NamedTuple):
    """Where to multiply by the Jacobian, and what the preconditioner wants to know of the Jacobian there."""

    t: Any
    y: Any
    known: Any


class Prepared(NamedTuple):
    """The matrix ``shift * M - J`` as a function; `imaginary` is () where the shift is real.

    `weights` are the inverse tolerances of the components of y.
    """

    point: Point
    shift: Any
    imaginary: Any
    weights: Any
    preconditioned: Any


class Goal(NamedTuple):
    """When to stop."""

    absolute: float
    relative: float
    iterations: int


class Found(NamedTuple):
    """A solution of a scaled system, and whether it is one."""

    x: Any
    converged: Any


@dataclass(frozen=True)
class Krylov(LinearSolver):
    """A solver that multiplies by ``shift * M - J`` alone.

    The Jacobian's products are the backend's derivative of f along a direction: exact where that is, and no matrix is
    formed. Residuals are measured as errors are, in units of the tolerance, as though they were divided by the shift.

    Parameters
    ----------
    preconditioner : Preconditioner, optional
        An approximate inverse, applied from the right.
    tolerance : float, optional
        The residual to stop at, in units of the solve's tolerance: by default 0.01 where Newton's iteration mends the
        rest, and 0.0001 in Rosenbrock methods, which rely on the solution. With a mass matrix residuals are reduced to
        a ten-thousandth besides, because they say little of the algebraic components.
    max_iterations : int
        After so many the step is taken anew with a smaller size.
    """

    preconditioner: Preconditioner | None = None
    tolerance: float | None = None
    max_iterations: int = 200
    iterates: bool = True

    def __post_init__(self):
        given = self.preconditioner
        if given is not None and not isinstance(given, Preconditioner):
            kind = given.__name__ if isinstance(given, type) else type(given).__name__
            raise InputError(
                "preconditioner",
                f"must be a Preconditioner such as Jacobi(), ILU() or UserPreconditioner(function), got {kind}.",
            )
        if self.tolerance is not None and not self.tolerance > 0.0:
            raise InputError("tolerance", f"must be positive, got {self.tolerance!r}.")
        if self.max_iterations < 1:
            raise InputError("max_iterations", f"must be positive, got {self.max_iterations!r}.")

    def prepared(self, model):
        """Settle what the preconditioner depends on."""
        if "residual" in model.right_sides:
            raise InputError(
                "linear_solver",
                f"{type(self).__name__} solves the systems of M y' = f, not those of a residual.",
                "Take 'sparse' or 'dense'.",
            )
        if self.preconditioner is None:
            return self
        return replace(self, preconditioner=self.preconditioner.prepared(model))

    def parts(self, model):
        """List the products with the Jacobian, what the preconditioner calls and, where that is compiled, the solve."""
        b, y = model.backend, model.y0
        known, more = (lambda t, y, params: ()), {}
        if self.preconditioner is not None:
            known, more = self.preconditioner.known(model), self.preconditioner.parts(model)
        t = b.real(model.problem.t_span[0])
        parts = {
            "jacobian": Part(lambda t, y, params: Point(t, y, known(t, y, params))),
            "jacobian_times": Part(
                lambda t, y, x, params: b.jvp(lambda y: model.derivative(t, y, params), y, x)[1],
                (t, y, y, model.params0),
            ),
            **more,
        }
        if b.compiled:
            functions = {name: part.function for name, part in parts.items()}

            def krylov(params, prepared, rhs, *mass):
                system = System(b, functions, params, None, None, None, mass[0] if mass else None)
                return self._solved(system, prepared, rhs)

            mass = () if model.mass is None else (model.mass,)
            parts["krylov"] = Part(krylov, (model.params0, self._example(model, parts), y, *mass))
        return parts

    def _example(self, model, parts) -> Prepared:
        """A matrix at the start."""
        b, y = model.backend, model.y0
        functions = {name: part.function for name, part in parts.items()}
        system = System(b, functions, model.params0, b.scale(1.0, y), b.scale(1.0, y), None, model.mass)
        point, shift = system.jacobian(b.real(model.problem.t_span[0]), y), b.real(1.0)
        preconditioned = () if self.preconditioner is None else self.preconditioner.example(system, point, shift)
        return Prepared(point, shift, (), b.xp.abs(y), preconditioned)

    def factor(self, system, jacobian, shift, imaginary=None):
        """Prepare the preconditioner."""
        b, xp = system.backend, system.backend.xp
        weights = 1.0 / (system.atol + system.rtol * xp.abs(jacobian.y))
        preconditioned = ()
        if self.preconditioner is not None:
            preconditioned = self.preconditioner.prepare(system, jacobian, shift, imaginary)
        return Prepared(
            jacobian, b.real(shift), () if imaginary is None else b.real(imaginary), weights, preconditioned
        )

    def solve(self, system, factors, rhs):
        """Iterate; what does not converge is not finite."""
        if "krylov" in system.functions and isinstance(factors.imaginary, tuple) and rhs.dtype == factors.point.y.dtype:
            mass = () if system.mass is None else (system.mass,)
            return system.functions["krylov"](system.params, factors, rhs, *mass)
        return self._solved(system, factors, rhs)

    def bound(self, system, jacobian):
        """Nothing is known."""
        b = system.backend
        return b.rms(jacobian.y) * 0.0 + float("inf")

    def times(self, system, jacobian, x):
        """Multiply the Jacobian by an array like y."""
        b, xp = system.backend, system.backend.xp
        product = system.functions["jacobian_times"]
        if not b.is_real(x.dtype) and b.is_real(jacobian.y.dtype):
            parts = (product(jacobian.t, jacobian.y, part, system.params) for part in (xp.real(x), xp.imag(x)))
            return next(parts) + 1j * next(parts)
        return product(jacobian.t, jacobian.y, x, system.params)

    def _solved(self, system, prepared: Prepared, rhs) -> Any:
        b, xp = system.backend, system.backend.xp
        imaginary = None if isinstance(prepared.imaginary, tuple) else prepared.imaginary
        by = scalar(b, prepared.shift, imaginary, rhs)
        weights = flat(b, prepared.weights)

        def approximate(x):
            x = unflat(b, x / weights, rhs)
            if self.preconditioner is None:
                return x
            return self.preconditioner.apply(system, prepared.preconditioned, x)

        def matrix(x):
            x = approximate(x)
            return weights * flat(b, by * mass_times(system, x) - self.times(system, prepared.point, x))

        unit = 1.0 / b.control.abs(prepared.shift)
        if imaginary is not None:
            unit = 1.0 / b.control.sqrt(prepared.shift * prepared.shift + imaginary * imaginary)
        strict = system.mass is not None or not self.iterates
        absolute = self.tolerance if self.tolerance is not None else (NEWTON if self.iterates else EXACT)
        goal = Goal(absolute, STRICT if strict else SLACK, self.max_iterations)
        start = xp.astype(weights * flat(b, rhs), (by * rhs).dtype)
        found = self._iterated(b, matrix, start, unit, goal)
        fine = b.time(b.control.where(found.converged, 1.0, float("nan")), rhs)
        return approximate(found.x) * fine

    @abstractmethod
    def _iterated(self, b, matrix, rhs, unit, goal: Goal) -> Found:
        """Solve ``matrix(x) = rhs`` for vectors, whose norms are the root mean squares, times `unit`."""


def target(b, size, goal: Goal, epsilon: float) -> Any:
    """The size of a residual to stop at, from that of the right side."""
    c = b.control
    return c.maximum(c.minimum(goal.relative * size, b.real(goal.absolute)), ROUNDING * epsilon * size)


def measured(b, x, unit) -> Any:
    """The size of a residual, in the control plane."""
    return b.to_control(b.stop_gradient(b.rms(x))) * unit


def product(b, x, y) -> Any:
    """The scalar product of two vectors."""
    xp = b.xp
    return xp.sum((x if b.is_real(x.dtype) else xp.conj(x)) * y, axis=0)


def norm(b, x) -> Any:
    """The Euclidean norm of a vector."""
    xp = b.xp
    size = xp.abs(x)
    return xp.sqrt(xp.sum(size * size, axis=0))


def spacing(b, x) -> float:
    """The spacing of numbers at one."""
    return float(b.xp.finfo(b.real_dtype(x.dtype)).eps)
