"""The two-stage Radau IIA method."""

from __future__ import annotations

from dataclasses import dataclass

from ._radau import Radau
from ._radau_tableau import radau


@dataclass(frozen=True)
class RadauIIA3(Radau):
    """RadauIIA3: for stiff systems and DAEs at crude tolerances.

    Order 3, two implicit stages, L-stable and stiffly accurate; the error is estimated at order 2. Its dense output,
    the collocation polynomial, is of order 2. In stiff components the order falls to two. Takes mass matrices, singular
    ones too.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.8, doi:10.1007/978-3-642-05221-7.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "RadauIIA3").y[-1, 0]), 6)
    1.0
    """

    tableau = radau(2)
