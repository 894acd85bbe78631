"""Kvaerno's method of order five."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau, difference

A = (
    (),
    (0.26,),
    (0.13, 0.8403332099679080963),
    (0.2237196147832050559, 0.4767553231979969983, -0.06470895363112615134),
    (0.1664856432324832152, 0.1045001884159172041, 0.03631482272098715162, -0.1309070445107399857),
    (0.1385564023126822495, 0.0, -0.04245337201752043099, 0.02446657898003141966, 0.6194303907248067618),
    (
        *(0.1365975117764029144, 0.0, -0.05496908796538376712, -0.04118626728321046868, 0.6299330489901640319),
        0.06962479448202728949,
    ),
)
DENSE = (
    (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (
        *(-2.1190798705441654, 0.0, 0.5421624321163749, -2.2432229142953095, 3.5091476086998177, 0.9095890454994703),
        -0.5985963014761883,
    ),
    (
        *(1.784549788193942, 0.0, -1.3042012160942849, 4.3217007594577765, -4.498563021438979, -1.5406789130708316),
        1.2371926029523765,
    ),
    (
        *(-0.528872405873374, 0.0, 0.7070696960125262, -2.119664112445678, 1.6193484617293257, 0.7007146620533885),
        -0.3785963014761883,
    ),
)


@dataclass(frozen=True)
class Kvaerno5(Sdirk):
    """Kvaerno5: for stiff systems at stringent tolerances.

    Order 5(4), six implicit stages, L-stable and stiffly accurate; the embedded method is A-stable. Fourth-order
    dense output of our own. One stage lies beyond the step's end. Takes mass matrices, singular ones too.

    References
    ----------
    A. Kvaerno, Singly diagonally implicit Runge-Kutta methods with an explicit first stage, BIT Numerical Mathematics
    44 (2004), doi:10.1023/B:BITN.0000046811.70614.38.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "Kvaerno5").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=5,
        error_order=4,
        gamma=0.26,
        c=(0.0, 0.52, 1.2303332099679080963, 0.8957659843500759029, 0.4363936098586475853, 1.0, 1.0),
        a=A,
        error=difference(A, 0.26),
        dense=DENSE,
        dense_order=4,
    )
