"""Simplified Newton iterations, and the Jacobian and factorisation that outlive a step."""

from __future__ import annotations

from typing import Any, NamedTuple

from evolvent import Status

ITERATIONS = 8
KAPPA = 0.05  # an iteration has converged when its error is this much of the tolerance
SLOW = 0.2  # at this rate of convergence the next step wants a new Jacobian
DRIFT = 0.25  # a factorisation serves until its shift is off by this much


class Linearisation(NamedTuple):
    """The Jacobian, the factors of ``shift * M - J``, and what is known of how well they still serve.

    `wanted` says that the next step must evaluate the Jacobian anew; `age` counts the steps since it was.
    """

    jacobian: Any
    factors: Any
    shift: Any
    wanted: Any
    age: Any


class Spent(NamedTuple):
    """What a linearisation cost, in control integers."""

    jacobians: Any
    factorisations: Any


class Iteration(NamedTuple):
    """The result of an iteration: `reason` is a `Status`, 0 where it converged."""

    z: Any
    converged: Any
    rate: Any
    iterations: Any

    def reason(self, b) -> Any:
        """The status to end with if no step size helps."""
        return b.control.where(self.converged, b.integer(0), b.integer(Status.NEWTON_FAILED))


def fresh(system, solver, t, y) -> Linearisation:
    """Start with a Jacobian whose factors are still to be made."""
    b = system.backend
    jacobian = system.jacobian(t, y)
    # Factors of some shift, for their structure; a shift of zero suits no step.
    factors = solver.factor(system, jacobian, b.real(1.0))
    return Linearisation(jacobian, factors, b.real(0.0), b.boolean(False), b.integer(0))


def linearised(system, solver, t, y, shift, kept: Linearisation, drift: float = DRIFT) -> tuple[Linearisation, Spent]:
    """Bring a linearisation up to date: the Jacobian where it is wanted, the factors where the shift has drifted."""
    b, c = system.backend, system.backend.control
    jacobian = b.cond(kept.wanted, lambda: system.jacobian(t, y), lambda: kept.jacobian)
    drifted = c.abs(shift - kept.shift) > drift * c.abs(shift)
    due = c.logical_or(kept.wanted, drifted)
    factors = b.cond(due, lambda: solver.factor(system, jacobian, shift), lambda: kept.factors)
    one, none = b.integer(1), b.integer(0)
    age = c.where(kept.wanted, none, kept.age + one)
    now = Linearisation(jacobian, factors, c.where(due, shift, kept.shift), b.boolean(False), age)
    return now, Spent(c.where(kept.wanted, one, none), c.where(due, one, none))


def newton(system, solve, residual, z0, y0, *, rate=None, iterations=ITERATIONS, kappa=KAPPA) -> Iteration:
    """Solve ``residual(z) = 0`` by ``z + solve(residual(z))``, to a fraction of the tolerance.

    Parameters
    ----------
    solve : callable
        Takes a residual to the step towards its root, with one factorisation.
    residual : callable
        From an array like y to an array like y; called once an iteration.
    z0 : array
        Where to start.
    y0 : array
        What the tolerance is relative to.
    rate : control scalar, optional
        The rate of convergence that the last iteration saw: with it one iteration may be enough.

    Notes
    -----
    The rate theta estimates the error left by ``theta / (1 - theta)`` times the last change (Hairer & Wanner, Solving
    ODEs II, IV.8). An iteration that diverges, or won't converge in time, ends at once.
    """
    b, c = system.backend, system.backend.control
    eta = b.real(1.0) if rate is None else c.maximum(rate, 1e-3) / c.maximum(1.0 - rate, 1e-3)

    def goes_on(s):
        _, _, _, _, converged, diverged, count = s
        return c.logical_and(c.logical_not(c.logical_or(converged, diverged)), count < iterations)

    def improve(s):
        z, last, theta, eta, _, _, count = s
        change = solve(residual(z))
        z = z + change
        size = b.to_control(b.stop_gradient(system.scaled_norm(change, y0, y0)))
        first = count == 0
        theta = c.where(first, theta, size / c.maximum(last, 1e-300))
        eta = c.where(first, eta, theta / c.maximum(1.0 - theta, 1e-3))
        converged = c.logical_or(eta * size <= kappa, size <= 1e-3 * kappa)
        left = iterations - 1 - count
        hopeless = c.power(theta, 1.0 * left) / c.maximum(1.0 - theta, 1e-3) * size > kappa
        grows = c.logical_and(c.logical_not(first), c.logical_or(theta >= 1.0, hopeless))
        diverged = c.logical_or(grows, c.logical_not(c.isfinite(size)))
        converged = c.logical_and(converged, c.isfinite(size))
        return z, size, theta, eta, converged, c.logical_and(diverged, c.logical_not(converged)), count + b.integer(1)

    start = (z0, b.real(1.0), b.real(0.0), eta, b.boolean(False), b.boolean(False), b.integer(0))
    z, _, theta, _, converged, _, count = b.while_loop(goes_on, improve, start, max_iterations=iterations)
    return Iteration(z, converged, theta, count)


def outcome(b, converged, rate, kept: Linearisation, slow: float = SLOW) -> tuple[Linearisation, Linearisation, Any]:
    """What to keep if the step is accepted, what if it must be tried again, and the ratio of its size then.

    Where the iteration failed with an old Jacobian, a new one may be all that is needed.
    """
    c = b.control
    old = kept.age > 0
    after = kept._replace(wanted=rate > slow)
    again = kept._replace(wanted=c.logical_and(old, c.logical_not(converged)))
    factor = c.where(converged, b.real(0.0), c.where(old, b.real(1.0), b.real(0.25)))
    return after, again, factor
