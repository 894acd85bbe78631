"""Semi-implicit BDF of order two."""

from __future__ import annotations

from dataclasses import dataclass

from ._sbdf import SemiImplicit


@dataclass(frozen=True)
class SBDF2(SemiImplicit):
    """SBDF2: Ascher, Ruuth & Wetton's, for split problems such as reaction and diffusion, at loose tolerances.

    Order 2 with steps of any size, each with one evaluation of the explicit part; the first step is one of Euler's. The
    implicit part alone is integrated A-stably and with full damping, which suits diffusion. On problems that are not
    split it is the BDF of order 2, with f implicit. The dense output is the polynomial through the last states.

    References
    ----------
    U. M. Ascher, S. J. Ruuth, B. T. R. Wetton, Implicit-explicit methods for time-dependent partial differential
    equations, SIAM J. Numer. Anal. 32 (1995), doi:10.1137/0732037.

    Examples
    --------
    >>> import evolvent as ev
    >>> split = ev.SplitODEProblem(lambda t, y, p: -1000.0 * y, lambda t, y, p: 1000.0 + 0.0 * y, [0.0], (0.0, 1.0))
    >>> round(float(ev.solve(split, "SBDF2").y[-1, 0]), 3)
    1.0
    """

    order = 2
