"""Hochbruck, Ostermann and Schweitzer's exponential Rosenbrock method of order four."""

from __future__ import annotations

from dataclasses import dataclass

from ._exponential import ExponentialRosenbrock, ExponentialTableau


@dataclass(frozen=True)
class EXPRB43(ExponentialRosenbrock):
    """EXPRB43: for systems whose stiffness is that of their linear part, small or large, at moderate tolerances.

    Order 4(3), three stages; third-order dense output that steps are kept short enough for. The linear part is solved
    exactly, and no linear system: functions of the Jacobian are whole matrices for small systems, and sought in Krylov
    spaces by products with it for large ones, `krylov_dimension` for each. Its orders hold where what is not linear is
    not stiff.

    References
    ----------
    M. Hochbruck, A. Ostermann, J. Schweitzer, Exponential Rosenbrock-type methods, SIAM J. Numer. Anal. 47 (2009),
    doi:10.1137/080717717.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "EXPRB43").y[-1, 0]), 6)
    1.0
    """

    tableau = ExponentialTableau(
        order=4,
        error_order=3,
        c=(0.5, 1.0),
        a=((), (((1, 1.0),),)),
        b=(((3, 16.0), (4, -48.0)), ((3, -2.0), (4, 12.0))),
        error=(((4, -48.0),), ((4, 12.0),)),
    )
