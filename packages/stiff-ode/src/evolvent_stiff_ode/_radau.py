"""Radau IIA steps: all stages at once, in the systems that the eigenvectors of the method's matrix split them into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from evolvent import Status
from evolvent_stepping import Step, Work

from ._implicit import Implicit
from ._newton import Linearisation, fresh, linearised, outcome
from ._radau_tableau import RadauTableau
from .linear.mass import mass_times
from .linear.solver import LinearSolver

KAPPA = 0.03  # of the tolerance: what the iteration may leave
GOOD = 1e-3  # a rate of convergence at which the Jacobian serves on
SLOW = 0.05  # a rate at which it does not, whatever else stays
SAFETY = 0.9
SMALLEST, LARGEST = 0.125, 8.0  # ratios of step sizes
SHRINK, STEADY = 0.9, 1.2  # between them a step goes on with its size, and so with its factors
TINY = 1e-10  # errors are not told apart below


class Collocation(NamedTuple):
    """A step's end, and what powers of ``s - 1`` are multiplied by in its polynomial."""

    t: Any
    dt: Any
    y1: Any
    terms: tuple[Any, ...]


class Memory(NamedTuple):
    """What one step hands to the next.

    `slope` is f at the end of the last step, as its polynomial has it; `length` and `error` are those of that step,
    `terms` its polynomial. `careful` after rejections and at the start; `ease` is what the change of an iteration is
    multiplied by to estimate its error.
    """

    slope: Any
    terms: tuple[Any, ...]
    length: Any
    error: Any
    careful: Any
    ease: Any
    kept: Linearisation


class Found(NamedTuple):
    """The stages that an iteration came to."""

    z: tuple[Any, ...]
    converged: Any
    rate: Any
    ease: Any
    iterations: Any


@dataclass(frozen=True)
class Split:
    """Factorises the systems that the stages split into, for one shift of all."""

    solver: LinearSolver
    tableau: RadauTableau
    real: bool

    def factor(self, system, jacobian, shift) -> tuple[Any, ...]:
        """Factorise ``lambda * shift * M - J`` for the real eigenvalue, then for complex ones.

        Of a pair one is enough, where states are real.
        """
        factor, tableau = self.solver.factor, self.tableau
        found = [] if tableau.gamma is None else [factor(system, jacobian, tableau.gamma * shift)]
        for alpha, beta in tableau.pairs:
            found.append(factor(system, jacobian, alpha * shift, beta * shift))
            if not self.real:
                found.append(factor(system, jacobian, alpha * shift, -beta * shift))
        return tuple(found)

    def solve(self, system, factors, parts) -> list[Any]:
        """Solve for the split stages, each pair's real part and imaginary part."""
        solve, found = self.solver.solve, []
        if self.tableau.gamma is not None:
            found, parts, factors = [solve(system, factors[0], parts[0])], parts[1:], factors[1:]
        for k in range(len(parts) // 2):
            found += self.solve_pair(system, factors, k, *parts[2 * k : 2 * k + 2])
        return found

    def solve_pair(self, system, factors, k, real, imaginary) -> tuple[Any, Any]:
        """Solve for one pair."""
        xp, solve = system.backend.xp, self.solver.solve
        right = real + 1j * imaginary
        if self.real:
            x = solve(system, factors[k], right)
            return xp.real(x), xp.imag(x)
        one = solve(system, factors[2 * k], right)
        other = solve(system, factors[2 * k + 1], real - 1j * imaginary)
        return 0.5 * (one + other), -0.5j * (one - other)

    def filtered(self, system, factors, residual) -> Any:
        """Multiply by what a derivative is multiplied by to be an error that stiff components don't dominate."""
        if self.tableau.gamma is not None:
            return self.solver.solve(system, factors[0], residual)
        return self.solve_pair(system, factors, 0, residual, system.backend.zeros_like(residual))[0]

    @property
    def solves(self) -> int:
        """How many linear systems an iteration solves."""
        real = self.tableau.stages % 2
        return real + len(self.tableau.pairs) * (1 if self.real else 2)

    @property
    def estimates(self) -> int:
        """How many linear systems an error estimate solves."""
        return 1 if self.real or self.tableau.gamma is not None else 2


@dataclass(frozen=True)
class Radau(Implicit):
    """A Radau IIA method; a subclass is its `tableau` and a docstring.

    Simplified Newton iterations in transformed variables: one real matrix and, for every two stages more, a complex
    one are factorised, and serve as long as the iterations converge well and the step size stays. They start from the
    last step's collocation polynomial, which is the dense output too.

    With a mass matrix that is singular the stages solve the algebraic equations.
    """

    tableau: ClassVar[RadauTableau]
    takes_mass: ClassVar[bool] = True
    retakes: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        tableau = vars(cls).get("tableau")
        if tableau is not None:
            cls.order = tableau.order
            cls.error_order = cls.dense_order = tableau.stages

    def _split(self, system, y, tableau) -> Split:
        return Split(self.solver, tableau, system.backend.is_real(y.dtype))

    def start(self, system, t, y):
        """Find the derivative; there is no polynomial yet."""
        return self._begun(system, t, y, self.tableau)

    def _begun(self, system, t, y, tableau) -> Memory:
        b = system.backend
        kept = fresh(system, self._split(system, y, tableau), t, y)
        none = tuple(b.zeros_like(y) for _ in tableau.c)
        return Memory(system.f(t, y), none, b.real(0.0), b.real(1.0), b.boolean(True), b.real(1.0), kept)

    def at_rest(self, system, t, y):
        """A step of no length."""
        return Collocation(t, 0.0 * t, y, tuple(system.backend.zeros_like(y) for _ in self.tableau.c))

    def step(self, system, t, y, dt, cache) -> Step:
        """Solve for all stages at once, by Newton's iteration."""
        return self._step(system, t, y, dt, cache, self.tableau)[0]

    def _step(self, system, t, y, dt, cache, tableau) -> tuple[Step, Found]:
        b, c, split = system.backend, system.backend.control, self._split(system, y, tableau)
        kept, spent = linearised(system, split, t, y, 1.0 / dt, cache.kept, drift=0.0)
        found = self._iterate(system, t, y, dt, self._guess(system, dt, cache, tableau), cache.ease, split, kept)
        z, converged = found.z, found.converged
        y1 = y + z[-1]
        terms = tuple(system.combine(None, 1.0, row, z) for row in tableau.terms)
        calls = tableau.stages * found.iterations
        solves = split.solves * found.iterations + split.estimates

        begins = mass_times(system, system.combine(None, 1.0 / dt, tableau.begins, z))
        error = split.filtered(system, kept.factors, cache.slope - begins)
        norm = b.stop_gradient(system.scaled_norm(error, y, y1))
        size = b.to_control(norm)
        # Where the first estimate may be too large, f at what it points to damps the stiff components once more.
        doubted = c.logical_and(converged, c.logical_and(cache.careful, size > 1.0))

        def again():
            slope = system.f(t, y + error)
            return b.stop_gradient(system.scaled_norm(split.filtered(system, kept.factors, slope - begins), y, y1))

        norm = b.cond(doubted, again, lambda: norm)
        size = b.to_control(norm)
        more = c.where(doubted, b.integer(1), b.integer(0))

        after, retried, cut = outcome(b, converged, found.rate, kept, slow=GOOD)
        factor, retained = self._factor(b, dt, size, found, cache, tableau)
        # A Jacobian of an old state that did well enough is given up only where the factors are made anew anyway.
        after = after._replace(
            wanted=c.logical_and(after.wanted, c.logical_or(c.logical_not(retained), found.rate > SLOW))
        )
        slope = mass_times(system, system.combine(None, 1.0 / dt, (1.0,), terms[:1]))
        memory = Memory(slope, terms, dt, c.maximum(size, 1e-2), b.boolean(False), found.ease, after)
        retry = cache._replace(careful=b.boolean(True), ease=b.real(1.0), kept=retried)
        work = Work(
            calls + more,
            spent.jacobians,
            spent.factorisations * len(kept.factors),
            solves + more * split.estimates,
            c.where(converged, b.integer(0), b.integer(1)),
        )
        reason = c.where(converged, b.integer(0), b.integer(Status.NEWTON_FAILED))
        factor = c.where(converged, factor, cut)
        return Step(y1, norm, memory, Collocation(t, dt, y1, terms), factor, retry, work, reason), found

    def error_norm(self, system, error, y0, y1):
        """Hand on the norm, which the step wanted before."""
        return error

    def _guess(self, system, dt, cache, tableau) -> tuple[Any, ...]:
        """Extrapolate the last step's polynomial."""
        c = system.backend.control
        ratio = dt / c.where(cache.length == 0.0, dt, cache.length)
        found = []
        for node in tableau.c:
            ahead = node * ratio
            weights, power = [], 1.0
            for _ in cache.terms:
                power = power * ahead
                weights.append(power)
            found.append(system.combine(None, 1.0, weights, cache.terms))
        return tuple(found)

    def _iterate(self, system, t, y, dt, z, ease, split, kept) -> Found:
        """Solve ``M A^-1 z = dt f(t + c dt, y + z)`` to a fraction of the tolerance."""
        b, c, tableau = system.backend, system.backend.control, split.tableau
        limit = _limit(tableau)

        def goes_on(s):
            _, _, _, _, converged, diverged, count = s
            return c.logical_and(c.logical_not(c.logical_or(converged, diverged)), count < limit)

        def improve(s):
            z, last, theta, ease, _, _, count = s
            f = [system.f(t + node * dt, y + stage) for node, stage in zip(tableau.c, z, strict=True)]
            parts = [
                system.combine(None, 1.0, row, f) - mass_times(system, system.combine(None, 1.0 / dt, scaled, z))
                for row, scaled in zip(tableau.inwards, tableau.scaled, strict=True)
            ]
            split_changes = split.solve(system, kept.factors, parts)
            changes = [system.combine(None, 1.0, row, split_changes) for row in tableau.outwards]
            z = tuple(stage + change for stage, change in zip(z, changes, strict=True))
            sizes = b.to_control(*(b.stop_gradient(system.scaled_norm(change, y, y)) for change in changes))
            size = c.sqrt(sum(one * one for one in sizes) / len(sizes))
            first = count == 0
            ratio = size / c.maximum(last, 1e-300)
            theta = c.where(first, theta, c.where(count == 1, ratio, c.sqrt(ratio * theta)))
            ease = c.where(first, ease, theta / c.maximum(1.0 - theta, 1e-3))
            finite = c.isfinite(size)
            converged = c.logical_and(finite, ease * size <= KAPPA)
            left = limit - 1 - count
            hopeless = c.power(theta, 1.0 * left) / c.maximum(1.0 - theta, 1e-3) * size > KAPPA
            grows = c.logical_and(c.logical_not(first), c.logical_or(theta >= 0.99, hopeless))
            diverged = c.logical_and(c.logical_or(grows, c.logical_not(finite)), c.logical_not(converged))
            return z, size, theta, ease, converged, diverged, count + b.integer(1)

        # What was learned of the rate in the last step counts for less in this one.
        ease = c.power(c.maximum(ease, 1e-12), 0.8)
        begin = (z, b.real(1.0), b.real(0.0), ease, b.boolean(False), b.boolean(False), b.integer(0))
        z, _, theta, ease, converged, _, count = b.while_loop(goes_on, improve, begin, max_iterations=limit)
        return Found(z, converged, theta, ease, count)

    def _factor(self, b, dt, error, found, cache, tableau) -> tuple[Any, Any]:
        """The ratio of the next step to this one, by Gustafsson's prediction; and whether that is one to go on with.

        Steps that took many iterations get smaller ones.
        """
        c = b.control
        limit = _limit(tableau)
        power = 1.0 / (tableau.stages + 1.0)
        safety = SAFETY * (2.0 * limit + 1.0) / (2.0 * limit + 1.0 * found.iterations)
        error = c.maximum(error, TINY)
        usual = safety * c.power(1.0 / error, power)
        known = cache.length != 0.0
        growth = c.abs(dt) / c.abs(c.where(known, cache.length, dt))
        predicted = c.where(known, SAFETY * growth * c.power(cache.error / (error * error), power), usual)
        factor = c.maximum(c.minimum(c.minimum(usual, predicted), LARGEST), SMALLEST)
        accepted = error <= 1.0
        factor = c.where(accepted, factor, c.maximum(usual, SMALLEST))
        factor = c.where(c.logical_and(accepted, c.logical_and(cache.careful, known)), c.minimum(factor, 1.0), factor)
        retained = c.logical_and(accepted, c.logical_and(factor >= SHRINK, factor <= STEADY))
        return c.where(retained, b.real(1.0), factor), retained

    def interpolate(self, system, dense, theta):
        """Evaluate the collocation polynomial."""
        return collocated(system, dense, theta)


def collocated(system, dense: Collocation, theta) -> Any:
    """Evaluate a polynomial in powers of ``theta - 1``."""
    weights, power = [], 1.0
    for _ in dense.terms:
        power = power * (theta - 1.0)
        weights.append(power)
    return system.combine(dense.y1, 1.0, weights, dense.terms)


def _limit(tableau: RadauTableau) -> int:
    """The iterations that may be worth it: more for more stages, whose steps are larger."""
    return 7 + 5 * max(tableau.stages - 3, 0) // 2
