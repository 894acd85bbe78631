"""A stiffly accurate Rosenbrock method of order three."""

from __future__ import annotations

from dataclasses import dataclass

from ._rosenbrock import Rosenbrock
from ._rosenbrock_tableau import RosenbrockTableau

LAST = (2.0, 0.0)


@dataclass(frozen=True)
class Rodas3(Rosenbrock):
    """Rodas3: cheap steps for stiff chemistry at loose tolerances.

    Order 3(2), four stages of which two share an evaluation of f, L-stable and stiffly accurate, second-order dense
    output.

    References
    ----------
    A. Sandu et al., Benchmarking stiff ODE solvers for atmospheric chemistry problems II: Rosenbrock solvers,
    Atmospheric Environment 31 (1997) 3459-3472, doi:10.1016/S1352-2310(97)83212-8.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Rodas3").y[-1, 0]), 4)
    1.0
    """

    tableau = RosenbrockTableau(
        order=3,
        error_order=2,
        gamma=0.5,
        alpha=(0.0, 0.0, 1.0, 1.0),
        d=(0.5, 1.5, 0.0, 0.0),
        a=(
            (),
            (0.0,),
            LAST,
            (*LAST, 1.0),
        ),
        c=(
            (),
            (4.0,),
            (1.0, -1.0),
            (1.0, -1.0, -8.0 / 3.0),
        ),
        m=(*LAST, 1.0, 1.0),
        error=(0.0, 0.0, 0.0, 1.0),
        dense=(),
        dense_order=2,
    )
