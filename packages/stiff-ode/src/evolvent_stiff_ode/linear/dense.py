"""LU factorisation of a full matrix."""

from __future__ import annotations

from dataclasses import dataclass

from .mass import shifted_mass
from .solver import LinearSolver, flat, unflat


@dataclass(frozen=True)
class DenseLU(LinearSolver):
    """LU factorisation of a full matrix, with partial pivoting: for up to a few hundred equations.

    Examples
    --------
    >>> import evolvent as ev
    >>> from evolvent_stiff_ode import DenseLU, Rodas4
    >>> stiff = ev.ODEProblem(lambda t, y, p: -1000.0 * (y - 1.0), y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(stiff, Rodas4(linear_solver=DenseLU())).y[-1, 0]), 6)
    1.0
    """

    def factor(self, system, jacobian, shift, imaginary=None):
        """Factorise the matrix."""
        b = system.backend
        return b.lu(shifted_mass(system, jacobian, shift, imaginary) - jacobian)

    def solve(self, system, factors, rhs):
        """Substitute."""
        b = system.backend
        return unflat(b, b.lu_solve(factors, flat(b, rhs)), rhs)
