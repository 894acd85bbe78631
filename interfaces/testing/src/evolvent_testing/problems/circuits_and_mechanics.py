"""Stiff circuits and mechanics of the test set for initial value problems."""

from __future__ import annotations

import numpy as np

from ._reference import ReferenceProblem, stiff_problem
from .chemistry import HAIRER_2, TEST_SET


@stiff_problem
def van_der_pol(xp, mu=1e6):
    """Van der Pol's oscillator in scaled time: ``y'' = mu * ((1 - y**2) y' - y)``, so that ``1 / mu`` is epsilon."""

    def f(t, y, p):
        return [y[1], p["mu"] * ((1.0 - y[0] * y[0]) * y[1] - y[0])]

    def jacobian(t, y, p):
        zero = 0.0 * y[0]
        rows = [zero, zero + 1.0], [-p["mu"] * (2.0 * y[0] * y[1] + 1.0), p["mu"] * (1.0 - y[0] * y[0])]
        return xp.stack([xp.stack(row) for row in rows])

    published = {1e6: np.array([0.1706167732170483e1, -0.8928097010247975])}
    return ReferenceProblem(
        f,
        [2.0, 0.0],
        (0.0, 2.0),
        "B. van der Pol, On relaxation oscillations, Philosophical Magazine 2 (1926) 978-992, "
        "doi:10.1080/14786442608564127; scaled as in " + HAIRER_2 + ", section IV.10; final state: " + TEST_SET,
        params={"mu": mu},
        final=published.get(mu),
        jacobian=jacobian,
    )
