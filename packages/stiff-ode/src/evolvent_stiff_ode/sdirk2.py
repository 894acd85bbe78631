"""Alexander's L-stable method of two stages."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau

G = 1.0 - 0.5**0.5
# A second divided difference of derivatives, weighted so that it is the error where f depends on t alone.
E = 0.5 * (G + (1.0 - G) * G**2) - 1.0 / 6.0


@dataclass(frozen=True)
class SDIRK2(Sdirk):
    """SDIRK2: Alexander's method, for stiff systems at coarse tolerances that need strong damping.

    Order 2, two implicit stages, L-stable and stiffly accurate, no explicit stage. Its leading error is estimated from
    the derivatives at its stages and at its start. Third-order dense output. Takes mass matrices, singular ones too.

    References
    ----------
    R. Alexander, Diagonally implicit Runge-Kutta methods for stiff ODEs, SIAM Journal on Numerical Analysis 14 (1977),
    doi:10.1137/0714068.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "SDIRK2").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=2,
        error_order=2,
        gamma=G,
        c=(0.0, G, 1.0),
        a=((), (0.0,), (0.0, 1.0 - G)),
        smooth=True,
        error=(E / G, -E / (G * (1.0 - G)), E / (1.0 - G)),
    )
