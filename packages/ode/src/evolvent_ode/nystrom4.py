"""Nystrom's fourth-order method."""

from __future__ import annotations

from dataclasses import dataclass

from ._nystrom import Nystrom, NystromTableau


@dataclass(frozen=True)
class Nystrom4(Nystrom):
    """Nystrom's classical method: the acceleration may depend on the velocity (friction, magnetism).

    Order 4, four accelerations a step, fixed steps.

    References
    ----------
    E. J. Nystrom, Ueber die numerische Integration von Differentialgleichungen, Acta Societatis Scientiarum
    Fennicae 50 (1925) no. 13; E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I,
    section II.14, doi:10.1007/978-3-540-78862-1.

    Examples
    --------
    >>> import evolvent as ev
    >>> fall = ev.SecondOrderODEProblem(lambda t, q, v, p: -v, q0=[0.0], v0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(fall, "Nystrom4", dt=0.05).y[1][-1, 0]), 6)
    0.367879
    """

    tableau = NystromTableau(
        order=4,
        c=(0.0, 0.5, 0.5, 1.0),
        a=((), (1 / 8,), (1 / 8, 0.0), (0.0, 0.0, 1 / 2)),
        a_velocity=((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)),
        b=(1 / 6, 1 / 6, 1 / 6, 0.0),
        b_velocity=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    )
