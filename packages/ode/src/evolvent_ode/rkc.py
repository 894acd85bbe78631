"""Sommeijer, Shampine and Verwer's Runge-Kutta-Chebyshev method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ._stabilised import Stabilised, penalty

MOST = 1000  # stages
EPSILON = 2.0 / 13.0  # damping


class Chebyshev(NamedTuple):
    """Two stages, their times as fractions of the step, and T_j(w0), T_j'(w0), T_j''(w0), b_j of both."""

    j: Any
    newer: Any
    older: Any
    c: tuple[Any, Any]
    t: tuple[Any, Any]
    d: tuple[Any, Any]
    dd: tuple[Any, Any]
    b: tuple[Any, Any]


@dataclass(frozen=True)
class RKC(Stabilised):
    """Runge-Kutta-Chebyshev: for large, mildly stiff problems such as diffusion (real eigenvalues).

    Order 2. Each step takes as many stages as its stability needs, about ``sqrt(1.54 dt radius)``; three
    vectors of memory beyond y, and no linear algebra. Dense output: Hermite.

    Parameters
    ----------
    spectral_radius : callable, optional
        ``spectral_radius(t, y, params)`` gives an upper bound of the absolute values of the Jacobian's
        eigenvalues; estimated by the power method if not given.

    References
    ----------
    B. P. Sommeijer, L. F. Shampine, J. G. Verwer, RKC: an explicit solver for parabolic PDEs, J. Comput.
    Appl. Math. 88 (1998) 315-326, doi:10.1016/S0377-0427(97)00219-7.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "RKC", rtol=1e-6, atol=1e-6).y[-1, 0]), 4)
    1.0
    """

    order = 2
    error_order = 2
    dense_order = 2

    def advance(self, system, t, y, dt, f0, reach):
        """Take one step of as many stages as `reach` asks for."""
        b, c = system.backend, system.backend.control
        wanted = 1.0 + c.floor(c.sqrt(1.0 + 1.54 * reach))
        stages = c.maximum(2.0, c.minimum(wanted, float(MOST)))
        w0, w1 = _damped(c, stages)
        b1 = 0.25 / (w0 * w0)
        zero, one = 0.0 * w0, 1.0 + 0.0 * w0
        first = system.combine(y, dt, (w1 * b1,), (f0,))
        begin = Chebyshev(b.integer(2), first, y, (w1 * b1, zero), (w0, one), (one, zero), (zero, zero), (b1, b1))
        last = b.while_loop(
            lambda s: s.j <= stages,
            lambda s: _stage(system, t, y, dt, f0, w0, w1, s),
            begin,
            max_iterations=MOST,
        )
        y1 = last.newer
        f1 = system.f(t + dt, y1)
        e = penalty(b, wanted > MOST)
        error = system.combine(None, e, (0.8, -0.8, 0.4 * dt, 0.4 * dt), (y, y1, f0, f1))
        return y1, f1, error, last.j - b.integer(1)


def _damped(c, s):
    """Compute w0, and w1 = T_s'(w0) / T_s''(w0) by the hyperbolic form of T_s."""
    excess = EPSILON / (s * s)
    w0 = 1.0 + excess
    square = excess * (2.0 + excess)
    root = c.sqrt(square)
    up = c.exp(s * c.log(w0 + root))
    sinh, cosh = 0.5 * (up - 1.0 / up), 0.5 * (up + 1.0 / up)
    return w0, sinh * square / (cosh * s * root - w0 * sinh)


def _stage(system, t, y, dt, f0, w0, w1, s: Chebyshev) -> Chebyshev:
    value = 2.0 * w0 * s.t[0] - s.t[1]
    slope = 2.0 * (w0 * s.d[0] + s.t[0]) - s.d[1]
    bend = 2.0 * (w0 * s.dd[0] + 2.0 * s.d[0]) - s.dd[1]
    weight = bend / (slope * slope)
    mu, nu, mu_f = 2.0 * weight * w0 / s.b[0], -weight / s.b[1], 2.0 * weight * w1 / s.b[0]
    gamma = mu_f * (s.b[0] * s.t[0] - 1.0)
    f = system.f(t + s.c[0] * dt, s.newer)
    weights = (1.0 - mu - nu, mu, nu, mu_f * dt, gamma * dt)
    newest = system.combine(None, 1.0, weights, (y, s.newer, s.older, f, f0))
    c = mu * s.c[0] + nu * s.c[1] + mu_f + gamma
    return Chebyshev(
        s.j + system.backend.integer(1),
        newest,
        s.newer,
        (c, s.c[0]),
        (value, s.t[0]),
        (slope, s.d[0]),
        (bend, s.dd[0]),
        (weight, s.b[0]),
    )
