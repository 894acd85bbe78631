"""Events: found where they are, once, in order, with their effects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import evolvent as ev

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
GRAVITY = 9.81


def rotation(t, y, p):
    return [-y[1], y[0]]


def clock(t, y, p):
    """The state is the time."""
    return [1.0]


def ball(t, y, p):
    return [y[1], -GRAVITY]


def bounces(count, restitution, height=1.0):
    """When a ball that is dropped hits the ground."""
    fall = np.sqrt(2.0 * height / GRAVITY)
    return fall * (1.0 + 2.0 * np.cumsum(np.r_[0.0, restitution ** np.arange(1, count)]))


@pytest.fixture
def problem(xp, double):
    return ev.ODEProblem(rotation, double(xp, [1.0, 0.0]), (0.0, 10.0))


@pytest.mark.parametrize(
    ("direction", "expected"),
    [(0, np.array([0.5, 1.5, 2.5])), (-1, np.array([0.5, 2.5])), (1, np.array([1.5]))],
)
def test_the_direction_of_a_crossing(direction, expected):
    """`cos` t vanishes downwards at pi/2, upwards at 3 pi/2: direction= picks."""
    event = ev.Event(lambda t, y, p: y[0], direction=direction)
    problem = ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 10.0), events=[event])
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert_allclose(solution.events[0].t, expected * np.pi, rtol=1e-9)
    assert_allclose(solution.events[0].y[:, 0], 0.0, atol=1e-13)


def test_events_on_every_library(xp, double):
    """Times and states of events are arrays of the problem's library, found to tolerance, by number and by name."""
    events = [
        ev.Event(lambda t, y, p: y[0], direction=-1, name="down"),
        ev.Event(lambda t, y, p: y[1] - p["level"], name="level"),
    ]
    problem = ev.ODEProblem(rotation, double(xp, [1.0, 0.0]), (0.0, 7.0), params={"level": 0.5}, events=events)
    solution = ev.solve(problem, "Tsit5", saveat=[1.0, 7.0], **TIGHT)
    down, level = solution.events["down"], solution.events[1]
    assert isinstance(down.y, type(xp.zeros(1)))
    assert isinstance(down.t, type(xp.zeros(1)))
    assert_allclose(np.asarray(down.t), [np.pi / 2], rtol=1e-9)
    assert_allclose(np.asarray(level.t), [np.pi / 6, 5 * np.pi / 6, 13 * np.pi / 6], rtol=1e-9)
    assert_allclose(np.asarray(level.y)[:, 1], 0.5, rtol=1e-12)
    assert_allclose(np.asarray(solution.y)[-1], [np.cos(7.0), np.sin(7.0)], atol=1e-8)
    assert len(solution.events) == 2
    assert len(level) == 3
    assert repr(solution.events) == "EventLog(down: 1, level: 3)"
    with pytest.raises(KeyError, match="no event is named 'up'; there are"):
        solution.events["up"]


def test_a_terminal_event_ends_the_solve_where_it_is(xp, double, problem):
    """terminal=True: the solution's last point is the event's."""
    problem = problem.replace(events=[ev.Event(lambda t, y, p: y[0], terminal=True)])
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert solution.status is ev.Status.TERMINATED
    assert solution.success
    assert_allclose(float(solution.t[-1]), np.pi / 2, rtol=1e-9)
    assert_allclose(np.asarray(solution.y[-1, :]), [0.0, 1.0], atol=1e-9)


@pytest.mark.parametrize("saveat", [[0.5, 1.0, 3.0], "end"])
def test_the_end_by_an_event_is_saved_with_given_times(numpy_or_jax, double, saveat):
    """With saveat= the state at a terminal event is the last one saved, and later times are left out."""
    problem = ev.ODEProblem(
        rotation,
        double(numpy_or_jax, [1.0, 0.0]),
        (0.0, 10.0),
        events=[ev.Event(lambda t, y, p: y[0], terminal=True)],
    )
    solution = ev.solve(problem, "Tsit5", saveat=saveat, **TIGHT)
    before = [] if saveat == "end" else [0.5, 1.0]
    assert_allclose(np.asarray(solution.t), [*before, np.pi / 2], rtol=1e-9)
    assert_allclose(np.asarray(solution.y)[-1], [0.0, 1.0], atol=1e-9)


def test_the_nth_occurrence_ends_the_solve(double):
    """terminal=3 ends at the third occurrence, with an effect at each."""
    problem = ev.ODEProblem(
        ball,
        double(np, [1.0, 0.0]),
        (0.0, 10.0),
        events=[ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0, -0.8 * y[1]], terminal=3, direction=-1)],
    )
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert solution.status is ev.Status.TERMINATED
    assert_allclose(np.asarray(solution.events[0].t), bounces(3, 0.8), rtol=1e-10)


def test_many_bounces_at_their_exact_times(xp, double):
    """A ball with restitution 0.7 hits the ground at times of a geometric series; twenty are found to 1e-11."""
    bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0, -p * y[1]], direction=-1)
    expected = bounces(20, 0.7)
    problem = ev.ODEProblem(ball, double(xp, [1.0, 0.0]), (0.0, expected[-1] + 1e-4), params=0.7, events=[bounce])
    solution = ev.solve(problem, "Tsit5", rtol=1e-6, atol=1e-8)
    assert_allclose(np.asarray(solution.events[0].t), expected, rtol=1e-11)
    assert np.min(np.asarray(solution.y)[:, 0]) > -1e-12


def test_infinitely_many_bounces():
    """Zeno's ball: all bounces that are apart by more than rounding in time are found, and the end of time is told."""
    bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0, -0.5 * y[1]], direction=-1)
    problem = ev.ODEProblem(ball, [1.0, 0.0], (0.0, 10.0), events=[bounce])
    solution = ev.solve(problem, "Tsit5", throw=False)
    assert solution.status is ev.Status.EVENTS_ACCUMULATE
    assert_allclose(solution.events[0].t[:36], bounces(36, 0.5), rtol=1e-12)
    at_rest = ev.Event(lambda t, y, p: y[0] ** 2 + y[1] ** 2 - 1e-12, terminal=True)
    ended = ev.solve(problem.replace(events=[bounce, at_rest]), "Tsit5")
    assert ended.status is ev.Status.TERMINATED
    assert_allclose(ended.t[-1], 3.0 * np.sqrt(2.0 / GRAVITY), rtol=1e-5)


def test_an_effect_on_the_parameters(xp, double):
    """A thermostat: an effect returns (y, params), and the solve goes on with these; the switching times are exact."""
    low, high = 19.0, 21.0

    def f(t, y, p):
        return [p["heat"] - (y[0] - 10.0)]

    events = [
        ev.Event(lambda t, y, p: y[0] - low, lambda t, y, p: (y, {"heat": 15.0}), direction=-1),
        ev.Event(lambda t, y, p: y[0] - high, lambda t, y, p: (y, {"heat": 0.0}), direction=1),
    ]
    problem = ev.ODEProblem(f, double(xp, [20.0]), (0.0, 2.0), params={"heat": 0.0}, events=events)
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    cool, warm = np.log(11.0 / 9.0), np.log((25.0 - low) / (25.0 - high))
    first = np.log(10.0 / 9.0)
    period = cool + warm
    count = int((2.0 - first) // period) + 1
    assert_allclose(np.asarray(solution.events[0].t), first + period * np.arange(count), rtol=1e-9)
    ups = first + warm + period * np.arange(count)
    assert_allclose(np.asarray(solution.events[1].t), ups[ups < 2.0], rtol=1e-9)
    assert np.all(np.asarray(solution.y) > low - 1e-9)
    assert np.all(np.asarray(solution.y) < high + 1e-9)


def test_events_that_are_only_recorded_change_nothing(xp, problem, request):
    """Without an effect, steps, saved points and their values are the same: to the last bit, where sums can't fuse."""
    rounding = 1e-10 if "native" in request.node.name else 0.0
    watched = problem.replace(events=[ev.Event(lambda t, y, p: y[0] - 0.3), ev.Event(lambda t, y, p: y[1])])
    for options in ({}, {"saveat": np.linspace(0.0, 10.0, 33)}):
        plain, seen = ev.solve(problem, "Tsit5", **options), ev.solve(watched, "Tsit5", **options)
        assert plain.stats.n_steps == seen.stats.n_steps
        assert plain.stats.n_f == seen.stats.n_f
        np.testing.assert_allclose(np.asarray(plain.t), np.asarray(seen.t), rtol=rounding)
        np.testing.assert_allclose(np.asarray(plain.y), np.asarray(seen.y), rtol=rounding, atol=rounding)


def test_simultaneous_events_in_the_problems_order(eager_xp, double):
    """Effects at one time are applied in the order of the list, each seeing the one before."""
    add = ev.Event(lambda t, y, p: y[0] - 0.5, lambda t, y, p: y + double(eager_xp, [0.0, 1.0]))
    twice = ev.Event(lambda t, y, p: y[0] - 0.5, lambda t, y, p: y * double(eager_xp, [1.0, 2.0]))

    def f(t, y, p):
        return [1.0, 0.0]

    for events, expected in (([add, twice], 4.0), ([twice, add], 3.0)):
        problem = ev.ODEProblem(f, double(eager_xp, [0.0, 1.0]), (0.0, 1.0), events=events)
        solution = ev.solve(problem, "Tsit5", saveat=[1.0])
        assert_allclose(np.asarray(solution.y)[-1], [1.0, expected], rtol=1e-12)
        for log in (solution.events[0], solution.events[1]):
            assert_allclose(np.asarray(log.t), [0.5], rtol=1e-12)
            assert_allclose(np.asarray(log.y), [[0.5, 1.0]], rtol=1e-12)  # before any effect


@pytest.mark.parametrize("options", [{}, {"saveat": [0.0, 0.5, 1.0]}, {"dense": True, "saveat": [1.0]}])
def test_a_root_exactly_at_a_steps_end_is_found_once(double, options):
    """t_stops at the root: the event is found there, and not again by the next step."""
    event = ev.Event(lambda t, y, p: t - 0.5)
    problem = ev.ODEProblem(clock, double(np, [0.0]), (0.0, 1.0), events=[event])
    solution = ev.solve(problem, "Tsit5", t_stops=[0.5], **options)
    assert np.asarray(solution.events[0].t).tolist() == [0.5]


def test_a_root_exactly_at_the_end_of_the_span_counts():
    """The condition that reaches zero with the last step has happened."""
    problem = ev.ODEProblem(clock, [0.0], (0.0, 1.0), events=[ev.Event(lambda t, y, p: t - 1.0)])
    assert ev.solve(problem, "Tsit5").events[0].t.tolist() == [1.0]
    terminal = problem.replace(events=[ev.Event(lambda t, y, p: t - 1.0, terminal=True)])
    assert ev.solve(terminal, "Tsit5").status is ev.Status.TERMINATED


def test_what_is_zero_at_the_start_has_not_happened(xp, problem):
    """A condition that is zero at t0 counts from its next zero on."""
    problem = problem.replace(t_span=(0.0, 4.0), events=[ev.Event(lambda t, y, p: y[1], terminal=True)])
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert_allclose(np.asarray(solution.events[0].t), [np.pi], rtol=1e-9)


def test_an_effect_that_leaves_the_condition_at_zero():
    """An effect that puts the state exactly on the event's surface is not applied again there."""
    event = ev.Event(lambda t, y, p: y[0] - 1.0, lambda t, y, p: [1.0], name="touch")
    problem = ev.ODEProblem(lambda t, y, p: [1.0], [0.0], (0.0, 3.0), events=[event])
    solution = ev.solve(problem, "Tsit5", saveat=[3.0])
    assert_allclose(solution.events["touch"].t, [1.0], rtol=1e-14)
    assert_allclose(solution.y[-1], [3.0], rtol=1e-13)


def test_an_effect_that_resets_the_clock():
    """A sawtooth: the state goes from 0 to 1 and is put back; all teeth are found, at whole times."""
    event = ev.Event(lambda t, y, p: y[0] - 1.0, lambda t, y, p: y - 1.0, direction=1)
    problem = ev.ODEProblem(clock, [0.0], (0.0, 20.5), events=[event])
    solution = ev.solve(problem, "Tsit5", saveat=[20.5])
    assert_allclose(solution.events[0].t, np.arange(1.0, 21.0), rtol=1e-13)
    assert_allclose(solution.y[-1], [0.5], rtol=1e-12)


crossing_times = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4, unique=True)


@settings(max_examples=60)
@given(times=crossing_times, dt=st.floats(0.01, 0.7), saves=st.booleans())
def test_every_crossing_is_found_once_at_its_time(times, dt, saves):
    """However steps and crossings lie, each event is found exactly once, at its time to rounding."""
    events = [ev.Event(lambda t, y, p, c=c: y[0] - c) for c in times]
    problem = ev.ODEProblem(clock, [0.0], (0.0, 1.0), events=events)
    options = {"saveat": [0.0, 0.37, 1.0]} if saves else {}
    solution = ev.solve(problem, "RK4", dt=dt, **options)
    for event, c in zip(solution.events.values(), times, strict=True):
        assert_allclose(event.t, [c], rtol=0, atol=1e-14)


@settings(max_examples=60)
@given(steps=st.integers(1, 40), at=st.integers(1, 40))
def test_a_crossing_at_a_step_boundary_is_found_once(steps, at):
    """Also where the crossing is at the end of one step and the start of the next."""
    c = min(at, steps) / steps
    events = [ev.Event(lambda t, y, p: t - c), ev.Event(lambda t, y, p: c - y[0])]
    problem = ev.ODEProblem(clock, [0.0], (0.0, 1.5), events=events)
    solution = ev.solve(problem, "RK4", dt=1.0 / steps)
    for event in solution.events.values():
        assert_allclose(event.t, [c], rtol=0, atol=1e-14)


@settings(max_examples=40)
@given(times=crossing_times, dt=st.floats(0.02, 0.5))
def test_effects_at_every_crossing_happen_once(times, dt):
    """A counter in the state, raised by each event's effect, ends at their number."""
    events = [ev.Event(lambda t, y, p, c=c: y[0] - c, lambda t, y, p: [y[0], y[1] + 1.0]) for c in times]
    problem = ev.ODEProblem(lambda t, y, p: [1.0, 0.0], [0.0, 0.0], (0.0, 1.0), events=events)
    solution = ev.solve(problem, "RK4", dt=dt, saveat="end")
    assert_allclose(solution.y[-1], [1.0, len(times)], rtol=1e-13)


def test_a_touch_without_a_crossing():
    """A condition that touches zero between the points where it is looked at has no change of sign: no event."""
    problem = ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 10.0), events=[ev.Event(lambda t, y, p: y[0] + 1.0 + 1e-6)])
    assert len(ev.solve(problem, "Tsit5", **TIGHT).events[0]) == 0
    touching = problem.replace(events=[ev.Event(lambda t, y, p: (t - 5.0) ** 2)])
    # Exactly at a step's end it is seen to be zero, and that counts.
    assert ev.solve(touching, "Tsit5", t_stops=[5.0], **TIGHT).events[0].t.tolist() == [5.0]


def test_two_crossings_in_one_step_are_both_found():
    """Within one long step the dense output is looked at several times."""
    event = ev.Event(lambda t, y, p: (t - 0.3) * (t - 0.7))
    problem = ev.ODEProblem(clock, [0.0], (0.0, 1.0), events=[event])
    solution = ev.solve(problem, "RK4", dt=1.0)
    assert_allclose(solution.events[0].t, [0.3, 0.7], atol=1e-14)


def test_saves_on_both_sides_of_an_event_within_one_step(numpy_or_jax, double):
    """Times saved in the step of an event: before it the old branch, from it on the new one."""
    flip = ev.Event(lambda t, y, p: y[0] - 0.5, lambda t, y, p: (y, {"slope": -p["slope"]}), direction=1)
    problem = ev.ODEProblem(
        lambda t, y, p: [p["slope"]],
        double(numpy_or_jax, [0.0]),
        (0.0, 1.0),
        params={"slope": 1.0},
        events=[flip],
    )
    times = np.array([0.0, 0.3, 0.49, 0.5, 0.51, 0.7, 1.0])
    solution = ev.solve(problem, "Tsit5", saveat=times, dt=1.0)
    assert_allclose(np.asarray(solution.t), times, rtol=0)
    assert_allclose(np.asarray(solution.y)[:, 0], np.minimum(times, 1.0 - times), atol=1e-14)


def test_a_jump_between_saved_times(double):
    """A saved time that is exactly an event's own has the state behind the effect."""
    jump = ev.Event(lambda t, y, p: t - 0.5, lambda t, y, p: y + 10.0)
    problem = ev.ODEProblem(clock, double(np, [0.0]), (0.0, 1.0), events=[jump])
    solution = ev.solve(problem, "Tsit5", saveat=[0.25, 0.5, 0.75], dt=1.0)
    assert_allclose(np.asarray(solution.y)[:, 0], [0.25, 10.5, 10.75], rtol=1e-14)


def test_every_step_and_both_sides_of_a_jump_are_saved():
    """Without saveat= a jump is two points of one time."""
    jump = ev.Event(lambda t, y, p: t - 0.5, lambda t, y, p: y + 10.0)
    problem = ev.ODEProblem(clock, [0.0], (0.0, 1.0), events=[jump])
    solution = ev.solve(problem, "Tsit5")
    (i,) = np.flatnonzero(np.diff(solution.t) == 0.0)
    assert_allclose(solution.t[i], 0.5, rtol=1e-15)
    assert_allclose(solution.y[i : i + 2, 0], [0.5, 10.5], rtol=1e-14)


def test_backward_in_time(numpy_or_jax, double):
    """Events are found in the direction of the solve; a direction counts as the solve goes."""
    events = [ev.Event(lambda t, y, p: y[0]), ev.Event(lambda t, y, p: y[0], direction=1)]
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, -5.0), events=events)
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert_allclose(np.asarray(solution.events[0].t), [-np.pi / 2, -3 * np.pi / 2], rtol=1e-9)
    assert_allclose(np.asarray(solution.events[1].t), [-3 * np.pi / 2], rtol=1e-9)


def test_bounces_backward_in_time():
    """With restitution 1 a ball's film runs backward through its own bounces."""
    bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0, -y[1]], direction=-1)
    forward = ev.ODEProblem(ball, [1.0, 0.0], (0.0, 2.0), events=[bounce])
    there = ev.solve(forward, "Tsit5", **TIGHT)
    back = ev.solve(forward.replace(y0=there.y[-1], t_span=(2.0, 0.0)), "Tsit5", **TIGHT)
    assert_allclose(back.y[-1], [1.0, 0.0], atol=1e-9)
    assert_allclose(back.events[0].t, there.events[0].t[::-1], rtol=1e-10)


def test_more_events_than_a_compiled_log_holds_at_first(numpy_or_jax, double):
    """Outside of JAX transformations the log of events grows."""
    event = ev.Event(lambda t, y, p: y[0])
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 60.0), events=[event])
    solution = ev.solve(problem, "Tsit5", max_events=8, saveat=[60.0], **TIGHT)
    expected = (np.arange(19) + 0.5) * np.pi
    assert_allclose(np.asarray(solution.events[0].t), expected, rtol=1e-8)


def test_events_of_a_second_order_problem():
    """Conditions and effects see the pair (q, v)."""
    bounce = ev.Event(lambda t, y, p: y[0][0], lambda t, y, p: (0.0 * y[0], -0.8 * y[1]), direction=-1)
    problem = ev.SecondOrderODEProblem(lambda t, q, v, p: [-GRAVITY], [1.0], [0.0], (0.0, 1.5), events=[bounce])
    for name in ("DPRKN6", "Tsit5"):
        solution = ev.solve(problem, name)
        expected = bounces(4, 0.8)
        assert_allclose(solution.events[0].t, expected[expected < 1.5], rtol=1e-10)
        assert tuple(solution.events[0].y[0].shape) == (2, 1)


def test_events_of_a_nested_state():
    """Conditions and effects see the state's own structure."""
    bounce = ev.Event(
        lambda t, y, p: y["height"], lambda t, y, p: {"height": 0.0, "speed": -0.8 * y["speed"]}, direction=-1
    )
    problem = ev.ODEProblem(
        lambda t, y, p: {"height": y["speed"], "speed": -GRAVITY},
        {"height": 1.0, "speed": 0.0},
        (0.0, 1.0),
        events=[bounce],
    )
    solution = ev.solve(problem, "Tsit5")
    assert_allclose(solution.events[0].t, bounces(2, 0.8)[:1], rtol=1e-10)
    assert_allclose(solution.events[0].y["height"], [0.0], atol=1e-12)


def test_a_condition_that_is_a_truth_value():
    """A condition may return a bool: the event is where it changes from False to True."""
    problem = ev.ODEProblem(clock, [0.0], (0.0, 1.0), events=[ev.Event(lambda t, y, p: 2.0 * (y[0] > 0.3) - 1.0)])
    assert_allclose(ev.solve(problem, "Tsit5").events[0].t, [0.3], atol=1e-14)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (lambda t, y, p: y, r"condition: of event 0 must return a real scalar, got shape \(2,\)"),
        (lambda t, y, p: y[:1], r"condition: of event 0 must return a real scalar, got shape \(1,\)"),
        (lambda t, y, p: None, "condition: of event 0 must return a real scalar, got None"),
        (lambda t, y, p: "up", "condition: of event 0 must return a real scalar, got 'up'"),
    ],
)
def test_a_condition_must_be_a_number(numpy_or_jax, double, condition, message):
    """The error names the event and what it returned."""
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 1.0), events=[ev.Event(condition)])
    with pytest.raises(ev.InputError, match=message):
        ev.solve(problem, "Tsit5")


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        (lambda t, y, p: y[:1], r"effect: returned shape \(1,\) where \(2,\) is needed"),
        (lambda t, y, p: (y, {"b": 1.0}), "effect: params must keep their structure"),
        (lambda t, y, p: None, "effect: returned None"),
    ],
)
def test_an_effect_must_return_a_state(effect, message):
    """An effect of the wrong shape or structure is named, also when it comes late in the solve."""
    event = ev.Event(lambda t, y, p: y[0], effect)
    problem = ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 3.0), params={"a": 1.0}, events=[event])
    with pytest.raises((ev.InputError, ev.SolveError), match=message):
        ev.solve(problem, "Tsit5")
