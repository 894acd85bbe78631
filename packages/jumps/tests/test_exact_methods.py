"""Exact methods: paths have the law that the chemical master equation gives, and are the same on every backend."""

from importlib.metadata import entry_points
from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.sparse.linalg import expm_multiply

import evolvent as ev
from evolvent import Status
from evolvent_jumps import Aggregator
from evolvent_jumps._sites import SiteAggregator

REGISTERED = [ev.load_algorithm(entry.name) for entry in entry_points(group="evolvent.algorithms")]
METHODS = sorted(
    method.__name__
    for method in REGISTERED
    if issubclass(method, Aggregator) and method.exact and not issubclass(method, SiteAggregator)
)
PATHS = 2_000


class Model(NamedTuple):
    """A jump problem, and the same for the master equation: from rate constants, rates of a state; what each adds."""

    y0: tuple[int, ...]
    end: float
    constants: tuple[float, ...]
    jumps: object
    rates: object
    changes: tuple[tuple[int, ...], ...]
    most: tuple[int, ...]

    def problem(self):
        return ev.JumpProblem(list(self.y0), (0.0, self.end), jumps=self.jumps(self.constants))


def mass_action(reactants, net):
    return lambda constants: [ev.MassAction(list(constants), reactants, net)]


def hill(repressor):
    return 1.0 / (1.0 + (repressor / 4.0) ** 2)


def toggle(constants):
    """Each of two proteins represses the other's production: functions that read one species each."""
    made, _, lost, _ = constants
    return [
        ev.ConstantRate(lambda t, y, p: made * hill(y[1]), lambda t, y, p: [y[0] + 1, y[1]], name="makes A"),
        ev.ConstantRate(lambda t, y, p: made * hill(y[0]), lambda t, y, p: [y[0], y[1] + 1], name="makes B"),
        ev.MassAction([lost, lost], [{0: 1}, {1: 1}], [{0: -1}, {1: -1}]),
    ]


MODELS = {
    "birth and death": Model(
        (5,), 2.0, (10.0, 0.5), mass_action([{}, {0: 1}], [{0: 1}, {0: -1}]),
        lambda k, n: (k[0], k[1] * n), ((1,), (-1,)), (80,),
    ),
    "dimerisation": Model(
        (30, 0), 4.0, (0.02, 0.3), mass_action([{0: 2}, {1: 1}], [{0: -2, 1: 1}, {0: 2, 1: -1}]),
        lambda k, a, b: (k[0] * a * (a - 1) / 2, k[1] * b), ((-2, 1), (2, -1)), (30, 15),
    ),
    "epidemic": Model(
        (47, 3, 0), 30.0, (0.3 / 50, 0.1), mass_action([{0: 1, 1: 1}, {1: 1}], [{0: -1, 1: 1}, {1: -1, 2: 1}]),
        lambda k, s, i, r: (k[0] * s * i, k[1] * i), ((-1, 1, 0), (0, -1, 1)), (50, 50, 50),
    ),
    "toggle switch": Model(
        (0, 0), 3.0, (8.0, 8.0, 1.0, 1.0), toggle,
        lambda k, a, b: (k[0] * hill(b), k[1] * hill(a), k[2] * a, k[3] * b),
        ((1, 0), (0, 1), (-1, 0), (0, -1)), (40, 40),
    ),
}  # fmt: skip


def law(model, constants):
    """The probability of each state at the end, by the master equation on all states that are reached within bounds."""
    place, states, entries = {model.y0: 0}, [model.y0], []
    for state in states:  # which grows on the way
        for rate, change in zip(model.rates(constants, *state), model.changes, strict=True):
            after = tuple(int(n) for n in np.add(state, change))
            if rate <= 0.0:
                continue
            entries.append((place[state], place[state], -rate))  # what leaves the bounds is lost
            if all(n <= most for n, most in zip(after, model.most, strict=True)):
                if after not in place:
                    place[after] = len(states)
                    states.append(after)
                entries.append((place[after], place[state], rate))
    rows, columns, values = zip(*entries, strict=True)
    generator = sparse.csc_matrix((values, (rows, columns)), shape=(len(states),) * 2)
    probability = expm_multiply(generator * model.end, np.eye(1, len(states))[0], traceA=model.end * generator.trace())
    assert 1.0 - 1e-9 < probability.sum() < 1.0 + 1e-9
    return dict(zip(states, probability, strict=True))


def p_value(probabilities, found):
    """That of a chi-square test of states against their law, in bins of at least 5 expected."""
    counts = dict.fromkeys(probabilities, 0)
    for state in map(tuple, found.tolist()):
        counts[state] += 1
    observed, expected, bins = 0, 0.0, []
    for state in sorted(probabilities):
        observed, expected = observed + counts[state], expected + probabilities[state] * len(found)
        if expected >= 5.0:
            bins.append((observed, expected))
            observed, expected = 0, 0.0
    bins[-1] = bins[-1][0] + observed, bins[-1][1] + expected
    seen, wanted = np.asarray(bins).T
    return stats.chisquare(seen, wanted * (seen.sum() / wanted.sum())).pvalue


def ends(problem, method, paths=PATHS):
    run = ev.compile(problem, method, saveat="end")
    return np.asarray([run(seed=seed).y[-1] for seed in range(paths)])


@pytest.fixture(scope="module")
def laws():
    return {name: law(model, model.constants) for name, model in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", [*METHODS, "HazardIntegration"])
def test_law_of_the_master_equation(method, name, laws):
    """The state at the end is distributed as the master equation says."""
    assert p_value(laws[name], ends(MODELS[name].problem(), method)) > 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_power(name):
    """The test of laws would reject one whose first rate is off by a tenth, and for the epidemic by a quarter."""
    model = MODELS[name]
    off = 1.25 if name == "epidemic" else 1.1
    constants = (model.constants[0] * off, *model.constants[1:])
    if name == "toggle switch":
        constants = (constants[0], constants[0], *model.constants[2:])
    assert p_value(law(model, constants), ends(model.problem(), "Direct", 4_000)) < 1e-6


@pytest.mark.parametrize("name", ["dimerisation", "epidemic", "toggle switch"])
@pytest.mark.parametrize("method", METHODS)
def test_equal_paths_natively_and_eagerly(method, name):
    """One seed gives one path: counts exactly, times to rounding."""
    for seed in range(2):
        eager, native = (
            ev.solve(MODELS[name].problem(), method, seed=seed, backend=backend) for backend in ("eager", "native")
        )
        assert np.array_equal(eager.y, native.y)
        np.testing.assert_allclose(eager.t, native.t, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_equal_paths_on_jax(method):
    """JAX goes the same path as NumPy."""
    pytest.importorskip("jax")
    eager, compiled = (
        ev.solve(MODELS["toggle switch"].problem(), method, seed=7, backend=backend) for backend in ("eager", "jax")
    )
    assert np.array_equal(eager.y, np.asarray(compiled.y))
    np.testing.assert_allclose(eager.t, np.asarray(compiled.t), rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_saving_changes_nothing(method):
    """Whatever is saved, the path is the same."""
    problem = MODELS["epidemic"].problem()
    every = ev.solve(problem, method, seed=3)
    some = ev.solve(problem, method, seed=3, saveat=np.linspace(0.0, 30.0, 31))
    at = np.searchsorted(every.t, some.t, side="right") - 1
    assert np.array_equal(some.y, every.y[at])


@pytest.mark.parametrize("method", METHODS)
def test_extinction(method):
    """Behind the last death nothing happens any more, and time still comes to its end."""
    death = ev.MassAction([1.0], [{0: 1}], [{0: -1}])
    solution = ev.solve(ev.JumpProblem([20], (0.0, 1e4), jumps=[death]), method, seed=1, saveat="end")
    assert solution.y[-1, 0] == 0
    assert solution.t[-1] == 1e4
    assert solution.stats.n_accepted == 20


@pytest.mark.parametrize("method", METHODS)
def test_rates_of_zero(method):
    """Channels that can't fire don't; where none can, the state stays."""
    jumps = [ev.MassAction([0.0, 1.0, 2.0], [{0: 1}, {1: 1}, {1: 2}], [{0: -1}, {1: -1}, {1: -2}])]
    solution = ev.solve(ev.JumpProblem([4, 0], (0.0, 5.0), jumps=jumps), method, seed=1)
    assert solution.stats.n_accepted == 0
    assert solution.y[-1].tolist() == [4, 0]
    solution = ev.solve(ev.JumpProblem([4, 5], (0.0, 1e3), jumps=jumps), method, seed=1)
    assert solution.y[-1].tolist() == [4, 0]


@pytest.mark.parametrize("method", METHODS)
def test_a_rate_that_comes_back(method):
    """A channel that could not fire fires as often as it should once it can: a chain of two steps has its law."""
    jumps = [ev.MassAction([1.0, 2.0], [{0: 1}, {1: 1}], [{0: -1, 1: 1}, {1: -1, 2: 1}])]
    model = Model(
        (3, 0, 0), 1.0, (1.0, 2.0), lambda k: jumps,
        lambda k, a, b, c: (k[0] * a, k[1] * b), ((-1, 1, 0), (0, -1, 1)), (3, 3, 3),
    )  # fmt: skip
    assert p_value(law(model, model.constants), ends(model.problem(), method)) > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_one_jump(method):
    """A single event's time is exponential."""
    jump = ev.MassAction([1.0], [{0: 1}], [{0: -1}])
    run = ev.compile(ev.JumpProblem([1], (0.0, 200.0), jumps=[jump]), method)
    times = [run(seed=seed).t[1] for seed in range(1_000)]
    assert stats.kstest(times, "expon").pvalue > 1e-4
    assert stats.kstest(np.asarray(times) * 1.3, "expon").pvalue < 1e-6


@pytest.mark.parametrize("backend", ["native", "eager"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_a_rate_that_is_none(method, value, backend):
    """A rate that is negative or NaN ends the solve, and its jump is named."""

    def rate(t, y, p):
        return y.__array_namespace__().where(y[0] >= 3, p, 1.0)

    rises = ev.ConstantRate(rate, lambda t, y, p: [y[0] + 1], name="rises")
    birth = ev.MassAction([1.0], [{}], [{0: 1}])
    problem = ev.JumpProblem([0], (0.0, 100.0), params=value, jumps=[birth, rises])
    with pytest.raises(ev.SolveError, match="rises") as caught:
        ev.solve(problem, method, seed=1, backend=backend)
    assert caught.value.status == Status.INVALID_RATE
    assert caught.value.solution.y[-1, 0] == 3


@pytest.mark.parametrize("method", METHODS)
def test_rates_that_depend_by_comparison(method):
    """A rate that a comparison switches on is noticed, though its derivative is zero."""

    def rate(t, y, p):
        return y.__array_namespace__().where(y[0] >= 3, 50.0, 0.0)

    birth = ev.MassAction([1.0], [{}], [{0: 1}])
    burst = ev.ConstantRate(rate, lambda t, y, p: [y[0], y[1] + 1], name="bursts")
    solution = ev.solve(ev.JumpProblem([0, 0], (0.0, 20.0), jumps=[birth, burst]), method, seed=1)
    on = solution.t[np.flatnonzero(solution.y[:, 0] >= 3)[0]]
    first = solution.t[np.flatnonzero(solution.y[:, 1] > 0)[0]]
    assert on < first < on + 0.5
    assert abs(solution.y[-1, 1] - 50.0 * (20.0 - on)) < 5.0 * np.sqrt(50.0 * 20.0)


@pytest.mark.parametrize("name", MODELS)
def test_bins_and_heap_find_the_same_event(name):
    """Where next times are kept makes no difference to a path."""
    heap, bins = (ev.solve(MODELS[name].problem(), method, seed=11) for method in ("NextReaction", "CCNRM"))
    assert np.array_equal(heap.t, bins.t)
    assert np.array_equal(heap.y, bins.y)
