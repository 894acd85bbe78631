"""Rates that change between the jumps: by thinning with bounds, and by integrating the hazard."""

import pickle

import numpy as np
import pytest
from scipy import stats

import evolvent as ev
from evolvent_jumps import Coevolve, HazardIntegration

METHODS = ["Coevolve", "HazardIntegration"]
MU, ALPHA, BETA = 0.5, 0.6, 1.0


def space(y):
    return y.__array_namespace__()


def wave(t, y, p):
    return 1.0 + space(y).sin(t)


def one_more(t, y, p):
    return y + 1


def two(t, y, p):
    return 2.0


WAVES = ev.VariableRate(wave, one_more, upper_bound=two, name="waves")


def exponential_gaps(rescaled):
    """The p-value of gaps in rescaled time; with 2,000 of them, at one per cent, a distance of 0.036 shows."""
    return stats.kstest(np.diff(rescaled), "expon").pvalue


@pytest.mark.parametrize("method", METHODS)
def test_a_sinusoidal_rate(method):
    """In the time of its integrated rate, a Poisson process has exponential gaps; in its own it has not."""
    solution = ev.solve(ev.JumpProblem([0], (0.0, 2000.0), jumps=[WAVES]), method, seed=5)
    changes = np.flatnonzero(np.diff(solution.y[:, 0])) + 1
    times = np.concatenate([[0.0], solution.t[changes]])
    assert np.array_equal(solution.y[changes, 0], np.arange(1, len(changes) + 1))
    assert exponential_gaps(times - np.cos(times)) > 0.01
    assert exponential_gaps(times) < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_counts_of_a_sinusoidal_rate(method):
    """Counts are Poisson with the integrated rate for their mean: 400 paths tell one that is 15 per cent off."""
    run = ev.compile(ev.JumpProblem([0], (0.0, 5.0), jumps=[WAVES]), method, saveat="end")
    counts = np.asarray([int(run(seed=seed).y[-1, 0]) for seed in range(400)])
    assert poisson(counts, 6.0 - np.cos(5.0)) > 0.01
    assert poisson(counts, 1.15 * (6.0 - np.cos(5.0))) < 0.01


def poisson(counts, mean):
    """The p-value of chi-square for counts from a Poisson law, in bins of at least five expected."""
    law = stats.poisson(mean)
    edges = np.unique(law.ppf(np.linspace(0.0, 1.0, 12)[1:-1]).astype(int))
    expected = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]])) * len(counts)
    found = np.histogram(counts, np.concatenate([[-0.5], edges + 0.5, [np.inf]]))[0]
    return stats.chisquare(found, expected).pvalue


def intensity(t, y, p):
    return MU + y[1] * space(y).exp(-BETA * (t - y[2]))


def excite(t, y, p):
    return [y[0] + 1.0, y[1] * space(y).exp(-BETA * (t - y[2])) + ALPHA, t]


def hawkes(method, t_end):
    """A Hawkes process by thinning, its intensity in closed form, or over an ODE for that."""
    if method == "Coevolve":
        jump = ev.VariableRate(intensity, excite, upper_bound=intensity, name="hawkes")
        return ev.JumpProblem([0.0, 0.0, 0.0], (0.0, t_end), jumps=[jump])
    decay = ev.ODEProblem(lambda t, y, p: [0.0 * y[0], -BETA * y[1]], [0.0, 0.0], (0.0, t_end))
    jump = ev.VariableRate(lambda t, y, p: MU + y[1], lambda t, y, p: [y[0] + 1.0, y[1] + ALPHA], name="hawkes")
    return ev.JumpProblem(over=decay, jumps=[jump])


@pytest.mark.parametrize("method", METHODS)
def test_a_process_that_excites_itself(method):
    """Gaps of a Hawkes process are exponential in its intensity's time; its mean rate is mu/(1 - alpha/beta)."""
    t_end = 2000.0
    solution = ev.solve(hawkes(method, t_end), method, seed=11)
    times = solution.t[np.flatnonzero(np.diff(solution.y[:, 0])) + 1]
    residuals, excitation, last = [], 0.0, 0.0
    for t in times:
        residuals.append(MU * (t - last) + excitation / BETA * (1.0 - np.exp(-BETA * (t - last))))
        excitation, last = excitation * np.exp(-BETA * (t - last)) + ALPHA, t
    assert stats.kstest(residuals, "expon").pvalue > 0.01
    assert stats.kstest(np.diff(times) * len(times) / t_end, "expon").pvalue < 1e-6
    mean, spread = MU / (1.0 - ALPHA / BETA) * t_end, np.sqrt(MU / (1.0 - ALPHA / BETA) ** 3 * t_end)
    assert abs(len(times) - mean) < 3.0 * spread


@pytest.mark.parametrize("method", METHODS)
def test_arrivals_that_vary_and_leave_again(method):
    """A queue with unlimited servers and sinusoidal arrivals is Poisson, with the mean that its ODE has."""
    arrival = ev.VariableRate(lambda t, y, p: 4.0 * wave(t, y, p), one_more, upper_bound=lambda t, y, p: 8.0)
    leaving = ev.MassAction([1.0], [{0: 1}], [{0: -1}])
    run = ev.compile(ev.JumpProblem([0], (0.0, 4.0), jumps=[leaving, arrival]), method, saveat="end")
    counts = np.asarray([int(run(seed=seed).y[-1, 0]) for seed in range(400)])
    t = 4.0
    mean = 4.0 * (1.0 - np.exp(-t)) + 2.0 * (np.sin(t) - np.cos(t) + np.exp(-t))
    assert poisson(counts, mean) > 0.01
    assert poisson(counts, 1.15 * mean) < 0.01


def test_bounds_that_expire():
    """Where a bound holds for a time only it is asked for anew: a rate that grows without bound is exact."""
    growing = ev.VariableRate(
        lambda t, y, p: t,
        one_more,
        upper_bound=lambda t, y, p: t + 0.5,
        lower_bound=lambda t, y, p: t,
        valid_for=lambda t, y, p: 0.5,
    )
    solution = ev.solve(ev.JumpProblem([0], (0.0, 60.0), jumps=[growing]), "Coevolve", seed=3)
    assert exponential_gaps(solution.t[:-1] ** 2 / 2.0) > 0.01
    assert solution.stats.n_rejected > 0
    assert solution.stats.n_accepted == solution.y[-1, 0]


def test_a_rate_that_nobody_can_bound():
    """An exponentially growing rate is integrated along: its gaps are exponential in the integral."""
    growing = ev.VariableRate(lambda t, y, p: space(y).exp(t), one_more)
    solution = ev.solve(ev.JumpProblem([0], (0.0, 7.6), jumps=[growing]), seed=2)
    assert solution.algorithm.name.startswith("HazardIntegration")
    assert abs(int(solution.y[-1, 0]) - np.exp(7.6)) < 3.0 * np.exp(3.8)
    times = solution.t[np.concatenate([[True], np.diff(solution.y[:, 0]) > 0])]
    assert exponential_gaps(np.exp(times)) > 0.01


def test_a_hazard_that_is_zero_for_long():
    """Nothing happens while the rate is zero, and all that should where it has become enormous."""
    late = ev.VariableRate(lambda t, y, p: 2e4 * space(y).maximum(t - 100.0, 0.0 * t), one_more)
    solution = ev.solve(ev.JumpProblem([0], (0.0, 100.4), jumps=[late]), "HazardIntegration", seed=4)
    jumps = solution.t[1:][np.diff(solution.y[:, 0]) > 0]
    assert jumps[0] > 100.0
    assert exponential_gaps(1e4 * (jumps - 100.0) ** 2) > 0.01


@pytest.mark.parametrize("method", METHODS)
def test_one_path_on_all_backends(method):
    """A seed names one path, whatever runs it."""
    problem = ev.JumpProblem([0, 5], (0.0, 12.0), jumps=[_first(WAVES), ev.MassAction([0.3], [{1: 1}], [{1: -1}])])
    one, *others = (ev.solve(problem, method, seed=8, backend=name) for name in ("native", "eager", "jax"))
    for other in others:
        assert np.array_equal(np.asarray(other.y), one.y)
        assert np.allclose(other.t, one.t, rtol=1e-9, atol=0.0)


def _first(jump):
    return ev.VariableRate(jump.rate, lambda t, y, p: [y[0] + 1, y[1]], upper_bound=jump.upper_bound)


@pytest.mark.parametrize("backend", ["eager", "native"])
@pytest.mark.parametrize(
    ("method", "rate"),
    [
        ("HazardIntegration", lambda t, y, p: 1.0 - 0.1 * t),
        ("Coevolve", lambda t, y, p: 1.0 - 0.1 * t),
        ("HazardIntegration", lambda t, y, p: space(y).sqrt(2.5 - y[0])),
        ("Coevolve", lambda t, y, p: space(y).sqrt(2.5 - y[0])),
    ],
)
def test_a_rate_that_is_none(method, rate, backend):
    """A rate that turns negative or NaN ends the solve with the name of its jump."""
    bound = (lambda t, y, p: 2.0) if method == "Coevolve" else None
    jump = ev.VariableRate(rate, one_more, upper_bound=bound, name="the odd one")
    even = ev.ConstantRate(lambda t, y, p: 0.1, lambda t, y, p: y)
    problem = ev.JumpProblem([0], (0.0, 100.0), jumps=[even, jump])
    with pytest.raises(ev.SolveError, match=r"INVALID_RATE.*the odd one"):
        ev.solve(problem, method, seed=1, backend=backend)


@pytest.mark.parametrize("backend", ["eager", "native"])
def test_a_bound_that_is_too_low(backend):
    """A rate above its bound is an error that names the jump, not a wrong path."""
    jump = ev.VariableRate(lambda t, y, p: 3.0 * wave(t, y, p), one_more, upper_bound=two, name="underestimated")
    with pytest.raises(ev.SolveError, match=r"INVALID_RATE.*underestimated was above its upper_bound"):
        ev.solve(ev.JumpProblem([0], (0.0, 100.0), jumps=[jump]), "Coevolve", seed=1, backend=backend)


def test_a_bound_that_is_none():
    """A bound that is not a number ends the solve with the name of its jump."""
    jump = ev.VariableRate(
        lambda t, y, p: 0.1, one_more, upper_bound=lambda t, y, p: space(y).sqrt(1.5 - y[0]), name="unbounded"
    )
    with pytest.raises(ev.SolveError, match="A bound of unbounded"):
        ev.solve(ev.JumpProblem([0], (0.0, 100.0), jumps=[jump]), "Coevolve", seed=1)


def test_the_choice():
    """Bounded rates are thinned, unbounded ones integrated, and methods for constant rates say that they can't."""
    bounded = ev.JumpProblem([0], (0.0, 10.0), jumps=[WAVES])
    unbounded = ev.JumpProblem([0], (0.0, 10.0), jumps=[ev.VariableRate(wave, one_more, name="free")])
    assert ev.explain(bounded).startswith("Coevolve")
    assert "no upper_bound" in ev.explain(unbounded)
    assert ev.explain(unbounded).startswith("HazardIntegration(Tsit5)")
    with pytest.raises(ev.InputError, match=r"waves is a VariableRate.*Coevolve"):
        ev.solve(bounded, "Direct")
    with pytest.raises(ev.InputError, match="free has none"):
        ev.solve(unbounded, "Coevolve")
    with pytest.raises(ev.InputError, match="takes time steps"):
        ev.solve(unbounded, HazardIntegration("Direct"))


@pytest.mark.parametrize("method", METHODS)
def test_events_change_a_rate(method):
    """A dose that changes the parameters changes the rate from there on: none before it, some behind it."""
    closed = ev.VariableRate(lambda t, y, p: p * wave(t, y, p), one_more, upper_bound=lambda t, y, p: 2.0 * p)
    opened = ev.Dose(20.0, lambda t, y, p: (y, 1.0), name="opened")
    problem = ev.JumpProblem([0], (0.0, 60.0), 0.0, jumps=[closed], events=[opened])
    solution = ev.solve(problem, method, seed=1)
    jumps = solution.t[1:][np.diff(solution.y[:, 0]) > 0]
    assert jumps[0] > 20.0
    assert 15 < len(jumps) < 70
    assert len(solution.events["opened"]) == 1


@pytest.mark.parametrize("method", [Coevolve(), HazardIntegration()])
def test_a_solution_survives_pickling(method):
    """Problems, methods and solutions pickle, and the copy gives the same path."""
    problem = ev.JumpProblem([0], (0.0, 10.0), jumps=[WAVES])
    solution = ev.solve(problem, method, seed=3)
    copy = pickle.loads(pickle.dumps(solution))
    assert np.array_equal(copy(4.5), solution(4.5))
    again = ev.solve(pickle.loads(pickle.dumps(problem)), pickle.loads(pickle.dumps(method)), seed=solution.stats.seed)
    assert np.array_equal(again.t, solution.t)


@pytest.mark.parametrize("method", METHODS)
def test_saving_never_changes_a_path(method):
    """Times to save are read off the same path, within the tolerance of what integrates."""
    problem = ev.JumpProblem([0], (0.0, 30.0), jumps=[WAVES])
    path = ev.solve(problem, method, seed=6)
    saved = ev.solve(problem, method, seed=6, saveat=0.5)
    assert np.array_equal(saved.y, path(saved.t))
    assert saved.y.dtype == path.y.dtype == np.asarray([0]).dtype
