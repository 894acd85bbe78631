"""Steinebach's Rosenbrock method of order four for parabolic problems."""

from __future__ import annotations

from dataclasses import dataclass

from ._rosenbrock import Rosenbrock
from ._rosenbrock_tableau import RosenbrockTableau

LAST = (-7.170454962423024, -4.741636671481785, -16.31002631330971, -1.062004044111401)


@dataclass(frozen=True)
class Rodas4P(Rosenbrock):
    """Rodas4P: keeps its order on parabolic problems and on stiff linear ones, where others lose it.

    Order 4(3), six stages, L-stable and stiffly accurate, third-order dense output.

    References
    ----------
    G. Steinebach, Order-reduction of ROW-methods for DAEs and method of lines applications, Preprint 1741, TH
    Darmstadt (1995).

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Rodas4P").y[-1, 0]), 4)
    1.0
    """

    tableau = RosenbrockTableau(
        order=4,
        error_order=3,
        gamma=0.25,
        alpha=(0.0, 0.75, 0.21, 0.63, 1.0, 1.0),
        d=(0.25, -0.5, -0.023504, -0.0362, 0.0, 0.0),
        a=(
            (),
            (3.0,),
            (1.831036793486759, 0.4955183967433795),
            (2.304376582692669, -0.05249275245743001, -1.176798761832782),
            LAST,
            (*LAST, 1.0),
        ),
        c=(
            (),
            (-12.0,),
            (-8.791795173947035, -2.207865586973518),
            (10.81793056857153, 6.780270611428266, 19.53485944642410),
            (34.19095006749676, 15.49671153725963, 54.74760875964130, 14.16005392148534),
            (34.62605830930532, 15.30084976114473, 56.99955578662667, 18.40807009793095, -5.714285714285717),
        ),
        m=(*LAST, 1.0, 1.0),
        error=(0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
        dense=(
            (25.09876703708589, 11.62013104361867, 28.49148307714626, -5.664021568594133, 0.0, 0.0),
            (1.638054557396973, -0.7373619806678748, 8.477918219238990, 15.99253148779520, -1.882352941176471, 0.0),
        ),
        dense_order=3,
    )
