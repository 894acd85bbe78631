"""The implicit midpoint rule."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau


@dataclass(frozen=True)
class ImplicitMidpoint(Sdirk):
    """The implicit midpoint rule, for Hamiltonian systems over long times.

    Order 2, one stage, symplectic and symmetric, A-stable but not L-stable; it conserves quadratic invariants. It takes
    fixed steps, with which alone a symplectic method is one; its dense output is linear. No mass matrices: algebraic
    equations would hold in the middle of each step and oscillate at its ends.

    References
    ----------
    E. Hairer, C. Lubich, G. Wanner, Geometric Numerical Integration, section VI.4, doi:10.1007/3-540-30666-8.

    Examples
    --------
    >>> import evolvent as ev
    >>> circle = ev.ODEProblem(lambda t, y, p: [y[1], -y[0]], y0=[1.0, 0.0], t_span=(0.0, 100.0))
    >>> y = ev.solve(circle, "ImplicitMidpoint", dt=0.1, rtol=1e-10, atol=1e-10).y[-1]
    >>> round(float(y @ y), 8)
    1.0
    """

    tableau = SdirkTableau(
        order=2,
        error_order=None,
        gamma=0.5,
        c=(0.0, 0.5),
        a=((), (0.0,)),
        b=(0.0, 1.0),
        dense=((0.0, 1.0),),
        dense_order=1,
        memory=0,
    )
    takes_mass = False
