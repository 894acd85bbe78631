"""Many trajectories at once: each as if it were alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import evolvent as ev

RATES = [0.5, 1.0, 3.0, 20.0]


def growth(t, y, p):
    return [p["rate"] * y[0] * (1.0 - y[0]), p["rate"] * (y[0] - y[1])]


def logistic(t, rate, start=0.1):
    return 1.0 / (1.0 + (1.0 / start - 1.0) * np.exp(-rate * t))


@pytest.fixture
def member(xp, double):
    return ev.ODEProblem(growth, double(xp, [0.1, 0.0]), (0.0, 2.0), params={"rate": 1.0})


@pytest.fixture
def ensemble(xp, double, member):
    return ev.EnsembleProblem(member, params={"rate": double(xp, RATES)})


def test_every_trajectory_is_its_own_solve(xp, member, ensemble):
    """As many steps as the solve of that trajectory alone, and its values: the sums' rounding is all that differs."""
    solution = ev.solve(ensemble, "Tsit5", saveat=[0.5, 1.0, 2.0])
    assert tuple(solution.t.shape) == (4, 3)
    assert tuple(solution.y.shape) == (4, 3, 2)
    assert isinstance(solution.y, type(xp.zeros(1)))
    assert solution.success
    assert len(solution) == 4
    total = 0
    for i, rate in enumerate(RATES):
        alone = ev.solve(member.replace(params={"rate": rate}), "Tsit5", saveat=[0.5, 1.0, 2.0])
        one = solution[i]
        assert one.stats.n_accepted == alone.stats.n_accepted
        assert one.stats.n_rejected == alone.stats.n_rejected
        total += alone.stats.n_steps
        assert_allclose(np.asarray(one.y), np.asarray(alone.y), rtol=1e-9, atol=1e-14)
        assert_allclose(np.asarray(solution.y)[i], np.asarray(alone.y), rtol=1e-9, atol=1e-14)
        assert_allclose(np.asarray(one.t), [0.5, 1.0, 2.0])
    assert solution.stats.n_steps == total
    assert_allclose(np.asarray(solution.y)[:, 2, 0], logistic(2.0, np.array(RATES)), rtol=1e-4)


def test_adding_trajectories_changes_nothing(xp, double, member):
    """One trajectory beside others, or among more of them, has the same bits."""
    few = ev.EnsembleProblem(member, params={"rate": double(xp, RATES[:2])})
    more = ev.EnsembleProblem(member, params={"rate": double(xp, [*RATES[:2], 50.0, 0.01, 7.0, 2.0, 0.3])})
    a = ev.solve(few, "Tsit5", saveat=[0.3, 2.0])
    b = ev.solve(more, "Tsit5", saveat=[0.3, 2.0])
    assert np.array_equal(np.asarray(a.y), np.asarray(b.y)[:2])
    for i in range(2):
        assert a[i].stats.n_steps == b[i].stats.n_steps


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.01, 40.0), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_order_and_company_do_not_matter(rates, random):
    """Whatever the company, and in whatever order, a trajectory's bits are the same."""
    member = ev.ODEProblem(growth, [0.1, 0.0], (0.0, 2.0), params={"rate": 1.0})

    def end(rates):
        return ev.solve(ev.EnsembleProblem(member, params={"rate": np.array(rates)}), "Tsit5", saveat=[0.7, 2.0]).y

    order = list(range(len(rates)))
    random.shuffle(order)
    assert np.array_equal(end(rates)[order], end([rates[i] for i in order]))


def test_different_initial_states(xp, double, member):
    """y0= of an ensemble has the trajectories in front."""
    y0 = double(xp, [[0.1, 0.0], [0.5, 1.0], [0.9, 0.0]])
    solution = ev.solve(ev.EnsembleProblem(member, y0=y0), "Tsit5", saveat=[0.0, 2.0])
    assert np.array_equal(np.asarray(solution.y)[:, 0], np.asarray(y0))
    assert_allclose(np.asarray(solution.y)[:, 1, 0], logistic(2.0, 1.0, np.array([0.1, 0.5, 0.9])), rtol=1e-5)


def test_own_spans(numpy_or_jax, double):
    """Every trajectory has its own start, end and direction; the end is reached exactly."""
    member = ev.ODEProblem(lambda t, y, p: -y, double(numpy_or_jax, [1.0]), (0.0, 1.0))
    ends = np.array([1.0, 0.1, -2.0, 3.0])
    problem = ev.EnsembleProblem(member, t_span=(np.array([0.0, 0.0, 0.0, 1.0]), ends))
    solution = ev.solve(problem, "Tsit5", saveat="end", rtol=1e-8, atol=1e-10)
    assert np.asarray(solution.t)[:, 0].tolist() == ends.tolist()
    lengths = ends - np.array([0.0, 0.0, 0.0, 1.0])
    assert_allclose(np.asarray(solution.y)[:, 0, 0], np.exp(-lengths), rtol=1e-6)


def test_own_times_to_save(numpy_or_jax, double):
    """saveat= with a row for each trajectory saves each at its own times."""
    member = ev.ODEProblem(lambda t, y, p: -p * y, double(numpy_or_jax, [1.0]), (0.0, 3.0), params=1.0)
    rates = np.array([0.5, 1.0, 2.0])
    problem = ev.EnsembleProblem(member, params=double(numpy_or_jax, rates))
    times = np.array([[0.0, 1.0, 3.0], [0.1, 0.2, 0.3], [1.0, 2.0, 2.5]])
    solution = ev.solve(problem, "Tsit5", saveat=times, rtol=1e-8, atol=1e-10)
    assert_allclose(np.asarray(solution.t), times)
    assert_allclose(np.asarray(solution.y)[..., 0], np.exp(-rates[:, None] * times), rtol=1e-6)
    with pytest.raises(ev.InputError, match=r"^saveat: has times for 2 trajectories, and there are 3"):
        ev.solve(problem, "Tsit5", saveat=times[:2])
    with pytest.raises(ev.InputError, match=r"^saveat: of trajectory 1: .*3\.4.* lies outside t_span = \(0\.0, 3\.0\)"):
        ev.solve(problem, "Tsit5", saveat=times + np.array([[0.0], [3.3], [0.0]]))
    spans = ev.EnsembleProblem(member, t_span=(0.0, [3.0, 0.5]))
    with pytest.raises(ev.InputError, match=r"^saveat: of trajectory 1: .*1\.0.* lies outside t_span = \(0\.0, 0\.5\)"):
        ev.solve(spans, "Tsit5", saveat=[0.1, 1.0])


def test_every_step_saved(xp, member, ensemble):
    """Without saveat= trajectories have different numbers of points: the shorter ones repeat their last."""
    solution = ev.solve(ensemble, "Tsit5")
    counts = np.asarray(solution.counts)
    t = np.asarray(solution.t)
    for i, rate in enumerate(RATES):
        alone = ev.solve(member.replace(params={"rate": rate}), "Tsit5")
        assert counts[i] == alone.t.shape[0]
        assert_allclose(t[i, : counts[i]], np.asarray(alone.t), rtol=1e-5)
        assert np.all(t[i, counts[i] :] == 2.0)
        assert solution[i].t.shape[0] == counts[i]


def test_dense_output_of_a_member(xp, member, ensemble):
    """solution[i](t) with dense=True is that trajectory's dense output."""
    solution = ev.solve(ensemble, "Tsit5", saveat="end", dense=True, rtol=1e-8, atol=1e-10)
    for i in (0, 3, -1):
        times = [0.2, 1.7]
        expected = logistic(np.array(times), RATES[i])
        assert_allclose(np.asarray(solution[i](times))[:, 0], expected, rtol=1e-6)
    with pytest.raises(IndexError, match="trajectory 4 of 4"):
        solution[4]


def ball(t, y, p):
    return [y[1], -9.81]


def test_events_of_each_trajectory(numpy_or_jax, double):
    """Balls from different heights hit the ground at their own times, and end on their own."""
    heights = np.array([1.0, 2.0, 0.5])
    bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0, -0.8 * y[1]], direction=-1, name="bounce")
    member = ev.ODEProblem(ball, double(numpy_or_jax, [1.0, 0.0]), (0.0, 1.2), events=[bounce])
    problem = ev.EnsembleProblem(member, y0=double(numpy_or_jax, np.stack([heights, 0.0 * heights], axis=1)))
    solution = ev.solve(problem, "Tsit5", saveat=[0.6, 1.2])
    for i, height in enumerate(heights):
        fall = np.sqrt(2.0 * height / 9.81)
        times = fall * (1.0 + 2.0 * np.cumsum(np.r_[0.0, 0.8 ** np.arange(1, 9)]))
        found = np.asarray(solution[i].events["bounce"].t)
        assert_allclose(found[np.isfinite(found)], times[times < 1.2], rtol=1e-10)
        alone = ev.solve(member.replace(y0=problem.y0[i]), "Tsit5", saveat=[0.6, 1.2])
        assert_allclose(np.asarray(solution.y)[i], np.asarray(alone.y), rtol=1e-9, atol=1e-12)


def test_terminal_events_of_each_trajectory(numpy_or_jax, double):
    """A trajectory that ended early repeats the state of its end, and its status says so."""
    member = ev.ODEProblem(
        lambda t, y, p: [p],
        double(numpy_or_jax, [0.0]),
        (0.0, 1.0),
        params=1.0,
        events=[ev.Event(lambda t, y, p: y[0] - 1.0, terminal=True)],
    )
    problem = ev.EnsembleProblem(member, params=double(numpy_or_jax, [0.5, 2.0, 4.0]))
    solution = ev.solve(problem, "Tsit5", saveat=[0.2, 0.4, 1.0])
    S = ev.Status
    assert [S(int(s)) for s in solution.status] == [S.SUCCESS, S.TERMINATED, S.TERMINATED]
    assert_allclose(np.asarray(solution.t), [[0.2, 0.4, 1.0], [0.2, 0.4, 0.5], [0.2, 0.25, 0.25]], rtol=1e-12)
    assert_allclose(np.asarray(solution.y)[:, -1, 0], [0.5, 1.0, 1.0], rtol=1e-12)


def test_doses_of_each_trajectory(numpy_or_jax, double):
    """Doses use each trajectory's own parameters, and only those within its span are given."""
    rates, amounts = np.array([0.5, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    xp = numpy_or_jax
    member = ev.ODEProblem(
        lambda t, y, p: [-p["rate"] * y[0]],
        double(xp, [1.0]),
        (0.0, 3.0),
        params={"rate": 1.0, "amount": 1.0},
        events=[ev.Dose([1.0, 2.0], lambda t, y, p: [y[0] + p["amount"]])],
    )
    ends = np.array([3.0, 1.5, 2.5])
    problem = ev.EnsembleProblem(
        member, params={"rate": double(xp, rates), "amount": double(xp, amounts)}, t_span=(0.0, ends)
    )
    solution = ev.solve(problem, "Tsit5", saveat="end", rtol=1e-9, atol=1e-11)
    expected = np.exp(-rates * ends)
    for time in (1.0, 2.0):
        expected = expected + amounts * np.exp(-rates * (ends - time)) * (ends >= time)
    assert_allclose(np.asarray(solution.y)[:, 0, 0], expected, rtol=1e-7)


MIXING = {
    "mean": lambda xp: lambda t, y, p: -p["rate"] * (y - xp.mean(y)),
    "matmul": lambda xp: lambda t, y, p: p["rate"] * xp.matmul(y, xp.asarray([[0.0, 1.0], [-1.0, 0.0]], dtype=y.dtype)),
    "norm": lambda xp: lambda t, y, p: -y * p["rate"] * xp.sqrt(xp.sum(y * y)),
    "roll": lambda xp: lambda t, y, p: p["rate"] * (xp.roll(y, 1) - y),
    "branch": lambda xp: lambda t, y, p: -y * p["rate"] if t < 0.5 else -2.0 * y,
}


@pytest.mark.parametrize("kind", MIXING)
def test_functions_that_would_mix_trajectories(eager_xp, double, kind):
    """Sums over the state, products with matrices, branches on time: written for one trajectory, right for many."""
    xp = eager_xp
    member = ev.ODEProblem(MIXING[kind](xp), double(xp, [1.0, 0.5]), (0.0, 1.0), params={"rate": 1.0})
    rates = [0.5, 1.0]  # as many as the state has entries: shapes alone don't tell
    solution = ev.solve(ev.EnsembleProblem(member, params={"rate": double(xp, rates)}), "Tsit5", saveat=[0.4, 1.0])
    for i, rate in enumerate(rates):
        alone = ev.solve(member.replace(params={"rate": double(xp, rate)}), "Tsit5", saveat=[0.4, 1.0])
        assert_allclose(np.asarray(solution.y)[i], np.asarray(alone.y), rtol=1e-8)
        assert solution[i].stats.n_steps == alone.stats.n_steps


def test_one_failure_is_reported_and_the_others_are_kept(numpy_or_jax, double):
    """SolveError says which trajectory failed and carries all of them; throw=False returns them."""
    member = ev.ODEProblem(lambda t, y, p: y * y, double(numpy_or_jax, [1.0]), (0.0, 1.5))
    problem = ev.EnsembleProblem(member, y0=double(numpy_or_jax, [[0.1], [1.0], [0.5]]))
    with pytest.raises(
        ev.SolveError, match=r"1 of 3 trajectories failed; number 1: (STEP_TOO_SMALL|NON_FINITE)"
    ) as caught:
        ev.solve(problem, "Tsit5", saveat=[0.5, 1.5], rtol=1e-8, atol=1e-10)
    solution = caught.value.solution
    assert not solution.success
    assert [ev.Status(int(s)).ok for s in solution.status] == [True, False, True]
    y = np.asarray(solution.y)[..., 0]
    assert_allclose(y[[0, 2]], [[1 / 9.5, 1 / 8.5], [1 / 1.5, 2.0]], rtol=1e-6)
    assert_allclose(y[1, 0], 2.0, rtol=1e-6)
    assert_allclose(np.asarray(solution[0].y)[:, 0], [1 / 9.5, 1 / 8.5], rtol=1e-6)
    same = ev.solve(problem, "Tsit5", saveat=[0.5, 1.5], throw=False)
    assert not same.success


def test_an_exception_in_one_trajectory_keeps_its_traceback():
    """`f` that raises for one trajectory raises for the ensemble, with the user's exception in sight."""

    def f(t, y, p):
        if y[0] > 2.0:
            raise ValueError("too large")
        return y

    problem = ev.EnsembleProblem(ev.ODEProblem(f, [1.0], (0.0, 1.0)), y0=[[0.1], [1.0]])
    with pytest.raises((ev.SolveError, ValueError), match="too large"):
        ev.solve(problem, "Tsit5")


def test_structured_ensembles(numpy_or_jax, double):
    """Nested states and parameters have the trajectories in front of each leaf."""
    xp = numpy_or_jax
    member = ev.ODEProblem(
        lambda t, y, p: {"a": -p["k"] * y["a"], "b": y["b"]},
        {"a": double(xp, [1.0, 2.0]), "b": double(xp, 1.0)},
        (0.0, 1.0),
        params={"k": 1.0},
    )
    problem = ev.EnsembleProblem(
        member, y0={"a": double(xp, np.ones((3, 2))), "b": double(xp, [1.0, 2.0, 3.0])}, params={"k": [1.0, 2.0, 3.0]}
    )
    solution = ev.solve(problem, "Tsit5", saveat=[0.5, 1.0], rtol=1e-8, atol=1e-10)
    assert tuple(solution.y["a"].shape) == (3, 2, 2)
    assert_allclose(np.asarray(solution.y["a"])[:, 1, 0], np.exp(-np.array([1.0, 2.0, 3.0])), rtol=1e-6)
    assert_allclose(np.asarray(solution.y["b"])[:, 1], np.e * np.array([1.0, 2.0, 3.0]), rtol=1e-6)


def test_save_functions_and_fixed_steps(numpy_or_jax, double):
    """save= and fixed steps work for ensembles as for one trajectory."""
    member = ev.ODEProblem(lambda t, y, p: -p * y, double(numpy_or_jax, [1.0, 1.0]), (0.0, 1.0), params=1.0)
    rates = np.array([1.0, 2.0, 3.0])
    problem = ev.EnsembleProblem(member, params=double(numpy_or_jax, rates))
    solution = ev.solve(problem, "RK4", dt=0.01, saveat=[1.0], save=lambda t, y, p: y[0] * p)
    assert tuple(solution.y.shape) == (3, 1)
    assert_allclose(np.asarray(solution.y)[:, 0], rates * np.exp(-rates), rtol=1e-6)


def test_a_second_order_ensemble():
    """y0= of a second-order ensemble is the pair (q0, v0)."""
    member = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, [1.0], [0.0], (0.0, 1.0))
    problem = ev.EnsembleProblem(member, y0=(np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])))
    q, v = ev.solve(problem, "DPRKN6", saveat="end", rtol=1e-9, atol=1e-10).y
    assert_allclose(q[:, 0, 0], [np.cos(1.0), np.sin(1.0)], rtol=1e-6)
    assert_allclose(v[:, 0, 0], [-np.sin(1.0), np.cos(1.0)], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "^y0: nothing differs between the trajectories.*Give y0=, params= or t_span="),
        ({"params": {"rate": 1.0}}, "^y0: nothing differs between the trajectories"),
        ({"y0": 1.0}, "^y0: each leaf needs an axis of trajectories in front, got 1.0"),
        (
            {"params": {"rate": np.ones(2)}, "y0": np.ones((3, 2))},
            r"^params: the leading axes of y0, params and t_span disagree: \[2, 3\]",
        ),
        ({"t_span": (0.0, np.array([1.0, 0.0]))}, "^t_span: has zero length"),
        ({"t_span": (0.0, np.array([1.0, np.nan]))}, "^t_span: must be finite"),
        ({"y0": np.array([[1.0, np.nan], [0.0, 1.0]])}, "^y0: has NaN"),
    ],
)
def test_bad_ensembles(changes, message):
    """What can't be an ensemble is said at once."""
    member = ev.ODEProblem(growth, [0.1, 0.0], (0.0, 2.0), params={"rate": 1.0})
    with pytest.raises(ev.InputError, match=message):
        ev.solve(ev.EnsembleProblem(member, **changes), "Tsit5")


def test_trajectories_share_parameters_that_are_arrays():
    """A matrix among parameters that do not vary is the same for every trajectory, whatever its shape."""
    matrix = np.array([[-1.0, 0.2], [0.1, -2.0]])
    problem = ev.ODEProblem(lambda t, y, p: p[0] @ y * p[1], np.ones(2), (0.0, 1.0), (matrix, 1.0))
    for count in (2, 3):
        starts = np.linspace(0.0, 1.0, 2 * count).reshape(count, 2)
        ensemble = ev.EnsembleProblem(problem, y0=starts)
        found = ev.solve(ensemble, "Tsit5", saveat=[1.0], backend="eager").y
        for start, y in zip(starts, found, strict=True):
            alone = ev.solve(problem.replace(y0=start), "Tsit5", saveat=[1.0], backend="eager").y
            assert np.allclose(y, alone, rtol=1e-7, atol=1e-12)
