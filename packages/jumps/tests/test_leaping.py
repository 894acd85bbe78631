"""Leaping methods: moments, distributions, orders, stiffness, and counts that are never negative."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import expm

import evolvent as ev
from evolvent_jumps.implicit_tau_leaping import ImplicitTauLeaping
from evolvent_jumps.tau_leaping import TauLeaping
from evolvent_jumps.theta_trapezoidal import ThetaTrapezoidal

METHODS = [TauLeaping, ImplicitTauLeaping, ThetaTrapezoidal]


def ends(problem, method, count, **options):
    """The last counts of many paths."""
    run = ev.compile(problem, method, saveat="end", seed=0, **options)
    return np.asarray([np.asarray(run(seed=k).y)[-1] for k in range(count)], float)


def immigration_death(x0, birth, death, t_end):
    jumps = [ev.MassAction([birth, death], [{}, {0: 1}], [{0: 1}, {0: -1}])]
    return ev.JumpProblem([x0], (0.0, t_end), jumps=jumps)


@pytest.mark.parametrize("method", METHODS)
def test_moments_of_immigration_and_death_are_within_the_bias(method):
    """Mean and variance are those of the exact law, within epsilon times what the mean moved and 4 standard errors."""
    x0, birth, death, count = 5000, 1000.0, 1.0, 1000
    decayed = np.exp(-death)
    mean = x0 * decayed + birth / death * (1.0 - decayed)
    variance = x0 * decayed * (1.0 - decayed) + birth / death * (1.0 - decayed)
    for epsilon in (0.03, 0.01):
        found = ends(immigration_death(x0, birth, death, 1.0), method(epsilon=epsilon), count)[:, 0]
        assert abs(found.mean() - mean) < 0.5 * epsilon * (x0 - mean) + 4.0 * np.sqrt(variance / count)
        assert abs(found.var() / variance - 1.0) < 2.0 * epsilon + 4.0 * np.sqrt(2.0 / count)


@pytest.mark.parametrize("method", METHODS)
def test_isomerisation_keeps_what_it_keeps(method):
    """Of A <-> B every path keeps the sum, and B is binomial in the mean and variance."""
    jumps = [ev.MassAction([1.0, 2.0], [{0: 1}, {1: 1}], [{0: -1, 1: 1}, {0: 1, 1: -1}])]
    found = ends(ev.JumpProblem([30_000, 0], (0.0, 0.5), jumps=jumps), method(), 600)
    p = (1.0 - np.exp(-1.5)) / 3.0
    assert np.all(found.sum(axis=1) == 30_000)
    variance = 30_000 * p * (1.0 - p)
    assert abs(found[:, 1].mean() - 30_000 * p) < 0.02 * 30_000 * p
    assert abs(found[:, 1].var() / variance - 1.0) < 0.1 + 4.0 * np.sqrt(2.0 / 600)


@pytest.mark.parametrize("method", METHODS)
def test_small_counts_have_the_exact_law(method):
    """With few molecules exact steps are taken: SIR of 50 agrees with its master equation by a chi-square."""
    jumps = [ev.MassAction([2.0 / 50, 1.0], [{0: 1, 1: 1}, {1: 1}], [{0: -1, 1: 1}, {1: -1, 2: 1}])]
    found = ends(ev.JumpProblem([47, 3, 0], (0.0, 3.0), jumps=jumps), method(), 1500)
    states = [(s, i) for s in range(48) for i in range(51 - s)]
    place = {state: k for k, state in enumerate(states)}
    q = np.zeros((len(states), len(states)))
    for (s, i), k in place.items():
        for rate, to in ((2.0 / 50 * s * i, (s - 1, i + 1)), (1.0 * i, (s, i - 1))):
            if rate and to in place:
                q[place[to], k] += rate
                q[k, k] -= rate
    start = np.zeros(len(states))
    start[place[47, 3]] = 1.0
    law = expm(3.0 * q) @ start
    marginal = np.bincount([s for s, _ in states], weights=law, minlength=48)
    edges = np.unique(np.searchsorted(np.cumsum(marginal), np.linspace(0, 1, 14)[1:-1]))
    expected = np.diff([0.0, *np.cumsum(marginal)[edges], 1.0]) * len(found)
    seen = np.bincount(np.searchsorted(edges, found[:, 0]), minlength=edges.size + 1)
    assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize(("method", "order"), [(TauLeaping, 1), (ImplicitTauLeaping, 1), (ThetaTrapezoidal, 2)])
def test_fixed_leaps_have_the_order_claimed(method, order):
    """At 1e13 molecules of 2 A -> nothing noise is smaller than the bias, which falls with the order claimed."""
    n = 1e13
    jumps = [ev.MassAction([1.0 / n], [{0: 2}], [{0: -2}])]
    problem = ev.JumpProblem([n], (0.0, 1.0), jumps=jumps)
    errors = []
    for leaps in (16, 32, 64):
        end = ev.solve(problem, method(), dt=1.0 / leaps, adaptive=False, saveat="end", seed=3, backend="eager")
        errors.append(abs(float(end.y[-1, 0]) / n - 0.5))
    assert np.allclose(np.log2(np.divide(errors[:-1], errors[1:])), order, atol=0.2)


def test_a_stiff_network_takes_far_fewer_implicit_leaps():
    """Where a fast pair balances, the implicit method needs a twentieth of the leaps, and the slow sum is right."""
    jumps = [ev.MassAction([1e4, 1e4, 1.0], [{0: 1}, {1: 1}, {1: 1}], [{0: -1, 1: 1}, {0: 1, 1: -1}, {1: -1}])]
    problem = ev.JumpProblem([50_000, 50_000], (0.0, 1.0), jumps=jumps)
    explicit = ev.solve(problem, TauLeaping(), seed=1, saveat="end")
    implicit = ev.solve(problem, ImplicitTauLeaping(), seed=1, saveat="end")
    assert 20 * implicit.stats.n_steps < explicit.stats.n_steps
    mean = 1e5 * np.exp(-0.5)
    for solution in (explicit, implicit):
        assert abs(float(solution.y[-1].sum()) - mean) < 0.01 * mean


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(0, 2000)] * 3),
    st.lists(st.floats(0.0, 100.0), min_size=4, max_size=4),
    st.sampled_from(METHODS),
    st.integers(0, 2**30),
)
def test_counts_are_never_negative(y0, rates, method, seed):
    """Whatever the counts and rates, with leaps of any length, no count falls below zero."""
    scaled = np.asarray([rates[0], rates[1] * 1e-3, rates[2] * 1e-3, rates[3] * 1e-6])
    for fixed in (False, True):
        solution = any_network(method, fixed)(np.asarray(y0), scaled, seed=seed)
        assert np.asarray(solution.y).min() >= 0


@cache
def any_network(method, fixed):
    """A network with reactions of all orders, its rates given with each call."""
    reactants = [{0: 1}, {0: 1, 1: 1}, {2: 2}, {1: 3}]
    net = [{0: -1, 1: 1}, {0: -1, 1: -1, 2: 1}, {2: -2, 0: 1}, {1: -3}]
    jumps = [ev.MassAction(lambda p: p, reactants, net)]
    problem = ev.JumpProblem(np.asarray([1, 1, 1]), (0.0, 1.0), np.ones(4), jumps=jumps)
    if fixed:
        return ev.compile(problem, method(critical=1), saveat=0.1, seed=0, dt=0.05, adaptive=False)
    return ev.compile(problem, method(epsilon=0.3), saveat=0.1, seed=0)


@pytest.mark.parametrize("method", METHODS)
def test_extinction_ends_in_zero_and_stays_there(method):
    """A population that only dies is gone at the end, with the exact law of extinction's time in its last members."""
    problem = ev.JumpProblem([10_000], (0.0, 60.0), jumps=[ev.MassAction([1.0], [{0: 1}], [{0: -1}])])
    solution = ev.solve(problem, method(), seed=5, saveat=10.0)
    assert int(solution.y[-1, 0]) == 0
    assert np.all(np.diff(np.asarray(solution.y)[:, 0]) <= 0)


@pytest.mark.parametrize("method", METHODS)
def test_jumps_with_functions_fire_one_by_one(method):
    """A catastrophe that halves the population comes at its rate between leaps of births and deaths."""
    growth = ev.MassAction([2000.0, 0.1], [{}, {0: 1}], [{0: 1}, {0: -1}])
    halving = ev.ConstantRate(lambda t, y, p: 1.0 + 0.0 * y[0], lambda t, y, p: [y[0] // 2, y[1] + 1])
    found = ends(ev.JumpProblem([10_000, 0], (0.0, 2.0), jumps=[growth, halving]), method(), 300)
    assert abs(found[:, 1].mean() - 2.0) < 4.0 * np.sqrt(2.0 / 300)
    assert abs(found[:, 1].var() - 2.0) < 4.0 * np.sqrt((2.0 + 2 * 4.0) / 300)


@pytest.mark.parametrize("method", METHODS)
def test_paths_are_equal_on_all_backends(method):
    """Eager, native and JAX give the same counts for one seed."""
    jnp = pytest.importorskip("jax.numpy")
    jumps = [ev.MassAction([1e3, 1e3, 1.0], [{0: 1}, {1: 1}, {1: 2}], [{0: -1, 1: 1}, {0: 1, 1: -1}, {1: -2}])]
    problem = ev.JumpProblem([5000, 0], (0.0, 0.02), jumps=jumps)
    options = {"seed": 11, "saveat": 0.005}
    eager, native = (ev.solve(problem, method(), backend=name, **options) for name in ("eager", "native"))
    traced = ev.solve(problem.replace(y0=jnp.asarray([5000, 0])), method(), backend="jax", **options)
    assert np.array_equal(eager.y, native.y)
    assert np.array_equal(eager.y, np.asarray(traced.y))


def test_epsilon_must_be_a_fraction():
    """An epsilon that is none is refused by name."""
    with pytest.raises(ev.InputError, match="epsilon"):
        TauLeaping(epsilon=2.0)
