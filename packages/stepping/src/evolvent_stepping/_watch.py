"""What the host does between slices of a solve: clock, callback, progress, keyboard, records that are full."""

from __future__ import annotations

import time
from typing import Any

from evolvent import CannotStage, InputError, Status
from evolvent.trees import flatten

from ._state import RUNNING, March, Saving, State

PACE = 0.05  # seconds between looks at the clock and the keyboard
MOVED = 1e-8  # and so many for each byte of the state, which goes in and out of a slice


class Watch:
    """Looks after one solve from outside its loop.

    Parameters
    ----------
    ago : float
        How many seconds ago the solve began.

    Attributes
    ----------
    chunks : list
        Full records that were emptied on the way: (log, happenings).
    error : BaseException or None
        What a function of the user raised.
    """

    def __init__(self, run: Any, inputs: Any, ago: float = 0.0):
        self.run, self.inputs = run, inputs
        options = run.options
        self.backend, self.plan = run.backend, run.plan
        self.on_step, self.wall_time = options.on_step, options.wall_time
        self.chunks: list[tuple[Any, Any]] = []
        self.error: BaseException | None = None
        self.stopped: int | None = None
        self.began = self.last = time.monotonic() - ago
        watched = options.wall_time or options.progress
        self.slice = (
            self.plan.max_steps if self.backend.traced else 8 if watched else self.backend.slice or self.plan.max_steps
        )
        self.taken = 0
        self.pace: float | None = None
        self.bar = progress_bar() if options.progress else None
        self.called = 0

    def first_limit(self) -> int:
        return 1 if self.on_step else min(self.plan.max_steps, self.slice)

    def next_limit(self, state: State) -> int:
        """Let the next slice take about as long as it may, judged by the last."""
        taken = self._steps(state)
        if self.on_step:
            return taken + 1
        if self.pace is None:
            self.pace = self._pace(state)
        now = time.monotonic()
        done, seconds = max(taken - self.taken, 1), now - self.last
        # The first slice may have been slow because its program had to be made.
        self.slice = max(1, int(done * min(max(self.pace / max(seconds, 1e-6), 0.125), 8.0)))
        self.taken, self.last = taken, now
        return min(taken + self.slice, self.plan.max_steps)

    def _pace(self, state: State) -> float:
        """How long a slice may take: not long beside the time that is left for all, and a user's patience."""
        pace = PACE + MOVED * sum(getattr(x, "nbytes", 0) for x in flatten((state.march.y, state.march.cache))[0])
        return pace if self.wall_time is None else min(pace, self.wall_time / 8.0)

    def _steps(self, state: State) -> int:
        return self.backend.most(state.march.accepted + state.march.rejected)

    def goes_on(self, state: State) -> bool:
        """Look at a state between slices, and say whether to go on with it."""
        if self.bar is not None:
            self._show(state, self.bar)
        if self.on_step is not None and not self._called_back(state):
            self.stopped = Status.STOPPED
            return False
        m = state.march
        if not self.backend.most((m.status == RUNNING) & (m.accepted + m.rejected < self.plan.max_steps)):
            return False
        if self.wall_time is not None and time.monotonic() - self.began > self.wall_time:
            self.stopped = Status.WALL_TIME
            return False
        return True

    def _called_back(self, state: State) -> bool:
        accepted = int(state.march.accepted)
        if accepted == self.called:
            return True
        self.called = accepted
        run = self.run
        y = run.model.packing.unpack(self.backend, state.march.y)
        try:
            return not self.on_step(self.backend.time(state.march.t, state.march.y), y)
        except Exception as error:
            error.__dict__.setdefault("evolvent_function", "on_step")
            raise

    def _show(self, state: State, bar: Any) -> None:
        done = 1.0 - self.backend.most(
            abs(self.inputs.t0 + self.inputs.direction * self.inputs.span - state.march.t) / self.inputs.span
        )
        bar.update(round(100.0 * done, 2) - bar.n)

    def emptied(self, state: State) -> State:
        """Take what full records hold out of a state; records that grow stay as they are."""
        b, plan = self.backend, self.plan
        if b.unbounded:
            return state
        zero = b.integer(0)
        if plan.logs and int(state.march.logged) >= plan.capacity:
            points, steps = state.march.log
            count = state.march.logged
            kept = (
                b.trimmed(points, count) if plan.save == "steps" else (),
                b.trimmed(steps, count) if plan.dense else (),
            )
            self.chunks.append((kept, None))
            state = state._replace(march=state.march._replace(logged=zero))
        if plan.happens and int(state.happenings) >= plan.max_events:
            self.chunks.append((None, b.trimmed(state.happened, state.happenings)))
            state = state._replace(happenings=zero)
        return state

    def rescued(self, error: BaseException, state: State | None) -> State:
        """Put the last good state together again after an exception inside the loops."""
        if isinstance(error, CannotStage):
            raise error
        reached = error.__dict__.get("evolvent_reached", []) if hasattr(error, "__dict__") else []
        march = next((carry for carry in reached if isinstance(carry, March)), None)
        whole = next((carry for carry in reached if isinstance(carry, State)), state)
        saving = next((carry for carry in reached if isinstance(carry, Saving)), None)
        state = whole if march is None or whole is None else whole._replace(march=march)
        if saving is not None and state is not None:
            state = state._replace(saved=saving.saved, saves=saving.saves)
        foreseen = isinstance(error, KeyboardInterrupt) or hasattr(error, "evolvent_function")
        at_start = state is None or self.backend.most(state.march.accepted) == 0
        if state is None or not foreseen or (isinstance(error, InputError) and at_start):
            raise error
        self.error = error
        self.stopped = Status.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Status.USER_ERROR
        return state

    def ended(self, state: State) -> State:
        """Write into the state why the solve ended, where the loop itself doesn't know."""
        b, m = self.backend, state.march
        c = b.control
        running = m.status == RUNNING
        if running is False:
            return state
        why = self.stopped if self.stopped is not None else Status.MAX_STEPS
        if self.stopped is None and self.plan.save == "none":
            return state
        return state._replace(march=m._replace(status=c.where(running, b.integer(why), m.status)))

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def progress_bar() -> Any:
    """A bar of tqdm's that counts to 100."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install tqdm") from error
    return tqdm(total=100.0, unit="%", bar_format="{l_bar}{bar}| {n:.1f}% [{elapsed}<{remaining}]")
