"""High irradiance response: eight reactants, of moderate stiffness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import _reference
from .rober import ROBER


def hires(t, y, p):
    """E. Schäfer, "A new approach to explain the high irradiance responses", https://doi.org/10.1007/BF00276015."""
    binding = 280.0 * y[5] * y[7]
    released = 1.81 * y[6]
    return [
        -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
        1.71 * y[0] - 8.75 * y[1],
        -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
        8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
        -1.745 * y[4] + 0.43 * (y[5] + y[6]),
        -binding + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
        binding - released,
        released - binding,
    ]


# F. Mazzia, C. Magherini, "Test Set for Initial Value Problem Solvers", release 2.4, 2008.
FINAL_STATE = (
    0.7371312573325668e-3,
    0.1442485726316185e-3,
    0.5888729740967575e-4,
    0.1175651343283149e-2,
    0.2386356198831331e-2,
    0.6238968252742796e-2,
    0.2849998395185769e-2,
    0.2850001604814231e-2,
)

HIRES = replace(
    ROBER,
    name="hires",
    title="HIRES, 8 reactants, t 0..321.8122, rtol 1e-6, atol 1e-10, the final state",
    rhs=hires,
    y0=np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057]),
    t_span=(0.0, 321.8122),
    saves=np.array([321.8122]),
    reference=_reference.published(FINAL_STATE),
    c_problem="hires",
)
