"""The state of a solve's loops: trees of fixed structure, so that every backend can carry them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from evolvent import Status

RUNNING = int(Status.RUNNING)


@dataclass(frozen=True)
class Plan:
    """What is fixed when the loop is built: with the functions' own programs, a compiler's key.

    Attributes
    ----------
    save : {"times", "steps", "none"}
        Whether given times are saved, every step, or nothing (stepping by hand).
    between : bool
        Whether times to save may lie inside of a step.
    capacity : int
        Length of the records of steps, where records can't grow.
    hidden : int
        How many of the last events are the method's own, of which no log is kept.
    counts : bool
        Whether the state has integers, which have no NaN to say that a value is missing.
    by_saves : bool
        Whether the backend wants a loop over the saves around the loop over the steps, wherever that can be.
    """

    stepper: Any
    control: Any
    adaptive: bool
    first_step_given: bool
    save: str
    save_function: bool
    dense: bool
    between: bool
    n_saves: int
    n_stops: int
    directions: tuple[int, ...]
    terminal: tuple[int, ...]
    effects: tuple[bool, ...]
    n_doses: int
    jumps: bool
    guarded: str
    max_steps: int
    capacity: int
    max_events: int
    counts: bool
    by_saves: bool
    batched: bool
    hidden: int = 0

    @property
    def sweeps(self) -> bool:
        """Whether the loop may be one over the saves: nothing else can come between the steps."""
        return self.by_saves and self.save == "times" and not (self.dense or self.happens) and self.n_stops == 1

    @property
    def blind(self) -> bool:
        """Whether steps are taken without a look at the state.

        All trajectories of a batch then keep one time, and a state that turns NaN stays so to the end, where it is
        seen.
        """
        unguarded = not (self.adaptive or self.guarded or self.stepper.implicit)
        return self.sweeps and self.batched and unguarded

    @property
    def looks_inside(self) -> bool:
        """Whether the solution is asked for anywhere else than where steps end."""
        return self.dense or bool(self.directions) or (self.save == "times" and self.between)

    @property
    def logs(self) -> bool:
        """Whether steps are recorded as they are taken."""
        return self.save == "steps" or self.dense

    @property
    def happens(self) -> bool:
        return bool(self.directions) or self.n_doses > 0

    @property
    def error_order(self) -> int:
        order = self.stepper.error_order
        return self.stepper.order - 1 if order is None else order


class Inputs(NamedTuple):
    """The numbers of a solve.

    `stops` ends with the end of the span; `doses` has, for each stop, the number of its dose and -1 elsewhere;
    `fresh` says where f jumps. `noise` names the random numbers: the two words of a key, and the trajectory.
    """

    y0: Any
    params: Any
    t0: Any
    direction: Any
    span: Any
    rtol: Any
    atol: Any
    dt: Any
    min_step: Any
    max_step: Any
    saves: Any
    stops: Any
    doses: Any
    fresh: Any
    nonnegative: Any
    mass: Any = None
    noise: Any = ()


class Crossing(NamedTuple):
    """An event seen between the fractions `low` and `high` of the last step; `signs` are the conditions' at `low`."""

    pending: Any
    low: Any
    high: Any
    signs: Any


class March(NamedTuple):
    """What every step changes.

    `record` is what the last accepted step left for its dense output, where anybody looks inside of steps: its stages,
    or what to take it again from.
    `work` counts what implicit methods compute besides f: Jacobians, factorisations, solves, Newton's failures.
    """

    t: Any
    dt: Any
    y: Any
    cache: Any
    start: Any
    length: Any
    record: Any
    memory: Any
    accepted: Any
    rejected: Any
    calls: Any
    status: Any
    crossing: Any
    log: Any
    logged: Any
    work: Any = ()


class Saving(NamedTuple):
    """The record of saves while those of one step are written, and the time of the next."""

    saved: Any
    saves: Any
    time: Any


class State(NamedTuple):
    """All of a solve: the march, what was saved, what happened.

    `last` is the time of the last effect of an event, `crowded` how many came within rounding of the one before.
    """

    march: March
    params: Any
    stop: Any
    saved: Any
    saves: Any
    counts: Any
    happened: Any
    happenings: Any
    last: Any
    crowded: Any
