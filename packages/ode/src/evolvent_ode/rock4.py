"""Abdulle's fourth-order stabilised method."""

from __future__ import annotations

from dataclasses import dataclass

from ._rock import Rock


@dataclass(frozen=True)
class ROCK4(Rock):
    """ROCK4: for large, mildly stiff problems such as diffusion, at tight tolerances.

    Order 4, 5 to 142 stages a step as its stability needs: ``0.35 stages**2`` bounds dt times the spectral
    radius. (Two published sets of coefficients, of 133 and 152 stages, are not used: to the digits printed
    their stability polynomials exceed one.) Dense output: Hermite.

    Parameters
    ----------
    spectral_radius : callable, optional
        ``spectral_radius(t, y, params)`` gives an upper bound of the absolute values of the Jacobian's
        eigenvalues; estimated by the power method if not given.

    References
    ----------
    A. Abdulle, Fourth order Chebyshev methods with recurrence relation, SIAM Journal on Scientific Computing
    23 (2002) 2041-2054, doi:10.1137/S1064827500379549.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "ROCK4", rtol=1e-6, atol=1e-6).y[-1, 0]), 4)
    1.0
    """

    data = "rock4"
    order = 4
    error_order = 3
