"""The fourth-order strong-stability-preserving method of five stages."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class SSPRK54(RungeKutta):
    """The fourth-order SSP method of five stages: where third order is too low for the smooth parts.

    Order 4, five evaluations of f a step, fixed steps only, strongly stable for steps 1.508 times as long as
    those of Euler are. The coefficients are the Butcher form of the published 15 digits.

    References
    ----------
    R. J. Spiteri, S. J. Ruuth, A new class of optimal high-order strong-stability-preserving time
    discretization methods, SIAM Journal on Numerical Analysis 40 (2002) 469-491,
    doi:10.1137/S0036142901389025.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "SSPRK54", dt=0.01).y[-1, 0]), 6)
    0.367879
    """

    tableau = Tableau(
        order=4,
        c=(0.0, 0.39175222657189, 0.5860796893115398, 0.47454236312139997, 0.935010630967653),
        a=(
            (),
            (0.39175222657189,),
            (0.2176690962611688, 0.368410593050371),
            (0.0826920866578106, 0.13995850219189537, 0.251891774271694),
            (0.06796628363711477, 0.11503469850463158, 0.20703489859738564, 0.544974750228521),
        ),
        b=(
            0.1468118760847866,
            0.2484829094449762,
            0.10425883033198097,
            0.2744389009013507,
            0.226007483236906,
        ),
        tolerance=1e-13,
    )
