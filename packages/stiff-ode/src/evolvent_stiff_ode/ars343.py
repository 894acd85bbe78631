"""Ascher, Ruuth and Spiteri's additive pair of order three."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau, difference

G = 0.435866521508459  # the root of x**3 - 3 x**2 + 3/2 x - 1/6 that makes the method L-stable
C = 0.5 * (1.0 + G)
A = ((), (0.0,), (0.0, 0.5 * (1.0 - G)), (0.0, -1.5 * G**2 + 4.0 * G - 0.25, 1.5 * G**2 - 5.0 * G + 1.25))
W = 0.5529291480359398  # two entries are free: the paper's choice
EARLY = W * (3.75 - 15.0 * G + 5.25 * G**2) - 3.5 + 13.0 * G - 4.5 * G**2
EXPLICIT = ((), (G,), (EARLY, C - EARLY), (1.0 - 2.0 * W, W, W))


@dataclass(frozen=True)
class ARS343(Sdirk):
    """ARS343: an additive pair for split problems whose stiff part is diffusion, at coarse tolerances.

    Order 3(2), three implicit stages, L-stable and stiffly accurate; its explicit method is that of four stages. The
    error is estimated by the second-order formula of the first two implicit stages; third-order dense output. It takes
    the parts of an `evolvent.SplitODEProblem` implicitly and explicitly; other problems, singular mass matrices
    included, it solves by its implicit method.

    References
    ----------
    U. M. Ascher, S. J. Ruuth, R. J. Spiteri, Implicit-explicit Runge-Kutta methods for time-dependent partial
    differential equations, Applied Numerical Mathematics 25 (1997), doi:10.1016/S0168-9274(97)00056-1.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff, slow = (lambda t, y, p: -1000.0 * (y - 1.0)), (lambda t, y, p: 0.0 * y)
    >>> problem = ev.SplitODEProblem(stiff, slow, y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(problem, "ARS343").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=3,
        error_order=2,
        gamma=G,
        c=(0.0, G, C, 1.0),
        a=A,
        explicit=EXPLICIT,
        error=difference(A, G, (0.0, G / (1.0 - G), (1.0 - 2.0 * G) / (1.0 - G), 0.0)),
    )
