"""The velocity form of Stoermer's and Verlet's method."""

from __future__ import annotations

from dataclasses import dataclass

from ._splitting import Composition, Splitting


@dataclass(frozen=True)
class VelocityVerlet(Splitting):
    """Velocity Verlet: the standard method of molecular dynamics, symplectic and time-reversible.

    Order 2, one acceleration a step, fixed steps. The acceleration must not depend on the velocity.

    References
    ----------
    W. C. Swope, H. C. Andersen, P. H. Berens, K. R. Wilson, A computer simulation method for the calculation
    of equilibrium constants for the formation of physical clusters of molecules, J. Chem. Phys. 76 (1982)
    637-649, doi:10.1063/1.442716.

    Examples
    --------
    >>> import evolvent as ev
    >>> spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, q0=[1.0], v0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(spring, "VelocityVerlet", dt=1e-3).y[0][-1, 0]), 4)
    0.5403
    """

    composition = Composition(order=2, kicks=(0.5, 0.5), drifts=(1.0,))
