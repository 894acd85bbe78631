"""Shampine and Reichelt's Rosenbrock method of order two."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from ._rosenbrock import Rosenbrock
from ._rosenbrock_tableau import RosenbrockTableau

D = 1.0 / (2.0 + sqrt(2.0))
E = 6.0 + sqrt(2.0)


@dataclass(frozen=True)
class Rosenbrock23(Rosenbrock):
    """MATLAB's ode23s: for small stiff systems at crude tolerances.

    Order 2(3), two evaluations of f a step (first same as last), L-stable, second-order dense output.

    References
    ----------
    L. F. Shampine, M. W. Reichelt, The MATLAB ODE suite, SIAM Journal on Scientific Computing 18 (1997) 1-22,
    doi:10.1137/S1064827594276424.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Rosenbrock23").y[-1, 0]), 4)
    1.0
    """

    tableau = RosenbrockTableau.from_standard(
        gamma=((D, 0.0, 0.0), (-D, D, 0.0), (D * (E - 2.0), -D * E, D)),
        alpha=((0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 1.0, 0.0)),
        b=(0.0, 1.0, 0.0),
        error=(1.0 / 6.0, -1.0 / 3.0, 1.0 / 6.0),
        dense=((1.0 / (1.0 - 2.0 * D), -1.0 / (1.0 - 2.0 * D), 0.0),),
        order=2,
        error_order=2,
        dense_order=2,
    )
