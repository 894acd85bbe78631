"""The five-stage Radau IIA method."""

from __future__ import annotations

from dataclasses import dataclass

from ._radau import Radau
from ._radau_tableau import radau


@dataclass(frozen=True)
class RadauIIA9(Radau):
    """RadauIIA9: for stiff systems and DAEs at stringent tolerances.

    Order 9, five implicit stages, L-stable and stiffly accurate; the error is estimated at order 5. Its dense output,
    the collocation polynomial, is of order 5. In stiff components the order falls to five. Takes mass matrices,
    singular ones too.

    References
    ----------
    E. Hairer, G. Wanner, Stiff differential equations solved by Radau methods, J. Comput. Appl. Math. 111 (1999),
    doi:10.1016/S0377-0427(99)00134-X.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "RadauIIA9").y[-1, 0]), 6)
    1.0
    """

    tableau = radau(5)
