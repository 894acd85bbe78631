"""The three-stage Radau IIA method."""

from __future__ import annotations

from dataclasses import dataclass

from ._radau import Radau
from ._radau_tableau import radau


@dataclass(frozen=True)
class RadauIIA5(Radau):
    """RadauIIA5: for stiff systems and DAEs at moderate to stringent tolerances; very robust.

    Order 5, three implicit stages, L-stable and stiffly accurate; the error is estimated at order 3. Its dense output,
    the collocation polynomial, is of order 3. In stiff components the order falls to three. Takes mass matrices,
    singular ones too.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.8, doi:10.1007/978-3-642-05221-7.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "RadauIIA5").y[-1, 0]), 6)
    1.0
    """

    tableau = radau(3)
