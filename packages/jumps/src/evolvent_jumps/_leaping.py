"""What a leaping method is: many firings at once where rates hardly change, exact steps where they do."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from evolvent import InputError, Status, VariableRate, random
from evolvent_stepping import RUNNING, Entry, record_step

from ._aggregator import Aggregator, Next, Sides, _invalid_constant
from ._draws import BLOCK, Draws, arrays, real_type
from ._leap_sizes import LeapTables, tables_of
from ._poisson import poisson
from ._propensities import Channels, counts_of, invalid, state_of
from .direct import TINY

LEAPS, CRITICAL = 16, 17  # streams of random numbers
FEW = 10.0  # leaps of fewer firings than this are not worth it: exact steps are taken for a while


class Cache(NamedTuple):
    """What a solve carries from leap to leap.

    `shrunk` is the factor by which leaps are shortened behind one that failed, `exact` how many exact steps are left
    before the next leap is tried, `drawn` the number of the leap or of the exact steps in a row, `memory` the method's.
    """

    constants: Any
    shrunk: Any
    exact: Any
    drawn: Any
    culprit: Any
    memory: Any


class Leap:
    """Where a leap starts: the counts, all propensities, and which channels are `free` to leap (others are zero)."""

    def __init__(self, tables: LeapTables, channels: Channels, t: Any, x: Any, cache: Cache, threshold: int):
        b, xp = channels.backend, arrays(channels.backend)
        self.tables, self.channels, self.t, self.x, self.cache = tables, channels, t, x, cache
        self.rates = channels.all(t, x, cache.constants)
        self.critical = tables.critical(b, x, threshold)
        self.free = xp.where(self.critical, 0.0 * self.rates, self.rates)

    def poisson(self, mean: Any, first: int = 0) -> Any:
        """Poisson numbers of these means, the same whenever they are asked for again."""
        b, (low, high, trajectory) = self.channels.backend, self.channels.system.noise
        key = random.fold_in(arrays(b), (low, high), LEAPS)
        return poisson(b, key, trajectory, self.cache.drawn, mean, first)

    def pair(self) -> tuple[Any, Any]:
        """An exponential and a uniform, for the critical channels."""
        b, (low, high, trajectory) = self.channels.backend, self.channels.system.noise
        key = random.fold_in(arrays(b), (low, high), CRITICAL)
        return b.to_control(
            *random.exponential_and_uniform(arrays(b), key, trajectory, self.cache.drawn, 0, dtype=real_type(b))
        )


@dataclass(frozen=True)
class Leaping(Aggregator):
    """A method that fires all channels at once as long as rates stay as they are, within a fraction `epsilon`.

    A subclass gives `firings` and may choose the lengths of leaps by another `length`. Channels within `critical`
    firings of using up what they take, and those whose effects are functions, fire one by one.
    """

    epsilon: float = 0.03
    critical: int = 10

    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0.0 < self.epsilon < 1.0:
            raise InputError("epsilon", f"must lie between 0 and 1, got {self.epsilon!r}.")
        if self.critical < 1:
            raise InputError("critical", f"must be a positive number of firings, got {self.critical!r}.")

    @abstractmethod
    def firings(self, leap: Leap, tau: Any, memory: Any) -> tuple[Any, Any]:
        """How often each free channel fires within `tau`, and whether that could be found."""

    def length(self, leap: Leap) -> tuple[Any, Any]:
        """The longest leap, and what `firings` is to know about it."""
        return leap.tables.longest(leap.channels.backend, leap.x, leap.free, self.epsilon), leap.cache.memory

    def fixed(self, leap: Leap) -> Any:
        """What `firings` is to know about a leap of given length."""
        return leap.cache.memory

    def prepared(self, model):
        for jump in model.problem.jumps:
            if isinstance(jump, VariableRate):
                raise InputError("algorithm", f"{self.name} can't leap over rates that change by themselves.")
        return super().prepared(model)

    def begin(self, channels, t, x, constants, number):
        return channels.backend.boolean(False)

    def upcoming(self, channels, t, x, constants, own, draw):
        """An exact step, by the direct method."""
        b, c, xp = channels.backend, channels.backend.control, arrays(channels.backend)
        rates = channels.all(t, x, constants)
        total = b.real(xp.sum(rates, axis=0))
        channel = chosen(b, rates, draw.uniform * total)
        return Next(t + draw.exponential / c.maximum(total, b.real(TINY)), channel, own, culprit_of(channels, rates))

    def channels(self, system, y):
        found = Channels(self.network, system, y)
        found.in_place = False  # a leap changes most counts
        return found

    def _entered(self, system: Any, t: Any, y: Any, drawn: Any, before: Any = None) -> Entry:
        b, c = system.backend, system.backend.control
        channels = self.channels(system, y)
        constants = channels.constants(t)
        culprit = _invalid_constant(b, constants)
        status = c.where(culprit >= 0, b.integer(Status.INVALID_RATE), b.integer(RUNNING))
        memory = self.begin(channels, t, counts_of(b, y), constants, drawn)
        return Entry(y, Cache(constants, b.real(1.0), b.integer(0), drawn, culprit, memory), status)

    def reenter(self, system, t, y, cache):
        return self._entered(system, t, y, cache.drawn + 1)

    def march(self, plan, system, inputs, m, target, save, limit, value):
        """Leap until `target` or `save` is hit; the last leap is cut to end there."""
        b, c = system.backend, system.backend.control
        end = target if save is None else c.minimum(target, save)
        channels = self.channels(system, m.y)

        def goes_on(m: Any) -> Any:
            going = c.logical_and(m.status == RUNNING, m.t < end)
            going = c.logical_and(going, m.accepted + m.rejected < limit)
            if plan.directions:
                going = c.logical_and(going, c.logical_not(m.crossing.pending))
            if plan.logs and not b.unbounded:
                going = c.logical_and(going, m.logged < plan.capacity)
            return going

        def exactly(m: Any) -> Any:
            draws = Draws(system, m.cache.drawn)
            return b.while_loop(
                lambda m: c.logical_and(goes_on(m), m.cache.exact > 0),
                lambda m: self._step(plan, channels, m, draws, end, value),
                m,
                max_iterations=BLOCK,
                resumable=True,
                records="log",
            )

        def move(m: Any) -> Any:
            return b.cond(m.cache.exact > 0, exactly, lambda m: self._leap(plan, inputs, channels, m, end, value), m)

        return b.while_loop(goes_on, move, m, max_iterations=3 * plan.max_steps, resumable=True, records="log")

    def _step(self, plan: Any, channels: Channels, m: Any, draws: Draws, end: Any, value: Any) -> Any:
        """One exact step, or standing at the end."""
        b, c = channels.backend, channels.backend.control
        cache, x, one = m.cache, counts_of(b, m.y), b.integer(1)
        draw = draws.of(draws.first + (BLOCK - cache.exact))
        found = self.upcoming(channels, m.t, x, cache.constants, (), draw)
        arrives = found.time > end
        after = b.cond(arrives, lambda x: x, lambda x: channels.fired(found.time, x, found.channel), x)
        left = cache.exact - one
        drawn = c.where(left > 0, cache.drawn, cache.drawn + one)
        cache = cache._replace(exact=left, drawn=drawn, culprit=found.culprit)
        accepted = m.accepted + c.where(arrives, b.integer(0), one)
        return self._moved(
            plan, channels, m, cache, c.where(arrives, end, found.time), after, accepted, value, c.logical_not(arrives)
        )

    def _leap(self, plan: Any, inputs: Any, channels: Channels, m: Any, end: Any, value: Any) -> Any:
        """One leap, or the decision to go on by exact steps."""
        b, c, xp = channels.backend, channels.backend.control, arrays(channels.backend)
        cache = m.cache
        leap = Leap(tables_of(self.network), channels, m.t, counts_of(b, m.y), cache, self.critical)
        longest, memory = self.length(leap) if plan.adaptive else (inputs.dt, self.fixed(leap))
        longest = c.minimum(longest, inputs.max_step) * cache.shrunk
        short = longest * b.real(xp.sum(leap.rates, axis=0)) < FEW
        if not plan.adaptive:
            short = c.logical_and(short, cache.shrunk < 1.0)
        culprit = culprit_of(channels, leap.rates)
        cache = cache._replace(culprit=culprit, memory=memory)
        begun = cache._replace(exact=b.integer(BLOCK), shrunk=b.real(1.0))
        status = c.where(culprit >= 0, b.integer(Status.INVALID_RATE), m.status)
        stays = c.logical_or(short, culprit >= 0)
        return b.cond(
            stays,
            lambda m: m._replace(status=status, cache=begun),
            lambda m: self._leapt(plan, leap, m, cache, longest, end, value),
            m,
        )

    def _leapt(self, plan: Any, leap: Leap, m: Any, cache: Cache, longest: Any, end: Any, value: Any) -> Any:
        channels, b, xp = leap.channels, leap.channels.backend, arrays(leap.channels.backend)
        c, one = b.control, b.integer(1)
        exponential, uniform = leap.pair()
        slow = leap.rates - leap.free
        total = b.real(xp.sum(slow, axis=0))
        waiting, gap = exponential / c.maximum(total, b.real(TINY)), end - m.t
        fires = c.logical_and(waiting <= longest, waiting <= gap)
        arrives = c.logical_and(c.logical_not(fires), longest * (1.0 + 1e-8) >= gap)
        tau = c.where(fires, waiting, c.where(arrives, gap, longest))
        t = c.where(arrives, end, m.t + tau)
        firings, well = self.firings(leap, tau, cache.memory)
        x = leap.x + leap.tables.changes(b, firings)
        x = b.cond(fires, lambda x: channels.fired(t, x, chosen(b, slow, uniform * total)), lambda x: x, x)
        negative = xp.logical_and(leap.tables.guards(b), x < 0.0)
        well = c.logical_and(well, c.logical_not(b.boolean(xp.any(negative, axis=0))))
        cache = cache._replace(drawn=cache.drawn + one, shrunk=c.where(well, b.real(1.0), 0.5 * cache.shrunk))
        return b.cond(
            well,
            lambda m: self._moved(plan, channels, m, cache, t, x, m.accepted + one, value, b.boolean(True)),
            lambda m: m._replace(cache=cache, rejected=m.rejected + one),
            m,
        )

    def _moved(self, plan, channels, m, cache, t, x, accepted, value, when) -> Any:
        """Stand at new counts, with a look for conditions on the way there."""
        system, b, c = channels.system, channels.backend, channels.backend.control
        start, before = m.t, m.y
        status = c.where(cache.culprit >= 0, b.integer(Status.INVALID_RATE), m.status)
        m = m._replace(t=t, y=state_of(b, x, before), cache=cache, accepted=accepted, status=status)
        if plan.directions:
            m = self._looked(plan, system, m, start, Sides(before, m.y))
            when = c.logical_and(when, c.logical_not(m.crossing.pending))
        return record_step(plan, system, m, when, value) if plan.logs else m


def chosen(b: Any, rates: Any, wanted: Any) -> Any:
    """The channel in whose part of the sum of rates a number lies; never one whose rate is zero."""
    c, last = b.control, rates.shape[0] - 1

    def look(s: Any) -> Any:
        place, upto, found = s
        rate = b.pick(rates, place)
        return place + 1, upto + rate, c.where(rate > 0.0, place, found)

    start = b.integer(0), b.real(0.0), b.integer(0)
    going = lambda s: c.logical_and(s[0] <= last, s[1] <= wanted)  # noqa: E731
    return b.while_loop(going, look, start, max_iterations=last + 1, resumable=True)[2]


def culprit_of(channels: Channels, rates: Any) -> Any:
    """The number of the first channel whose function gave no rate; -1 where all are well."""
    b, first = channels.backend, channels.network.n_reactions
    return invalid(b, [b.pick(rates, first + k) for k in range(len(channels.network.jumps))], first)
