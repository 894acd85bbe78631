"""Lang and Verwer's Rosenbrock method of order three for parabolic problems."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from ._rosenbrock import Rosenbrock
from ._rosenbrock_tableau import RosenbrockTableau

G = 0.5 + sqrt(3.0) / 6.0


@dataclass(frozen=True)
class ROS3P(Rosenbrock):
    """ROS3P: keeps its third order on parabolic problems, for partial differential equations at loose tolerances.

    Its error estimate sees nothing of linear problems with constant coefficients, where its two formulas agree: take
    another method, or fixed steps, for those.

    Order 3(2), three stages of which two share an evaluation of f, A-stable, second-order dense output.

    References
    ----------
    J. Lang, J. Verwer, ROS3P: an accurate third-order Rosenbrock solver designed for parabolic problems, BIT 41 (2001)
    731-738, doi:10.1023/A:1021900219772.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "ROS3P").y[-1, 0]), 4)
    1.0
    """

    tableau = RosenbrockTableau.from_standard(
        gamma=((G, 0.0, 0.0), (-1.0, G, 0.0), (-G, 0.5 - 2.0 * G, G)),
        alpha=((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
        b=(2.0 / 3.0, 0.0, 1.0 / 3.0),
        error=(1.0 / 3.0, -1.0 / 3.0, 0.0),
        dense=(),
        order=3,
        error_order=2,
        dense_order=2,
    )
