"""The Oregonator: three unknowns that jump between slow arcs, which steps must follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import _reference
from .rober import ROBER


def orego(t, y, p):
    """R. J. Field, R. M. Noyes, "Oscillations in chemical systems. IV", https://doi.org/10.1063/1.1681288."""
    return [
        77.27 * (y[1] + y[0] * (1.0 - 8.375e-6 * y[0] - y[1])),
        (y[2] - (1.0 + y[0]) * y[1]) / 77.27,
        0.161 * (y[0] - y[2]),
    ]


# F. Mazzia, C. Magherini, "Test Set for Initial Value Problem Solvers", release 2.4, 2008.
FINAL_STATE = (0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3)

OREGO = replace(
    ROBER,
    name="orego",
    title="OREGO, 3 species, t 0..360, rtol 1e-6, atol 1e-10, the final state",
    rhs=orego,
    y0=np.array([1.0, 2.0, 3.0]),
    t_span=(0.0, 360.0),
    saves=np.array([360.0]),
    reference=_reference.published(FINAL_STATE),
    c_problem="orego",
)
