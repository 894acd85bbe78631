"""The outer loop: what has to be looked at between steps, in the order of time: saves, events, stops."""

from __future__ import annotations

from typing import Any

from evolvent import Status

from ._dense import stages
from ._events import at_crossing, first_crossing, locate, numbers, signs_at
from ._march import begin, march, record_step
from ._state import RUNNING, Inputs, Plan, State


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
    return State(m, system.params, zero, saves, saved, tuple(zero for _ in plan.directions), happenings, zero)


def _dose_at_start(plan: Plan, b: Any, inputs: Inputs) -> Any:
    if plan.n_doses == 0:
        return b.boolean(False)
    zero = b.integer(0)
    return b.control.logical_and(b.pick(inputs.stops, zero) == inputs.t0, b.pick(inputs.doses, zero) >= 0)


def advance(
    plan: Plan, system: Any, inputs: Inputs, state: State, value: Any, limit: Any, horizon: Any
) -> State:
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
        save = _next_save(plan, b, inputs, s) if plan.save == "times" else None
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

        y = b.cond(save == m.t, lambda: m.y, inside)
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


def _next_save(plan: Plan, b: Any, inputs: Inputs, s: State) -> Any:
    c = b.control
    beyond = inputs.direction * b.real(float("inf"))
    last = b.integer(max(plan.n_saves - 1, 0))
    return c.where(s.saves < plan.n_saves, b.pick(inputs.saves, c.minimum(s.saves, last)), beyond)


def settle(plan: Plan, system: Any, inputs: Inputs, s: State, value: Any, target: Any, save: Any) -> State:
    """Do the first thing that is due: a save, an event, a stop."""
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
    if plan.save != "times":
        return other(s)
    m = s.march
    ahead = inputs.direction * (m.t - save)
    due = ahead >= 0.0
    if plan.happens:
        # The solution is right-continuous: at an effect's own time, the effect comes first.
        here = c.logical_and(m.t == target, b.pick(inputs.doses, s.stop) >= 0)
        due = c.logical_and(due, c.logical_or(ahead > 0.0, c.logical_not(here)))
    if plan.directions:
        event_time = m.start + m.crossing.low * m.length
        due = c.logical_and(
            due, c.logical_or(c.logical_not(m.crossing.pending), inputs.direction * (event_time - save) > 0.0)
        )
    return b.cond(due, lambda s: put_save(plan, system, inputs, s, value, save), other, s)


def _narrowed(plan: Plan, system: Any, s: State) -> State:
    """Bring the bracket of a crossing down to its root, so that saves before it are known to be before it."""
    m = s.march
    dense = stages(plan.stepper, system, m.start, m.length, m.record)
    theta = locate(plan, system, dense, m.start, m.length, m.crossing)
    return s._replace(march=m._replace(crossing=m.crossing._replace(low=theta, high=theta)))


def put_save(plan: Plan, system: Any, inputs: Inputs, s: State, value: Any, time: Any) -> State:
    """Save the solution at a time within the last step."""
    b = system.backend
    m = s.march
    if not b.rematerialise and m.record is not None:
        # More saves may come in this step: what its dense output wants is computed once.
        m = m._replace(record=stages(plan.stepper, system, m.start, m.length, m.record))
        s = s._replace(march=m)

    def inside() -> Any:
        dense = stages(plan.stepper, system, m.start, m.length, m.record)
        return plan.stepper.interpolate(system, dense, (time - m.start) / m.length)

    y = b.cond(time == m.t, lambda: m.y, inside)
    saved = b.put(s.saved, s.saves, (time, value(time, y, system.params)), b.boolean(True))
    return s._replace(saved=saved, saves=s.saves + b.integer(1))


def next_stop(plan: Plan, b: Any, s: State, at_stop: Any) -> State:
    """Aim at the stop behind one that was reached; behind the last one the solve has succeeded."""
    c = b.control
    stop = s.stop + c.where(at_stop, b.integer(1), b.integer(0))
    status = c.where(stop >= plan.n_stops, b.integer(Status.SUCCESS), s.march.status)
    return s._replace(march=s.march._replace(status=status), stop=c.minimum(stop, b.integer(plan.n_stops - 1)))


def jump(plan: Plan, system: Any, inputs: Inputs, s: State, value: Any) -> State:
    """Give the dose of a stop that was reached, and start afresh where it or f jumps."""
    b, c = system.backend, system.backend.control
    m = s.march._replace(t=b.pick(inputs.stops, s.stop))
    y, params = m.y, s.params
    fresh = b.pick(inputs.fresh, s.stop)
    if plan.n_doses:
        which = b.pick(inputs.doses, s.stop)
        given = tuple(which == i for i in range(plan.n_doses))
        for i, now in enumerate(given):
            y, params = b.cond(
                now, lambda y, p, i=i: system.functions[f"dose{i}"](m.t, y, p), lambda y, p: (y, p), y, params
            )
        fresh = c.logical_or(fresh, which >= 0)
        marks = tuple(b.boolean(False) for _ in plan.directions) + given
        s = s._replace(
            happened=b.put(s.happened, s.happenings, (m.t, m.y, marks), which >= 0),
            happenings=s.happenings + c.where(which >= 0, b.integer(1), b.integer(0)),
        )
    m = b.cond(
        fresh, lambda m: restart(plan, system.with_params(params), m, y, value, params), lambda m: m, m
    )
    return s._replace(march=m, params=params)


def restart(plan: Plan, system: Any, m: Any, y: Any, value: Any, params: Any) -> Any:
    """Go on from `y` at ``m.t`` as from a new start."""
    b = system.backend
    before = system.calls
    cache = plan.stepper.start(system, m.t, y)
    m = m._replace(y=y, cache=cache, memory=plan.control.start(b), calls=m.calls + (system.calls - before))
    if plan.directions:
        m = m._replace(
            crossing=m.crossing._replace(signs=signs_at(b, system.functions["conditions"](m.t, y, params)))
        )
    if plan.logs:
        # Both sides of a jump are saved; the record of the step before belongs to its left.
        stand = m._replace(start=m.t, length=0.0 * m.length)
        logged = record_step(plan, system, stand, b.boolean(True), value)
        m = m._replace(log=logged.log, logged=logged.logged)
    return m


def pass_event(plan: Plan, system: Any, inputs: Inputs, s: State, value: Any) -> State:
    """Record the events of the crossing that was seen, apply their effects in the problem's order, and go on behind it."""
    b, c = system.backend, system.backend.control
    m = s.march
    dense = stages(plan.stepper, system, m.start, m.length, m.record)
    theta = m.crossing.high
    happened, residuals = at_crossing(plan, system, dense, m.start, m.length, m.crossing)
    t = m.start + theta * m.length
    y = plan.stepper.interpolate(system, dense, theta)
    late = None
    if b.differentiates:
        late, y = moved_to_crossing(plan, system, t, y, happened)
    counts = tuple(
        n + c.where(now, b.integer(1), b.integer(0)) for n, now in zip(s.counts, happened, strict=True)
    )
    ends = b.boolean(False)
    for number, n, now in zip(plan.terminal, counts, happened, strict=True):
        if number:
            ends = c.logical_or(ends, c.logical_and(now, n >= number))
    marks = happened + tuple(b.boolean(False) for _ in range(plan.n_doses))
    s = s._replace(
        counts=counts,
        happened=b.put(
            s.happened, s.happenings, (t if late is None else b.shifted(t, late), y, marks), b.boolean(True)
        ),
        happenings=s.happenings + b.integer(1),
    )
    # What is exactly zero here has happened, and has no sign until it shows one: it must not happen again.
    crossed = tuple(
        c.where(now, new, c.where(new == 0.0, old, new))
        for old, now, new in zip(m.crossing.signs, happened, map(b.control.sign, residuals), strict=True)
    )
    changes = ends
    for has_effect, now in zip(plan.effects, happened, strict=True):
        if has_effect:
            changes = c.logical_or(changes, now)

    def cut(s: State) -> State:
        return with_effects(plan, system, s, t, y, late, happened, residuals, crossed, ends, value)

    def carry_on(s: State) -> State:
        again = first_crossing(plan, system, dense, m.start, m.length, crossed, theta)
        kept = m._replace(crossing=again)
        if plan.logs:
            kept = record_step(plan, system, kept, c.logical_not(again.pending), value)
        return s._replace(march=kept)

    return b.cond(changes, cut, carry_on, s)


def with_effects(plan, system, s, t, y, late, happened, residuals, crossed, ends, value) -> State:
    """Cut the step at the event's time, apply the effects there, and start afresh."""
    b, c = system.backend, system.backend.control
    m = s.march._replace(t=t, y=y)
    if plan.logs:
        # The log has the state before the effect too, with the step that led there.
        m = record_step(plan, system, m, b.boolean(True), value)
    time = t if late is None else b.shifted(t, late)
    after, params = y, s.params
    for i, has_effect in enumerate(plan.effects):
        if has_effect:
            after, params = b.cond(
                happened[i],
                lambda y, p, i=i: system.functions[f"effect{i}"](time, y, p),
                lambda y, p: (y, p),
                after,
                params,
            )
    changed = system.with_params(params)
    if late is not None:
        # Back from the crossing's own time to the loop's, which derivatives see as a constant.
        after = b.select(ends, after, b.combine(after, 1.0, (1.0,), (changed.f(t, after) * (-late),)))
    m = restart(plan, changed, m, after, value, params)
    values = changed.functions["conditions"](t, b.stop_gradient(after), params)
    signs = settled_signs(plan, b, values, happened, residuals, crossed)
    m = m._replace(
        status=c.where(ends, b.integer(Status.TERMINATED), m.status),
        crossing=m.crossing._replace(pending=b.boolean(False), signs=signs),
    )
    return s._replace(march=m, params=params)


def settled_signs(plan, b, values, happened, residuals, crossed) -> tuple[Any, ...]:
    """The conditions' signs behind an effect: the value's own, unless that is the rounding left over by the root."""
    c = b.control
    signs = []
    for value, now, residual, old in zip(numbers(b, values), happened, residuals, crossed, strict=True):
        own = c.where(value > 0.0, b.real(1.0), c.where(value < 0.0, b.real(-1.0), b.real(0.0)))
        doubtful = c.logical_and(now, c.abs(value) <= 16.0 * c.abs(residual) + 1e-14)
        signs.append(c.where(doubtful, b.real(0.0), own))
    return tuple(signs)


def moved_to_crossing(plan: Plan, system: Any, t: Any, y: Any, happened: Any) -> tuple[Any, Any]:
    """Let derivatives see that the crossing's time depends on the state: ``dt = -g / (dg/dt)``, zero in value.

    The root finder's own steps carry no derivative; one Newton step in time from its result does (implicit function
    theorem).
    """
    b = system.backend
    slope = system.f(t, y)
    held, along = b.stop_gradient(y), b.stop_gradient(slope)
    values = system.functions["conditions"](t, y, system.params)
    params = b.stop_gradient(system.params)
    late, free = None, b.boolean(True)
    for i, now in enumerate(happened):
        path = lambda s, i=i: system.functions["conditions"](b.shifted(t, s), held + s * along, params)[i]  # noqa: E731
        _, rate = b.jvp(path, b.zeros_like(values[i]), b.zeros_like(values[i]) + 1.0)
        chosen = b.control.logical_and(now, free)
        # Where nothing happens the rate may be zero, and its reciprocal spoil the derivative of all.
        rate = b.select(chosen, b.stop_gradient(rate), b.zeros_like(rate) + 1.0)
        step = -(values[i] - b.stop_gradient(values[i])) / rate
        late = b.select(chosen, step, b.zeros_like(step) if late is None else late)
        free = b.control.logical_and(free, b.control.logical_not(now))
    return late, b.combine(y, 1.0, (1.0,), (slope * late,))
