"""Kvaerno's method of order four."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau, difference

G = 0.5728160624821349  # the root of x**4 - 4 x**3 + 3 x**2 - 2/3 x + 1/24 that makes the method L-stable
P, Q, R = 12.0 * G**2 - 6.0 * G + 1.0, 12.0 * G**2 - 9.0 * G + 2.0, 3.0 * G - 1.0
A = (
    (),
    (G,),
    (
        (144.0 * G**4 - 180.0 * G**3 + 81.0 * G**2 - 15.0 * G + 1.0) * G / P**2,
        (-36.0 * G**3 + 39.0 * G**2 - 15.0 * G + 2.0) * G / P**2,
    ),
    (
        (-144.0 * G**5 + 396.0 * G**4 - 330.0 * G**3 + 117.0 * G**2 - 18.0 * G + 1.0) / (12.0 * G**2 * Q),
        (72.0 * G**4 - 126.0 * G**3 + 69.0 * G**2 - 15.0 * G + 1.0) / (12.0 * G**2 * R),
        (-6.0 * G**2 + 6.0 * G - 1.0) * P**2 / (12.0 * G**2 * Q * R),
    ),
    (
        (288.0 * G**4 - 312.0 * G**3 + 120.0 * G**2 - 18.0 * G + 1.0) / (48.0 * G**2 * Q),
        (24.0 * G**2 - 12.0 * G + 1.0) / (48.0 * G**2 * R),
        -(P**3) / (48.0 * G**2 * R * Q * (6.0 * G**2 - 6.0 * G + 1.0)),
        (-24.0 * G**3 + 36.0 * G**2 - 12.0 * G + 1.0) / (24.0 * G**2 - 24.0 * G + 4.0),
    ),
)


@dataclass(frozen=True)
class Kvaerno4(Sdirk):
    """Kvaerno4: for stiff systems at middling tolerances.

    Order 4(3), four implicit stages, L-stable and stiffly accurate; the embedded method is A-stable. Third-order dense
    output. Takes mass matrices, singular ones too.

    References
    ----------
    A. Kvaerno, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, BIT Numerical Mathematics
    44 (2004), doi:10.1023/B:BITN.0000046811.70614.38.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Kvaerno4").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=4, error_order=3, gamma=G, c=(0.0, 2.0 * G, G + sum(A[2]), 1.0, 1.0), a=A, error=difference(A, G)
    )
