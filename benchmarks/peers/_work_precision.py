"""Time at equal error: the only fair ratio, since equal tolerances do not give equal errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class EqualErrorRatio:
    """How many times longer a peer takes than the baseline at the same error.

    Parameters
    ----------
    value
        The ratio, or NaN where there is nothing to compare.
    extrapolated
        Whether the error lies outside the baseline's sweep, so that its time there is a guess.
    """

    value: float
    extrapolated: bool


UNKNOWN = EqualErrorRatio(math.nan, extrapolated=False)


def frontier(points: Sequence[Point]) -> list[Point]:
    """Drop each (error, time) that another one beats in both; by falling error, and so by rising time."""
    kept: list[Point] = []
    for error, time in sorted(points, key=lambda point: (point[1], point[0])):
        if 0.0 < error < math.inf and (not kept or error < kept[-1][0]):
            kept.append((error, time))
    return kept


def time_at(error: float, points: Sequence[Point]) -> tuple[float, bool]:
    """Time that reaches `error`: linear in the logarithms between two points of the frontier, or beyond."""
    curve = frontier(points)
    if not curve:
        return math.nan, True
    if curve[0][0] < error <= max(point[0] for point in points):
        # A looser tolerance was tried and saved no time: the quickest solve it is, more accurate than needed.
        return curve[0][1], False
    if len(curve) == 1:
        return curve[0][1], error != curve[0][0]
    after = next((i for i, point in enumerate(curve) if point[0] <= error), len(curve) - 1)
    after = max(after, 1)
    (e0, t0), (e1, t1) = curve[after - 1], curve[after]
    fraction = (math.log(error) - math.log(e0)) / (math.log(e1) - math.log(e0))
    outside = not curve[-1][0] <= error <= curve[0][0]
    return math.exp(math.log(t0) + fraction * (math.log(t1) - math.log(t0))), outside


def equal_error_ratio(peer: Sequence[Point], baseline: Sequence[Point]) -> EqualErrorRatio:
    """Compare at the error that the peer reaches at its first point, the case's own tolerance."""
    error = peer[0][0]
    if not 0.0 < error < math.inf or len(baseline) < 2:
        return UNKNOWN
    own, _ = time_at(error, peer)
    other, outside = time_at(error, baseline)
    return EqualErrorRatio(own / other, outside)


def ratio_at(baseline: Point, peer: Sequence[Point]) -> EqualErrorRatio:
    """Compare at the error of one point of the baseline: what a peer takes to be as accurate."""
    error, time = baseline
    if not 0.0 < error < math.inf or len(peer) < 2:
        return UNKNOWN
    own, outside = time_at(error, peer)
    return EqualErrorRatio(own / time, outside)
