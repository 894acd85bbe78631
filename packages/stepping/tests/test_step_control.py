"""Step sizes, their limits, and what makes a trial step fail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent_stepping import StepControl

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def rotation(t, y, p):
    return [-y[1], y[0]]


def decay(t, y, p):
    return -y


def test_the_error_follows_the_tolerance(xp, double):
    """Ten times smaller tolerances make the error about ten times smaller, never larger."""
    problem = ev.ODEProblem(rotation, double(xp, [1.0, 0.0]), (0.0, 10.0))
    tolerances = [1e-4, 1e-6, 1e-8]
    errors = []
    for tolerance in tolerances:
        y = np.asarray(ev.solve(problem, "Tsit5", rtol=tolerance, atol=tolerance, saveat="end").y)[-1]
        errors.append(np.max(np.abs(y - [np.cos(10.0), np.sin(10.0)])))
    assert errors[0] > errors[1] > errors[2]
    assert np.all(np.array(errors) < 20.0 * np.array(tolerances))


def test_statistics_are_consistent(eager_xp, double):
    """Steps are accepted or rejected, and n_f is the number of calls that f really got."""
    calls = []

    def f(t, y, p):
        calls.append(t)
        return [-50.0 * (y[0] - eager_xp.cos(t))]

    problem = ev.ODEProblem(f, double(eager_xp, [0.0]), (0.0, 3.0))
    stats = ev.solve(problem, "Tsit5", dt=0.5).stats
    assert stats.n_steps == stats.n_accepted + stats.n_rejected
    assert stats.n_rejected > 0
    # 6 stages, the first of which an accepted step inherits from the last; the start takes one.
    assert stats.n_f == 6 * stats.n_steps + 1
    assert stats.algorithm == "Tsit5"
    assert stats.seconds > 0.0
    assert len(calls) == stats.n_f
    assert stats.backend.startswith("eager")


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("error", [1e-4, 0.3, 1.0, 1.7, 40.0, 0.0, 1e300, np.inf, np.nan])
def test_without_memory_the_size_follows_the_last_error(order, error):
    """The ratio is a power of the error between its bounds, and the least where the error is no number."""
    b, control = ev.NumpyBackend(), StepControl(beta=(1.0, 0.0, 0.0))
    accepted = error <= 1.0
    factor, memory = control.factor(b, error, order, control.start(b), accepted)
    wanted = control.safety * max(error, 1e-10) ** (-1.0 / (order + 1)) if np.isfinite(error) else 0.0
    bound = control.largest if accepted else 1.0
    assert_allclose(factor, min(max(wanted, control.smallest), bound), rtol=1e-14)
    assert memory.rejected == (not accepted)


@pytest.mark.parametrize(("t1", "dt"), [(1.0, 0.1), (1.0, 0.3), (1.0, 1.0), (1.0, 5.0), (-2.0, 0.7), (0.3, 0.1)])
def test_fixed_steps_end_exactly_at_the_end(xp, double, t1, dt):
    """Steps of size dt from t0 on, the last one as short as it must be."""
    problem = ev.ODEProblem(decay, double(xp, [1.0]), (0.0, t1))
    solution = ev.solve(problem, "RK4", dt=dt)
    t = np.asarray(solution.t)
    assert t[-1] == t1
    count = int(np.ceil(abs(t1) / dt - 1e-9))
    assert t.size == count + 1
    assert_allclose(t[:-1], np.sign(t1) * dt * np.arange(count), rtol=1e-12, atol=1e-15)


@given(st.integers(1, 300), st.floats(0.1, 1e3))
def test_a_span_of_whole_steps_has_no_sliver(count, end):
    """Rounding does not add a last step of no length."""
    solution = ev.solve(ev.ODEProblem(lambda t, y, p: 0.0 * y, [1.0], (0.0, end)), "Euler", dt=end / count)
    assert solution.stats.n_steps == count
    assert solution.t[-1] == end


def test_fixed_steps_of_an_adaptive_method():
    """adaptive=False with dt= takes equal steps with a method that could do otherwise."""
    solution = ev.solve(ev.ODEProblem(decay, [1.0], (0.0, 1.0)), "Tsit5", adaptive=False, dt=0.25)
    assert solution.t.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert_allclose(solution.y[-1], np.exp(-1.0), rtol=1e-6)


def test_the_first_step_size_is_taken():
    """dt= is the first step of an adaptive method."""
    solution = ev.solve(ev.ODEProblem(decay, [1.0], (0.0, 1.0)), "Tsit5", dt=1e-3)
    assert solution.t[1] == 1e-3


def test_max_step_limits_every_step(numpy_or_jax, double):
    """No step is longer than max_step, the first one included."""
    problem = ev.ODEProblem(lambda t, y, p: 0.0 * y, double(numpy_or_jax, [1.0]), (0.0, 1.0))
    solution = ev.solve(problem, "Tsit5", max_step=0.05, dt=0.5)
    steps = np.diff(np.asarray(solution.t))
    assert np.max(steps) <= 0.05 * (1 + 1e-12)
    assert solution.stats.n_steps <= 21


def test_min_step_ends_a_solve_that_needs_smaller_ones():
    """The solution of y' = y^2 blows up at t = 1: steps shrink to min_step there, and the status says so and where."""
    problem = ev.ODEProblem(lambda t, y, p: y * y, [1.0], (0.0, 2.0))
    with pytest.raises(ev.SolveError, match=r"^STEP_TOO_SMALL at t = 0\.99.*singular") as caught:
        ev.solve(problem, "Tsit5", min_step=1e-6, **TIGHT)
    assert caught.value.status is ev.Status.STEP_TOO_SMALL
    partial = caught.value.solution
    assert_allclose(partial.y[:, 0] * (1.0 - partial.t), 1.0, rtol=1e-3)
    assert 0.9999 < partial.t[-1] < 1.0


def test_a_blow_up_without_a_minimum_ends_too(eager_xp, double):
    """Without min_step the spacing of floating-point times is the limit."""
    problem = ev.ODEProblem(lambda t, y, p: y * y, double(eager_xp, [1.0]), (0.0, 2.0))
    solution = ev.solve(problem, "Tsit5", throw=False)
    assert solution.status in (ev.Status.STEP_TOO_SMALL, ev.Status.NON_FINITE)
    assert_allclose(float(solution.t[-1]), 1.0, rtol=1e-5)


@pytest.mark.parametrize("saveat", [None, [0.1, 0.2, 9.0], "end"])
def test_exhausted_max_steps_keep_what_was_computed(numpy_or_jax, double, saveat):
    """SolveError carries the partial solution: as many steps as were allowed, correct up to its last point."""
    problem = ev.ODEProblem(rotation, double(numpy_or_jax, [1.0, 0.0]), (0.0, 10.0))
    with pytest.raises(ev.SolveError, match=r"^MAX_STEPS at t = .* after 10 steps: .*raise max_steps") as caught:
        ev.solve(problem, "Tsit5", max_steps=10, saveat=saveat, **TIGHT)
    solution = caught.value.solution
    assert caught.value.status is solution.status is ev.Status.MAX_STEPS
    assert not solution.success
    assert solution.stats.n_steps == 10
    t, y = np.asarray(solution.t), np.asarray(solution.y)
    assert 0.2 < t[-1] < 9.0
    assert_allclose(y, np.stack([np.cos(t), np.sin(t)], axis=1), atol=1e-8)
    if saveat is None:
        middle = 0.5 * t[-1]
        assert_allclose(np.asarray(solution(middle)), [np.cos(middle), np.sin(middle)], atol=1e-8)


def test_throw_false_returns_what_would_be_raised():
    """throw=False: the status alone says that the solve failed."""
    problem = ev.ODEProblem(rotation, [1.0, 0.0], (0.0, 10.0))
    solution = ev.solve(problem, "Tsit5", max_steps=10, throw=False)
    assert solution.status is ev.Status.MAX_STEPS
    assert "raise max_steps" in solution.status.advice


def test_backward_in_time_undoes_forward(xp, double):
    """From the end back to the start is where it came from, at the same cost within a few steps."""
    problem = ev.ODEProblem(rotation, double(xp, [1.0, 0.0]), (0.0, 3.0))
    there = ev.solve(problem, "Tsit5", saveat="end", **TIGHT)
    back = ev.solve(problem.replace(y0=there.y[-1, :], t_span=(3.0, 0.0)), "Tsit5", saveat=[3.0, 1.0, 0.0], **TIGHT)
    assert np.asarray(back.t).tolist() == [3.0, 1.0, 0.0]
    assert_allclose(np.asarray(back.y)[1:], [[np.cos(1.0), np.sin(1.0)], [1.0, 0.0]], atol=1e-8)
    assert abs(there.stats.n_steps - back.stats.n_steps) <= 3


def test_a_complex_state(xp, double):
    """The solution of y' = i y turns in the complex plane; error norms take magnitudes."""
    problem = ev.ODEProblem(lambda t, y, p: 1j * y, double(xp, [1.0 + 0.0j, 2.0j]), (0.0, 3.0))
    solution = ev.solve(problem, "Tsit5", saveat=[1.0, 3.0], **TIGHT)
    expected = np.exp(1j * np.array([1.0, 3.0]))[:, None] * np.array([1.0, 2.0j])
    assert_allclose(np.asarray(solution.y), expected, atol=1e-8)


def test_non_finite_trial_steps_are_taken_again(xp, double):
    """`f` is NaN for y > 1, where the exact solution never goes: steps that try it are rejected."""

    def f(t, y, p):
        return [xp.where(y[0] <= 1.0, 10.0 * xp.sqrt(xp.abs(1.0 - y[0])), xp.nan)]

    problem = ev.ODEProblem(lambda t, y, p: f(t, y, p), double(xp, [0.0]), (0.0, 0.19))
    solution = ev.solve(problem, "Tsit5", dt=0.19, saveat="end", rtol=1e-8, atol=1e-8)
    assert solution.stats.n_rejected > 0
    assert_allclose(np.asarray(solution.y)[-1, 0], 1.0 - (1.0 - 5.0 * 0.19) ** 2, rtol=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_f_that_turns_non_finite_says_where(numpy_or_jax, double, bad):
    """If smaller steps don't help, the status is NON_FINITE and the solution ends in front of the place."""
    xp = numpy_or_jax
    problem = ev.ODEProblem(lambda t, y, p: [xp.where(t < 0.5, 1.0 + 0.0 * y[0], bad)], double(xp, [0.0]), (0.0, 1.0))
    with pytest.raises(ev.SolveError, match=r"^NON_FINITE at t = 0\.(5|49999)") as caught:
        ev.solve(problem, "Tsit5")
    assert_allclose(float(caught.value.solution.t[-1]), 0.5, rtol=1e-6)
    assert_allclose(np.asarray(caught.value.solution.y)[-1, 0], 0.5, rtol=1e-6)


def test_fixed_steps_stop_where_the_state_is_no_longer_finite():
    """Without an error estimate the state itself is watched."""
    problem = ev.ODEProblem(lambda t, y, p: 1e200 * y * y, [1e10], (0.0, 1.0))
    solution = ev.solve(problem, "Euler", dt=0.1, throw=False)
    assert solution.status is ev.Status.NON_FINITE


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_f_that_is_not_finite_at_the_start(value):
    """The first step has a size even then, and the solve ends with that status, whichever backend runs it."""
    broken = ev.ODEProblem(lambda t, y, p: p * y, y0=[1.0], t_span=(0.0, 1.0), params=value)
    for backend in (None, "eager"):
        with np.errstate(invalid="ignore"):
            solution = ev.solve(broken, "Tsit5", backend=backend, throw=False)
        assert solution.status is ev.Status.NON_FINITE
        assert solution.stats.n_steps < 100
    assert np.all(np.isfinite(solution.y))


def test_a_state_that_must_not_be_negative(xp, double):
    """The solution of y' = -sqrt(y) reaches zero at t = 2 and stays: f never sees a negative y, and none is saved."""

    def f(t, y, p):
        if "jax" not in xp.__name__:
            assert float(y[0]) >= 0.0
        return [-xp.sqrt(y[0])]

    problem = ev.ODEProblem(f, double(xp, [1.0]), (0.0, 3.0), domain=ev.NonNegative())
    solution = ev.solve(problem, "Tsit5", saveat=[1.0, 2.0, 3.0], rtol=1e-6, atol=1e-8)
    assert np.all(np.asarray(solution.y) >= 0.0)
    assert_allclose(np.asarray(solution.y)[:, 0], [0.25, 0.0, 0.0], atol=1e-6)


def test_only_the_named_components_are_guarded():
    """NonNegative([1]) leaves component 0 alone."""
    problem = ev.ODEProblem(lambda t, y, p: [-1.0, -np.sqrt(y[1])], [0.5, 1.0], (0.0, 3.0), domain=ev.NonNegative([1]))
    solution = ev.solve(problem, "Tsit5", saveat="end", atol=1e-8)
    assert_allclose(solution.y[-1], [-2.5, 0.0], atol=1e-7)


@settings(max_examples=15, deadline=None)
@given(st.floats(1.0, 300.0), st.floats(0.1, 1e3))
def test_a_chain_of_reactions_keeps_its_mass_and_its_sign(fast, slow):
    """A -> B -> C with loose tolerances: guarded concentrations are non-negative, and mass stays up to tolerance."""
    problem = ev.ODEProblem(
        lambda t, y, p: [-fast * y[0], fast * y[0] - slow * y[1], slow * y[1]],
        [1.0, 0.0, 0.0],
        (0.0, 1.0),
        domain=ev.NonNegative(),
    )
    solution = ev.solve(problem, "Tsit5", rtol=1e-3, atol=1e-5)
    assert np.all(solution.y >= 0.0)
    assert_allclose(np.sum(solution.y, axis=1), 1.0, atol=0.02)


def test_a_domain_given_by_a_function(xp, double):
    """Steps that leave the domain are rejected: here the unit interval, which y' = 1 - y never leaves."""
    seen = []

    def f(t, y, p):
        return [20.0 * (p - y[0])]

    def inside(t, y, p):
        seen.append(1)
        return y[0] <= p

    problem = ev.ODEProblem(f, double(xp, [0.0]), (0.0, 2.0), params=1.0, domain=inside)
    solution = ev.solve(problem, "BS3", rtol=1e-2, atol=1e-2)
    assert np.all(np.asarray(solution.y) <= 1.0)
    assert_allclose(np.asarray(solution.y)[-1, 0], 1.0, atol=0.02)
    assert seen


def test_tolerances_for_each_component():
    """atol= may be an array like y0: a component with a loose one is not resolved."""
    problem = ev.ODEProblem(lambda t, y, p: [-y[0], np.cos(50.0 * t)], [1.0, 0.0], (0.0, 1.0))
    strict = ev.solve(problem, "Tsit5", rtol=1e-6, atol=1e-9).stats.n_steps
    loose = ev.solve(problem, "Tsit5", rtol=1e-6, atol=np.array([1e-9, 10.0])).stats.n_steps
    assert loose < strict / 2
    nested = ev.ODEProblem(lambda t, y, p: {"a": -y["a"]}, {"a": np.ones(2)}, (0.0, 1.0))
    assert ev.solve(nested, "Tsit5", atol={"a": np.array([1e-8, 1e-6])}).success
