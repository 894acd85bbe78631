"""Air pollution in 20 equations: a small model of a size that compilers notice, on a short span and on the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import _reference
from .._case import Case
from .rober import ROBER

RATES = (
    0.35,
    26.6,
    1.23e4,
    8.6e-4,
    8.2e-4,
    1.5e4,
    1.3e-4,
    2.4e4,
    1.65e4,
    9e3,
    2.2e-2,
    1.2e4,
    1.88,
    1.63e4,
    4.8e6,
    3.5e-4,
    1.75e-2,
    1e8,
    4.44e11,
    1.24e3,
    2.1,
    5.78,
    4.74e-2,
    1.78e3,
    3.12,
)


def changes(y):
    """J. G. Verwer, "Gauss-Seidel iteration for stiff ODEs from chemical kinetics", https://doi.org/10.1137/0915076."""
    k = RATES
    r1 = k[0] * y[0]
    r2 = k[1] * y[1] * y[3]
    r3 = k[2] * y[4] * y[1]
    r4 = k[3] * y[6]
    r5 = k[4] * y[6]
    r6 = k[5] * y[6] * y[5]
    r7 = k[6] * y[8]
    r8 = k[7] * y[8] * y[5]
    r9 = k[8] * y[10] * y[1]
    r10 = k[9] * y[10] * y[0]
    r11 = k[10] * y[12]
    r12 = k[11] * y[9] * y[1]
    r13 = k[12] * y[13]
    r14 = k[13] * y[0] * y[5]
    r15 = k[14] * y[2]
    r16 = k[15] * y[3]
    r17 = k[16] * y[3]
    r18 = k[17] * y[15]
    r19 = k[18] * y[15]
    r20 = k[19] * y[16] * y[5]
    r21 = k[20] * y[18]
    r22 = k[21] * y[18]
    r23 = k[22] * y[0] * y[3]
    r24 = k[23] * y[18] * y[0]
    r25 = k[24] * y[19]
    return (
        r2 + r3 + r9 + r11 + r12 + r22 + r25 - r1 - r10 - r14 - r23 - r24,
        r1 + r21 - r2 - r3 - r9 - r12,
        r1 + r17 + r19 + r22 - r15,
        r15 - r2 - r16 - r17 - r23,
        2.0 * r4 + r6 + r7 + r13 + r20 - r3,
        r3 + 2.0 * r18 - r6 - r8 - r14 - r20,
        r13 - r4 - r5 - r6,
        r4 + r5 + r6 + r7,
        -r7 - r8,
        r7 + r9 - r12,
        r8 + r11 - r9 - r10,
        r9,
        r10 - r11,
        r12 - r13,
        r14,
        r16 - r18 - r19,
        -r20,
        r20,
        r23 + r25 - r21 - r22 - r24,
        r24 - r25,
    )


def pollu(t, y, p):
    """The same for all Python peers but numba, which handles tuples better than lists."""
    return list(changes(y))


def initial_state() -> np.ndarray:
    """The species that are there at the start, numbered from 1 in the article."""
    y0 = np.zeros(20)
    for species, amount in {2: 0.2, 4: 0.04, 7: 0.1, 8: 0.3, 9: 0.01, 17: 0.007}.items():
        y0[species - 1] = amount
    return y0


POLLU = Case(
    name="pollu",
    title="POLLU, 20 species, t 0..1e-9 min (its fastest rate is 4e11), rtol = atol = 1e-6, the final state",
    task="trajectory",
    rhs=pollu,
    y0=initial_state(),
    params={},
    t_span=(0.0, 1e-9),
    saves=np.array([1e-9]),
    tolerances=(1e-6, 1e-4, 1e-8, 1e-10),
    reference=_reference.trajectory,
    peers=(
        "numbalsoda-lsoda",
        "numbalsoda-dop853",
        "evolvent-native",
        "evolvent-native-handle",
        "evolvent-eager",
        "evolvent-jax",
        "diffrax-tsit5",
        "scipy-rk45",
    ),
    baseline="scipy-rk45",
    c_problem="pollu",
)

# F. Mazzia, C. Magherini, "Test Set for Initial Value Problem Solvers", release 2.4, 2008.
FINAL_STATE = (
    *(0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2),
    *(0.2018977262302196e-6, 0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018),
    *(0.7494013383880406e-2, 0.1622293157301561e-7, 0.1135863833257075e-7, 0.2230505975721359e-2),
    *(0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2, 0.4352846369330103e-17),
    *(0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4),
)

POLLU_STIFF = replace(
    ROBER,
    name="pollu-stiff",
    title="POLLU, 20 species, t 0..60 min, rtol 1e-6, atol 1e-10, the final state",
    rhs=pollu,
    y0=initial_state(),
    t_span=(0.0, 60.0),
    saves=np.array([60.0]),
    reference=_reference.published(FINAL_STATE),
    c_problem="pollu",
)
