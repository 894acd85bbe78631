"""What happens at times known beforehand: doses, stops, jumps of f."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
RATE = 0.5


def elimination(t, y, p):
    return [-p["rate"] * y[0]]


def compartment(xp, double, events, t_span=(0.0, 4.0), y0=0.0):
    """One compartment with elimination of first order."""
    return ev.ODEProblem(elimination, double(xp, [y0]), t_span, params={"rate": RATE}, events=events)


def exact(t, doses, y0=0.0):
    """The superposition of decaying doses, right-continuous."""
    t = np.asarray(t)
    return y0 * np.exp(-RATE * t) + sum(amount * np.exp(-RATE * (t - time)) * (t >= time) for time, amount in doses)


def test_one_compartment_exactly(xp, double):
    """Doses add up: at saved times, those of doses among them, the solution is the sum of exponentials."""
    doses = [(0.5, 3.0), (1.0, 3.0), (2.75, 3.0)]
    event = ev.Dose([t for t, _ in doses], lambda t, y, p: y + 3.0, name="pill")
    problem = compartment(xp, double, [event])
    times = np.array([0.0, 0.5, 0.75, 1.0, 2.0, 2.75, 4.0])
    solution = ev.solve(problem, "Tsit5", saveat=times, **TIGHT)
    assert np.array_equal(np.asarray(solution.t), times)
    assert_allclose(np.asarray(solution.y)[:, 0], exact(times, doses), rtol=1e-8)
    assert np.asarray(solution.events["pill"].t).tolist() == [0.5, 1.0, 2.75]
    before = [exact(t - 1e-13, doses) for t, _ in doses]
    assert_allclose(np.asarray(solution.events["pill"].y)[:, 0], before, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("saveat", [None, [0.0, 2.0, 4.0], "end"])
def test_at_both_ends_of_the_span(numpy_or_jax, double, saveat):
    """A dose at t0 is given before the first step, one at t1 after the last, and both are in the solution."""
    problem = compartment(numpy_or_jax, double, [ev.Dose([0.0, 4.0], lambda t, y, p: y + 1.0)], y0=2.0)
    solution = ev.solve(problem, "Tsit5", saveat=saveat, **TIGHT)
    doses = [(0.0, 1.0), (4.0, 1.0)]
    assert_allclose(np.asarray(solution.y)[-1], exact([4.0], doses, 2.0), rtol=1e-8)
    assert float(solution.t[-1]) == 4.0
    assert np.asarray(solution.events[0].t).tolist() == [0.0, 4.0]
    if saveat != "end":
        t = np.asarray(solution.t)
        first = np.asarray(solution.y)[t == 0.0][-1]
        assert_allclose(first, [3.0], rtol=1e-12)
    if saveat is None:
        assert_allclose(np.asarray(solution(4.0)), exact([4.0], doses, 2.0), rtol=1e-8)
        assert_allclose(np.asarray(solution(0.0)), [3.0], rtol=1e-12)


def test_coincident_doses_in_the_problems_order(eager_xp, double):
    """Two doses at one time: the one that is listed first comes first."""
    add = ev.Dose([1.0], lambda t, y, p: y + 1.0)
    triple = ev.Dose([1.0], lambda t, y, p: 3.0 * y)
    for doses, expected in (([add, triple], 9.0), ([triple, add], 7.0)):
        problem = ev.ODEProblem(lambda t, y, p: 0.0 * y, double(eager_xp, [2.0]), (0.0, 2.0), events=doses)
        solution = ev.solve(problem, "Tsit5", saveat=[0.5, 1.0, 2.0])
        assert_allclose(np.asarray(solution.y)[:, 0], [2.0, expected, expected])
        assert np.asarray(solution.events[0].t).tolist() == [1.0]
        assert np.asarray(solution.events[1].t).tolist() == [1.0]


def test_one_dose_twice_at_one_time():
    """A time that is listed twice is a double dose."""
    problem = ev.ODEProblem(
        lambda t, y, p: 0.0 * y, [2.0], (0.0, 2.0), events=[ev.Dose([1.0, 1.0], lambda t, y, p: y + 1.0)]
    )
    assert ev.solve(problem, "Tsit5", saveat=[2.0]).y.tolist() == [[4.0]]


def test_a_dose_that_changes_the_parameters(numpy_or_jax, double):
    """An infusion: doses switch a rate on and off; the solution is the closed form of that."""
    on = ev.Dose([1.0], lambda t, y, p: (y, {"rate": p["rate"], "in": 2.0}))
    off = ev.Dose([3.0], lambda t, y, p: (y, {"rate": p["rate"], "in": 0.0}))
    problem = ev.ODEProblem(
        lambda t, y, p: [p["in"] - p["rate"] * y[0]],
        double(numpy_or_jax, [0.0]),
        (0.0, 4.0),
        params={"rate": RATE, "in": 0.0},
        events=[on, off],
    )
    solution = ev.solve(problem, "Tsit5", saveat=[1.0, 2.0, 3.0, 4.0], **TIGHT)
    plateau = 2.0 / RATE
    expected = [0.0, plateau * (1 - np.exp(-RATE)), plateau * (1 - np.exp(-2 * RATE))]
    assert_allclose(np.asarray(solution.y)[:, 0], [*expected, expected[-1] * np.exp(-RATE)], rtol=1e-8, atol=1e-12)


def test_doses_outside_the_span_are_left_out():
    """A dosing plan may be longer than the span."""
    plan = ev.Dose([-1.0, 1.0, 5.0], lambda t, y, p: y + 1.0)
    problem = ev.ODEProblem(lambda t, y, p: 0.0 * y, [0.0], (0.0, 2.0), events=[plan])
    solution = ev.solve(problem, "Tsit5")
    assert solution.events[0].t.tolist() == [1.0]
    assert solution.y[-1].tolist() == [1.0]


def test_doses_backward_in_time():
    """Backward in time a dose changes the state where the solve passes it."""
    problem = ev.ODEProblem(
        lambda t, y, p: -y, [1.0], (2.0, 0.0), events=[ev.Dose([1.5, 0.5], lambda t, y, p: y + 1.0)]
    )
    solution = ev.solve(problem, "Tsit5", saveat=[2.0, 1.0, 0.0], **TIGHT)
    at = (np.exp(0.5) + 1.0) * np.exp(0.5)
    assert_allclose(solution.y[:, 0], [1.0, at, (at * np.exp(0.5) + 1.0) * np.exp(0.5)], rtol=1e-8)
    assert solution.events[0].t.tolist() == [1.5, 0.5]


def test_doses_and_events_together(numpy_or_jax, double):
    """An event that a dose sets off is found; a dose at an event's time comes with it."""
    refill = ev.Event(lambda t, y, p: y[0] - 1.0, lambda t, y, p: y + 1.0, direction=-1, name="low")
    drain = ev.Dose([1.0], lambda t, y, p: y - 0.5, name="drain")
    problem = ev.ODEProblem(
        lambda t, y, p: [-0.4 + 0.0 * y[0]], double(numpy_or_jax, [2.0]), (0.0, 2.0), events=[refill, drain]
    )
    solution = ev.solve(problem, "Tsit5", saveat=[1.0, 2.0])
    # 2 - 0.4 - 0.5 = 1.1 at t = 1; at t = 1.25 it is 1 and becomes 2.
    assert_allclose(np.asarray(solution.y)[:, 0], [1.1, 1.7], rtol=1e-12)
    assert_allclose(np.asarray(solution.events["low"].t), [1.25], rtol=1e-12)
    assert np.asarray(solution.events["drain"].t).tolist() == [1.0]


def test_a_dose_that_jumps_across_an_event():
    """A state that a dose lifts across a condition's zero did not pass through it: that is no event."""
    event = ev.Event(lambda t, y, p: y[0] - 1.0)
    problem = ev.ODEProblem(
        lambda t, y, p: 0.0 * y, [0.0], (0.0, 2.0), events=[event, ev.Dose([1.0], lambda t, y, p: y + 2.0)]
    )
    assert len(ev.solve(problem, "Tsit5").events[0]) == 0


def test_stops_are_stepped_onto_exactly(eager_xp, double):
    """Every time of t_stops is the end of a step; unsorted, repeated and far ones are allowed."""
    problem = ev.ODEProblem(elimination, double(eager_xp, [1.0]), (0.0, 4.0), params={"rate": RATE})
    stops = [3.3, 0.1, 0.1, 2.0, 7.0]
    solution = ev.solve(problem, "Tsit5", t_stops=stops, **TIGHT)
    t = np.asarray(solution.t)
    assert {0.1, 2.0, 3.3, 4.0} <= set(t.tolist())
    assert np.all(np.diff(t) > 0.0)
    assert_allclose(np.asarray(solution.y)[:, 0], np.exp(-RATE * t), rtol=1e-8)


def switched(xp):
    """A right-hand side that jumps at t = 1: y is t up to there, then falls with slope -3."""

    def f(t, y, p):
        return [xp.where(t < 1.0, 1.0 + 0.0 * y[0], -3.0 + 0.0 * y[0])]

    return f


def test_discontinuities_of_f_are_met_exactly(eager_xp, double):
    """With the time of its jump known, a piecewise constant f is solved to rounding in few steps."""
    plain = ev.ODEProblem(switched(eager_xp), double(eager_xp, [0.0]), (0.0, 2.0))
    told = plain.replace(discontinuities=[1.0])
    solution = ev.solve(told, "Tsit5", saveat=[0.5, 1.0, 1.5, 2.0])
    assert_allclose(np.asarray(solution.y)[:, 0], [0.5, 1.0, -0.5, -2.0], rtol=1e-13, atol=1e-13)
    assert solution.stats.n_rejected == 0
    untold = ev.solve(plain, "Tsit5", saveat=[2.0])
    assert untold.stats.n_steps > 2 * solution.stats.n_steps


def test_fixed_steps_keep_their_order_across_a_jump():
    """RK4 is of fourth order also where f jumps off its grid, when it is told where."""
    jump = 1.0 / 3.0

    def f(t, y, p):
        return -y if t < jump else -2.0 * y + np.cos(t)

    end = ev.solve(ev.ODEProblem(f, [1.0], (0.0, 1.0), discontinuities=[jump]), "DOP853", rtol=1e-13, atol=1e-14).y[
        -1, 0
    ]
    problem = ev.ODEProblem(f, [1.0], (0.0, 1.0), discontinuities=[jump])
    errors = [abs(ev.solve(problem, "RK4", dt=0.05 / 2**k).y[-1, 0] - end) for k in range(4)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert_allclose(orders, 4.0, atol=0.2)
    untold = problem.replace(discontinuities=())
    blunt = [abs(ev.solve(untold, "RK4", dt=0.1 / 2**k).y[-1, 0] - end) for k in range(4)]
    assert blunt[-1] > 100.0 * errors[-1]


def test_dense_output_is_right_continuous_at_a_jump_of_f():
    """The derivative's jump stays at its place in the dense output."""
    solution = ev.solve(ev.ODEProblem(switched(np), [0.0], (0.0, 2.0), discontinuities=[1.0]), "Tsit5", rtol=1e-10)
    times = np.array([0.999999, 1.0, 1.000001, 1.2])
    assert_allclose(solution(times)[:, 0], np.where(times < 1.0, times, 4.0 - 3.0 * times), atol=1e-12)
