"""Statistics of ensembles whose paths are not kept."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent_stepping import FirstPassage, Histogram, Moments, Quantiles, Reduction

TIMES = [0.5, 1.0, 2.0]
EDGES = [0.0, 0.25, 0.5, 1.0]


@pytest.fixture
def ensemble(xp, double):
    member = ev.ODEProblem(lambda t, y, p: -p * y, double(xp, [1.0, 2.0]), (0.0, 2.0), params=1.0)
    return ev.EnsembleProblem(member, params=double(xp, np.linspace(0.1, 2.0, 31)))


def gathered(reduction, values, cuts):
    """The result where values come in parts, each of which is started anew and merged."""
    states = [reduction.add(reduction.start(part), part) for part in np.split(values, cuts)]
    total = states[0]
    for state in states[1:]:
        total = reduction.merge(total, state)
    return reduction.result(total)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=5).map(sorted), st.integers(0, 2**32 - 1))
def test_parts_may_be_cut_anywhere(cuts, seed):
    """Counts give NumPy's quantiles and histograms exactly, and its moments to rounding, however they are cut."""
    counts = np.random.default_rng(seed).poisson(7.0, (40, 3, 2)) - 3
    levels = (0.0, 0.05, 0.5, 0.93, 1.0)
    found = gathered(Quantiles(levels), counts, cuts)["quantiles"]
    assert_allclose(found, np.quantile(counts, levels, axis=0), rtol=1e-14, atol=1e-14)
    moments = gathered(Moments(), counts, cuts)
    assert_allclose(moments["mean"], counts.mean(axis=0), rtol=1e-13, atol=1e-13)
    assert_allclose(moments["variance"], counts.var(axis=0, ddof=1), rtol=1e-12)
    edges = np.array([-2.0, 0.0, 1.0, 5.0, 8.0])
    bins = gathered(Histogram(edges), counts, cuts)
    for place in np.ndindex(3, 2):
        column = counts[(slice(None), *place)]
        assert np.array_equal(bins["histogram"][place], np.histogram(column, edges)[0])
        assert bins["below"][place] == np.sum(column < -2.0)
        assert bins["above"][place] == np.sum(column > 8.0)


def test_the_variance_of_large_numbers():
    """A spread of one around a mean of a thousand million is found to eight digits."""
    values = 1e9 + np.random.default_rng(1).normal(size=(10_000, 1))
    found = gathered(Moments(), values, range(100, 10_000, 100))["variance"]
    assert_allclose(found, values.var(axis=0, ddof=1), rtol=1e-8)


@pytest.mark.parametrize("accuracy", [1e-2, 1e-4])
def test_quantiles_of_reals_are_as_accurate_as_asked(accuracy):
    """Over 12 orders of magnitude and both signs the relative error is what was asked for; zeros stay zeros."""
    random = np.random.default_rng(2)
    values = random.choice([-1.0, 1.0], 2001) * 10.0 ** random.uniform(-6.0, 6.0, 2001)
    values = np.stack([values, 0.0 * values, np.full(2001, np.inf)], axis=1)
    levels = (0.0, 0.1, 0.5, 0.75, 1.0)  # of 2,001 values each is one of them
    found = gathered(Quantiles(levels, accuracy), values, [3, 1000])["quantiles"]
    assert_allclose(found, np.sort(values, axis=0)[[0, 200, 1000, 1500, 2000]], rtol=1.01 * accuracy)


def test_as_of_paths_that_are_kept(xp, ensemble):
    """On every library, in chunks of any size: what NumPy makes of the paths, in arrays of the library."""
    kept = np.asarray(ev.solve(ensemble, "Tsit5", saveat=TIMES).y)
    reductions = [Moments(), Quantiles([0.2, 0.5]), Histogram(EDGES)]
    for chunk in (None, 7):
        found = ev.solve(ensemble, "Tsit5", saveat=TIMES, reduce=reductions, chunk=chunk)
        assert isinstance(found.mean, type(xp.zeros(1)))
        assert np.asarray(found.t).tolist() == TIMES
        assert found.success
        assert len(found) == 31
        assert_allclose(np.asarray(found.mean), kept.mean(axis=0), rtol=1e-12)
        assert_allclose(np.asarray(found.variance), kept.var(axis=0, ddof=1), rtol=1e-10)
        assert_allclose(np.asarray(found.quantiles), np.quantile(kept, [0.2, 0.5], axis=0), rtol=1.01e-3)
        for place in np.ndindex(3, 2):
            wanted = np.histogram(kept[(slice(None), *place)], EDGES)[0]
            assert np.array_equal(np.asarray(found.histogram)[place], wanted)


def test_passages_of_each_path(numpy_or_jax, double):
    """A decay passes a half after its half-life or never; those that start there pass at once."""
    member = ev.ODEProblem(lambda t, y, p: -p * y, double(numpy_or_jax, [1.0]), (0.0, 2.0), params=1.0)
    rates = np.array([0.1, 0.5, 1.0, 2.0])
    starts = np.array([[1.0], [0.5], [1.0], [1.0]])
    many = ev.EnsembleProblem(member, y0=double(numpy_or_jax, starts), params=double(numpy_or_jax, rates))
    half = FirstPassage(lambda t, y, p: y[0] - 0.5, levels=[0.25, 0.5, 1.0])
    found = ev.solve(many, "Tsit5", reduce=half, rtol=1e-9, atol=1e-12)
    wanted = [np.inf, 0.0, np.log(2.0), np.log(2.0) / 2.0]
    assert_allclose(np.asarray(found.passage_times), wanted, rtol=1e-7)
    assert_allclose(np.asarray(found.passage_quantiles), [0.0, np.log(2.0) / 2.0, np.inf], rtol=1e-7)
    assert found.success


def test_passages_beside_events_that_end_a_path():
    """A path that another event has ended before has not passed."""
    end = ev.Event(lambda t, y, p: y[0] - 0.7, terminal=True)
    member = ev.ODEProblem(lambda t, y, p: -p * y, [1.0], (0.0, 2.0), params=1.0, events=[end])
    many = ev.EnsembleProblem(member, params=np.array([0.5, 1.0]))
    passages = [FirstPassage(lambda t, y, p: y[0] - 0.8), FirstPassage(lambda t, y, p: y[0] - 0.5)]
    found = ev.solve(many, "Tsit5", reduce=passages)
    assert_allclose(found.results[0]["passage_times"], -np.log(0.8) / np.array([0.5, 1.0]), rtol=1e-6)
    assert np.all(np.isinf(found.results[1]["passage_times"]))


def test_nested_states():
    """Statistics of a nested state are nested as it is."""
    member = ev.ODEProblem(lambda t, y, p: {"a": -p * y["a"], "b": y["b"]}, {"a": 1.0, "b": 2.0}, (0.0, 1.0), 1.0)
    many = ev.EnsembleProblem(member, params=np.array([1.0, 2.0]))
    found = ev.solve(many, "Tsit5", saveat="end", reduce=Moments(), rtol=1e-8, atol=1e-10)
    assert set(found.mean) == {"a", "b"}
    assert_allclose(found.mean["a"], [(np.exp(-1.0) + np.exp(-2.0)) / 2.0], rtol=1e-6)
    assert_allclose(found.mean["b"], [2.0 * np.e], rtol=1e-6)


def test_paths_that_failed_are_left_out():
    """The statistics are those of the others, the error carries them, and the status says which."""
    member = ev.ODEProblem(lambda t, y, p: y * y, [1.0], (0.0, 1.5))
    many = ev.EnsembleProblem(member, y0=[[0.1], [1.0], [0.5]])
    options = {"saveat": [1.0], "reduce": [Moments()], "rtol": 1e-9, "atol": 1e-12}
    with pytest.raises(ev.SolveError, match=r"1 of 3 paths failed; number 1") as caught:
        ev.solve(many, "Tsit5", **options)
    assert_allclose(caught.value.solution.mean, [[(1 / 9 + 1.0) / 2.0]], rtol=1e-6)
    assert not ev.solve(many, "Tsit5", throw=False, **options).success


@dataclass(frozen=True)
class Interrupting(Reduction):
    """Presses Ctrl-C where the second chunk has come."""

    def start(self, values):
        return 0

    def add(self, state, values):
        if state:
            raise KeyboardInterrupt
        return state + len(values)

    def merge(self, one, other):
        return one + other

    def result(self, state):
        return {"paths": np.asarray(state)}


def test_an_interruption_keeps_what_was_done(xp, ensemble):
    """Ctrl-C in the second of chunks leaves the first one's statistics, and says which paths are in them."""
    with pytest.raises(ev.SolveInterrupted) as caught:
        ev.solve(ensemble, "Tsit5", saveat=TIMES, reduce=[Moments(), Interrupting()], chunk=10)
    found = caught.value.solution
    kept = np.asarray(ev.solve(ensemble.part(0, 10), "Tsit5", saveat=TIMES).y)
    assert_allclose(np.asarray(found.mean), kept.mean(axis=0), rtol=1e-12)
    assert int(found.paths) == 10
    assert [ev.Status(int(s)) for s in found.status] == [ev.Status.SUCCESS] * 10 + [ev.Status.INTERRUPTED] * 21


def test_a_limit_of_time():
    """After wall_time the rest of the paths is left, with a status that says so."""
    member = ev.ODEProblem(lambda t, y, p: -p * y, [1.0], (0.0, 2.0), params=1.0)
    many = ev.EnsembleProblem(member, params=np.linspace(0.1, 2.0, 8))
    found = ev.solve(many, "Tsit5", saveat="end", reduce=Moments(), chunk=2, wall_time=1e-9, throw=False)
    assert ev.Status.WALL_TIME in found.status
    assert not found.success


def kept_through(value):
    return pickle.loads(pickle.dumps(value))


def test_reductions_and_results_are_pickled():
    """A reduction, its state and a reduced solution come back as they were."""
    values = np.arange(12.0).reshape(4, 3)
    for reduction in (Moments(), Quantiles(), Histogram(EDGES)):
        copied = kept_through(reduction)
        assert copied == reduction
        state = kept_through(copied.add(copied.start(values), values))
        for name, found in copied.result(state).items():
            assert np.array_equal(found, gathered(reduction, values, [])[name])
    many = ev.EnsembleProblem(ev.ODEProblem(decay, [1.0], (0.0, 1.0), 1.0), params=np.array([1.0, 2.0]))
    solution = ev.solve(many, "Tsit5", saveat="end", reduce=Moments())
    assert np.array_equal(kept_through(solution).mean, solution.mean)
    assert "2 paths: mean, variance" in repr(solution)
    with pytest.raises(AttributeError, match="without 'median'"):
        _ = solution.median


def decay(t, y, p):
    return -p * y


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduce": []}, "^reduce: must be reductions"),
        ({"reduce": [Moments]}, "^reduce: must be reductions"),
        ({"reduce": Moments()}, "^saveat: is needed by reductions"),
        ({"reduce": Moments(), "saveat": [[0.5], [1.0]]}, "^saveat: is needed by reductions, the same"),
        ({"reduce": Moments(), "saveat": "end", "chunk": 0}, "^chunk: must be a positive integer"),
    ],
)
def test_bad_reductions(options, message):
    """What can't be gathered is said before anything is solved."""
    many = ev.EnsembleProblem(ev.ODEProblem(decay, [1.0], (0.0, 1.0), 1.0), params=np.array([1.0, 2.0]))
    with pytest.raises(ev.InputError, match=message):
        ev.solve(many, "Tsit5", **options)


def test_bad_numbers():
    """Levels, edges and accuracies are looked at where they are given; one solve alone has nothing to gather."""
    for make, message in (
        (lambda: Quantiles([1.5]), "levels"),
        (lambda: Quantiles(accuracy=0.0), "accuracy"),
        (lambda: Histogram([1.0, 0.0]), "edges"),
        (lambda: FirstPassage(3.0), "condition"),
        (lambda: ev.solve(ev.ODEProblem(decay, [1.0], (0.0, 1.0), 1.0), "Tsit5", reduce=Moments()), "reduce"),
    ):
        with pytest.raises(ev.InputError, match=f"^{message}: "):
            make()
