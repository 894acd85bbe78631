"""What is kept of a jump problem's path, and what it is in between."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import evolvent as ev
from evolvent_stepping import FirstPassage, Histogram, Moments, Quantiles

BACKENDS = ["eager", "native"]


def birth_death(end=3.0, start=0):
    jumps = ev.MassAction([20.0, 1.0], [{}, {0: 1}], [{0: 1}, {0: -1}])
    return ev.JumpProblem(np.asarray([start]), (0.0, end), jumps=[jumps])


@pytest.mark.parametrize("backend", BACKENDS)
def test_between_its_jumps_a_solution_stays(backend):
    """solution(t) is the state of the last jump at or before t, an integer, whatever was asked for it."""
    solution = ev.solve(birth_death(), "Direct", seed=4, backend=backend)
    t, y = solution.t, solution.y
    assert y.dtype == np.int64
    assert np.array_equal(solution(t), y)
    assert np.array_equal(solution((t[1:] + t[:-1]) / 2.0), y[:-1])
    assert np.array_equal(solution(np.nextafter(t[1:], 0.0)), y[:-1])
    assert np.array_equal(solution(3.0), y[-1])
    with pytest.raises(ev.InputError, match="outside"):
        solution(3.5)
    copied = pickle.loads(pickle.dumps(solution))
    assert np.array_equal(copied(1.5), solution(1.5))


@pytest.mark.parametrize("backend", BACKENDS)
def test_times_to_save_do_not_change_a_path(backend):
    """Saved at times, by a spacing or at the end alone: the values of the path with all its events."""
    problem, options = birth_death(), {"seed": 4, "backend": backend}
    whole = ev.solve(problem, "Direct", **options)
    times = np.linspace(0.0, 3.0, 50)
    assert np.array_equal(ev.solve(problem, "Direct", saveat=times, **options).y, whole(times))
    spaced = ev.solve(problem, "Direct", saveat=0.5, **options)
    assert np.array_equal(spaced.y, whole(spaced.t))
    end = ev.solve(problem, "Direct", saveat="end", **options)
    assert end.y.tolist() == [whole.y[-1].tolist()]
    assert end.y.dtype == np.int64


@pytest.mark.parametrize("backend", BACKENDS)
def test_functions_of_the_state_are_saved(backend):
    """save= keeps a component, or what is made of the state, of one path and of many."""
    problem, options = birth_death(), {"seed": 4, "backend": backend, "saveat": [1.0, 3.0]}
    doubled = ev.solve(problem, "Direct", save=lambda t, y, p: 2.0 * y[0], **options)
    assert np.array_equal(doubled.y, 2.0 * ev.solve(problem, "Direct", **options).y[:, 0])
    many = ev.EnsembleProblem(problem, trajectories=5)
    doubled = ev.solve(many, "Direct", save=lambda t, y, p: 2.0 * y[0], **options)
    assert np.array_equal(doubled.y, 2.0 * ev.solve(many, "Direct", **options).y[..., 0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_pictures_have_steps(backend):
    """Every curve of a path is drawn in steps, to the end of the span, one path or many."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    problem = birth_death()
    one = ev.solve(problem, "Direct", seed=4, backend=backend)
    many = ev.solve(ev.EnsembleProblem(problem, trajectories=3), "Direct", seed=4, backend=backend)
    for solution, count in ((one, 1), (many, 3)):
        lines = solution.plot().lines
        assert len(lines) == count
        for line in lines:
            assert line.get_drawstyle() == "steps-post"
            assert line.get_xdata()[-1] == 3.0
            assert line.get_ydata()[-1] == line.get_ydata()[-2]
    (sampled,) = ev.solve(problem, "Direct", seed=4, saveat=[0.0, 1.0], backend=backend).plot().lines
    assert sampled.get_drawstyle() == "default"
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("chunk", [None, 700])
def test_moments_of_births_and_deaths(chunk):
    """From zero the count at t is Poisson of mean 20 (1 - exp(-t)): mean, variance and classes over 2,000 paths."""
    times = np.array([0.5, 1.0, 3.0])
    mean = 20.0 * (1.0 - np.exp(-times))
    edges = np.array([-0.5, 4.5, 7.5, 9.5, 12.5, 15.5, 18.5, 21.5, 60.5])
    reductions = [Moments(), Histogram(edges), Quantiles([0.1, 0.5, 0.9])]
    many = ev.EnsembleProblem(birth_death(), trajectories=2_000)
    found = ev.solve(many, "Direct", seed=11, saveat=times, reduce=reductions, chunk=chunk)
    kept = ev.solve(many, "Direct", seed=11, saveat=times).y
    assert np.array_equal(found.quantiles, np.quantile(kept, [0.1, 0.5, 0.9], axis=0))
    # Five standard errors: a bias of a tenth of the mean's root would be seen.
    assert np.all(np.abs(found.mean[:, 0] - mean) < 5.0 * np.sqrt(mean / 2_000))
    assert np.all(np.abs(found.variance[:, 0] / mean - 1.0) < 5.0 * np.sqrt(2.0 / 2_000 + 1.0 / (2_000 * mean)))
    for row, rate in zip(found.histogram[:, 0], mean, strict=True):
        expected = 2_000 * np.diff(stats.poisson.cdf(edges, rate))
        likely = expected > 5.0
        assert stats.chisquare(row[likely], expected[likely] * row[likely].sum() / expected[likely].sum()).pvalue > 1e-4


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_death_is_exponential(backend):
    """Of five that die at the rate 0.2 the first does after an exponential time of mean 1, or not until the end."""
    death = ev.MassAction([0.2], [{0: 1}], [{0: -1}])
    problem = ev.JumpProblem(np.asarray([5]), (0.0, 2.0), jumps=[death])
    count = 2_000 if backend == "native" else 500
    many = ev.EnsembleProblem(problem, trajectories=count)
    first = FirstPassage(lambda t, y, p: y[0] - 4.5, levels=[0.5])
    found = ev.solve(many, "Direct", seed=2, saveat="end", reduce=[first, Moments()], backend=backend)
    times = found.passage_times
    late = np.isinf(times)
    assert abs(late.mean() - np.exp(-2.0)) < 5.0 * np.sqrt(np.exp(-2.0) / count)
    within = stats.truncexpon(2.0)
    assert stats.kstest(times[~late], within.cdf).pvalue > 1e-4
    assert_allclose(found.passage_quantiles, np.log(2.0), atol=5.0 / np.sqrt(count))
    # A passage at the time of the path's first event: the same paths as those that are kept.
    for i in range(3):
        path = ev.solve(problem, "Direct", seed=2, trajectory=i, backend=backend)
        assert_allclose(times[i], path.t[1] if path.t.shape[0] > 1 else np.inf, rtol=1e-12)
    assert np.all(np.isin(found.status, ev.Status.SUCCESS))
