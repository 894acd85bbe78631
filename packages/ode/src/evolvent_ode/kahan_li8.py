"""Kahan and Li's eighth-order symplectic method."""

from __future__ import annotations

from dataclasses import dataclass

from ._splitting import Composition, Splitting


@dataclass(frozen=True)
class KahanLi8(Splitting):
    """Kahan and Li's composition of seventeen Verlet steps: for high accuracy over long times.

    Order 8, seventeen accelerations a step, fixed steps, symplectic and time-reversible. The acceleration
    must not depend on the velocity.

    References
    ----------
    W. Kahan, R.-C. Li, Composition constants for raising the orders of unconventional schemes for ordinary
    differential equations, Mathematics of Computation 66 (1997) 1089-1099, doi:10.1090/S0025-5718-97-00873-9.

    Examples
    --------
    >>> import evolvent as ev
    >>> spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, q0=[1.0], v0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(spring, "KahanLi8", dt=0.25).y[0][-1, 0]), 8)
    0.54030231
    """

    composition = Composition.of_verlet(
        order=8,
        half=(
            0.13020248308889008087881763,
            0.56116298177510838456196441,
            -0.38947496264484728640807860,
            0.15884190655515560089621075,
            -0.39590389413323757733623154,
            0.18453964097831570709183254,
            0.25837438768632204729397911,
            0.29501172360931029887096624,
            -0.60550853383003451169892108,
        ),
    )
