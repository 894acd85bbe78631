"""Carpenter and Kennedy's fourth-order method in two registers."""

from __future__ import annotations

from dataclasses import dataclass

from ._low_storage import LowStorage, TwoRegisters


@dataclass(frozen=True)
class CarpenterKennedy2N54(LowStorage):
    """Carpenter and Kennedy's fourth-order method: two arrays in all, for large discretised wave problems.

    Order 4, five evaluations of f a step, fixed steps only. `RDPK3SpFSAL49` controls its steps for two arrays
    more.

    References
    ----------
    M. H. Carpenter, C. A. Kennedy, Fourth-order 2N-storage Runge-Kutta schemes, NASA Technical Memorandum
    109112 (1994), https://ntrs.nasa.gov/citations/19940028444.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "CarpenterKennedy2N54", dt=0.01).y[-1, 0]), 6)
    0.367879
    """

    scheme = TwoRegisters(
        order=4,
        a=(
            0.0,
            -567301805773 / 1357537059087,
            -2404267990393 / 2016746695238,
            -3550918686646 / 2091501179385,
            -1275806237668 / 842570457699,
        ),
        b=(
            1432997174477 / 9575080441755,
            5161836677717 / 13612068292357,
            1720146321549 / 2090206949498,
            3134564353537 / 4481467310338,
            2277821191437 / 14882151754819,
        ),
        c=(
            0.0,
            1432997174477 / 9575080441755,
            2526269341429 / 6820363962896,
            2006345519317 / 3224310063776,
            2802321613138 / 2924317926251,
        ),
    )
