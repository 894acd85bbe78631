"""Many paths of one jump problem: each a function of the seed and of its own number."""

import pickle
from importlib import import_module

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev

NAMESPACES = ["numpy", "native", "array_api_strict", "torch", "jax.numpy"]


def arrays(name, monkeypatch):
    """A namespace, and "native" for NumPy's with compiled solves."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "on" if name == "native" else "off")
    module = pytest.importorskip("numpy" if name == "native" else name, reason=f"{name} is not installed")
    if name == "jax.numpy":
        import_module("jax").config.update("jax_enable_x64", True)
    return module


@pytest.fixture(params=NAMESPACES)
def xp(request, monkeypatch):
    return arrays(request.param, monkeypatch)


@pytest.fixture(params=NAMESPACES[:-1])
def quick_xp(request, monkeypatch):
    """Where a solve of another kind is compiled in less than seconds, or not at all."""
    return arrays(request.param, monkeypatch)


def rates(p):
    return [p["beta"], p["gamma"]]


def sir(xp, end=30.0, dtype="int64"):
    jumps = ev.MassAction(rates, [{0: 1, 1: 1}, {1: 1}], [{0: -1, 1: 1}, {1: -1, 2: 1}])
    y0 = xp.asarray([40, 2, 0], dtype=getattr(xp, dtype))
    return ev.JumpProblem(y0, (0.0, end), {"beta": 0.01, "gamma": 0.1}, jumps=[jumps])


def test_a_path_is_the_same_alone_and_in_any_company(xp):
    """Alone, among 12 or in a part of them: equal counts, and those of NumPy's eager solve."""
    same_in_any_company(xp, "Direct")


def test_methods_that_keep_their_rates_too(quick_xp):
    """The same of a method that carries arrays from event to event."""
    same_in_any_company(quick_xp, "SortingDirect")


def same_in_any_company(xp, method):
    problem, times = sir(xp), [0.0, 5.0, 30.0]
    many = ev.solve(ev.EnsembleProblem(problem, trajectories=12), method, seed=7, saveat=times)
    part = ev.solve(ev.EnsembleProblem(problem, trajectories=range(5, 9)), method, seed=7, saveat=times)
    alone = ev.solve(problem, method, seed=7, trajectory=6, saveat=times)
    assert many.y.dtype == problem.y0.dtype
    y = np.asarray(many.y)
    assert np.array_equal(np.asarray(part.y), y[5:9])
    assert np.array_equal(np.asarray(alone.y), y[6])
    assert np.array_equal(np.asarray(many[6].y), y[6])
    assert many.stats.seed == part[1].stats.seed == 7
    expected = ev.solve(ev.EnsembleProblem(sir(np), trajectories=12), method, seed=7, saveat=times, backend="eager")
    assert np.array_equal(y, np.asarray(expected.y))
    assert len({tuple(row) for row in y[:, 1].tolist()}) > 3


def test_every_event_of_every_path(xp):
    """Paths with all their events: short ones repeat their last point, counts stay integers."""
    problem = sir(xp, 10.0)
    many = ev.solve(ev.EnsembleProblem(problem, trajectories=6), "Direct", seed=3)
    y, t, counts = np.asarray(many.y), np.asarray(many.t), np.asarray(many.counts)
    assert y.dtype == np.int64
    assert len(set(counts.tolist())) > 1
    for i in (0, 5):
        alone = ev.solve(problem, "Direct", seed=3, trajectory=i)
        n = alone.t.shape[0]
        assert counts[i] == n
        assert np.array_equal(y[i, :n], np.asarray(alone.y))
        assert_allclose(t[i, :n], np.asarray(alone.t), rtol=1e-12)
        assert np.all(y[i, n:] == y[i, n - 1])
    assert np.all(y.sum(axis=2) == 42)


def test_rows_and_random_numbers_may_both_differ(quick_xp):
    """With rows of parameters and of y0 path i has row i and the random numbers of i."""
    xp, problem = quick_xp, sir(quick_xp)
    params = {"beta": xp.asarray([0.0, 0.01, 0.03], dtype=xp.float64), "gamma": xp.asarray([0.1] * 3, dtype=xp.float64)}
    y0 = xp.asarray([[40, 2, 0], [30, 12, 0], [41, 1, 0]])
    for trajectories in (None, 3, range(4, 7)):
        many = ev.EnsembleProblem(problem, y0=y0, params=params, trajectories=trajectories)
        found = np.asarray(ev.solve(many, "Direct", seed=1, saveat=[3.0, 20.0]).y)
        for i, number in enumerate(many.numbers):
            own = problem.replace(y0=y0[i, ...], params={name: float(x[i]) for name, x in params.items()})
            alone = ev.solve(own, "Direct", seed=1, trajectory=number, saveat=[3.0, 20.0])
            assert np.array_equal(found[i], np.asarray(alone.y))
    assert np.all(found[0, :, 0] == 40)


def test_failed_paths_of_integers(quick_xp):
    """A path that is cut short by max_steps keeps integers to its end, and its status says so."""
    many = ev.EnsembleProblem(sir(quick_xp), trajectories=5)
    for saveat in (None, [0.0, 10.0, 30.0]):
        solution = ev.solve(many, "Direct", seed=3, saveat=saveat, max_steps=20, throw=False)
        assert solution.y.dtype == quick_xp.int64
        assert np.all(np.asarray(solution.y).sum(axis=2) == 42)
        assert ev.Status.MAX_STEPS in np.asarray(solution.status)


def test_species_by_name_in_lanes(quick_xp):
    """Species of a dict keep their names in ensembles."""
    jumps = ev.MassAction([0.3], [{"a": 1}], [{"a": -1, "b": 1}])
    start = {"a": quick_xp.asarray(30), "b": quick_xp.asarray(0)}
    many = ev.EnsembleProblem(ev.JumpProblem(start, (0.0, 3.0), jumps=[jumps]), trajectories=4)
    y = ev.solve(many, "Direct", seed=2, saveat=[1.0, 3.0]).y
    assert tuple(y["a"].shape) == (4, 2)
    assert np.all(np.asarray(y["a"]) + np.asarray(y["b"]) == 30)


def test_events_that_end_paths(quick_xp):
    """A terminal event ends each path at its own time, with integers behind it."""
    problem = sir(quick_xp, 60.0).replace(events=[ev.Event(lambda t, y, p: y[2] - 5, terminal=True)])
    solution = ev.solve(ev.EnsembleProblem(problem, trajectories=8), "Direct", seed=5, saveat=[0.0, 60.0])
    y, t = np.asarray(solution.y), np.asarray(solution.t)
    ended = np.asarray(solution.status) == ev.Status.TERMINATED
    assert ended.any()
    assert np.all(y[ended, -1, 2] == 5)
    assert np.all(t[ended, -1] < 60.0)
    assert y.dtype == np.int64


def test_seeds_that_jax_traces(monkeypatch):
    """By vmap over seeds and jit they give the paths of solves with these seeds; so do traced parameters."""
    jax = pytest.importorskip("jax")
    jnp = arrays("jax.numpy", monkeypatch)
    problem = sir(jnp, 10.0)

    def end(seed, beta):
        own = problem.replace(params={"beta": beta, "gamma": 0.1})
        return ev.solve(own, "Direct", seed=seed, saveat="end").y[-1]

    seeds = jnp.asarray([3, 8, 2**40 + 5])
    found = np.asarray(jax.jit(jax.vmap(end, (0, None)))(seeds, 0.01))
    for seed, row in zip(seeds.tolist(), found, strict=True):
        assert np.array_equal(np.asarray(ev.solve(sir(np, 10.0), "Direct", seed=seed, saveat="end").y[-1]), row)


def test_pickled_ensembles():
    """A pickled solution of an ensemble gives the same members."""
    problem = sir(np)
    solution = ev.solve(ev.EnsembleProblem(problem, trajectories=3), "Direct", seed=1, saveat=[1.0, 2.0])
    copied = pickle.loads(pickle.dumps(solution))
    assert np.array_equal(copied.y, solution.y)
    assert np.array_equal(copied[2].y, solution[2].y)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "^y0: nothing differs between the trajectories"),
        ({"trajectories": 0}, "^trajectories: must be some"),
        ({"trajectories": 2.5}, "^trajectories: must be how many, or a range"),
        ({"trajectories": range(-1, 3)}, "^trajectories: must be some"),
        ({"trajectories": 4, "y0": np.ones((3, 3), int)}, "^trajectories: are 4, and y0, params or t_span have 3 rows"),
    ],
)
def test_bad_ensembles(changes, message):
    """What can't be an ensemble is said at once."""
    with pytest.raises(ev.InputError, match=message):
        ev.EnsembleProblem(sir(np), **changes)


def test_what_needs_random_numbers():
    """Numbers of paths are for what is random, and one of a single path for a single solve."""
    decay = ev.ODEProblem(lambda t, y, p: -y, [1.0], (0.0, 1.0))
    with pytest.raises(ev.InputError, match=r"^y0: nothing differs between the trajectories"):
        ev.solve(ev.EnsembleProblem(decay, trajectories=3), "Tsit5")
    with pytest.raises(ev.InputError, match=r"^trajectory: Tsit5 draws no random numbers"):
        ev.solve(decay, "Tsit5", trajectory=3)
    with pytest.raises(ev.InputError, match=r"^trajectory: is for one path"):
        ev.solve(ev.EnsembleProblem(sir(np), trajectories=3), "Direct", trajectory=3)
    with pytest.raises(ev.InputError, match=r"^trajectory: must be an integer"):
        ev.solve(sir(np), "Direct", trajectory=-1)
