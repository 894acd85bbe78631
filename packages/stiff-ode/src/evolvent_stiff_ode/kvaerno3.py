"""Kvaerno's method of order three."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau, difference

G = 0.435866521508459  # the root of x**3 - 3 x**2 + 3/2 x - 1/6 that makes the method L-stable
A = (
    (),
    (G,),
    ((-4.0 * G**2 + 6.0 * G - 1.0) / (4.0 * G), (1.0 - 2.0 * G) / (4.0 * G)),
    ((6.0 * G - 1.0) / (12.0 * G), -1.0 / ((24.0 * G - 12.0) * G), (-6.0 * G**2 + 6.0 * G - 1.0) / (6.0 * G - 3.0)),
)


@dataclass(frozen=True)
class Kvaerno3(Sdirk):
    """Kvaerno3: for stiff systems at coarse tolerances.

    Order 3(2), three implicit stages, L-stable and stiffly accurate; the embedded method is A-stable. Third-order
    dense output. Takes mass matrices, singular ones too.

    References
    ----------
    A. Kvaerno, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, BIT Numerical Mathematics
    44 (2004), doi:10.1023/B:BITN.0000046811.70614.38.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Kvaerno3").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(order=3, error_order=2, gamma=G, c=(0.0, 2.0 * G, 1.0, 1.0), a=A, error=difference(A, G))
