"""Robertson's reactions: three unknowns whose rates differ by nine orders of magnitude."""

from __future__ import annotations

import numpy as np

from .. import _reference
from .._case import Case
from ..with_evolvent import IMPLICIT

# The one that peers are compared at comes first; the others draw the curve of time over error.
TOLERANCES = (1e-6, 1e-2, 1e-3, 1e-4, 1e-5, 1e-7, 1e-8, 1e-9, 1e-10)
ATOL_PER_RTOL = 1e-4

PEERS = (
    "c-rodas4",
    "c-rodas4-unrolled",
    "numbalsoda-lsoda",
    "sundae-cvode",
    "evolvent-native-handle-auto",
    *(f"evolvent-native-handle-{name.lower()}" for name in IMPLICIT),
    "evolvent-native-rodas5p",
    "evolvent-native-auto",
    "evolvent-jax-rodas4",
    "evolvent-jax-rodas5p",
    "evolvent-jax-kvaerno5",
    "diffrax-kvaerno5",
    "scipy-radau",
    "scipy-bdf",
    "scipy-lsoda",
)


def rober(t, y, p):
    """H. H. Robertson, "The solution of a set of reaction rate equations", in "Numerical Analysis", 1966, 178-182."""
    slow, middle, fast = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
    return [middle - slow, slow - middle - fast, fast]


# By Rodas4 in 80-bit arithmetic; tolerances of 1e-12 and 1e-13 agree to 14 digits.
FINAL_STATE = (0.0178659211420995, 7.27475146843633e-8, 0.982134006110386)

ROBER = Case(
    name="rober",
    title="ROBER, 3 species, t 0..1e5, rtol 1e-6, atol 1e-10, the final state",
    task="trajectory",
    rhs=rober,
    y0=np.array([1.0, 0.0, 0.0]),
    params={},
    t_span=(0.0, 1e5),
    saves=np.array([1e5]),
    tolerances=TOLERANCES,
    atol_per_rtol=ATOL_PER_RTOL,
    reference=_reference.published(FINAL_STATE),
    peers=PEERS,
    baseline="c-rodas4",
    c_problem="rober",
    relative=True,
)
