"""What happens to a state between its steps: doses, jumps of f, events and their effects."""

from __future__ import annotations

from typing import Any

from evolvent import Status

from ._dense import stages
from ._events import at_crossing, first_crossing, numbers, signs_at
from ._march import record_step
from ._state import RUNNING, Inputs, Plan, State

CROWD = 3  # effects in a row, each almost at the time of the one before, after which time no longer passes


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
    m = b.cond(fresh, lambda m: restart(plan, system.with_params(params), m, y, value, params), lambda m: m, m)
    return s._replace(march=m, params=params)


def restart(plan: Plan, system: Any, m: Any, y: Any, value: Any, params: Any) -> Any:
    """Go on from `y` at ``m.t`` as from a new start."""
    b = system.backend
    before = system.calls
    entry = plan.stepper.reenter(system, m.t, y, m.cache)
    m = m._replace(y=entry.y, cache=entry.cache, memory=plan.control.start(b), calls=m.calls + (system.calls - before))
    if entry.work is not None:
        work = tuple(done + more for done, more in zip(m.work, entry.work[1:], strict=True))
        m = m._replace(calls=m.calls + entry.work.f, work=work)
    if entry.status is not None:
        m = m._replace(status=b.control.where(entry.status > RUNNING, entry.status, m.status))
    if plan.directions:
        signs = signs_at(b, system.functions["conditions"](m.t, m.y, params))
        m = m._replace(crossing=m.crossing._replace(signs=signs))
    if plan.logs:
        # Both sides of a jump are saved; the record of the step before belongs to its left.
        stand = m._replace(start=m.t, length=0.0 * m.length)
        logged = record_step(plan, system, stand, b.boolean(True), value)
        m = m._replace(log=logged.log, logged=logged.logged)
    return m


def pass_event(plan: Plan, system: Any, inputs: Inputs, s: State, value: Any) -> State:
    """Record the events of a crossing, apply their effects in the problem's order, and go on behind it."""
    b, c = system.backend, system.backend.control
    m = s.march
    dense = stages(plan.stepper, system, m.start, m.length, m.record)
    theta = m.crossing.high
    happened, residuals = at_crossing(plan, system, dense, m.start, m.length, m.crossing)
    t = m.start + theta * m.length
    y = plan.stepper.interpolate(system, dense, theta)
    late = None
    if b.differentiates:
        late, y = moved_to_crossing(plan, system, t, y, _slope_inside(plan, system, m, dense, theta), happened)
    counts = tuple(n + c.where(now, b.integer(1), b.integer(0)) for n, now in zip(s.counts, happened, strict=True))
    ends = b.boolean(False)
    for number, n, now in zip(plan.terminal, counts, happened, strict=True):
        if number:
            ends = c.logical_or(ends, c.logical_and(now, n >= number))
    marks = happened + tuple(b.boolean(False) for _ in range(plan.n_doses))
    told = b.boolean(not plan.hidden)
    for now in happened[: len(happened) - plan.hidden] if plan.hidden else ():
        told = c.logical_or(told, now)
    s = s._replace(
        counts=counts,
        happened=b.put(s.happened, s.happenings, (t if late is None else b.shifted(t, late), y, marks), told),
        happenings=s.happenings + c.where(told, b.integer(1), b.integer(0)),
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
        return with_effects(plan, system, s, t, y, late, happened, residuals, ends, value)

    def carry_on(s: State) -> State:
        again = first_crossing(plan, system, dense, m.start, m.length, crossed, theta)
        kept = m._replace(crossing=again)
        if plan.logs:
            kept = record_step(plan, system, kept, c.logical_not(again.pending), value)
        return s._replace(march=kept)

    return b.cond(changes, cut, carry_on, s)


def with_effects(plan, system, s, t, y, late, happened, residuals, ends, value) -> State:
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
        after = b.select(ends, after, b.combine(after, 1.0, (1.0,), (plan.stepper.slope(changed, t, after) * (-late),)))
    m = restart(plan, changed, m, after, value, params)
    values = changed.functions["conditions"](t, b.stop_gradient(m.y), params)
    signs = settled_signs(b, values, happened, residuals)
    # A flight must be long beside the rounding of its ends, or the next crossing may not be seen.
    near = c.abs(t - s.last) <= b.epsilon**0.7 * c.abs(t)
    crowded = c.where(near, s.crowded + b.integer(1), b.integer(0))
    status = c.where(crowded >= CROWD, b.integer(Status.EVENTS_ACCUMULATE), m.status)
    m = m._replace(
        status=c.where(ends, b.integer(Status.TERMINATED), status),
        crossing=m.crossing._replace(pending=b.boolean(False), signs=signs),
    )
    return s._replace(march=m, params=params, last=t + 0.0 * t, crowded=crowded)


def settled_signs(b: Any, values: Any, happened: Any, residuals: Any) -> tuple[Any, ...]:
    """The conditions' signs behind an effect: the value's own, unless that is the rounding left over by the root."""
    c = b.control
    signs = []
    for value, now, residual in zip(numbers(b, values), happened, residuals, strict=True):
        own = c.where(value > 0.0, b.real(1.0), c.where(value < 0.0, b.real(-1.0), b.real(0.0)))
        doubtful = c.logical_and(now, c.abs(value) <= 16.0 * c.abs(residual) + 1e-14)
        signs.append(c.where(doubtful, b.real(0.0), own))
    return tuple(signs)


def _slope_inside(plan: Plan, system: Any, m: Any, dense: Any, theta: Any) -> Any:
    """The solution's derivative inside a step: f, where that is all of it."""
    if system.mass is None and "residual" not in system.functions:
        return None
    b = system.backend
    zero = b.time(0.0 * theta, m.y)
    path = lambda s: plan.stepper.interpolate(system, dense, b.shifted(theta, s))  # noqa: E731
    _, along = b.jvp(path, zero, zero + 1.0)
    return along / b.time(m.length, along)


def moved_to_crossing(plan: Plan, system: Any, t: Any, y: Any, slope: Any, happened: Any) -> tuple[Any, Any]:
    """Let derivatives see that the crossing's time depends on the state: ``dt = -g / (dg/dt)``, zero in value.

    The root finder's own steps carry no derivative; one Newton step in time from its result does (implicit function
    theorem).
    """
    b = system.backend
    slope = system.f(t, y) if slope is None else slope
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
