"""init, step, advance_to, reinit, and solves that are compiled once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent.trees import tree_map

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def decay(t, y, p):
    return -p["rate"] * y


@pytest.fixture
def problem(numpy_or_jax, double):
    return ev.ODEProblem(decay, double(numpy_or_jax, [1.0, 2.0]), (0.0, 2.0), params={"rate": 1.5})


def test_step_by_step_is_the_solve(problem):
    """Stepping by hand takes the very steps that solve takes, and ends as it does."""
    integrator = ev.init(problem, "Tsit5", **TIGHT)
    assert integrator.t == 0.0
    assert_allclose(np.asarray(integrator.y), [1.0, 2.0])
    times, states = [0.0], [np.asarray(integrator.y)]
    while integrator.status is ev.Status.RUNNING:
        integrator.step()
        times.append(integrator.t)
        states.append(np.asarray(integrator.y))
    whole = ev.solve(problem, "Tsit5", **TIGHT)
    assert integrator.status is ev.Status.SUCCESS
    assert_allclose(times, np.asarray(whole.t), rtol=1e-14)
    assert_allclose(states, np.asarray(whole.y), rtol=1e-13)
    with pytest.raises(ev.SolveError, match=r"has ended at t = 2: .*reinit\(\)"):
        integrator.step()


def test_advance_to_ends_exactly_there(problem):
    """advance_to(t) stands exactly at t, with the exact solution to tolerance; t may not lie behind or outside."""
    integrator = ev.init(problem, "Tsit5", **TIGHT)
    for t in (0.3, 0.31, 1.9, 2.0):
        integrator.advance_to(t)
        assert integrator.t == t
        assert_allclose(np.asarray(integrator.y), np.exp(-1.5 * t) * np.array([1.0, 2.0]), rtol=1e-7)
    assert integrator.status is ev.Status.SUCCESS
    integrator.reinit()
    integrator.advance_to(1.0)
    for t in (0.5, 2.5, float("nan")):
        with pytest.raises(ev.InputError, match=r"^t: must lie between 1\.0 and 2\.0"):
            integrator.advance_to(t)


def test_reinit_starts_again(problem):
    """`reinit` goes back to the start, with another state or other parameters if given."""
    integrator = ev.init(problem, "Tsit5", **TIGHT)
    integrator.advance_to(2.0)
    integrator.reinit()
    assert integrator.t == 0.0
    integrator.advance_to(1.0)
    assert_allclose(np.asarray(integrator.y)[0], np.exp(-1.5), rtol=1e-7)
    integrator.reinit(y0=10.0 * problem.y0, params={"rate": 3.0})
    integrator.advance_to(1.0)
    assert_allclose(np.asarray(integrator.y)[0], 10.0 * np.exp(-3.0), rtol=1e-7)
    assert integrator.params == {"rate": 3.0}


def test_events_and_doses_by_hand():
    """Effects happen on the way; a terminal event ends the integrator."""
    problem = ev.ODEProblem(
        lambda t, y, p: [1.0],
        [0.0],
        (0.0, 5.0),
        events=[
            ev.Dose([1.0], lambda t, y, p: y + 1.0),
            ev.Event(lambda t, y, p: y[0] - 4.0, terminal=True),
        ],
    )
    integrator = ev.init(problem, "Tsit5")
    integrator.advance_to(2.0)
    assert_allclose(integrator.y, [3.0], rtol=1e-13)
    integrator.advance_to(5.0)
    assert integrator.status is ev.Status.TERMINATED
    assert_allclose(integrator.t, 3.0, rtol=1e-13)


def test_backward_by_hand():
    """An integrator runs towards the end of its span, whichever way that is."""
    integrator = ev.init(ev.ODEProblem(lambda t, y, p: -y, [1.0], (1.0, -1.0)), "Tsit5", **TIGHT)
    integrator.advance_to(0.0)
    assert_allclose(integrator.y, [np.exp(1.0)], rtol=1e-7)


def test_a_failure_by_hand():
    """Where no step can be taken, step and advance_to raise what solve would."""
    blow_up = ev.ODEProblem(lambda t, y, p: y * y, [1.0], (0.0, 2.0))
    with pytest.raises(ev.SolveError, match=r"(STEP_TOO_SMALL|NON_FINITE) at t = 1"):
        ev.init(blow_up, "Tsit5").advance_to(1.5)
    with pytest.raises(ev.SolveError, match=r"MAX_STEPS"):
        ev.init(blow_up, "Tsit5", max_steps=3).advance_to(0.99)
    with pytest.raises(ev.InputError, match=r"^saveat: .*saves nothing"):
        ev.init(blow_up, "Tsit5", saveat=[1.0])


@pytest.mark.parametrize("options", [{}, {"saveat": [0.5, 2.0]}])
def test_a_compiled_solve_equals_solve(numpy_or_jax, double, problem, options):
    """run(y0=, params=, t_span=) gives what solve gives for the problem with these."""
    run = ev.compile(problem, "Tsit5", **options, **TIGHT)

    def same(solution, variant):
        expected = ev.solve(variant, "Tsit5", **options, **TIGHT)
        assert solution.stats.n_steps == expected.stats.n_steps
        assert_allclose(np.asarray(solution.t), np.asarray(expected.t), rtol=1e-13)
        assert_allclose(np.asarray(solution.y), np.asarray(expected.y), rtol=1e-12)

    same(run(), problem)
    y0 = double(numpy_or_jax, [3.0, -1.0])
    same(run(y0=y0), problem.replace(y0=y0))
    same(run(params={"rate": 0.5}), problem.replace(params={"rate": 0.5}))
    same(run(y0=y0, params={"rate": 2.5}), problem.replace(y0=y0, params={"rate": 2.5}))
    longer = {"t_span": (0.0, 3.0), "params": {"rate": 1.0}}
    same(run(**longer), problem.replace(**longer))


def test_a_compiled_solve_checks_what_it_is_given(problem):
    """Other structures of params and non-finite states are errors, as in solve."""
    run = ev.compile(problem, "Tsit5")
    with pytest.raises(ev.InputError, match="params"):
        run(params={"speed": 1.0})
    with pytest.raises(ev.InputError, match=r"^y0: has NaN"):
        run(y0=problem.y0 * float("nan"))
    with pytest.raises(ev.InputError, match=r"^t_span: has zero length"):
        run(t_span=(1.0, 1.0))


def test_a_compiled_second_order_solve():
    """y0= of a second-order problem is the pair (q0, v0)."""
    problem = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, [1.0], [0.0], (0.0, 1.0))
    run = ev.compile(problem, "DPRKN6", **TIGHT)
    q, v = run(y0=([0.0], [1.0])).y
    assert_allclose([q[-1, 0], v[-1, 0]], [np.sin(1.0), np.cos(1.0)], rtol=1e-7)


KINDS = {
    "array": (np.array([1.0, 2.0]), {"rate": np.array([1.0, 2.0]), "n": 2}),
    "list": ([1.0, 2.0], {"rate": 1.0, "n": 2}),
    "tree": ({"x": np.array([1.0, 2.0])}, (1.0, np.float64(2.0), 2)),
}


def _grow(t, y, p):
    rate, n = (p["rate"], p["n"]) if isinstance(p, dict) else (p[0] * p[1], p[2])
    return {"x": -(rate**n) * y["x"]} if isinstance(y, dict) else -(rate**n) * y


NUMBERS = [
    {"y0": "scaled"},
    {"y0": "longer"},
    {"y0": "single"},
    {"y0": "integers"},
    {"params": "scaled"},
    {"params": "other constants"},
    {"params": "integers"},
    {"y0": "longer", "params": "scaled", "t_span": (0.0, 0.75)},
    {"t_span": (0.25, 0.5)},
    {"t_span": (0, 1)},
    {"t_span": [0.0, 0.5]},
    {"t_span": (0.0, -1.0)},
]


@pytest.mark.parametrize("saveat", [None, "end", 0.25, [0.25, 0.5]])
@pytest.mark.parametrize("numbers", NUMBERS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_handle_takes_any_numbers(kind, numbers, saveat):
    """Whatever numbers a handle is given, it gives what solve gives, or raises what solve raises."""
    y0, params = KINDS[kind]
    problem = ev.ODEProblem(_grow, y0, (0.0, 1.0), params)
    run = ev.compile(problem, "Tsit5", saveat=saveat)

    def changed(tree, how):
        def change(x):
            if isinstance(x, list):
                return change(np.asarray(x)).tolist()
            if isinstance(x, int):
                return 3 if how == "other constants" else x
            if not np.shape(x):
                return 2 if how == "integers" else 1.5 * x
            if how == "longer":
                return np.ones((3, 2)) * x
            kinds = {"single": np.float32, "integers": np.int64}
            return x.astype(kinds[how]) if how in kinds else 1.5 * x

        return tree_map(change, tree, lists=False)

    given = {name: x if name == "t_span" else changed(problem.__dict__[name], x) for name, x in numbers.items()}

    def result(solve):
        try:
            solution = solve()
        except ev.InputError as error:
            return str(error)
        for name, value in given.items():
            assert getattr(solution.problem, name) is value
        return tree_map(lambda x: (x.shape, x.dtype, x.tolist()), (solution.t, solution.y)), solution.stats.n_steps

    assert result(lambda: run(**given)) == result(lambda: ev.solve(problem.replace(**given), "Tsit5", saveat=saveat))


@pytest.mark.parametrize("span", [(0.0, 0.6), (0.3, 2.0), (0.0, float("nan")), (0.0, float("inf")), (1.0, 1.0)])
def test_a_handle_looks_at_the_times_of_another_span(span):
    """Times to save that lie outside of a new span, and spans that are none, are refused as solve refuses them."""
    problem = ev.ODEProblem(lambda t, y, p: -y, [1.0], (0.0, 1.0))
    run = ev.compile(problem, "Tsit5", saveat=[0.2, 0.8])
    with pytest.raises(ev.InputError) as expected:
        ev.solve(problem.replace(t_span=span), "Tsit5", saveat=[0.2, 0.8])
    with pytest.raises(ev.InputError) as caught:
        run(t_span=span)
    assert str(caught.value) == str(expected.value)


def test_a_handle_looks_at_the_functions_once():
    """A global that changes after compile changes nothing, however the handle is called."""
    rate = [1.0]
    problem = ev.ODEProblem(lambda t, y, p: -rate[0] * y, _jax().asarray([1.0]), (0.0, 1.0))
    run = ev.compile(problem, "Tsit5", saveat="end", max_steps=50)
    rate[0] = 2.0
    assert_allclose(np.asarray(run().y[-1]), np.exp(-1.0), rtol=1e-5)


def _jax():
    return pytest.importorskip("jax.numpy", reason="jax is not installed")


def test_a_handle_minds_the_domain():
    """A start outside of the domain is refused, as by solve."""
    problem = ev.ODEProblem(lambda t, y, p: -y, [1.0], (0.0, 1.0), domain=ev.NonNegative())
    run = ev.compile(problem, "Tsit5")
    assert run(y0=[2.0]).y[0, 0] == 2.0
    with pytest.raises(ev.InputError, match=r"^y0: has negative entries"):
        run(y0=[-1.0])
