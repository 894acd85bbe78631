"""Stabilised biconjugate gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from .krylov import Found, Goal, Krylov, measured, product, spacing, target


class Iterate(NamedTuple):
    """A solution, its residual, the direction of the search, its image, and what the recurrences go on with."""

    x: Any
    residual: Any
    direction: Any
    image: Any
    rho: Any
    alpha: Any
    omega: Any
    size: Any
    count: Any


@dataclass(frozen=True)
class BiCGStab(Krylov):
    """Stabilised biconjugate gradients: for large systems, with memory for a few states only.

    Matrix-free: two products with the Jacobian and two applications of the preconditioner an iteration, and no basis to
    be kept. `GMRES` needs fewer products. A step whose systems don't converge is taken anew with a smaller size.

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

    References
    ----------
    H. A. van der Vorst, Bi-CGSTAB, SIAM J. Sci. Stat. Comput. 13 (1992) 631-644, doi:10.1137/0913035.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> from evolvent_stiff_ode import BiCGStab, QNDF
    >>> def diffusion(t, y, p):
    ...     return 1000.0 * (np.roll(y, 1) - 2.0 * y + np.roll(y, -1))
    >>> heat = ev.ODEProblem(diffusion, y0=np.arange(50.0), t_span=(0.0, 10.0))
    >>> round(float(ev.solve(heat, QNDF(linear_solver=BiCGStab())).y[-1, 7]), 2)
    24.5
    """

    def _iterated(self, b, matrix, rhs, unit, goal: Goal) -> Found:
        c = b.control
        size = measured(b, rhs, unit)
        enough = target(b, size, goal, spacing(b, rhs))

        def goes_on(s: Iterate):
            return c.logical_and(s.size > enough, s.count < goal.iterations)

        def improved(s: Iterate) -> Iterate:
            rho = product(b, rhs, s.residual)
            beta = _ratio(b, rho, s.rho) * _ratio(b, s.alpha, s.omega)
            direction = s.residual + beta * (s.direction - s.omega * s.image)
            image = matrix(direction)
            alpha = _ratio(b, rho, product(b, rhs, image))
            half = s.residual - alpha * image
            other = matrix(half)
            omega = _ratio(b, product(b, other, half), product(b, other, other))
            x = s.x + alpha * direction + omega * half
            residual = half - omega * other
            count = s.count + b.integer(1)
            return Iterate(x, residual, direction, image, rho, alpha, omega, measured(b, residual, unit), count)

        none = b.zeros_like(rhs)
        one = none[0, ...] + 1.0
        start = Iterate(none, rhs, none, none, one, one, one, size, b.integer(0))
        end = b.while_loop(goes_on, improved, start, max_iterations=goal.iterations)
        return Found(end.x, end.size <= enough)


def _ratio(b, x, y) -> Any:
    """A quotient, zero where the divisor is: the recurrence then begins anew."""
    xp = b.xp
    none = y == 0.0
    return xp.where(none, xp.zeros_like(x), x / xp.where(none, xp.ones_like(y), y))
