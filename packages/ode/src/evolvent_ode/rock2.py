"""Abdulle and Medovikov's second-order stabilised method."""

from __future__ import annotations

from dataclasses import dataclass

from ._rock import Rock


@dataclass(frozen=True)
class ROCK2(Rock):
    """ROCK2: for large, mildly stiff problems such as diffusion, at moderate tolerances.

    Order 2, 3 to 200 stages a step as its stability needs: ``0.81 stages**2`` bounds dt times the spectral
    radius. Dense output: Hermite.

    Parameters
    ----------
    spectral_radius : callable, optional
        ``spectral_radius(t, y, params)`` gives an upper bound of the absolute values of the Jacobian's
        eigenvalues; estimated by the power method if not given.

    References
    ----------
    A. Abdulle, A. A. Medovikov, Second order Chebyshev methods based on orthogonal polynomials, Numerische
    Mathematik 90 (2001) 1-18, doi:10.1007/s002110100292.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, "ROCK2", rtol=1e-6, atol=1e-6).y[-1, 0]), 4)
    1.0
    """

    data = "rock2"
    order = 2
    error_order = 1
    dense_order = 2
