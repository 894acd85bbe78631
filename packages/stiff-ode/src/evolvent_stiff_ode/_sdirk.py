"""Diagonally implicit Runge-Kutta steps from a tableau: the one place where they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, prod
from typing import Any, ClassVar, NamedTuple

from evolvent import InputError, SplitODEProblem, Status
from evolvent_stepping import Hermite, Step, Work, hermite

from ._implicit import Implicit
from ._newton import Linearisation, fresh, linearised, newton, outcome
from ._sdirk_tableau import SdirkTableau
from .linear.mass import mass_times

KAPPA = 0.1  # of the tolerance are the errors that iterations leave in a stage
SLOW = 0.05  # at this rate of convergence the next step wants a new Jacobian: several stages gain by it
UNKNOWN = 0.9  # a rate of convergence at which one iteration is never enough
FORGET = 2.0  # how fast a rate that was not measured again loses its worth
SHARP = 1e8  # a shift that is larger than a Jacobian by so much leaves half of the digits of either
TINY = 1e-30


class Memory(NamedTuple):
    """What one step hands to the next.

    `slope` is the derivative (of an additive pair's implicit part, `push` of its explicit part) and `bends` are its
    derivatives, in units of `length`, the step before.
    """

    slope: Any
    push: Any
    bends: tuple[Any, ...]
    length: Any
    kept: Linearisation
    rate: Any


class Powers(NamedTuple):
    """A step's start, and the arrays by which powers of the fraction of it are multiplied."""

    t: Any
    dt: Any
    y0: Any
    terms: tuple[Any, ...]


@dataclass(frozen=True)
class Sdirk(Implicit):
    """A singly diagonally implicit Runge-Kutta method; a subclass is its `tableau` and a docstring.

    All stages share one matrix. It, and the Jacobian in it, serve as long as Newton's iterations converge well. What
    stages hand on are their increments divided by ``gamma h``, not values of f, which would bring stiff noise.

    An additive pair takes the parts of an `evolvent.SplitODEProblem` implicitly and explicitly; other problems it
    solves by its implicit method.

    With a mass matrix that is singular the stages solve the algebraic equations.
    """

    tableau: ClassVar[SdirkTableau]
    takes_mass: ClassVar[bool] = True
    retakes: ClassVar[bool] = False
    steady: ClassVar[float] = 1.2

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        tableau = vars(cls).get("tableau")
        if tableau is not None:
            cls.order, cls.error_order, cls.dense_order = tableau.order, tableau.error_order, tableau.dense_order
            cls.adaptive = tableau.error_order is not None
            cls.splits = tableau.explicit is not None

    def prepared(self, model):
        if self.tableau.explicit is not None and isinstance(model.problem, SplitODEProblem) and model.mass is not None:
            raise InputError(
                "mass",
                f"{self.name} takes the explicit part of a split problem without a mass matrix.",
                "Solve the sum of both parts as an ODEProblem, or multiply by the inverse of the matrix.",
            )
        return super().prepared(model)

    def start(self, system, t, y):
        """Find the derivatives at the start."""
        b = system.backend
        kept = fresh(system, self.solver, t, y)
        if self._splits(system):
            slope, push = _part(system, "f_implicit", t, y), _part(system, "f_explicit", t, y)
        else:
            slope, push = self._derivative(system, t, y, kept.jacobian), ()
        bends = tuple(b.zeros_like(y) for _ in self.tableau.bends)
        return Memory(slope, push, bends, b.real(0.0), kept, b.real(UNKNOWN))

    def _derivative(self, system, t, y, jacobian) -> Any:
        """Solve ``M y' = f``; where M is singular the algebraic components follow the others."""
        f = system.f(t, y)
        if system.mass is None:
            return f
        b, solver = system.backend, self.solver
        # With a shift that large the matrix acts as M where M acts at all, and as the Jacobian elsewhere. By what
        # algebraic equations are violated would be magnified: a product with M removes it.
        probe = _probe(system, y)
        slow, fast = b.to_control(b.rms(mass_times(system, probe)), b.rms(solver.times(system, jacobian, probe)))
        shift = SHARP * b.control.maximum(fast / b.control.maximum(slow, TINY), TINY)
        factors = solver.factor(system, jacobian, shift)
        slope = b.zeros_like(y)
        for _ in range(2):
            missing = b.time(shift, y) * solver.solve(system, factors, f - mass_times(system, slope))
            slope = slope + b.time(shift, y) * solver.solve(system, factors, mass_times(system, missing))
        return slope

    def _splits(self, system) -> bool:
        return self.tableau.explicit is not None and "f_implicit" in system.functions

    def at_rest(self, system, t, y):
        """A step of no length."""
        zero = system.backend.zeros_like(y)
        if self.tableau.dense is None:
            return Hermite(t, 0.0 * t, y, y, zero, zero)
        return Powers(t, 0.0 * t, y, tuple(zero for _ in self.tableau.dense))

    def step(self, system, t, y, dt, cache) -> Step:
        """Solve the stages one after the other, each by Newton's iteration."""
        tableau, solver = self.tableau, self.solver
        b, c = system.backend, system.backend.control
        splits = self._splits(system)
        reach = tableau.gamma * dt
        shift = 1.0 / reach
        kept, spent = linearised(system, solver, t, y, shift, cache.kept)
        # Factors of another shift are off by one for stiff components, by the ratio for others: this is in the middle.
        damping = 2.0 / (1.0 + shift / kept.shift)

        # Stages are known by their increments z = gamma h y', so that nothing is divided by h.
        z = [b.time(reach, y) * cache.slope]
        pushes = [b.time(reach, y) * cache.push] if splits else []
        bends = self._bends(system, dt, cache)
        rate, slowest = cache.rate, b.real(0.0)
        converged, iterations = b.boolean(True), b.integer(0)
        known = y
        for i, node in enumerate(tableau.c[1:], 1):
            known = system.combine(y, 1.0, tableau.unit[i], z)
            if splits:
                known = system.combine(known, 1.0, tableau.unit_explicit[i], pushes)
            guess = system.combine(None, 1.0, tableau.predictors[i], (*z, *bends))
            found = self._stage(system, t + node * dt, y, known, guess, shift, damping, kept.factors, rate, splits)
            z.append(found.z)
            measured = found.iterations > 1
            rate = c.where(measured, found.rate, c.minimum(FORGET * rate, b.real(UNKNOWN)))
            slowest = c.where(measured, c.maximum(slowest, found.rate), slowest)
            converged = c.logical_and(converged, found.converged)
            iterations = iterations + found.iterations
            if splits:
                pushes.append(b.time(reach, y) * _part(system, "f_explicit", t + node * dt, known + found.z))

        evaluated = iterations
        if splits:
            y1 = system.combine(known + z[-1], 1.0, tableau.unit_rest, pushes)
            slope, push = _part(system, "f_implicit", t + dt, y1), _part(system, "f_explicit", t + dt, y1)
            both = [one + other for one, other in zip(z, pushes, strict=True)]
            ends = (cache.slope + cache.push, slope + push)
            evaluated = evaluated + b.integer(len(z) + 1)
        else:
            y1 = known + z[-1] if tableau.b is None else system.combine(y, 1.0, tableau.unit_weights, z)
            slope, push = b.time(shift, y) * z[-1], ()
            both, ends = z, (cache.slope, slope)
        error, solved = None, iterations
        if self.adaptive:
            error = self._estimate(system, dt, both, cache)
            if tableau.smooth:
                error = solver.solve(system, kept.factors, b.time(shift, y) * mass_times(system, error))
                solved = solved + b.integer(1)
        if tableau.dense is None:
            dense = Hermite(t, dt, y, y1, *ends)
        else:
            rows = tableau.unit_dense
            if splits:
                rows, both = tableau.unit_dense_split, [*both, b.time(reach, y) * ends[1]]
            dense = Powers(t, dt, y, tuple(system.combine(None, 1.0, row, both) for row in rows))

        after, again, factor = outcome(b, converged, slowest, kept)
        after = after._replace(wanted=slowest > SLOW)
        failed = b.control.where(converged, b.integer(0), b.integer(1))
        work = Work(evaluated, spent.jacobians, spent.factorisations, solved, failed)
        bends = tuple(system.combine(None, shift, row, z) for row in tableau.bends)
        memory = Memory(slope, push, bends, dt, after, rate)
        return Step(y1, error, memory, dense, factor, cache._replace(kept=again), work, _reason(b, converged))

    def _stage(self, system, t, y, known, guess, shift, damping, factors, rate, splits) -> Any:
        """Solve ``M z = gamma h f(t, known + z)``."""
        b, solver = system.backend, self.solver

        def residual(z):
            f = _part(system, "f_implicit", t, known + z) if splits else system.f(t, known + z)
            return f - b.time(shift, y) * mass_times(system, z)

        def solve(r):
            return b.time(damping, y) * solver.solve(system, factors, r)

        return newton(system, solve, residual, guess, y, rate=rate, kappa=KAPPA)

    def _bends(self, system, dt, cache) -> list[Any]:
        """The terms by which the last step's increments would go on, for this step's length."""
        b, c = system.backend, system.backend.control
        ratio = dt / c.where(cache.length == 0.0, dt, cache.length)
        found, scale = [], self.tableau.gamma * dt
        for bend in cache.bends:
            scale = scale * ratio
            found.append(b.time(scale, bend) * bend)
        return found

    def _estimate(self, system, dt, z, cache) -> Any:
        """The difference from the embedded formula."""
        return system.combine(None, 1.0, self.tableau.unit_error, z)

    def interpolate(self, system, dense, theta):
        """Evaluate the method's own continuous weights, or a cubic Hermite polynomial."""
        if self.tableau.dense is None:
            return hermite(system, dense, theta)
        powers, power = [], theta
        for _ in dense.terms:
            powers.append(power)
            power = power * theta
        return system.combine(dense.y0, 1.0, powers, dense.terms)


def _part(system, name: str, t, y) -> Any:
    """One part of a split problem's derivative."""
    if system.nonnegative is not None:
        y = system.clipped(y)
    return system.functions[name](t, y, system.params)


def _probe(system, y) -> Any:
    """A vector that no matrix is made for."""
    b = system.backend
    shape = y.shape[: len(y.shape) - len(b.lanes)]
    entries = b.xp.asarray([cos(1.7 * i) for i in range(prod(shape))], dtype=b.real_dtype(y.dtype), device=b.device)
    return b.zeros_like(y) + b.xp.reshape(entries, (*shape, *(1 for _ in b.lanes)))


def _reason(b, converged) -> Any:
    return b.control.where(converged, b.integer(0), b.integer(Status.NEWTON_FAILED))
