"""Hairer and Wanner's stiffly accurate Rosenbrock method of order four."""

from __future__ import annotations

from dataclasses import dataclass

from ._rosenbrock import Rosenbrock
from ._rosenbrock_tableau import RosenbrockTableau

LAST = (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950)


@dataclass(frozen=True)
class Rodas4(Rosenbrock):
    """Rodas4: Hairer & Wanner's RODAS, for small stiff systems and DAEs of index 1 at moderate tolerances.

    Order 4(3), six stages, L-stable and stiffly accurate, third-order dense output. Its order falls to about two where
    the stiff components themselves are forced: `Rodas4P` and `Rodas5P` keep theirs.

    References
    ----------
    E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, section IV.10, doi:10.1007/978-3-642-05221-7.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Rodas4").y[-1, 0]), 4)
    1.0
    """

    tableau = RosenbrockTableau(
        order=4,
        error_order=3,
        gamma=0.25,
        alpha=(0.0, 0.386, 0.21, 0.63, 1.0, 1.0),
        d=(0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0),
        a=(
            (),
            (1.544,),
            (0.9466785280815826, 0.2557011698983284),
            (3.314825187068521, 2.896124015972201, 0.9986419139977817),
            LAST,
            (*LAST, 1.0),
        ),
        c=(
            (),
            (-5.6688,),
            (-2.430093356833875, -0.2063599157091915),
            (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
            (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
            (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
        ),
        m=(*LAST, 1.0, 1.0),
        error=(0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
        dense=(
            (10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662, 0.0),
            (-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872, 0.0),
        ),
        dense_order=3,
    )
