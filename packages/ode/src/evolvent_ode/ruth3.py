"""Ruth's third-order symplectic method."""

from __future__ import annotations

from dataclasses import dataclass

from ._splitting import Composition, Splitting


@dataclass(frozen=True)
class Ruth3(Splitting):
    """Ruth's method: symplectic, but not time-reversible.

    Order 3, three accelerations a step, fixed steps. The acceleration must not depend on the velocity.

    References
    ----------
    R. D. Ruth, A canonical integration technique, IEEE Transactions on Nuclear Science 30 (1983) 2669-2671,
    doi:10.1109/TNS.1983.4332919.

    Examples
    --------
    >>> import evolvent as ev
    >>> spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, q0=[1.0], v0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(spring, "Ruth3", dt=0.01).y[0][-1, 0]), 6)
    0.540302
    """

    composition = Composition(
        order=3, kicks=(7 / 24, 3 / 4, -1 / 24, 0.0), drifts=(2 / 3, -2 / 3, 1.0), symmetric=False
    )
