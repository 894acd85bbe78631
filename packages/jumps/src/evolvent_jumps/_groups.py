"""Items with rates, grouped by powers of two, so that one is chosen at a cost that does not grow with their number.

Group g > 0 holds the rates of ``(top / 2**g, top / 2**(g - 1)]``, the last one all that are smaller, and group 0 those
that are zero. Items lie in one array, group behind group; to reach a neighbouring group an item changes places with one
at the border. So there are two integers for each item and one for each group, whatever the rates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._draws import BELOW_ONE, arrays
from .direct import TINY

LAST = 64  # the group of all that is smaller
# Rates may grow by this factor before everything is grouped anew, and choices come from the groups up to DEEP.
HEADROOM, DEEP = 4.0, 40
PERIOD = 1000  # choices until all sums are taken again, or TIMES as many as there are items
TIMES = 10
WIDTHS = np.asarray([0.0, *(0.5**g for g in range(LAST))])


class Groups(NamedTuple):
    """Items in groups.

    Attributes
    ----------
    rates : array (items,)
        Of each item; finite and not negative.
    group, place : array of int (items,)
        Its group, and its place in `order`.
    order : array of int (items,)
        The items, group behind group.
    start : array of int (LAST + 2,)
        Where each group starts in `order`, and where the last one ends.
    sums : array (LAST + 1,)
        Of the rates in each group.
    top : control real
        What no rate exceeds while `stale` is false.
    age : control integer
        Choices since all sums were taken.
    stale : control truth value
        Whether everything must be grouped anew.
    """

    rates: Any
    group: Any
    place: Any
    order: Any
    start: Any
    sums: Any
    top: Any
    age: Any
    stale: Any


class Chosen(NamedTuple):
    """An item, chosen by its rate.

    Attributes
    ----------
    item : control integer
        Which; of no meaning where `total` is zero.
    level : control real
        Uniform from zero to the item's rate, independent of which item it is.
    total : control real
        The sum of all rates.
    used : control integer
        The index of the first numbers that were not drawn.
    groups : Groups
        To go on with.
    """

    item: Any
    level: Any
    total: Any
    used: Any
    groups: Groups


def grouped(b: Any, rates: Any, into: Groups | None = None) -> Groups:
    """Group items that have these rates, an array (items,) and lanes; what is no rate counts as zero.

    The arrays are memory that is written to in place: that of `into`, whose groups are then no more, or new one.
    """
    xp, n = arrays(b), rates.shape[0]
    rates = xp.where(xp.logical_and(rates > 0.0, rates < float("inf")), rates, 0.0)
    start = np.full(LAST + 2, n)
    start[0] = 0

    def kept(array: Any, name: str) -> Any:
        wide = array if array.ndim == 2 or not b.lanes else np.repeat(array[:, None], b.lanes[0], axis=1)
        return b.memory(wide, None if into is None else getattr(into, name))

    groups = Groups(
        kept(rates, "rates"),
        kept(np.zeros(n, np.int64), "group"),
        kept(np.arange(n), "place"),
        kept(np.arange(n), "order"),
        kept(start, "start"),
        kept(np.zeros(LAST + 1), "sums"),
        b.real(0.0),
        b.integer(0),
        b.boolean(True),
    )
    return _regrouped(b, groups)


def moved(b: Any, groups: Groups, item: Any, rate: Any) -> Groups:
    """Give an item another rate; what is no rate counts as zero."""
    c = b.control
    rate = c.where(c.logical_and(rate > 0.0, c.isfinite(rate)), rate, b.real(0.0))
    old, before = b.pick(groups.rates, item), b.integer(b.pick(groups.group, item))
    after = _group_for(b, groups.top, rate)
    groups = _carried(b, groups, item, before, after)
    # A sum of one rate or none has no rounding errors left from before.
    rest = c.where(
        _size(b, groups, before) == 0, b.real(0.0), c.maximum(b.pick(groups.sums, before) - old, b.real(0.0))
    )
    sums = b.replaced(groups.sums, before, rest)
    both = c.where(_size(b, groups, after) == 1, rate, b.pick(sums, after) + rate)
    return groups._replace(
        rates=b.replaced(groups.rates, item, rate),
        sums=b.replaced(sums, after, both),
        stale=c.logical_or(groups.stale, rate > groups.top),
    )


def chosen(b: Any, groups: Groups, uniform: Any, more: Callable[[Any], tuple[Any, Any]], used: Any) -> Chosen:
    """Choose an item with a probability proportional to its rate: first a group by `uniform`, then one of it.

    Parameters
    ----------
    uniform : control real
        Of [0, 1); times a sum it is less than that.
    more : callable
        Two more uniforms for each index from `used` on, for candidates that are rejected.
    """
    c = b.control
    groups, total, group, rest = _found(b, groups, uniform)
    start, size = b.integer(b.pick(groups.start, group)), _size(b, groups, group)
    width = groups.top * b.pick(WIDTHS, group)

    def candidate(u: Any) -> tuple[Any, Any]:
        scaled = u * b.real(size)
        k = c.maximum(c.minimum(b.integer(scaled), size - 1), b.integer(0))
        return b.integer(b.pick(groups.order, start + k)), scaled - b.real(k)

    def rejected(s: Any) -> Any:
        return c.logical_and(s[1] >= b.pick(groups.rates, s[0]), group > 0)

    def again(s: Any) -> Any:
        u, v = more(s[2])
        return candidate(u)[0], v * width, s[2] + 1

    # What the first number has left behind the choice of the group chooses the first candidate, and judges it.
    item, left = candidate(rest)
    item, level, used = b.while_loop(rejected, again, (item, left * width, used), max_iterations=2**30, resumable=True)
    return Chosen(item, level, total, used, groups)


def _found(b: Any, groups: Groups, uniform: Any) -> tuple[Groups, Any, Any, Any]:
    """The group that a number stands for, and what is left of the number; all is grouped anew where it has to be."""
    c, n = b.control, groups.rates.shape[0]
    total, group, rest = _searched(b, groups, uniform)
    aged = groups.age + 1 >= max(PERIOD, TIMES * n)
    stale = c.logical_or(c.logical_or(groups.stale, aged), group > DEEP)

    def anew(s: Any) -> Any:
        groups = _regrouped(b, s[0])
        return groups, *_searched(b, groups, uniform)

    first = groups._replace(age=groups.age + 1, stale=stale), total, group, rest
    # A loop of one turn or none: where trajectories go side by side, it costs nothing while none is stale.
    return b.while_loop(lambda s: s[0].stale, anew, first, max_iterations=1, resumable=True)


def _searched(b: Any, groups: Groups, uniform: Any) -> tuple[Any, Any, Any]:
    c = b.control
    total = b.real(arrays(b).sum(b.whole(groups.sums), axis=0))
    wanted = uniform * total

    def look(s: Any) -> Any:
        place, upto, last, before = s
        rate = b.pick(groups.sums, place + 1)
        some = rate > 0.0
        return place + 1, upto + rate, c.where(some, place + 1, last), c.where(some, upto, before)

    none, zero = b.integer(0), b.real(0.0)
    _, _, group, before = b.while_loop(
        lambda s: c.logical_and(s[1] <= wanted, s[0] < LAST),
        look,
        (none, zero, none, zero),
        max_iterations=LAST,
        resumable=True,
    )
    # Sums in another order differ by rounding: then it is the last group that has any.
    rest = (wanted - before) / c.maximum(b.pick(groups.sums, group), b.real(TINY))
    return total, group, c.minimum(c.maximum(rest, zero), b.real(BELOW_ONE))


def _size(b: Any, groups: Groups, group: Any) -> Any:
    return b.integer(b.pick(groups.start, group + 1)) - b.integer(b.pick(groups.start, group))


def _group_for(b: Any, top: Any, rate: Any) -> Any:
    """The group of a rate, by comparisons that are exact."""
    c = b.control
    group, width = b.integer(1), top
    for k in (32, 16, 8, 4, 2, 1):
        lower = width * 0.5**k
        within = rate <= lower
        group = group + c.where(within, b.integer(k), b.integer(0))
        width = c.where(within, lower, width)
    return c.where(rate > 0.0, group, b.integer(0))


def _carried(b: Any, groups: Groups, item: Any, before: Any, after: Any) -> Groups:
    """Carry an item from group to group."""
    c = b.control

    def step(s: Any) -> Any:
        order, place, start, at = s
        right = after > at
        border = c.where(right, at + 1, at)
        first = b.integer(b.pick(start, border))
        edge = c.where(right, first - 1, first)
        here, other = b.integer(b.pick(place, item)), b.integer(b.pick(order, edge))
        order = b.replaced(b.replaced(order, here, other), edge, item)
        place = b.replaced(b.replaced(place, other, here), item, edge)
        start = b.replaced(start, border, c.where(right, first - 1, first + 1))
        return order, place, start, c.where(right, at + 1, at - 1)

    order, place, start, _ = b.while_loop(
        lambda s: s[3] != after,
        step,
        (groups.order, groups.place, groups.start, before),
        max_iterations=LAST,
        resumable=True,
    )
    return groups._replace(order=order, place=place, start=start, group=b.replaced(groups.group, item, after))


def _regrouped(b: Any, groups: Groups) -> Groups:
    """Take the largest rate and all sums again."""
    xp, n = arrays(b), groups.rates.shape[0]
    top = b.real(xp.max(b.whole(groups.rates), axis=0) * HEADROOM)
    none = b.memory(xp.zeros_like(b.whole(groups.sums)), groups.sums)

    def regroup(s: Any) -> Any:
        groups, item = s
        rate, before = b.pick(groups.rates, item), b.integer(b.pick(groups.group, item))
        after = _group_for(b, groups.top, rate)
        groups = _carried(b, groups, item, before, after)
        sums = b.replaced(groups.sums, after, b.pick(groups.sums, after) + rate)
        return groups._replace(sums=sums), item + 1

    groups = groups._replace(top=top, sums=none, age=b.integer(0), stale=b.boolean(False))
    return b.while_loop(lambda s: s[1] < n, regroup, (groups, b.integer(0)), max_iterations=n, resumable=True)[0]
