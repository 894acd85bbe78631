"""Yoshida's sixth-order symplectic method."""

from __future__ import annotations

from dataclasses import dataclass

from ._splitting import Composition, Splitting


@dataclass(frozen=True)
class Yoshida6(Splitting):
    """Yoshida's composition of seven Verlet steps (his solution A): symplectic and time-reversible.

    Order 6, seven accelerations a step, fixed steps. The acceleration must not depend on the velocity.

    References
    ----------
    H. Yoshida, Construction of higher order symplectic integrators, Physics Letters A 150 (1990) 262-268,
    doi:10.1016/0375-9601(90)90092-3.

    Examples
    --------
    >>> import evolvent as ev
    >>> spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, q0=[1.0], v0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(spring, "Yoshida6", dt=0.1).y[0][-1, 0]), 6)
    0.540302
    """

    composition = Composition.of_verlet(
        order=6,
        half=(
            0.78451361047755726382,
            0.23557321335935813368,
            -1.17767998417887100695,
            1.31518632068391121889,
        ),
    )
