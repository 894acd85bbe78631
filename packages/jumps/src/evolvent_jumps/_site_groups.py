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
    members : array (groups * sites + 1,)
        Behind the last is room for what nobody looks at.
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
        members=none(n * N_GROUPS + 1, np.int64),
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
    c = b.control
    before, group = b.pick(own.rates, site), _group_of(b, own, rate)
    same = c.logical_and(c.logical_and(before > 0.0, rate > 0.0), group == b.pick(own.group, site))
    change = c.where(same, rate - before, b.real(0.0))
    # No branches: they would copy what they may change. What is not to be written goes where nobody looks.
    own = own._replace(sums=b.replaced(own.sums, group, b.pick(own.sums, group) + change))
    own = _without(b, own, site, before, c.logical_and(before > 0.0, c.logical_not(same)))
    own = _within(b, own, site, group, rate, c.logical_and(rate > 0.0, c.logical_not(same)))
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


def _without(b: Any, own: Groups, site: Any, rate: Any, when: Any) -> Groups:
    """The last member of a site's group takes its place."""
    c, n = b.control, own.rates.shape[0]
    group, place = b.integer(b.pick(own.group, site)), b.integer(b.pick(own.place, site))
    count, held = b.integer(b.pick(own.counts, group)), b.pick(own.sums, group)
    last = c.maximum(count - 1, b.integer(0))
    other = c.where(when, b.integer(b.pick(own.members, group * n + last)), site)
    left = c.where(last > 0, held - rate, b.real(0.0))
    return own._replace(
        members=b.replaced(own.members, c.where(when, group * n + place, b.integer(n * N_GROUPS)), other),
        place=b.replaced(own.place, other, place),
        counts=b.replaced(own.counts, group, c.where(when, last, count)),
        sums=b.replaced(own.sums, group, c.where(when, left, held)),
    )


def _within(b: Any, own: Groups, site: Any, group: Any, rate: Any, when: Any) -> Groups:
    """A site becomes the last member of a group."""
    c, n = b.control, own.rates.shape[0]
    count, held, place = b.integer(b.pick(own.counts, group)), b.pick(own.sums, group), b.pick(own.place, site)
    return own._replace(
        members=b.replaced(own.members, c.where(when, group * n + count, b.integer(n * N_GROUPS)), site),
        place=b.replaced(own.place, site, b.integer(c.where(when, count, place))),
        group=b.replaced(own.group, site, b.integer(c.where(when, group, b.pick(own.group, site)))),
        counts=b.replaced(own.counts, group, c.where(when, count + 1, count)),
        sums=b.replaced(own.sums, group, c.where(when, held + rate, held)),
        top=c.where(when, c.maximum(own.top, group), own.top),
    )
