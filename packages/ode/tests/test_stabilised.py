"""Stabilised methods: their order, their stability, and the stages that they take for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import evolvent as ev
from evolvent_ode import DP5, RKC, ROCK2, ROCK4
from evolvent_ode._rock import FINE, load, rows
from evolvent_ode._stabilised import Stabilised
from evolvent_stepping import System

METHODS = [RKC, ROCK2, ROCK4]
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
every_table = pytest.mark.parametrize(("name", "order"), [("rock2", 2), ("rock4", 4)])


@pytest.fixture(params=["numpy", "array_api_strict"])
def xp(request):
    return pytest.importorskip(request.param)


def known(value):
    return lambda t, y, p: value


def rotation(xp):
    """A nonlinear problem with a known solution: a forced circle on which nearby orbits contract."""

    def f(t, y, p):
        x, z = y[0], y[1]
        c, s = xp.cos(t), xp.sin(t)
        pull = 1.0 - x * x - z * z
        return xp.stack([-s + 2.0 * (c - x) + x * pull, c + (s - z) * (1.0 + x * z) + z * pull])

    return ev.ODEProblem(f, y0=xp.asarray([1.0, 0.0]), t_span=(0.0, 2.0))


def heat(xp, n, t1):
    """The heat equation between cold ends: the problem, its solution at t1, its spectral radius."""
    dx = 1.0 / (n + 1)
    x = np.linspace(dx, 1.0 - dx, n)

    def f(t, y, p):
        cold = xp.zeros_like(y[:1])
        return (xp.concat([y[1:], cold]) - 2.0 * y + xp.concat([cold, y[:-1]])) / dx**2

    def mode(k, t):
        return np.exp(-t * 4 / dx**2 * np.sin(k * np.pi * dx / 2) ** 2) * np.sin(k * np.pi * x)

    problem = ev.ODEProblem(f, y0=xp.asarray(mode(1, 0.0) + 0.5 * mode(3, 0.0)), t_span=(0.0, t1))
    return problem, mode(1, t1) + 0.5 * mode(3, t1), 4.0 / dx**2


@pytest.mark.parametrize("stages", ["few", "many"])
@every_method
def test_steps_converge_with_the_claimed_order(xp, method, stages):
    """On a nonlinear, non-autonomous problem errors fall with the claimed power, at each number of stages."""
    errors = []
    for n in (80, 160) if method is ROCK4 else (20, 40):
        # The same number of stages for both step sizes.
        radius = known({"few": 1.0, "many": 100.0}[stages] * n)
        solution = ev.solve(rotation(xp), method(radius), dt=2.0 / n, adaptive=False, saveat="end", backend="eager")
        errors.append(np.max(np.abs(np.asarray(solution.y)[-1] - [np.cos(2.0), np.sin(2.0)])))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(method.order, abs=0.2)


@every_method
def test_steps_far_beyond_the_explicit_limit_are_stable(xp, method):
    """The heat equation is solved by steps hundreds of times longer than Euler's method allows."""
    problem, exact, radius = heat(xp, 200, 0.1)
    solution = ev.solve(problem, method(), rtol=1e-4, atol=1e-4, backend="eager")
    assert np.max(np.abs(np.asarray(solution.y)[-1] - exact)) < 1e-3
    assert np.max(np.diff(np.asarray(solution.t))) > 100 * 2.0 / radius


@every_method
def test_fewer_evaluations_than_an_unstabilised_method(method):
    """On the same problem DP5 is held down by stability to several times as many calls of f."""
    problem, _, _ = heat(np, 200, 0.1)
    options = {"rtol": 1e-4, "atol": 1e-4, "saveat": "end", "backend": "eager"}
    assert ev.solve(problem, method(), **options).stats.n_f < ev.solve(problem, DP5(), **options).stats.n_f / 10


def counting_system(f):
    calls = []

    def counted(t, y, p):
        calls.append(float(t))
        return f(t, y, p)

    return System(ev.EagerBackend(np), {"f": counted}, (), 1e-6, 1e-6), calls


@every_method
def test_stages_follow_the_spectral_radius(method):
    """A step calls f as often as `work` says, in proportion to the square root of dt times the radius."""
    taken = []
    for radius in (0.0, 50.0, 5000.0):
        system, calls = counting_system(lambda t, y, p: -y)
        stepper, y = method(known(radius)), np.ones(2)
        cache = stepper.start(system, 0.0, y)
        del calls[:]
        step = stepper.step(system, 0.0, y, 1.0, cache)
        assert step.work.f == len(calls)
        taken.append(len(calls))
    constant = {RKC: 1.54, ROCK2: 1 / 0.81, ROCK4: 1 / 0.353}[method]
    assert taken[0] <= 5
    assert taken[1] == pytest.approx(np.sqrt(50.0 * constant), abs=3)
    assert taken[2] == pytest.approx(np.sqrt(5000.0 * constant), rel=0.1)


@every_method
def test_the_power_method_finds_the_spectral_radius(method):
    """The estimate lies between the true radius and a third more, also from a smooth initial state."""
    problem, _, radius = heat(np, 100, 0.1)
    system, _ = counting_system(lambda t, y, p: problem.f(t, y, p))
    stepper = method()
    step = stepper.step(system, 0.0, problem.y0, 1e-5, stepper.start(system, 0.0, problem.y0))
    assert radius <= step.cache.radius < 1.35 * radius


@every_method
def test_statistics_count_every_call(method):
    """What the solution reports is how often f was called, stages and power method included."""
    problem, _, _ = heat(np, 30, 0.05)
    calls = []
    counted = problem.replace(f=lambda t, y, p: calls.append(t) or problem.f(t, y, p))
    solution = ev.solve(counted, method(), rtol=1e-4, atol=1e-4, saveat="end", backend="eager")
    assert solution.stats.n_f == len(calls)


@every_method
def test_a_function_for_the_spectral_radius_is_used(method):
    """With a bound given by the user no call is spent on an estimate, and the solution is as good."""
    problem, exact, radius = heat(np, 100, 0.1)
    seen = []
    given = method(lambda t, y, p: seen.append(t) or radius)
    solution = ev.solve(problem, given, rtol=1e-4, atol=1e-4, saveat="end", backend="eager")
    # Once at the start and once with each step's end, whose error norm goes to the host in the same transfer.
    assert len(seen) == solution.stats.n_steps + 1
    assert np.max(np.abs(solution.y[-1] - exact)) < 1e-3


@every_method
def test_the_host_waits_about_once_a_step(method, monkeypatch):
    """Besides the error norm of each step, an estimate of the radius costs one transfer, seldom two."""
    torch = pytest.importorskip("torch")
    waits = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda x: waits.append(1) or tolist(x))
    problem, _, radius = heat(np, 50, 0.5)

    def f(t, y, p):
        end = torch.zeros(1, dtype=y.dtype)
        return radius / 4.0 * (torch.cat([y[1:], end]) - 2.0 * y + torch.cat([end, y[:-1]]))

    problem = ev.ODEProblem(f, torch.as_tensor(problem.y0), t_span=problem.t_span)
    stats = ev.solve(problem, method(), rtol=1e-7, atol=1e-7, saveat="end").stats
    estimates = 1 + stats.n_steps // 25 + stats.n_rejected
    assert len(waits) <= stats.n_steps + estimates + 8


@pytest.mark.parametrize("stages", range(2, 60))
def test_rkc_polynomials_are_stable_and_of_second_order(stages):
    """For each number of stages |R| <= 1 up to the step length at which the next number is taken."""
    reach = (stages**2 - 1) / 1.54
    z = np.linspace(-0.999 * reach, 0.0, 4001)
    values, taken = amplification(RKC, z, 0.999 * reach)
    assert taken == stages
    assert np.max(np.abs(values)) <= 1.0 + 1e-12
    small = np.array([-1e-3, 1e-3])
    np.testing.assert_allclose(amplification(RKC, small, 0.999 * reach)[0], np.exp(small), rtol=0, atol=1e-9)


def amplification(method, z, reach):
    """What one step multiplies the solution of y' = z y by, and its number of stages."""
    system = System(ev.EagerBackend(np), {"f": lambda t, y, p: z * y}, (), 1e-6, 1e-6)
    stepper, y = method(known(reach)), np.ones_like(z)
    step = stepper.step(system, 0.0, y, 1.0, stepper.start(system, 0.0, y))
    return step.y, step.work[0]


@every_table
def test_rock_polynomials_are_stable_as_far_as_the_table_says(name, order):
    """For each degree |R| <= 1 on the real interval that the table promises, about stages**2 long."""
    table, method = load(name, order), {"rock2": ROCK2, "rock4": ROCK4}[name]
    for degree, reach in zip(table.degrees, table.reach, strict=True):
        chosen_up_to = (np.floor(FINE * np.sqrt(reach)) / FINE) ** 2
        values, taken = amplification(method, np.linspace(-reach, 0.0, 2001), chosen_up_to)
        assert taken == degree + order
        assert np.max(np.abs(values)) <= 1.0 + 1e-8
        if degree > 10:
            assert reach / taken**2 == pytest.approx({2: 0.806, 4: 0.347}[order], abs=0.01)


@every_table
def test_rock_tables_check_themselves(name, order):
    """A table with one wrong digit is refused."""
    table = load(name, order)
    wrong = table.recurrence.copy()
    wrong[100] *= 1.0 + 1e-6
    with pytest.raises(ValueError, match="misses order"):
        replace(table, recurrence=wrong)


def test_triangles_are_cut_into_rows():
    """The finishing methods' coefficients are read row by row."""
    assert [list(row) for row in rows([1, 2, 3, 4, 5, 6])] == [[], [1], [2, 3], [4, 5, 6]]
    assert [list(row) for row in rows([1])] == [[], [1]]


@every_method
def test_steps_too_long_for_any_number_of_stages_are_rejected(method):
    """Where stability would take more stages than there are, the step gets shorter instead."""
    problem = ev.ODEProblem(lambda t, y, p: -1e7 * (y - 1.0), y0=np.array([1.0]), t_span=(0.0, 0.02))
    solution = ev.solve(problem, method(known(1e7)), rtol=1e-4, atol=1e-4, backend="eager")
    most = {RKC: 1000**2 / 1.54, ROCK2: 0.81 * 200**2, ROCK4: 0.3546 * 142**2}[method]
    assert np.max(np.diff(solution.t)) * 1e7 <= most
    np.testing.assert_allclose(solution.y, 1.0, atol=1e-3)


@every_method
def test_the_chooser_can_tell_stabilised_methods(method):
    """They say that they are stabilised, adaptive and explicit."""
    assert issubclass(method, Stabilised)
    assert method.stabilised
    assert method.adaptive
    assert not method.implicit


@every_method
def test_a_solve_can_be_compiled(method):
    """Under jax.jit the number of stages is found while the program runs."""
    jax = pytest.importorskip("jax")

    def end(rate):
        problem = ev.ODEProblem(lambda t, y, p: -p * (y - 1.0), y0=jax.numpy.zeros(2), t_span=(0.0, 1.0), params=rate)
        return ev.solve(problem, method(), rtol=1e-4, atol=1e-4, saveat="end", max_steps=500).y[-1]

    for rate in (5.0, 500.0):
        np.testing.assert_allclose(np.asarray(jax.jit(end)(rate)), 1.0 - np.exp(-rate), rtol=0, atol=2e-3)


@every_method
def test_trajectories_of_an_ensemble_take_their_own_numbers_of_stages(method):
    """Each trajectory of a batch is what it would be alone, however much stiffer another one is."""
    problem = ev.ODEProblem(lambda t, y, p: -p * (y - 1.0), y0=np.zeros(2), t_span=(0.0, 1.0), params=1.0)
    rates = np.array([1.0, 30.0, 3000.0])
    options = {"rtol": 1e-4, "atol": 1e-4, "saveat": "end", "backend": "eager"}
    batch = ev.solve(ev.EnsembleProblem(problem, params=rates), method(), **options)
    for i, rate in enumerate(rates):
        alone = ev.solve(problem.replace(params=float(rate)), method(), **options)
        np.testing.assert_allclose(np.asarray(batch.y)[i, -1], alone.y[-1], rtol=1e-10, atol=1e-10)
