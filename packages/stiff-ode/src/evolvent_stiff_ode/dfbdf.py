"""Backward differentiation formulas for residuals."""

from __future__ import annotations

from dataclasses import dataclass

from ._residual import Residual
from .qndf import QNDF


@dataclass(frozen=True)
class DFBDF(Residual, QNDF):
    """The formulas of `QNDF`, orders 1 to 5, for implicit problems ``residual(t, y, y', params) = 0``.

    For an `evolvent.DAEProblem` of index 1 and for implicit differential equations. Each step solves the residual with
    the formula's derivative put into it, by Newton's iteration with ``dF/dy + alpha dF/dy'``, whose factors serve for
    many steps. The start is made consistent: differential components stay as given, algebraic ones and all derivatives
    are solved for. A constant mass matrix, ``M y' = f``, has more methods: `Rodas5P`, `RadauIIA5`, `QNDF`.

    References
    ----------
    K. E. Brenan, S. L. Campbell, L. R. Petzold, Numerical Solution of Initial-Value Problems in Differential-Algebraic
    Equations (1996), doi:10.1137/1.9781611971224; for the start P. N. Brown, A. C. Hindmarsh, L. R. Petzold, SIAM J.
    Sci. Comput. 19 (1998), doi:10.1137/S1064827595289996.

    Examples
    --------
    >>> import evolvent as ev
    >>> def circuit(t, y, yp, p):
    ...     voltage, current = y
    ...     return [yp[0] + current, voltage - 2.0 * current]
    >>> discharge = ev.DAEProblem(circuit, y0=[1.0, 0.0], t_span=(0.0, 1.0))
    >>> [round(float(x), 3) for x in ev.solve(discharge, "DFBDF").y[-1]]
    [0.607, 0.303]
    """
