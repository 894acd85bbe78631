"""Methods that choose by rejection: exact laws, rates of all sizes, and equal paths everywhere."""

import numpy as np
import pytest
from scipy import linalg, stats

import evolvent as ev

METHODS = ["DirectCR", "RDirect", "RSSA", "RSSACR"]
PATHS = 1500


def ends(problem, method, paths=PATHS, backend="native"):
    run = ev.compile(problem, method, saveat="end", backend=backend)
    return np.asarray([run(seed=k).y[-1] for k in range(paths)])


def chain(n, size, t_end):
    """Walkers on a ring of n places, all at the first; rates of hops differ from place to place."""
    takes = [{i: 1} for i in range(n) for _ in range(2)]
    net = [{i: -1, (i + s) % n: 1} for i in range(n) for s in (-1, 1)]
    rates = np.asarray([1.0 + 0.3 * (j % 7) for j in range(2 * n)])
    problem = ev.JumpProblem([size] + [0] * (n - 1), (0.0, t_end), jumps=[ev.MassAction(rates, takes, net)])
    generator = np.zeros((n, n))
    for j, (row, change) in enumerate(zip(takes, net, strict=True)):
        (source,) = row
        for place, sign in change.items():
            generator[place, source] += rates[j] * sign
    return problem, linalg.expm(generator * t_end)[:, 0]


@pytest.mark.parametrize("method", ["Direct", *METHODS])
def test_independent_walkers_have_the_law_of_the_matrix_exponential(method):
    """Pooled places of 20 independent walkers follow column one of expm(Q t), on 40 species and 80 channels."""
    problem, p = chain(40, 20, 6.0)
    # 400 paths of 20 walkers: a place whose probability is off by a fifth shifts chi-square's mean by 8000 p / 25.
    paths = ends(problem, method, 400)
    counts = paths.sum(axis=0)
    likely = p * counts.sum() >= 8.0
    seen = np.append(counts[likely], counts[~likely].sum())
    expected = np.append(p[likely], p[~likely].sum()) * counts.sum()
    assert stats.chisquare(seen, expected).pvalue > 1e-4
    # Totals of one path are binomial: the variance tells dependent walkers.
    at_home = stats.binom(20, p[0])
    assert abs(paths[:, 0].var() / at_home.var() - 1.0) < 0.35


@pytest.mark.parametrize("method", METHODS)
def test_births_and_deaths_have_a_poisson_law(method):
    """From zero, births at rate 8 and deaths at rate y are Poisson of mean 8 (1 - exp(-t))."""
    jump = ev.MassAction([8.0, 1.0], reactants=[{}, {0: 1}], net=[{0: 1}, {0: -1}])
    problem = ev.JumpProblem([0], (0.0, 2.0), jumps=[jump])
    found = ends(problem, method)[:, 0]
    law = stats.poisson(8.0 * (1.0 - np.exp(-2.0)))
    seen = np.bincount(np.clip(found, 2, 13) - 2, minlength=12)
    expected = np.asarray([law.cdf(2), *np.diff(law.cdf(np.arange(2, 13))), law.sf(12)]) * found.size
    assert stats.chisquare(seen, expected).pvalue > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_functions_beside_mass_action(method):
    """Births by a function and deaths of pairs, against the master equation of a truncated state space."""
    birth = ev.ConstantRate(lambda t, y, p: 6.0 / (1.0 + 0.1 * y[0]), lambda t, y, p: [y[0] + 1])
    pairs = ev.MassAction([0.2], reactants=[{0: 2}], net=[{0: -2}])
    problem = ev.JumpProblem([3], (0.0, 1.5), jumps=[birth, pairs])
    n = 60
    generator = np.zeros((n, n))
    for y in range(n):
        moves = [(y + 1, 6.0 / (1.0 + 0.1 * y)), (y - 2, 0.2 * y * (y - 1) / 2)]
        for to, rate in moves:
            if 0 <= to < n:
                generator[to, y] += rate
                generator[y, y] -= rate
    p = linalg.expm(1.5 * generator)[:, 3]
    found = ends(problem, method)[:, 0]
    seen = np.bincount(np.clip(found, 2, 10) - 2, minlength=9)
    expected = np.asarray([p[:3].sum(), *p[3:10], p[10:].sum()]) * found.size
    assert stats.chisquare(seen, expected).pvalue > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_rates_that_span_twelve_orders_of_magnitude(method):
    """Which of 13 decays happens is as likely as its rate tells, where the rarest is 1e-12 of the most frequent."""
    rates = 10.0 ** np.arange(-6, 7)
    n = rates.size
    takes, net = [{0: 1}] * n, [{0: -1, 1 + j: 1} for j in range(n)]
    problem = ev.JumpProblem([400] + [0] * n, (0.0, 1e3), jumps=[ev.MassAction(rates, takes, net)])
    found = ends(problem, method, 100).sum(axis=0)
    assert found[0] == 0
    seen = np.append(found[-4:], found[1:-4].sum())
    p = rates / rates.sum()
    assert stats.chisquare(seen, np.append(p[-4:], p[:-4].sum()) * seen.sum()).pvalue > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_slow_channels_left_alone_fire_at_their_own_pace(method):
    """When a channel 1e12 times faster has run out, the slow decays' number is binomial, and nothing hangs."""
    jump = ev.MassAction([1e9, 1e-3], reactants=[{0: 1}, {1: 1}], net=[{0: -1}, {1: -1}])
    problem = ev.JumpProblem([50, 40], (0.0, 700.0), jumps=[jump])
    found = ends(problem, method, 400)
    assert np.all(found[:, 0] == 0)
    law = stats.binom(40, np.exp(-0.7))
    cuts = law.ppf([0.2, 0.4, 0.6, 0.8]).astype(int)
    cdf = np.concatenate([[0.0], law.cdf(cuts), [1.0]])
    seen = np.histogram(found[:, 1], [-1, *(cuts + 0.5), 41])[0]
    assert stats.chisquare(seen, np.diff(cdf) * 400).pvalue > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_rates_that_become_zero_and_come_back(method):
    """A gene switched on and off for thousands of events: counts stay possible, and the time on is as it should be."""
    jump = ev.MassAction(
        [1.0, 1.0, 1e3, 1e6],
        reactants=[{0: 1}, {1: 1}, {1: 1}, {2: 1}],
        net=[{0: -1, 1: 1}, {0: 1, 1: -1}, {2: 1}, {2: -1, 3: 1}],
    )
    problem = ev.JumpProblem([1, 0, 0, 0], (0.0, 40.0), jumps=[jump])
    solution = ev.solve(problem, method, seed=5, max_steps=10**6)
    t, y = solution.t, solution.y
    assert np.all(y >= 0)
    assert np.all(y[:, 0] + y[:, 1] == 1)
    assert np.all(np.diff(y[:, 2] + y[:, 3]) <= y[:-1, 1]), "made while off"
    on = np.sum(np.diff(t) * y[:-1, 1])
    # Made while on: Poisson of rate 1e3.
    assert abs(y[-1, 2] + y[-1, 3] - 1e3 * on) < 4.5 * np.sqrt(1e3 * on)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_left_to_happen(method):
    """Where all rates become zero the process stands still until the end."""
    jump = ev.MassAction([1.0, 2.0], reactants=[{0: 2}, {1: 1}], net=[{0: -2, 1: 1}, {1: -1}])
    problem = ev.JumpProblem([7, 0], (0.0, 1e6), jumps=[jump])
    assert ends(problem, method, 5).tolist() == [[1, 0]] * 5


@pytest.mark.parametrize("method", METHODS)
def test_a_rate_that_is_none_is_named(method):
    """A negative rate stops the solve with its jump's name, and no rejection goes on for ever."""
    jump = ev.ConstantRate(lambda t, y, p: y[0] - 5.5, lambda t, y, p: y - 1, name="leak")
    problem = ev.JumpProblem([10], (0.0, 1e4), jumps=[jump])
    for backend in ("eager", "native"):
        with pytest.raises(ev.SolveError, match="leak"):
            ev.solve(problem, method, seed=1, backend=backend)


@pytest.mark.parametrize("method", METHODS)
def test_counts_are_equal_on_every_backend(method):
    """One seed gives the same counts eagerly and natively, along the whole path."""
    problem, _ = chain(40, 30, 2.0)
    eager, native = (ev.solve(problem, method, seed=11, backend=b) for b in ("eager", "native"))
    assert np.array_equal(eager.y, native.y)
    np.testing.assert_allclose(eager.t, native.t, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_counts_are_equal_under_jax(method):
    """The same in a program of JAX, which takes it some ten seconds to compile."""
    pytest.importorskip("jax")
    problem, _ = chain(34, 30, 2.0)
    native, jax = (ev.solve(problem, method, seed=11, backend=b, saveat="end") for b in ("native", "jax"))
    assert np.array_equal(native.y, jax.y)


def test_groups_stay_in_order():
    """Whatever moves, items lie group behind group, each in the group of its rate, and sums are those of its rates."""
    from evolvent_jumps._groups import LAST, grouped, moved

    b = ev.EagerBackend(np)
    for n in (1, 20, 640):
        rates = np.random.default_rng(n).uniform(0.0, 1.0, n)
        groups = grouped(b, rates)
        for item in range(0, n, 3):
            rates[item] = 0.0 if item % 2 else rates[item] * 3.0
            groups = moved(b, groups, item, rates[item])
        assert np.array_equal(groups.order[groups.place], np.arange(n))
        of_place = np.searchsorted(groups.start[1:], groups.place, side="right")
        assert np.array_equal(of_place, groups.group)
        np.testing.assert_allclose(groups.sums, np.bincount(groups.group, rates, LAST + 1), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("n", "dense", "expected"),
    [
        (5, False, "Direct"),
        (16, False, "Direct"),
        (40, False, "SortingDirect"),
        (200, False, "CCNRM"),
        (200, True, "RSSACR"),
    ],
)
def test_the_chooser_goes_by_size_and_density(n, dense, expected):
    """Small networks get the direct method, large ones methods whose cost does not grow."""
    takes = [{0 if dense else i: 1} for i in range(n)]
    net = [{0 if dense else i: -1, (i + 1) % n: 1} for i in range(n)]
    problem = ev.JumpProblem([1] * n, (0.0, 1e-3), jumps=[ev.MassAction([1.0] * n, takes, net)])
    assert expected in str(ev.explain(problem))
