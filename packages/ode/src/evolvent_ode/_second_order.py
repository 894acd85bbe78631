"""Dense output shared by the methods for second-order problems."""

from __future__ import annotations

from typing import Any, NamedTuple


class Quintic(NamedTuple):
    """States ``(q, v)`` and accelerations at both ends of a step of length `dt` from `t`."""

    t: Any
    dt: Any
    y0: Any
    y1: Any
    a0: Any
    a1: Any


def quintic(system, dense: Quintic, theta):
    """Evaluate at the fraction `theta`: the quintic Hermite polynomial for q, the cubic one for v.

    The derivative of the quintic would be one order better for v, but it divides q1 - q0 by dt: in float32,
    and for far away positions, its rounding errors would be visible.
    """
    dt, (q0, v0), (q1, v1) = (
        dense.dt,
        (dense.y0[0, ...], dense.y0[1, ...]),
        (dense.y1[0, ...], dense.y1[1, ...]),
    )
    s = theta * theta
    cube = s * theta
    rest = 1.0 - theta
    end = cube * (10.0 + theta * (6.0 * theta - 15.0))
    slopes = (theta - cube * (6.0 - theta * (8.0 - 3.0 * theta)), -cube * (4.0 - theta * (7.0 - 3.0 * theta)))
    bends = (0.5 * dt * s * rest * rest * rest, 0.5 * dt * cube * rest * rest)
    q = system.combine(None, 1.0, (1.0 - end, end), (q0, q1))
    q = system.combine(q, dt, (*slopes, *bends), (v0, v1, dense.a0, dense.a1))
    v = system.combine(None, 1.0, (rest * rest * (1.0 + 2.0 * theta), s * (3.0 - 2.0 * theta)), (v0, v1))
    v = system.combine(v, dt, (theta * rest * rest, -s * rest), (dense.a0, dense.a1))
    return system.backend.xp.stack([q, v])
