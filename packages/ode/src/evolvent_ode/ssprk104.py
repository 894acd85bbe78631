"""The fourth-order strong-stability-preserving method of ten stages."""

from __future__ import annotations

from dataclasses import dataclass

from ._low_storage import LowStorage, ThreeRegisters


@dataclass(frozen=True)
class SSPRK104(LowStorage):
    """Ketcheson's fourth-order SSP method: the longest stable steps for their cost, in three registers.

    Order 4, ten evaluations of f a step, strongly stable for steps 6 times as long as those of Euler are.

    References
    ----------
    D. I. Ketcheson, Highly efficient strong stability-preserving Runge-Kutta methods with low-storage
    implementations, SIAM Journal on Scientific Computing 30 (2008) 2113-2136, doi:10.1137/07070485X.

    I. Fekete, S. Conde, J. N. Shadid, Embedded pairs for optimal explicit strong stability preserving
    Runge-Kutta methods, Journal of Computational and Applied Mathematics 412 (2022) 114325,
    doi:10.1016/j.cam.2022.114325 (error estimate).

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "SSPRK104", rtol=1e-7, atol=1e-7).y[-1, 0]), 5)
    0.36788
    """

    # The published two registers keep a linear combination that is here written as three: s is y0 + u_5.
    scheme = ThreeRegisters(
        order=4,
        gamma1=(1.0, 1.0, 1.0, 1.0, 2 / 5, 1.0, 1.0, 1.0, 1.0, 3 / 5),
        gamma2=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9 / 10),
        gamma3=(0.0, 0.0, 0.0, 0.0, 3 / 5, 0.0, 0.0, 0.0, 0.0, -7 / 5),
        delta=(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
        beta=(1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 15, 1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 10),
        c=(0.0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1.0),
        error=(-0.1, 0.1, 0.1, -0.2, 0.1, 0.1, -0.1, 0.1, -0.2, 0.1, 0.0),
        error_order=3,
    )
