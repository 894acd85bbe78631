"""The trapezoidal rule and the second backward differentiation formula in one step."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau

D = 1.0 - 0.5 * 2.0**0.5
W = 0.25 * 2.0**0.5


@dataclass(frozen=True)
class TRBDF2(Sdirk):
    """TRBDF2: for stiff systems at coarse tolerances, the workhorse of circuit and device simulation.

    Order 2, two implicit stages, L-stable and stiffly accurate; the embedded formula of order three is smoothed, as
    Hosea and Shampine do. Third-order dense output. Takes mass matrices, singular ones too.

    References
    ----------
    R. E. Bank et al., Transient simulation of silicon devices and circuits, IEEE Transactions on Electron Devices 32
    (1985), doi:10.1109/T-ED.1985.22232; M. E. Hosea, L. F. Shampine, Analysis and implementation of TR-BDF2, Applied
    Numerical Mathematics 20 (1996), doi:10.1016/0168-9274(95)00115-8.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "TRBDF2").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=2,
        error_order=2,
        gamma=D,
        c=(0.0, 2.0 * D, 1.0),
        a=((), (D,), (W, W)),
        smooth=True,
        error=((4.0 * W - 1.0) / 3.0, -1.0 / 3.0, 2.0 * D / 3.0),
    )
