"""The cubic that every method with derivatives at both ends of a step can offer as dense output."""

from __future__ import annotations

from typing import Any, NamedTuple


class Hermite(NamedTuple):
    """States and derivatives at both ends of a step of length `dt` from `t`."""

    t: Any
    dt: Any
    y0: Any
    y1: Any
    f0: Any
    f1: Any


def hermite(system, dense: Hermite, theta) -> Any:
    """Evaluate the cubic Hermite polynomial (third order) at the fraction `theta` of the step."""
    rest = 1.0 - theta
    ends = [rest * rest * (1.0 + 2.0 * theta), theta * theta * (3.0 - 2.0 * theta)]
    slopes = [theta * rest * rest, -theta * theta * rest]
    y = system.combine(None, 1.0, ends, (dense.y0, dense.y1))
    return system.combine(y, dense.dt, slopes, (dense.f0, dense.f1))
