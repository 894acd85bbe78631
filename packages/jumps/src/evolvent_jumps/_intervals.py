"""Intervals in which counts may move while the bounds of propensities made for them hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._draws import arrays
from .direct import TINY

PATIENCE = 32  # candidates, at least, before intervals are made tight
SPREAD = 0.1  # an interval reaches this part of a count down and up,
FEW, AROUND = 25.0, 4.0  # and of counts below FEW so many


class Intervals(NamedTuple):
    """What each count may fall to and rise to, arrays (species,) and lanes."""

    low: Any
    high: Any


def around(b: Any, x: Any) -> Intervals:
    """Intervals around counts."""
    xp = arrays(b)
    low = xp.where(x < FEW, x - AROUND, xp.floor(x * (1.0 - SPREAD)))
    high = xp.where(x < FEW, x + AROUND, xp.ceil(x * (1.0 + SPREAD)))
    return Intervals(xp.where(low > 0.0, low, 0.0), high)


def bounds(channels: Any, t: Any, x: Any, constants: Any, intervals: Intervals) -> tuple[Any, Any]:
    """What all rates may fall to and rise to: those by mass action with the counts, functions not at all."""
    xp, found = arrays(channels.backend), []
    functions = channels.of_functions(t, x)
    for counts in intervals:
        parts = [channels.of_reactions(counts, constants)] if channels.network.n_reactions else []
        if functions:
            parts.append(xp.stack([xp.asarray(rate) for rate in functions]))
        found.append(parts[0] if len(parts) == 1 else xp.concat(parts, axis=0))
    return found[0], found[1]


def moved_on(
    channels: Any,
    x: Any,
    constants: Any,
    functions: tuple[Any, ...],
    channel: Any,
    intervals: Intervals,
    carry: Any,
    rebound: Callable[[Any, Any, Any, Any], Any],
) -> tuple[Intervals, Any]:
    """Make new intervals for counts that have left theirs when `channel` fired.

    ``rebound(carry, j, low, high)`` takes each channel whose bounds are others then.
    """
    b, network = channels.backend, channels.network
    if network.n_reactions:
        intervals, carry = _each_left(channels, x, constants, channel, intervals, carry, rebound)
    for k, rate in enumerate(functions):
        carry = rebound(carry, b.integer(network.n_reactions + k), rate, rate)
    return intervals, carry


def _each_left(
    channels: Any, x: Any, constants: Any, channel: Any, intervals: Intervals, carry: Any, rebound: Any
) -> tuple[Intervals, Any]:
    b, c, network = channels.backend, channels.backend.control, channels.network
    start, changed, n = network.net_start, network.net_species, network.n_reactions
    longest, by_function = int(np.max(np.diff(start), initial=0)), b.boolean(False)
    row = channel
    if network.jumps:
        # An effect may change anything.
        by_function, row = channel >= n, c.minimum(channel, b.integer(n - 1))
        longest = network.n_species
    first = c.where(by_function, b.integer(0), b.integer(b.pick(start, row)))
    behind = c.where(by_function, b.integer(network.n_species), b.integer(b.pick(start, row + 1)))
    changed = changed if changed.size else np.zeros(1, np.int64)
    last = b.integer(changed.size - 1)

    def look(s: Any) -> Any:
        k, intervals, carry = s
        species = b.integer(b.pick(changed, c.minimum(k, last) if network.jumps else k))
        species = c.where(by_function, k, species)
        return k + 1, *_looked(channels, x, constants, species, intervals, carry, rebound)

    _, intervals, carry = b.while_loop(
        lambda s: s[0] < behind, look, (first, intervals, carry), max_iterations=longest, resumable=True
    )
    return intervals, carry


def _looked(
    channels: Any, x: Any, constants: Any, species: Any, intervals: Intervals, carry: Any, rebound: Any
) -> tuple[Intervals, Any]:
    """Look whether one count has left its interval."""
    b, c = channels.backend, channels.backend.control
    start, reactions = channels.network.takers
    reactions = reactions if reactions.size else np.zeros(1, np.int64)
    count, low, high = b.pick(x, species), b.pick(intervals.low, species), b.pick(intervals.high, species)
    left = c.logical_or(count < low, count > high)
    below = c.where(count < FEW, count - AROUND, b.real(c.floor(count * (1.0 - SPREAD))))
    above = c.where(count < FEW, count + AROUND, b.real(c.ceil(count * (1.0 + SPREAD))))
    intervals = Intervals(
        b.replaced(intervals.low, species, c.where(left, c.maximum(below, b.real(0.0)), low)),
        b.replaced(intervals.high, species, c.where(left, above, high)),
    )
    first = b.integer(b.pick(start, species))
    behind = c.where(left, b.integer(b.pick(start, species + 1)), first)

    def again(s: Any) -> Any:
        k, carry = s
        j = b.integer(b.pick(reactions, k))
        lower = channels.of(intervals.low, constants, (), j)
        return k + 1, rebound(carry, j, lower, channels.of(intervals.high, constants, (), j))

    longest = int(np.max(np.diff(start), initial=0))
    _, carry = b.while_loop(lambda s: s[0] < behind, again, (first, carry), max_iterations=longest, resumable=True)
    return intervals, carry


def thinned(channels: Any, t: Any, x: Any, constants: Any, draw: Any, own: Any, propose: Any, bounded: Any) -> Any:
    """Let candidates come until one is taken: at once below its lower bound, else below its rate.

    ``propose(own, uniform, used)`` gives ``(channel, level, total, used, own)``: a channel by its upper bound, a level
    uniform from zero to that, the sum of the bounds, and the index of the next numbers to draw. ``bounded(own,
    intervals, lower, upper)`` gives `own` with bounds that were all made anew.

    Returns
    -------
    (time, channel, own)
    """
    b, c = channels.backend, channels.backend.control
    # As many in vain as a look at all counts costs: then it is taken, since rates may all be zero below their bounds.
    patience = max(PATIENCE, channels.network.n_channels)

    def tightened(s: Any) -> Any:
        counts = channels.plain(x)
        intervals = Intervals(counts, counts)
        return bounded(s[0], intervals, *bounds(channels, t, counts, constants, intervals)), b.boolean(False)

    def candidate(s: Any) -> Any:
        time, _, _, used, tried, own = s
        own, _ = b.while_loop(lambda s: s[1], tightened, (own, tried == patience), max_iterations=1, resumable=True)

        def later() -> Any:
            u, v = draw.more(used - 1)
            return -c.log(1.0 - u), v

        exponential, uniform = b.cond(used == 0, lambda: (draw.exponential, draw.uniform), later)
        channel, level, total, used, own = propose(own, uniform, used)
        time = time + exponential / c.maximum(total, b.real(TINY))
        taken = c.logical_or(level < b.pick(own.lower, channel), c.logical_not(total > 0.0))
        taken = b.cond(
            taken, lambda: b.boolean(True), lambda: b.boolean(level < channels.of(x, constants, (), channel))
        )
        return time, channel, taken, used + 1, tried + 1, own

    none = b.integer(0)
    time, channel, _, _, _, own = b.while_loop(
        lambda s: c.logical_not(s[2]),
        candidate,
        (t, none, b.boolean(False), none, none, own),
        max_iterations=2**30,
        resumable=True,
    )
    return time, channel, own
