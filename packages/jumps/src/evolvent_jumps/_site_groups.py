"""Composition and rejection over sites: those of rates within a factor of two are a group."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ._draws import arrays

ABOVE, BELOW = 63, 32  # powers of two above and below the greatest rate at the start
N_GROUPS = ABOVE + BELOW + 1
SHIFT = 1e-6  # of a logarithm, so that how it is rounded never tells a rate's group


class Groups(NamedTuple):
    """Sites by the magnitude of their rates.

    Attributes
    ----------
    rates, group, place : array (sites,)
        How often something happens at a site; its group, and its place among the members.
    members : array (groups * sites,)
    sums, counts : array (groups,)
    total, scale, top : control scalars
        Of all rates; the rate that group BELOW begins with; the highest group that ever had a member.
    """

    rates: Any
    group: Any
    place: Any
    members: Any
    sums: Any
    counts: Any
    total: Any
    scale: Any
    top: Any


def grouped(b: Any, rates: Any) -> Groups:
    """The groups of rates (sites,) and lanes."""
    c, xp, n = b.control, arrays(b), rates.shape[0]

    def none(size: int, kind: Any) -> Any:
        return np.zeros((size, *b.lanes), kind)

    greatest = b.real(xp.max(rates, axis=0))
    groups = Groups(
        rates=none(n, float),
        group=none(n, np.int64),
        place=none(n, np.int64),
        members=none(n * N_GROUPS, np.int64),
        sums=none(N_GROUPS, float),
        counts=none(N_GROUPS, np.int64),
        total=b.real(0.0),
        scale=c.where(greatest > 0.0, greatest, b.real(1.0)),
        top=b.integer(0),
    )
    _, groups = b.while_loop(
        lambda s: s[0] < n,
        lambda s: (s[0] + 1, with_rate(b, s[1], s[0], b.pick(rates, s[0]))),
        (b.integer(0), groups),
        max_iterations=n,
        resumable=True,
    )
    return groups


def with_rate(b: Any, own: Groups, site: Any, rate: Any) -> Groups:
    """The groups with a site's rate replaced."""
    before = b.pick(own.rates, site)
    group = _group_of(b, own, rate)
    same = b.control.logical_and(before > 0.0, rate > 0.0)
    same = b.control.logical_and(same, group == b.pick(own.group, site))

    def stays(own: Groups) -> Groups:
        sums = b.replaced(own.sums, group, b.pick(own.sums, group) + (rate - before))
        return own._replace(sums=sums)

    def moves(own: Groups) -> Groups:
        own = b.cond(before > 0.0, lambda own: _without(b, own, site, before), lambda own: own, own)
        return b.cond(rate > 0.0, lambda own: _within(b, own, site, group, rate), lambda own: own, own)

    own = b.cond(same, stays, moves, own)
    return own._replace(rates=b.replaced(own.rates, site, rate), total=own.total + (rate - before))


def found(b: Any, own: Groups, draw: Any) -> Any:
    """A site, with the probability that its rate has among all."""
    c, n = b.control, own.rates.shape[0]

    def further(s: Any) -> Any:
        group, wanted, _ = s
        return c.logical_and(group > 0, c.logical_or(wanted >= b.pick(own.sums, group), _empty(b, own, group)))

    def look(s: Any) -> Any:
        # Where rounding leads beyond the last group, the last that has members is taken.
        group, wanted, last = s
        last = c.where(_empty(b, own, group), last, group)
        return group - 1, wanted - b.pick(own.sums, group), last

    start = (own.top, draw.uniform * own.total, own.top)
    group, _, last = b.while_loop(further, look, start, max_iterations=N_GROUPS, resumable=True)
    group = c.where(_empty(b, own, group), last, group)
    bound = own.scale * _power(b, group + (1 - BELOW)) * (1.0 + 2.0 * SHIFT)
    count = c.maximum(b.integer(b.pick(own.counts, group)), b.integer(1))

    def candidate(turn: Any) -> tuple[Any, Any]:
        place, height = draw.more(turn)
        place = c.minimum(b.integer(c.floor(place * count)), count - 1)
        site = b.integer(b.pick(own.members, group * n + place))
        return site, height * bound < b.pick(own.rates, site)

    def again(s: Any) -> Any:
        turn, _, _ = s
        return (turn + 1, *candidate(turn + 1))

    first = (b.integer(0), *candidate(b.integer(0)))
    # Where nothing happens any more there is nothing to be found.
    possible = c.logical_and(own.total > 0.0, c.logical_not(_empty(b, own, group)))
    _, site, _ = b.while_loop(
        lambda s: c.logical_and(possible, c.logical_not(s[2])), again, first, max_iterations=10**6, resumable=True
    )
    return site


def _empty(b: Any, own: Groups, group: Any) -> Any:
    return b.pick(own.counts, group) <= 0


def _group_of(b: Any, own: Groups, rate: Any) -> Any:
    c = b.control
    magnitude = c.log(c.maximum(rate / own.scale, b.real(1e-30))) * (1.0 / math.log(2.0))
    number = b.integer(c.floor(magnitude + SHIFT)) + BELOW
    return c.minimum(c.maximum(number, b.integer(0)), b.integer(N_GROUPS - 1))


def _power(b: Any, exponent: Any) -> Any:
    table = b.table([2.0**k for k in range(1 - BELOW, ABOVE + 2)])
    return b.pick(table, exponent - (1 - BELOW))


def _without(b: Any, own: Groups, site: Any, rate: Any) -> Groups:
    """The last member of a site's group takes its place."""
    c, n = b.control, own.rates.shape[0]
    group, place = b.integer(b.pick(own.group, site)), b.integer(b.pick(own.place, site))
    last = b.integer(b.pick(own.counts, group)) - 1
    other = b.integer(b.pick(own.members, group * n + last))
    left = c.where(last > 0, b.pick(own.sums, group) - rate, b.real(0.0))
    return own._replace(
        members=b.replaced(own.members, group * n + place, other),
        place=b.replaced(own.place, other, place),
        counts=b.replaced(own.counts, group, last),
        sums=b.replaced(own.sums, group, left),
    )


def _within(b: Any, own: Groups, site: Any, group: Any, rate: Any) -> Groups:
    n = own.rates.shape[0]
    count = b.integer(b.pick(own.counts, group))
    return own._replace(
        members=b.replaced(own.members, group * n + count, site),
        place=b.replaced(own.place, site, count),
        group=b.replaced(own.group, site, group),
        counts=b.replaced(own.counts, group, count + 1),
        sums=b.replaced(own.sums, group, b.pick(own.sums, group) + rate),
        top=b.control.maximum(own.top, group),
    )
