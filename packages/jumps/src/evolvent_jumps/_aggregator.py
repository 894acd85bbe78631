"""What an exact method is: when the next jump comes, which it is, and the loop from jump to jump."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

from evolvent import InputError, JumpProblem, Status, VariableRate
from evolvent.trees import tree_map
from evolvent_stepping import RUNNING, Entry, Part, Stepper, first_crossing, record_step

from ._draws import BLOCK, Draws, arrays
from ._network import Network, network_of
from ._propensities import Channels, counts_of, invalid, state_of


class Cache(NamedTuple):
    """What a solve carries from jump to jump.

    Attributes
    ----------
    constants : array
        The reactions' rate constants.
    own : tree
        The method's.
    time, channel : control scalars
        When the next jump comes, and which; a channel of -1 lets time pass only.
    drawn : control integer
        How many events have drawn their numbers.
    culprit : control integer
        The channel whose rate is no rate; -1 while all are.
    ahead : array, or nothing
        The counts behind the next jump, where they are known `Channels.ahead` of it.
    """

    constants: Any
    own: Any
    time: Any
    channel: Any
    drawn: Any
    culprit: Any
    ahead: Any


class Next(NamedTuple):
    """The next jump: when, which, what the method carries on, and which rate was none (-1 for all well)."""

    time: Any
    channel: Any
    own: Any
    culprit: Any


class Sides(NamedTuple):
    """The state before and behind the last jump."""

    before: Any
    behind: Any


@dataclass(frozen=True)
class Aggregator(Stepper):
    """An exact method: paths have the law of the process, whatever the method.

    A subclass gives `begin`, `upcoming` and `changed`, functions of the control plane. Counts are an array of reals,
    ``x``, or with lanes one more axis behind. What `begin` returns is carried from event to event, its arrays as memory
    that is written to in place: read their entries by ``b.pick``, write them by ``b.replaced``, and go on with what
    that returns. So it is with the counts of many species.
    """

    network: Network | None = field(default=None, repr=False, kw_only=True)

    problem_types: ClassVar[tuple[type, ...]] = (JumpProblem,)
    adaptive = True
    retakes: ClassVar[bool] = False
    marches: ClassVar[bool] = True
    random: ClassVar[bool] = True
    most_steps: ClassVar[int] = 10**8
    thins: ClassVar[bool] = False  # whether what comes next may be a time at which nothing jumps, by a channel of -1
    varying: ClassVar[bool] = False  # whether rates may change between the jumps
    exact: ClassVar[bool] = True  # whether paths have the law of the process, but for rounding

    # ------------------------------------------------------------ what a method brings
    @abstractmethod
    def begin(self, channels: Channels, t: Any, x: Any, constants: Any, number: Any) -> Any:
        """Make what is carried from event to event; `number` is that of the event whose numbers come next."""

    @abstractmethod
    def upcoming(self, channels: Channels, t: Any, x: Any, constants: Any, own: Any, draw: Any) -> Next:
        """Find the next jump after `t`."""

    def changed(self, channels: Channels, t: Any, x: Any, constants: Any, own: Any, channel: Any, draw: Any) -> Any:
        """Bring what is carried up to date behind a jump that led to the counts `x`."""
        return own

    def channels(self, system: Any, y: Any) -> Channels:
        """The channels as this method looks at them."""
        return Channels(self.network, system, y)

    # ------------------------------------------------------------ what the driver asks for
    def prepared(self, model) -> Aggregator:
        problem = model.problem
        if problem.over is not None:
            raise InputError(
                "algorithm",
                f"{self.name} is for jumps alone, and this problem's state is moved by an ODE between them.",
                "Leave the algorithm out.",
            )
        network = network_of(model)
        if not self.varying:
            self._require_constant(network)
        if network.jumps and network.given is None:
            network.patterns = _patterns(model, network)
        return replace(self, network=network)

    def _require_constant(self, network: Network) -> None:
        for k, jump in enumerate(network.jumps):
            if isinstance(jump, VariableRate):
                advice = "Take HazardIntegration" if jump.upper_bound is None else "Take Coevolve"
                raise InputError(
                    "algorithm",
                    f"{self.name} is for rates that stay as they are between the jumps, and that of "
                    f"{network.names[network.n_reactions + k]} is a VariableRate.",
                    f"{advice}, or leave the algorithm out.",
                )

    def parts(self, model) -> dict[str, Part]:
        """List the rates and effects."""
        network, call = self.network, model._call
        assert network is not None
        found: dict[str, Part] = {}
        if network.n_reactions:
            found["constants"] = Part(lambda t, y, params: network.constants(model, params))
        if network.jumps:
            found["rates"] = Part(lambda t, y, params: tuple(_rate(model, j, t, y, params) for j in network.jumps))
        for k, jump in enumerate(network.jumps):
            found[f"jump{k}"] = Part(
                lambda t, y, params, jump=jump: model.packing.pack(
                    model.backend, call(jump.effect, t, y, params), y, "effect"
                )
            )
        return found

    def first_step(self, system, t, y, cache, direction, span):
        return system.backend.real(1.0)

    def start(self, system, t, y):
        return self.enter(system, t, y).cache

    def enter(self, system, t, y) -> Entry:
        return self._entered(system, t, y, system.backend.integer(0))

    def reenter(self, system, t, y, cache) -> Entry:
        # What was drawn for the jump that does not come any more is not used again.
        return self._entered(system, t, y, cache.drawn, cache)

    def _entered(self, system: Any, t: Any, y: Any, drawn: Any, before: Any = None) -> Entry:
        b, c = system.backend, system.backend.control
        channels = self.channels(system, y)
        x = counts_of(b, y)
        constants = channels.constants(t)
        culprit = _invalid_constant(b, constants)
        own = kept(b, self.begin(channels, t, x, constants, drawn), None if before is None else before.own)
        draw = Draws(system, drawn // BLOCK, alone=drawn % BLOCK).of(drawn)
        found = self.upcoming(channels, t, x, constants, own, draw)
        culprit = c.where(culprit >= 0, culprit, found.culprit)
        status = c.where(culprit >= 0, b.integer(Status.INVALID_RATE), b.integer(RUNNING))
        ahead = channels.ahead(x, found.channel)
        cache = Cache(constants, found.own, found.time, found.channel, drawn + b.integer(1), culprit, ahead)
        return Entry(y, cache, status)

    def at_rest(self, system, t, y):
        return Sides(y, y)

    def interpolate(self, system, dense, theta):
        return system.backend.select(theta >= 1.0, dense.behind, dense.before)

    def step(self, system, t, y, dt, cache):
        raise NotImplementedError(f"{self.name} goes from jump to jump, by `march`")

    def march(self, plan, system, inputs, m, target, save, limit, value):
        """Go from jump to jump until the next one lies behind `target` or `save`, and stand there."""
        b, c = system.backend, system.backend.control
        end = target if save is None else c.minimum(target, save)
        channels = self.channels(system, m.y)
        start = counts_of(b, m.y)
        in_place = channels.in_place
        m = m._replace(y=b.memory(start) if in_place else start)

        def goes_on(m: Any) -> Any:
            going = c.logical_and(m.status == RUNNING, m.cache.time <= end)
            going = c.logical_and(going, m.accepted + m.rejected < limit)
            if plan.directions:
                going = c.logical_and(going, c.logical_not(m.crossing.pending))
            if plan.logs and not b.unbounded:
                going = c.logical_and(going, m.logged < plan.capacity)
            return going

        def block(m: Any) -> Any:
            number = m.cache.drawn // BLOCK
            draws, behind = Draws(system, number), (number + 1) * BLOCK
            return b.while_loop(
                lambda m: c.logical_and(goes_on(m), m.cache.drawn < behind),
                lambda m: self._jump(plan, channels, m, draws, value),
                m,
                max_iterations=BLOCK,
                resumable=True,
                records="log",
            )

        m = b.while_loop(goes_on, block, m, max_iterations=plan.max_steps, resumable=True, records="log")
        m = m._replace(y=state_of(b, channels.plain(m.y), channels.like))
        arrived = c.logical_and(m.status == RUNNING, m.cache.time > end)
        if not plan.directions:
            return m._replace(t=c.where(arrived, end, m.t))
        arrived = c.logical_and(arrived, c.logical_not(m.crossing.pending))
        return b.cond(arrived, lambda m: self._stood(plan, system, m, end), lambda m: m, m)

    def _jump(self, plan: Any, channels: Channels, m: Any, draws: Draws, value: Any) -> Any:
        """Let the jump happen that was found, and find the next."""
        system, b = channels.system, channels.backend
        c, cache = b.control, m.cache
        t, channel = cache.time, cache.channel
        before = channels.plain(m.y) if plan.directions else None
        jumps = channel >= 0
        x = cache.ahead if channels.looks_ahead else self._fired(channels, t, m.y, channel, jumps)
        draw = draws.of(cache.drawn)
        own = self.changed(channels, t, x, cache.constants, cache.own, channel, draw)
        found = self.upcoming(channels, t, x, cache.constants, own, draw)
        one = b.integer(1)
        ahead = channels.ahead(x, found.channel)
        cache = Cache(cache.constants, found.own, found.time, found.channel, cache.drawn + one, found.culprit, ahead)
        start = m.t
        m = m._replace(t=t, y=x, cache=cache, **self._counted(c, one, m, channel))
        if channels.network.jumps:
            status = c.where(found.culprit >= 0, b.integer(Status.INVALID_RATE), m.status)
            m = m._replace(status=status)
        when = jumps if self.thins else b.boolean(True)
        if plan.directions:
            sides = Sides(*(state_of(b, side, channels.like) for side in (before, channels.plain(x))))
            m = self._looked(plan, system, m, start, sides)
            when = c.logical_and(when, c.logical_not(m.crossing.pending))
        if not plan.logs:
            return m
        seen = m._replace(y=state_of(b, channels.plain(x), channels.like))
        return record_step(plan, system, seen, when, value)._replace(y=x)

    def _fired(self, channels: Channels, t: Any, x: Any, channel: Any, jumps: Any) -> Any:
        if not self.thins:
            return channels.fired(t, x, channel)
        first = channels.backend.control.maximum(channel, channels.backend.integer(0))
        return channels.backend.cond(jumps, lambda x: channels.fired(t, x, first), lambda x: x, x)

    def _counted(self, c: Any, one: Any, m: Any, channel: Any) -> dict[str, Any]:
        if not self.thins:
            return {"accepted": m.accepted + one}
        jumps = c.where(channel >= 0, one, one - one)
        return {"accepted": m.accepted + jumps, "rejected": m.rejected + (one - jumps)}

    def _stood(self, plan: Any, system: Any, m: Any, end: Any) -> Any:
        """Let time pass to `end`, with a look for conditions on time."""
        return self._looked(plan, system, m._replace(t=end), m.t, Sides(m.y, m.y))

    def _looked(self, plan: Any, system: Any, m: Any, start: Any, sides: Sides) -> Any:
        b = system.backend
        length = m.t - start
        crossing = first_crossing(plan, system, sides, start, length, m.crossing.signs, b.real(0.0))
        return m._replace(start=start, length=length, record=sides, crossing=crossing)

    def diagnosis(self, run, state) -> str:
        """Name the jump whose rate was none."""
        culprit = int(state.march.cache.culprit)
        if culprit < 0 or self.network is None:
            return ""
        return f"It is that of {run.stepper.network.names[culprit]}."


def kept(b: Any, own: Any, before: Any = None) -> Any:
    """A tree with its arrays in memory that is written to in place: in that of `before`, or in new one."""

    def one(x: Any, into: Any = None) -> Any:
        if len(getattr(x, "shape", ())) <= len(b.lanes):
            return x
        return b.memory(x, into)

    return tree_map(one, own) if before is None else tree_map(one, own, before)


def _patterns(model: Any, network: Network) -> Any:
    """The species that each function's rate asks for; None where nobody can tell."""
    b = model.backend
    if b.lanes or b.traced:
        return None

    def rates(y: Any, t: Any, params: Any) -> Any:
        found = [_rate(model, jump, t, y, params) for jump in network.jumps]
        return b.xp.stack([b.xp.asarray(rate) for rate in found])

    # Not that of derivatives: they are zero of integers and of what is told by comparing.
    pattern = b.dependence(rates, model.y0, b.real(model.problem.t_span[0]), model.params0)
    if pattern is None:
        return None
    found: list[list[int]] = [[] for _ in network.jumps]
    for row, column in zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True):
        found[row].append(column)
    return found


def _rate(model: Any, jump: Any, t: Any, y: Any, params: Any) -> Any:
    """The rate of a jump with functions, a scalar."""
    value = model._call(jump.rate, t, y, params)
    model._require_scalar(value, "rate", f"of {jump.name} " if jump.name else "")
    return value


def _invalid_constant(b: Any, constants: Any) -> Any:
    """The first rate constant that is negative or not finite; -1 where none is."""
    if isinstance(constants, tuple):
        return b.integer(-1)
    xp, c = arrays(b), b.control
    wrong = xp.logical_not(xp.logical_and(constants >= 0.0, constants < float("inf")))
    found = b.integer(xp.argmax(xp.astype(wrong, xp.int32) if hasattr(xp, "astype") else wrong, axis=0))
    return c.where(b.boolean(xp.any(wrong, axis=0)), found, b.integer(-1))


__all__ = ["Aggregator", "Cache", "Next", "invalid"]
