"""Seven stars in a plane that pass close to each other: 28 unknowns, and steps of very different sizes."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from .. import _reference
from .._case import Case
from .lorenz import PEERS

STARS = 7
MASSES = np.arange(1.0, STARS + 1)


def pleiades(t, y, p):
    """Problem PLEI of E. Hairer, S. P. Norsett, G. Wanner, "Solving Ordinary Differential Equations I".

    Section II.10, https://doi.org/10.1007/978-3-540-78862-1: the mass of star i is i. `y` holds seven values of x,
    of y, and of their velocities.
    """
    xp = array_namespace(y)
    positions = xp.reshape(y[: 2 * STARS], (2, STARS))
    towards = positions[:, None, :] - positions[:, :, None]
    # A star does not pull at itself: any distance but zero does.
    square = xp.sum(towards * towards, axis=0) + p["self"]
    pull = xp.sum(towards * (p["mass"] / (square * xp.sqrt(square))), axis=2)
    return xp.concat([y[2 * STARS :], xp.reshape(pull, (2 * STARS,))])


INITIAL_STATE = np.array(
    [
        *(3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0),
        *(3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0),
        *(0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5),
        *(0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0),
    ]
)

PLEIADES = Case(
    name="pleiades",
    title="Pleiades, seven stars, t 0..3, rtol = atol = 1e-8, the final state",
    task="trajectory",
    rhs=pleiades,
    y0=INITIAL_STATE,
    params={"mass": MASSES, "self": np.eye(STARS)},
    t_span=(0.0, 3.0),
    saves=np.array([3.0]),
    tolerances=(1e-8, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10),
    reference=_reference.trajectory,
    peers=PEERS,
    baseline="c-tsit5",
    c_problem="pleiades",
)
