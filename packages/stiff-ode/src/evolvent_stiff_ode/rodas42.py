"""A variant of Rodas4 with another choice of its free coefficients."""

from __future__ import annotations

from dataclasses import dataclass

from ._rosenbrock import Rosenbrock
from ._rosenbrock_tableau import RosenbrockTableau

LAST = (22.73885722420363, 67.38147284535289, -31.21877493038560, 0.7285641833203814)


@dataclass(frozen=True)
class Rodas42(Rosenbrock):
    """Rodas42: Hairer & Wanner's second set of coefficients for RODAS.

    Order 4(3), six stages, L-stable and stiffly accurate, third-order dense output.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.10, doi:10.1007/978-3-642-05221-7.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Rodas42").y[-1, 0]), 4)
    1.0
    """

    tableau = RosenbrockTableau(
        order=4,
        error_order=3,
        gamma=0.25,
        alpha=(0.0, 0.3507221, 0.2557041, 0.681779, 1.0, 1.0),
        d=(0.25, -0.0690221, -0.0009672, -0.087979, 0.0, 0.0),
        a=(
            (),
            (1.4028884,),
            (0.6581212688557198, -1.320936088384301),
            (7.131197445744498, 16.02964143958207, -5.561572550509766),
            LAST,
            (*LAST, 1.0),
        ),
        c=(
            (),
            (-5.1043536,),
            (-2.899967805418783, 4.040399359702244),
            (-32.64449927841361, -99.35311008728094, 49.99119122405989),
            (-76.46023087151691, -278.5942120829058, 153.9294840910643, 10.97101866258358),
            (-76.29701586804983, -294.2795630511232, 162.0029695867566, 23.65166903095270, -7.652977706771382),
        ),
        m=(*LAST, 1.0, 1.0),
        error=(0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
        dense=(
            (-38.71940424117216, -135.8025833007622, 64.51068857505875, -4.192663174613162, -2.531932050335060, 0.0),
            (-14.99268484949843, -76.30242396627033, 58.65928432851416, 16.61359034616402, -0.6758691794084156, 0.0),
        ),
        dense_order=3,
    )
