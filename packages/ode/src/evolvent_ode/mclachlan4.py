"""McLachlan and Atela's fourth-order symplectic method."""

from __future__ import annotations

from dataclasses import dataclass

from ._splitting import Composition, Splitting


@dataclass(frozen=True)
class McLachlan4(Splitting):
    """McLachlan and Atela's method: small error constants for its cost; symplectic, but not time-reversible.

    Order 4 for q'' = a(t, q), four accelerations a step, fixed steps. The acceleration must not depend on the
    velocity.

    References
    ----------
    R. I. McLachlan, P. Atela, The accuracy of symplectic integrators, Nonlinearity 5 (1992) 541-562,
    doi:10.1088/0951-7715/5/2/011.

    Examples
    --------
    >>> import evolvent as ev
    >>> spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, q0=[1.0], v0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(spring, "McLachlan4", dt=0.05).y[0][-1, 0]), 6)
    0.540302
    """

    composition = Composition(
        order=4,
        kicks=(0.134496199277431089, -0.224819803079420806, 0.756320000515668291, 0.334003603286321425, 0.0),
        drifts=(0.515352837431122936, -0.085782019412973646, 0.441583023616466524, 0.128846158365384185),
        symmetric=False,
    )
