"""Jumps that ride on an ODE: piecewise deterministic Markov processes."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

import evolvent as ev
from evolvent_jumps import HazardIntegration

ON, OFF = 0.8, 1.4


def protein(t_end=12.0, **given):
    return ev.ODEProblem(lambda t, y, p: {"on": 0, "x": y["on"] - y["x"]}, {"on": 1, "x": 0.5}, (0.0, t_end), **given)


def switching(over):
    """A promoter that is switched on and off, and what is made while it is on."""
    on = ev.VariableRate(lambda t, y, p: ON * (1 - y["on"]), lambda t, y, p: {"on": 1, "x": y["x"]}, name="on")
    off = ev.VariableRate(lambda t, y, p: OFF * y["on"], lambda t, y, p: {"on": 0, "x": y["x"]}, name="off")
    return ev.JumpProblem(over=over, jumps=[on, off])


def test_a_promoter_has_a_beta_law():
    """Relaxation towards a telegraph signal has the stationary law Beta(on, off): 300 paths tell a mean 0.04 off."""
    run = ev.compile(switching(protein()), HazardIntegration("Tsit5"), saveat="end", rtol=1e-4)
    x = np.asarray([float(run(seed=seed).y["x"][-1]) for seed in range(300)])
    assert stats.kstest(x, stats.beta(ON, OFF).cdf).pvalue > 0.01
    assert stats.kstest(x, stats.beta(1.4 * ON, OFF).cdf).pvalue < 0.01


def test_one_path_on_all_backends():
    """A seed names one path, whatever runs it; counts are equal, and all else is to the tolerance."""
    problem = switching(protein(6.0))
    method = HazardIntegration("Tsit5")
    one, *others = (ev.solve(problem, method, seed=8, backend=name) for name in ("native", "eager", "jax"))
    assert len(np.flatnonzero(np.diff(one.y["on"]))) > 2
    for other in others:
        assert np.array_equal(np.asarray(other.y["on"]), one.y["on"])
        assert np.allclose(other.y["x"], one.y["x"], rtol=0.0, atol=1e-8)
        assert np.allclose(other.t, one.t, rtol=1e-8)


def test_counts_stay_integers():
    """What was an integer and is changed by jumps alone is one in the solution; what an ODE moves is not."""
    solution = ev.solve(switching(protein()), seed=1)
    assert solution.y["on"].dtype.kind == "i"
    assert set(solution.y["on"].tolist()) == {0, 1}
    assert solution.y["x"].dtype.kind == "f"
    assert solution(np.linspace(0.0, 12.0, 50))["on"].dtype.kind == "i"
    moved = protein().replace(y0={"on": 1, "x": 0})
    assert ev.solve(switching(moved), seed=1).y["x"].dtype.kind == "f"


def test_between_the_jumps_the_ode_holds():
    """From jump to jump the solution is that of the ODE, and the hidden hazard is nowhere to be seen."""
    solution = ev.solve(switching(protein()), seed=2, rtol=1e-9, atol=1e-11)
    jumps = solution.t[1:][np.diff(solution.y["on"]) != 0]
    for start, end in pairwise(jumps):
        t = np.linspace(start, end, 7)[:-1]
        inside = solution(t)
        on, x = inside["on"], inside["x"]
        assert np.all(on == on[0])
        assert np.allclose(x, on[0] + (x[0] - on[0]) * np.exp(-(t - start)), atol=1e-7)
    assert set(solution.y) == {"on", "x"}
    assert np.all(np.diff(solution.t) >= 0.0)


def test_doses_and_events_of_the_user():
    """Doses and events are those that the user listed, in that order, and happen on the way as without jumps."""
    dose = ev.Dose([3.0, 6.0], lambda t, y, p: {"on": y["on"], "x": y["x"] + 2.0}, name="dose")
    high = ev.Event(lambda t, y, p: y["x"] - 1.2, direction=-1, name="fell")
    solution = ev.solve(switching(protein(events=[dose, high])), seed=3)
    assert list(solution.events.names) == ["dose", "fell"]
    assert np.array_equal(solution.events["dose"].t, [3.0, 6.0])
    assert len(solution.events["fell"]) == 2
    assert np.allclose(solution.events["fell"].y["x"], 1.2, atol=1e-6)
    assert len(solution.events) == 2


def test_a_terminal_event():
    """A terminal event ends the solve where its condition is met."""
    low = ev.Event(lambda t, y, p: y["x"] - 0.1, terminal=True, name="low")
    solution = ev.solve(switching(protein(200.0, events=[low])), seed=3)
    assert solution.status is ev.Status.TERMINATED
    assert float(solution.y["x"][-1]) == pytest.approx(0.1, abs=1e-6)


def test_an_event_changes_parameters():
    """An event that changes the parameters changes the rates: behind it nothing jumps any more."""
    still = ev.Dose(5.0, lambda t, y, p: (y, {"rate": 0.0}))
    decay = ev.ODEProblem(lambda t, y, p: -0.1 * y, [1.0], (0.0, 50.0), {"rate": 2.0}, events=[still])
    burst = ev.VariableRate(lambda t, y, p: p["rate"] * y[0], lambda t, y, p: y + 0.1)
    solution = ev.solve(ev.JumpProblem(over=decay, jumps=[burst]), seed=1)
    jumps = solution.t[1:][np.diff(solution.y[:, 0]) > 0.05]
    assert len(jumps) > 3
    assert jumps.max() < 5.0


def test_mass_action_over_an_ode():
    """Reactions among species that an ODE leaves alone have their own law: a pure death process."""
    clock = ev.ODEProblem(lambda t, y, p: {"clock": 1.0, "n": 0}, {"clock": 0.0, "n": 60}, (0.0, 1.0))
    death = ev.MassAction([1.0], [{"n": 1}], [{"n": -1}])
    run = ev.compile(ev.JumpProblem(over=clock, jumps=[death]), HazardIntegration("Tsit5"), saveat="end")
    left = np.asarray([int(run(seed=seed).y["n"][-1]) for seed in range(200)])
    law = stats.binom(60, np.exp(-1.0))
    edges = law.ppf([0.2, 0.4, 0.6, 0.8])
    found = np.histogram(left, np.concatenate([[-0.5], edges + 0.5, [60.5]]))[0]
    expected = 200 * np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]]))
    assert stats.chisquare(found, expected).pvalue > 0.01


@pytest.mark.parametrize("method", ["Rodas5P", "Tsit5", "FBDF", "Vern7"])
def test_any_method_integrates(method):
    """The jumps come at the same times, to the tolerance, whatever integrates."""
    solution = ev.solve(switching(protein()), HazardIntegration(method), seed=4, saveat=0.5, rtol=1e-7, atol=1e-9)
    reference = ev.solve(switching(protein()), HazardIntegration("Vern9"), seed=4, saveat=0.5, rtol=1e-10, atol=1e-12)
    assert np.array_equal(solution.y["on"], reference.y["on"])
    assert np.allclose(solution.y["x"], reference.y["x"], atol=1e-4)


def test_a_mass_matrix():
    """An algebraic equation holds between the jumps, too."""

    def f(t, y, p):
        return [-y[1], y[1] - 2.0 * y[0]]

    ode = ev.ODEProblem(f, [1.0, 2.0], (0.0, 3.0), mass=np.asarray([1.0, 0.0]))
    burst = ev.VariableRate(lambda t, y, p: 2.0 + 0.0 * y[0], lambda t, y, p: [y[0] + 1.0, y[1]])
    solution = ev.solve(ev.JumpProblem(over=ode, jumps=[burst]), HazardIntegration("Rodas5P"), seed=1, saveat=0.25)
    assert np.allclose(solution.y[:, 1], 2.0 * solution.y[:, 0], atol=1e-4)
    assert solution.y.shape[1] == 2


def test_second_order_and_split_problems():
    """What moves the state may be a problem of second order, or a split one."""
    spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, [1.0], [0.0], t_span=(0.0, 10.0))
    kick = ev.VariableRate(lambda t, y, p: 1.0 + y[0][0] ** 2, lambda t, y, p: (y[0], y[1] + 0.1))
    q, v = ev.solve(ev.JumpProblem(over=spring, jumps=[kick]), seed=1).y
    assert q.shape == v.shape
    split = ev.SplitODEProblem(lambda t, y, p: -y, lambda t, y, p: 0.0 * y, [1.0], (0.0, 4.0))
    double = ev.VariableRate(lambda t, y, p: 0.5 + 0.0 * y[0], lambda t, y, p: 2.0 * y)
    solution = ev.solve(ev.JumpProblem(over=split, jumps=[double]), HazardIntegration("KenCarp4"), seed=1)
    doubled = np.log2(solution.y[-1, 0] * np.exp(4.0))
    assert doubled == pytest.approx(round(float(doubled)), abs=1e-3)


def test_stepping_by_hand_and_compiled():
    """Integrators and compiled solves show the user's state alone, and take the same path."""
    problem = switching(protein())
    path = ev.solve(problem, seed=5, saveat=[7.0], t_stops=[7.0])
    integrator = ev.init(problem, seed=5)
    integrator.advance_to(7.0)
    assert float(integrator.y["x"]) == pytest.approx(float(path.y["x"][0]), abs=1e-6)
    run = ev.compile(problem, saveat=[7.0])
    assert float(run(seed=5).y["x"][0]) == pytest.approx(float(path.y["x"][0]), abs=1e-6)
    other = run(y0={"on": 0, "x": 0.25}, seed=5)
    assert float(other.y["x"][0]) == pytest.approx(
        float(ev.solve(problem.replace(y0={"on": 0, "x": 0.25}), seed=5, saveat=[7.0]).y["x"][0]), abs=1e-6
    )


def test_options_of_the_user():
    """`save`, `max_step` and a tree of tolerances work as without jumps."""
    problem = switching(protein())
    saved = ev.solve(problem, seed=6, saveat=1.0, save=lambda t, y, p: 2.0 * y["x"])
    plain = ev.solve(problem, seed=6, saveat=1.0)
    assert np.allclose(saved.y, 2.0 * plain.y["x"])
    fine = ev.solve(problem, seed=6, saveat=1.0, max_step=0.05, atol={"on": 1e-8, "x": 1e-10})
    assert fine.stats.n_steps > 200
    assert np.allclose(fine.y["x"], plain.y["x"], atol=1e-4)


def test_a_variant_replaces_what_belongs_to_the_ode():
    """`replace` reaches what came with the problem below."""
    problem = switching(protein())
    variant = problem.replace(t_span=(0.0, 2.0))
    assert variant.t_span == variant.over.t_span == (0.0, 2.0)
    assert problem.t_span == (0.0, 12.0)


def test_what_cannot_be():
    """Implicit equations are refused, and methods for jumps alone say what moves the state."""
    dae = ev.DAEProblem(lambda t, y, yp, p: [yp[0] + y[0]], [1.0], t_span=(0.0, 1.0))
    jump = ev.VariableRate(lambda t, y, p: 1.0, lambda t, y, p: y)
    with pytest.raises(ev.InputError, match="DAEProblem"):
        ev.solve(ev.JumpProblem(over=dae, jumps=[jump]), HazardIntegration("Tsit5"))
    with pytest.raises(ev.InputError, match="moved by an ODE"):
        ev.solve(switching(protein()), "Direct")
    assert "moves the state" in ev.explain(switching(protein()))
