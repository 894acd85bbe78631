"""The outer loop: what has to be looked at between steps, in the order of time: saves, events, stops."""

from __future__ import annotations

from typing import Any

from evolvent import Status

from ._dense import stages
from ._events import locate
from ._happenings import jump, pass_event
from ._march import begin, march, record_step
from ._state import RUNNING, Inputs, Plan, Saving, State


def start(plan: Plan, system: Any, inputs: Inputs, value: Any) -> State:
    """Set up the state of a solve, with what is saved at its very start."""
    b, c = system.backend, system.backend.control
    m = begin(plan, system, inputs)
    zero = b.integer(0)
    saves, saved = (), zero
    if plan.logs:
        # The first point has no step: its place among the steps is taken by one of no length.
        entry, step = (m.t, value(m.t, m.y, system.params)), (m.t, 0.0 * m.length, m.record, system.params)
        log = (
            b.buffer(plan.capacity, entry) if plan.save == "steps" else (),
            b.buffer(plan.capacity, step) if plan.dense else (),
        )
        m = record_step(plan, system, m._replace(log=log, length=0.0 * m.length), b.boolean(True), value)
    if plan.save == "times":
        entry = (m.t, value(m.t, m.y, system.params))
        saves = b.buffer(plan.n_saves, entry)
        due = b.pick(inputs.saves, zero) == m.t
        due = c.logical_and(due, c.logical_not(_dose_at_start(plan, b, inputs)))
        saves, saved = b.put(saves, zero, entry, due), c.where(due, b.integer(1), zero)
    happenings: Any = ()
    if plan.happens:
        marks = tuple(b.boolean(False) for _ in range(len(plan.directions) + plan.n_doses))
        happenings = b.buffer(plan.max_events, (m.t, b.zeros_like(m.y), marks))
    counts = tuple(zero for _ in plan.directions)
    return State(m, system.params, zero, saves, saved, counts, happenings, zero, m.t, zero)


def _dose_at_start(plan: Plan, b: Any, inputs: Inputs) -> Any:
    if plan.n_doses == 0:
        return b.boolean(False)
    zero = b.integer(0)
    return b.control.logical_and(b.pick(inputs.stops, zero) == inputs.t0, b.pick(inputs.doses, zero) >= 0)


def advance(plan: Plan, system: Any, inputs: Inputs, state: State, value: Any, limit: Any, horizon: Any) -> State:
    """Go on until the solve has ended, `limit` steps were tried in all, a record is full or `horizon` is reached."""
    b, c = system.backend, system.backend.control
    direction = inputs.direction
    bounded = not b.unbounded

    def goes_on(s: State) -> Any:
        m = s.march
        going = c.logical_and(m.status == RUNNING, m.accepted + m.rejected < limit)
        going = c.logical_and(going, direction * (horizon - m.t) > 0.0) if plan.save == "none" else going
        if bounded and plan.logs:
            going = c.logical_and(going, m.logged < plan.capacity)
        if bounded and plan.happens:
            going = c.logical_and(going, s.happenings < plan.max_events)
        return going

    def body(s: State) -> State:
        sys = system.with_params(s.params) if plan.happens else system
        stop = b.pick(inputs.stops, s.stop)
        target = _short_of(plan, b, inputs, s, stop)
        if plan.save == "none":
            target = c.where(direction * (target - horizon) > 0.0, horizon, target)
        save = _next_save(plan, b, inputs, s.saves) if plan.save == "times" else None
        m = march(plan, sys, inputs, s.march, target, save, limit, value)
        s = s._replace(march=m)
        return b.guarded(lambda s: settle(plan, sys, inputs, s, value, target, save), s)

    return b.while_loop(
        goes_on, body, state, max_iterations=plan.n_saves + plan.n_stops + plan.max_steps, resumable=True
    )


def sweep(plan: Plan, system: Any, inputs: Inputs, state: State, value: Any, limit: Any) -> State:
    """March from one save to the next, in a loop over the saves that is the same for every member of a batch.

    This is `advance`, from the start, where nothing but saves can come between steps and the records have a fixed
    size: a batch then writes rows in step, instead of scattering them, and reverse mode keeps no copies of the record.
    Saves that `limit` leaves undone are `advance`'s to do.
    """
    b, c = system.backend, system.backend.control
    end = b.pick(inputs.stops, b.integer(0))

    def visit(m: Any, save: Any) -> tuple[Any, Any]:
        m = march(plan, system, inputs, m, end, save, limit, value)

        def inside() -> Any:
            dense = stages(plan.stepper, system, m.start, m.length, m.record)
            return plan.stepper.interpolate(system, dense, (save - m.start) / m.length)

        y = b.cond(save == m.t, lambda: m.y, inside) if plan.between else m.y
        reached = inputs.direction * (m.t - save) >= 0.0
        return m, (save, value(save, y, system.params), c.where(reached, b.integer(1), b.integer(0)))

    m, (times, values, reached) = b.scan(visit, state.march, inputs.saves)
    m = march(plan, system, inputs, m, end, None, limit, value)
    over = c.logical_and(m.t == end, m.status == RUNNING)
    m = m._replace(status=c.where(over, b.integer(Status.SUCCESS), m.status))
    if plan.blind:
        finite = c.isfinite(b.to_control(b.rms(b.stop_gradient(m.y))))
        m = m._replace(status=c.where(finite, m.status, b.integer(Status.NON_FINITE)))
    return state._replace(march=m, saved=(times, values), saves=b.total(reached))


def _short_of(plan: Plan, b: Any, inputs: Inputs, s: State, stop: Any) -> Any:
    """Where f jumps at the stop, step to the last time before it: f is not asked on the far side."""
    c = b.control
    return c.where(b.pick(inputs.fresh, s.stop), c.nextafter(stop, inputs.t0), stop)


def _next_save(plan: Plan, b: Any, inputs: Inputs, saves: Any) -> Any:
    c = b.control
    beyond = inputs.direction * b.real(float("inf"))
    last = b.integer(max(plan.n_saves - 1, 0))
    return c.where(saves < plan.n_saves, b.pick(inputs.saves, c.minimum(saves, last)), beyond)


def settle(plan: Plan, system: Any, inputs: Inputs, s: State, value: Any, target: Any, save: Any) -> State:
    """Do what is due: saves, then an event or a stop."""
    b, c = system.backend, system.backend.control

    def other(s: State) -> State:
        stop = _short_of(plan, b, inputs, s, b.pick(inputs.stops, s.stop))
        at_stop = c.logical_and(inputs.direction * (s.march.t - stop) >= 0.0, s.march.status == RUNNING)

        def halt(s: State) -> State:
            if plan.jumps:
                s = b.cond(at_stop, lambda s: jump(plan, system, inputs, s, value), lambda s: s, s)
            return next_stop(plan, b, s, at_stop)

        if not plan.directions:
            return halt(s)
        return b.cond(s.march.crossing.pending, lambda s: pass_event(plan, system, inputs, s, value), halt, s)

    if plan.directions:
        s = b.cond(s.march.crossing.pending, lambda s: _narrowed(plan, system, s), lambda s: s, s)
    if plan.save == "times":
        due = _due(plan, b, inputs, s, target)
        s = b.cond(due(save), lambda s: put_saves(plan, system, inputs, s, value, save, due), lambda s: s, s)
    return other(s)


def _due(plan: Plan, b: Any, inputs: Inputs, s: State, target: Any) -> Any:
    """Whether a time to save lies in what was stepped over, before what happens there."""
    c, m, forward = b.control, s.march, inputs.direction
    if not plan.happens:
        return lambda save: forward * (m.t - save) >= 0.0
    # The solution is right-continuous: at an effect's own time, the effect comes first.
    here = c.logical_and(m.t == target, b.pick(inputs.doses, s.stop) >= 0)
    event_time = m.start + m.crossing.low * m.length if plan.directions else None

    def due(save: Any) -> Any:
        ahead = forward * (m.t - save)
        passed = c.logical_or(ahead > 0.0, c.logical_and(ahead == 0.0, c.logical_not(here)))
        if event_time is None:
            return passed
        before = c.logical_or(c.logical_not(m.crossing.pending), forward * (event_time - save) > 0.0)
        return c.logical_and(passed, before)

    return due


def _narrowed(plan: Plan, system: Any, s: State) -> State:
    """Bring the bracket of a crossing down to its root, so that saves before it are known to be before it."""
    m = s.march
    dense = stages(plan.stepper, system, m.start, m.length, m.record)
    theta = locate(plan, system, dense, m.start, m.length, m.crossing)
    return s._replace(march=m._replace(crossing=m.crossing._replace(low=theta, high=theta)))


def put_saves(plan: Plan, system: Any, inputs: Inputs, s: State, value: Any, first: Any, due: Any) -> State:
    """Save the solution at all times within the last step that are due, the `first` of which is."""
    b = system.backend
    m = s.march
    # What dense output wants is computed once. There is none at the very start, where no time lies inside of a step.
    inside = plan.between and m.record is not None
    dense = stages(plan.stepper, system, m.start, m.length, m.record) if inside else None
    if inside and not b.rematerialise:
        # More saves may come in this step, behind an event.
        m = m._replace(record=dense)
        s = s._replace(march=m)
    interpolate, params, one, true = plan.stepper.interpolate, system.params, b.integer(1), b.boolean(True)

    def save(made: Saving) -> Saving:
        time = made.time
        y = m.y
        if plan.between:
            y = b.cond(time == m.t, lambda: m.y, lambda: interpolate(system, dense, (time - m.start) / m.length))
        saved = b.put(made.saved, made.saves, (time, value(time, y, params)), true)
        saves = made.saves + one
        return Saving(saved, saves, _next_save(plan, b, inputs, saves))

    made = b.while_loop(
        lambda made: due(made.time),
        save,
        Saving(s.saved, s.saves, first),
        max_iterations=plan.n_saves,
        resumable=True,
    )
    return s._replace(saved=made.saved, saves=made.saves)


def next_stop(plan: Plan, b: Any, s: State, at_stop: Any) -> State:
    """Aim at the stop behind one that was reached; behind the last one the solve has succeeded."""
    c = b.control
    stop = s.stop + c.where(at_stop, b.integer(1), b.integer(0))
    status = c.where(stop >= plan.n_stops, b.integer(Status.SUCCESS), s.march.status)
    return s._replace(march=s.march._replace(status=status), stop=c.minimum(stop, b.integer(plan.n_stops - 1)))
