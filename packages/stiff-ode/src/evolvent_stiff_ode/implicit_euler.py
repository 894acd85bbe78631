"""The implicit Euler method."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau


@dataclass(frozen=True)
class ImplicitEuler(Sdirk):
    """The implicit Euler method, for rough answers and right sides that jump.

    Order 1, one stage, L-stable, B-stable and stiffly accurate. The error is estimated by the trapezoidal rule, that is
    by the second difference of the states; dense output is linear. Takes mass matrices, singular ones too.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.3, doi:10.1007/978-3-642-05221-7.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "ImplicitEuler").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=1,
        error_order=1,
        gamma=1.0,
        c=(0.0, 1.0),
        a=((), (0.0,)),
        error=(-0.5, 0.5),
        dense=((0.0, 1.0),),
        dense_order=1,
    )
