"""The constant-complexity next reaction method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._aggregator import Aggregator, Next
from ._draws import arrays
from ._propensities import invalid
from .direct import TINY
from .next_reaction import NEVER, first_times, next_time

EVENTS_A_BIN = 4.0  # expected when the table is built: fewer are empty ones to pass, more are times to compare
LEAST_BINS = 16  # a table for a few channels is not built too often
CROWDED = 2.0  # how many times as many events as expected a table serves, before it is built for their rate


class Table(NamedTuple):
    """When each channel fires next, in bins of equal width.

    Each bin is a ring, in which one follows the other: it starts with the bin's own node, whose number is that of the
    bin behind the channels. So to take a channel out, or to put one in, asks for no case to be told from another. What
    comes behind the last bin waits in one more.

    Attributes
    ----------
    times : array (channels,) and lanes
        When each channel fires next.
    next, previous : arrays of integers (channels + bins + 1,) and lanes
        What follows each node in its ring, and what it follows.
    start, width : control scalars
        Where the first bin starts, and how much time each holds.
    bin, served : control integers
        The bin of the next event; and how many the table has served.
    """

    times: Any
    next: Any
    previous: Any
    start: Any
    width: Any
    bin: Any
    served: Any


class Binned(NamedTuple):
    """All propensities, and the table of next times."""

    rates: Any
    table: Table


@dataclass(frozen=True)
class CCNRM(Aggregator):
    """The constant-complexity next reaction method: next times in bins of equal width, looked at one by one.

    For networks of very many channels: an event's work does not depend on their number. When the last bin is passed, or
    twice as many events came as were expected in all, the table is built anew for the rates as they are then; it has
    as many bins as there are channels, so that each event bears a constant share of that.

    References
    ----------
    K. R. Sanft, H. G. Othmer, Constant-complexity stochastic simulation algorithm with optimal binning, Journal of
    Chemical Physics 143 (2015) 074108, doi:10.1063/1.4928635.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> solution = ev.solve(ev.JumpProblem([100], (0.0, 100.0), jumps=[decay]), "CCNRM", seed=1)
    >>> int(solution.y[-1, 0])
    0
    """

    def begin(self, channels, t, x, constants, number):
        rates = channels.all(t, x, constants)
        times, rings = first_times(channels, t, rates, number), _empty_rings(channels)
        b, zero = channels.backend, channels.backend.integer(0)
        # Behind its last bin: what comes next is asked for at once, and builds it.
        behind = b.integer(_bins(channels))
        return Binned(rates, Table(times, rings, rings, b.real(0.0), b.real(1.0), behind, zero))

    def changed(self, channels, t, x, constants, own, channel, draw):
        b = channels.backend
        functions = channels.of_functions(t, x)

        def update(own, j):
            old, new = b.pick(own.rates, j), channels.of(x, constants, functions, j)
            time = next_time(channels, t, j == channel, j, old, new, b.pick(own.table.times, j), draw)
            return Binned(b.replaced(own.rates, j, new), _moved(channels, own.table, j, time))

        own = channels.each_dependent(channel, own, update)
        return own._replace(table=own.table._replace(served=own.table.served + b.integer(1)))

    def upcoming(self, channels, t, x, constants, own, draw):
        b, c, n = channels.backend, channels.backend.control, channels.network.n_reactions
        culprit = invalid(b, [b.pick(own.rates, n + k) for k in range(len(channels.network.jumps))], n)
        table, bins = _at_next_bin(channels, own.table), _bins(channels)
        most = b.integer(int(CROWDED * EVENTS_A_BIN * bins))
        table = b.cond(
            c.logical_or(table.bin >= bins, table.served >= most),
            lambda table: _built(channels, b.whole(own.rates), table),
            lambda table: table,
            table,
        )
        channel, time = _least(channels, table)
        return Next(time, channel, own._replace(table=table), culprit)


def _bins(channels: Any) -> int:
    return max(LEAST_BINS, channels.network.n_channels)


def _empty_rings(channels: Any) -> Any:
    """Nodes that follow themselves."""
    b, rings = channels.backend, np.arange(channels.network.n_channels + _bins(channels) + 1)
    return np.repeat(rings[:, None], b.lanes[0], axis=1) if b.lanes else rings


def _built(channels: Any, rates: Any, table: Table) -> Table:
    """Make the table anew: its first bin starts with the next event."""
    b, c, xp = channels.backend, channels.backend.control, arrays(channels.backend)
    n, zero, rings = channels.network.n_channels, channels.backend.integer(0), _empty_rings(channels)
    start, total = b.to_control(xp.min(b.whole(table.times), axis=0), xp.sum(rates, axis=0))
    table = table._replace(
        next=b.memory(rings, table.next),
        previous=b.memory(rings, table.previous),
        start=start,
        width=EVENTS_A_BIN / c.maximum(total, b.real(TINY)),
        bin=zero,
        served=zero,
    )
    _, table = b.while_loop(
        lambda s: s[0] < n,
        lambda s: (s[0] + 1, _put(channels, s[1], s[0], b.pick(s[1].times, s[0]))),
        (zero, table),
        max_iterations=n,
        resumable=True,
    )
    return table


def _put(channels: Any, table: Table, channel: Any, time: Any) -> Table:
    """Put a channel, which is in no ring, into that of its time's bin."""
    b, c, bins = channels.backend, channels.backend.control, _bins(channels)
    place = (time - table.start) / table.width
    # No number is less than another: what is never, or none, comes into the last ring.
    place = b.integer(c.where(place < bins, c.maximum(place, b.real(0.0)), b.real(bins)))
    node = channels.network.n_channels + place
    behind = b.integer(b.pick(table.next, node))
    following = b.replaced(b.replaced(table.next, node, channel), channel, behind)
    previous = b.replaced(b.replaced(table.previous, behind, channel), channel, node)
    return table._replace(next=following, previous=previous)


def _moved(channels: Any, table: Table, channel: Any, time: Any) -> Table:
    """Give a channel another time, no earlier than that of the last event."""
    b = channels.backend
    before, behind = b.integer(b.pick(table.previous, channel)), b.integer(b.pick(table.next, channel))
    table = table._replace(
        times=b.replaced(table.times, channel, time),
        next=b.replaced(table.next, before, behind),
        previous=b.replaced(table.previous, behind, before),
    )
    return _put(channels, table, channel, time)


def _at_next_bin(channels: Any, table: Table) -> Table:
    """Go on to the next bin that is not empty, or behind the last."""
    b, c, bins, n = channels.backend, channels.backend.control, _bins(channels), channels.network.n_channels

    def empty(bin: Any) -> Any:
        return c.logical_and(bin < bins, b.pick(table.next, n + bin) == n + bin)

    bin = b.while_loop(empty, lambda bin: bin + 1, table.bin, max_iterations=bins, resumable=True)
    return table._replace(bin=bin)


def _least(channels: Any, table: Table) -> tuple[Any, Any]:
    """The channel with the earliest time of the bin, and that time."""
    b, c, n = channels.backend, channels.backend.control, channels.network.n_channels
    last = b.integer(n - 1)  # so that lanes which are through don't look outside

    def look(s: Any) -> Any:
        node, least, channel = s
        time = b.pick(table.times, c.minimum(node, last))
        earlier = c.logical_and(node < n, time < least)
        return b.integer(b.pick(table.next, node)), c.where(earlier, time, least), c.where(earlier, node, channel)

    start = b.integer(b.pick(table.next, n + table.bin)), b.real(NEVER), b.integer(0)
    _, time, channel = b.while_loop(lambda s: s[0] < n, look, start, max_iterations=n, resumable=True)
    return channel, time
