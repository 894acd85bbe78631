"""Solutions between their saved times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import evolvent as ev

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def rotation(t, y, p):
    return [-y[1], y[0]]


def circle(t):
    return np.stack([np.cos(t), np.sin(t)], axis=-1)


@pytest.fixture
def problem(xp, double):
    return ev.ODEProblem(rotation, double(xp, [1.0, 0.0]), (0.0, 3.0))


def test_a_time_gives_a_state_and_times_give_states(xp, double, problem):
    """solution(t) is like y0; solution(ts) has one axis of times in front, whatever holds the times."""
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    one = solution(1.3)
    assert tuple(one.shape) == (2,)
    assert isinstance(one, type(xp.zeros(1)))
    assert_allclose(np.asarray(one), circle(1.3), atol=1e-8)
    times = [0.0, 2.9, 0.4, 3.0]
    for given_times in (times, np.array(times), double(xp, times)):
        assert_allclose(np.asarray(solution(given_times)), circle(np.array(times)), atol=1e-8)


def test_scalars_of_the_library_are_times(xp, double, problem):
    """solution(t) takes a zero-dimensional array."""
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert_allclose(np.asarray(solution(double(xp, 1.3))), circle(1.3), atol=1e-8)


def test_kept_beside_given_times(numpy_or_jax, double):
    """dense=True keeps the steps also where other times are saved."""
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 3.0))
    solution = ev.solve(problem, "Tsit5", saveat=[1.0], dense=True, **TIGHT)
    assert np.asarray(solution.t).tolist() == [1.0]
    assert_allclose(np.asarray(solution([0.2, 1.0, 2.7])), circle(np.array([0.2, 1.0, 2.7])), atol=1e-8)


@given(st.floats(0.0, 1.0))
def test_saved_values_and_dense_output_are_one(fraction):
    """What saveat= saves is what solution(t) gives: one polynomial in each step."""
    problem = ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 3.0))
    t = 3.0 * fraction
    saved = ev.solve(problem, "Tsit5", saveat=[t]).y[0]
    assert_allclose(saved, ev.solve(problem, "Tsit5")(t), rtol=0, atol=4e-16)


def test_backward_in_time():
    """Dense output knows which way the solve went."""
    solution = ev.solve(ev.ODEProblem(rotation, circle(3.0), (3.0, -1.0)), "Tsit5", **TIGHT)
    times = np.linspace(-1.0, 3.0, 23)
    assert_allclose(solution(times), circle(times), atol=1e-8)
    assert_allclose(solution(times[::-1]), circle(times[::-1]), atol=1e-8)


def test_right_continuous_where_an_effect_makes_the_state_jump(numpy_or_jax, double):
    """At an effect's own time the solution is the state behind it, and just before that the state in front."""
    rate, dose = 0.7, 3.0
    problem = ev.ODEProblem(
        lambda t, y, p: -rate * y,
        double(numpy_or_jax, [1.0]),
        (0.0, 4.0),
        events=[ev.Dose([1.0, 2.5], lambda t, y, p: y + dose)],
    )
    solution = ev.solve(problem, "Tsit5", **TIGHT)

    def exact(t):
        return (
            np.exp(-rate * t)
            + dose * np.exp(-rate * (t - 1.0)) * (t >= 1.0)
            + dose * np.exp(-rate * (t - 2.5)) * (t >= 2.5)
        )

    times = np.array([0.0, 0.5, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 2.0, 2.5 - 1e-9, 2.5, 3.0, 4.0])
    assert_allclose(np.asarray(solution(times))[:, 0], exact(times), rtol=1e-8)


@pytest.mark.parametrize("t", [-0.1, 3.1, float("nan"), [1.0, 4.0]])
def test_a_time_outside_the_span_is_an_error(t):
    """solution(t) does not extrapolate: the error says what was solved."""
    solution = ev.solve(ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 3.0)), "Tsit5")
    with pytest.raises(ev.InputError, match=r"^t: .*outside what was solved, \[0\.0, 3\.0\]"):
        solution(t)


def test_a_solution_that_ended_early_knows_where(numpy_or_jax, double):
    """Behind a terminal event there is no solution."""
    problem = ev.ODEProblem(
        rotation,
        double(numpy_or_jax, [1.0, 0.0]),
        (0.0, 10.0),
        events=[ev.Event(lambda t, y, p: y[0], terminal=True)],
    )
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert_allclose(np.asarray(solution(1.5)), circle(1.5), atol=1e-8)
    with pytest.raises(ev.InputError, match="outside what was solved"):
        solution(1.6)


def test_saved_times_need_no_steps(numpy_or_jax, double):
    """Without kept steps solution(t) gives the saved values at exactly the saved times, and says so elsewhere."""
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 3.0))
    solution = ev.solve(problem, "Tsit5", saveat=[0.5, 1.0, 2.0])
    assert np.array_equal(np.asarray(solution(1.0)), np.asarray(solution.y[1, :]))
    assert np.array_equal(np.asarray(solution([2.0, 0.5])), np.asarray(solution.y)[[2, 0]])
    with pytest.raises(ev.InputError, match=r"^t: 1\.5 is not one of the saved times.*dense=True"):
        solution(1.5)


@pytest.mark.parametrize("name", ["RK4", "BS3", "Vern7", "DOP853", "Heun"])
def test_continuous_across_steps(name):
    """Dense output joins the steps: on both sides of a step's end it has that state, to rounding."""
    problem = ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 3.0))
    options = {"dt": 0.1} if name in ("RK4", "Heun") else {"rtol": 1e-6}
    solution = ev.solve(problem, name, **options)
    inner = solution.t[1:-1]
    assert_allclose(solution(inner), solution.y[1:-1], atol=1e-13)
    assert_allclose(solution(np.nextafter(inner, 0.0)), solution.y[1:-1], atol=1e-13)


def test_nested_states_and_second_order_states():
    """Between saved times the state has its structure too."""
    nested = ev.ODEProblem(lambda t, y, p: {"x": -y["x"], "v": -2.0 * y["v"]}, {"x": 1.0, "v": [2.0]}, (0.0, 1.0))
    state = ev.solve(nested, "Tsit5", **TIGHT)([0.25, 0.5])
    assert_allclose(state["x"], np.exp([-0.25, -0.5]), rtol=1e-8)
    spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, [1.0], [0.0], (0.0, 3.0))
    q, v = ev.solve(spring, "DPRKN6", **TIGHT)(1.3)
    assert_allclose([q[0], v[0]], [np.cos(1.3), -np.sin(1.3)], atol=1e-7)
