"""Switching between explicit and implicit steps, and the choice of a method."""

from __future__ import annotations

import numpy as np
import pytest

import evolvent as ev
from evolvent_ode import Tsit5, Vern7
from evolvent_stiff_ode import AutoSwitch, Rodas5P
from evolvent_testing import problems

BOTH = AutoSwitch(Tsit5(), Rodas5P())


def van_der_pol(mu, end):
    return ev.ODEProblem(
        lambda t, y, p: [y[1], p * (1.0 - y[0] ** 2) * y[1] - y[0]], np.asarray([2.0, 0.0]), (0.0, end), params=mu
    )


def turns(problem, **options):
    """The times at which another method takes over, stepped by hand."""
    integrator = ev.init(problem, BOTH, backend="eager", **options)
    found, stiff = [], False
    while integrator.status is ev.Status.RUNNING:
        integrator.step()
        now = bool(integrator._state.march.cache.mode.stiff)
        if now != stiff:
            found.append(integrator.t)
        stiff = now
    return found


def test_explicit_alone_where_nothing_is_stiff():
    """A problem that is not stiff costs what the explicit method alone costs."""
    orbit = problems.arenstorf(np).problem()
    both, alone = (ev.solve(orbit, method, rtol=1e-7, atol=1e-9, saveat="end") for method in (BOTH, "Tsit5"))
    assert both.stats.n_jacobians == 0
    assert both.stats.n_steps == alone.stats.n_steps
    assert both.stats.n_f <= alone.stats.n_f + 1


def test_implicit_where_stiff():
    """A stiff problem soon costs what the implicit method costs."""
    reference = problems.hires(np)
    both, alone = (
        ev.solve(reference.problem(), method, rtol=1e-6, atol=1e-10, saveat="end") for method in (BOTH, "Rodas5P")
    )
    assert both.stats.n_steps < 1.5 * alone.stats.n_steps
    assert reference.error(both.y[-1]) < 1e-4


def test_there_and_back_without_chattering():
    """A relaxation oscillation is stiff on its slow branches and not in its jumps: each is noticed about once."""
    found = turns(van_der_pol(100.0, 250.0), rtol=1e-6, atol=1e-8)
    # A period is about 1.614 mu: the span holds three jumps.
    assert 3 <= len(found) <= 10


def test_patience_grows():
    """A problem at the border of stiffness is not taken to and fro for ever."""
    border = ev.ODEProblem(
        lambda t, y, p: -(20.0 + 15.0 * np.sin(t)) * (y - np.cos(t)), np.asarray([1.0]), (0.0, 100.0)
    )
    assert len(turns(border, rtol=1e-5, atol=1e-8)) < 40


@pytest.mark.parametrize("backend", ["native", "eager"])
def test_dense_output_across_a_switch(backend):
    """The solution is evaluated between steps by the method that took them, with no seam where they meet."""
    problem = van_der_pol(30.0, 80.0)
    solution = ev.solve(problem, BOTH, rtol=1e-8, atol=1e-8, backend=backend, dense=True)
    assert 0 < solution.stats.n_jacobians < solution.stats.n_steps
    times = np.linspace(0.0, 80.0, 1001)
    reference = ev.solve(problem, "Vern9", rtol=1e-11, atol=1e-11, saveat=times, max_steps=10**6).y
    # Phase errors of the jumps are what the tolerance allows for.
    assert np.quantile(np.abs(solution(times) - reference)[:, 0], 0.99) < 1e-4


def test_events_with_effects():
    """What an event changes is seen by whichever method steps."""
    decay = ev.ODEProblem(
        lambda t, y, p: -1000.0 * (y - np.cos(t)) - np.sin(t),
        np.asarray([1.0]),
        (0.0, 10.0),
        events=[ev.Dose(times=[2.0, 5.0], effect=lambda t, y, p: y + 1.0)],
    )
    solution = ev.solve(decay, BOTH, rtol=1e-7, atol=1e-9)
    assert len(solution.events[0]) == 2
    assert solution.y[-1, 0] == pytest.approx(np.cos(10.0), abs=1e-6)
    assert solution(5.0)[0] == pytest.approx(np.cos(5.0) + 1.0, abs=1e-5)


def test_trajectories_switch_for_themselves():
    """In lanes each trajectory has its own mode, and takes the steps that it takes alone."""
    rates = np.asarray([1.0, 50.0, 1000.0])
    one = van_der_pol(1.0, 20.0)
    many = ev.EnsembleProblem(one, params=rates)
    together = ev.solve(many, BOTH, rtol=1e-6, atol=1e-8, backend="eager", saveat="end")
    apart = [ev.solve(one.replace(params=float(mu)), BOTH, rtol=1e-6, atol=1e-8, saveat="end") for mu in rates]
    assert together.stats.n_steps == sum(solution.stats.n_steps for solution in apart)
    for i, solution in enumerate(apart):
        assert together.y[i, -1] == pytest.approx(solution.y[-1], rel=1e-6)


def test_orders_that_differ():
    """The controller sees errors of a seventh-order pair and of a fifth-order method as what they are."""
    reference = problems.hires(np)
    solution = ev.solve(reference.problem(), AutoSwitch(Vern7(), Rodas5P()), rtol=1e-9, atol=1e-13, saveat="end")
    assert reference.error(solution.y[-1]) < 1e-7
    alone = ev.solve(reference.problem(), "Rodas5P", rtol=1e-9, atol=1e-13, saveat="end")
    assert solution.stats.n_steps < 1.5 * alone.stats.n_steps


# ---------------------------------------------------------------- the chooser
def chosen(problem, **options):
    return ev.explain(problem, **options).split(":", 1)[0]


def test_what_is_chosen():
    """Mass matrices, split forms, hints and sizes decide, and each choice says why."""
    linear = ev.ODEProblem(lambda t, y, p: -y, np.ones(3), (0.0, 1.0))
    assert chosen(linear) == "AutoSwitch(Tsit5, Rodas5P)"
    assert chosen(linear, rtol=1e-8) == "AutoSwitch(Vern7, RadauIIA9)"
    assert chosen(linear, atol=1e-20) == "AutoSwitch(Tsit5, RadauIIA9)"
    assert chosen(linear.replace(y0=np.ones(30)), rtol=1e-8) == "AutoSwitch(Vern7, Rodas5P)"
    assert chosen(linear.replace(stiff=False)) == "Tsit5"
    assert chosen(linear.replace(stiff=True)) == "Rodas5P"
    assert chosen(linear.replace(stiff=True), rtol=0.05) == "Rosenbrock23"
    assert chosen(linear.replace(mass=[1.0, 1.0, 0.0])) == "Rodas5P"
    assert chosen(linear.replace(y0=np.ones(100), stiff=True)) == "QNDF"
    split = ev.SplitODEProblem(lambda t, y, p: -100.0 * y, lambda t, y, p: y, np.ones(3), (0.0, 1.0))
    assert chosen(split).startswith("KenCarp")
    assert "implicit-explicit" in ev.explain(split)
    assert "multistep" in ev.explain(linear.replace(y0=np.ones(100), stiff=True))


def test_diffusion_is_for_stabilised_methods():
    """Many equations with real negative eigenvalues go to a method with stages instead of matrices."""
    assert chosen(problems.brusselator_periodic(np, points=16).problem(), rtol=1e-4) == "ROCK2"

    def wave(t, y, p):
        n = y.shape[0] // 2
        return np.concatenate([y[n:], 1e4 * (np.roll(y[:n], 1) - 2.0 * y[:n] + np.roll(y[:n], -1))])

    waves = ev.ODEProblem(wave, np.sin(np.arange(800.0)), (0.0, 10.0))
    assert not chosen(waves).startswith("ROCK")


def test_chosen_by_default():
    """A stiff problem is solved without a word about stiffness."""
    reference = problems.robertson(np)
    solution = ev.solve(reference.problem(), rtol=1e-7, atol=1e-14)
    assert reference.error(solution.y[-1]) < 1e-4


def test_oscillations_beside_the_imaginary_axis():
    """Steps that fast, weakly damped oscillations bound are noticed, though less than the real interval is stable."""
    reference = problems.stiff_detest_b5(np)
    both = ev.solve(reference.problem(), BOTH, rtol=1e-4, atol=1e-4, saveat="end")
    explicit = ev.solve(reference.problem(), "Tsit5", rtol=1e-4, atol=1e-4, saveat="end")
    assert both.stats.n_steps < 0.2 * explicit.stats.n_steps


@pytest.mark.parametrize("rtol", [1e-3, 1e-4, 1e-6])
def test_oscillations_below_the_tolerance(rtol):
    """A beam's fast oscillations are damped before explicit steps excite them, on both sides of its jump."""
    reference = problems.beam(np, parts=20)
    options = {"rtol": rtol, "atol": rtol, "saveat": "end"}
    both, implicit = (ev.solve(reference.problem(), method, **options) for method in (BOTH, "Rodas5P"))
    assert both.stats.n_steps < implicit.stats.n_steps + 20
    exact = ev.solve(reference.problem(), "RadauIIA9", rtol=1e-10, atol=1e-10, saveat="end")
    assert np.abs(both.y[-1] - exact.y[-1]).max() < 100.0 * rtol * np.abs(exact.y[-1]).max()


@pytest.mark.parametrize("rtol", [1e-2, 1e-4])
def test_oscillations_that_show(rtol):
    """What the tolerance asks to follow is followed explicitly, and trials of the other method cost little."""
    chain = ev.ODEProblem(
        lambda t, y, p: [y[1], -p * y[0] + np.sin(t), y[3], -0.1 * p * y[2]],
        np.asarray([1.0, 0.0, 0.0, 1.0]),
        (0.0, 20.0),
        params=400.0,
    )
    both, explicit = (ev.solve(chain, method, rtol=rtol, atol=rtol, saveat="end") for method in (BOTH, "Tsit5"))
    assert both.stats.n_jacobians < 0.05 * both.stats.n_steps
    assert both.stats.n_steps < 1.05 * explicit.stats.n_steps


@pytest.mark.parametrize("backend", ["native", "eager"])
def test_nan_in_f(backend):
    """What can't be judged, as where f is NaN or nothing moves, is no reason to switch, and raises no warning."""
    lost = ev.ODEProblem(lambda t, y, p: 0.0 * y + np.sqrt(1.0 - t), np.ones(2), (0.0, 2.0))
    solution = ev.solve(lost, BOTH, backend=backend, throw=False)
    assert solution.status in (ev.Status.NON_FINITE, ev.Status.STEP_TOO_SMALL)
    assert solution.stats.n_jacobians == 0


def test_right_sides_of_time_alone():
    """A problem that is an integral has a Jacobian without entries, and is solved like any other."""
    solution = ev.solve(ev.ODEProblem(lambda t, y, p: [np.cos(t), 2.0 * t], np.zeros(2), (0.0, 1.0)), rtol=1e-8)
    assert solution.y[-1] == pytest.approx([np.sin(1.0), 1.0], rel=1e-6)


def test_no_new_start_behind_a_dose():
    """The implicit method goes on behind a dose: the explicit one does not have to find out again."""
    problem = ev.ODEProblem(
        lambda t, y, p: [y[1], -1e8 * (y[0] - np.sin(t)) - 1e4 * y[1]],
        np.asarray([0.0, 1.0]),
        (0.0, 10.0),
        events=[ev.Dose(times=[3.0, 6.0], effect=lambda t, y, p: y)],
    )
    assert len(turns(problem, rtol=1e-5, atol=1e-7)) == 1


@pytest.mark.parametrize("stiff", ["QNDF", "RadauIIA5", "KenCarp4"])
@pytest.mark.parametrize("backend", ["native", "eager"])
def test_any_implicit_method(stiff, backend):
    """The implicit method may measure its error itself, or give an array to be measured."""
    reference = problems.van_der_pol(np)
    method = AutoSwitch(Tsit5(), ev.load_algorithm(stiff)())
    solution = ev.solve(reference.problem(), method, rtol=1e-4, atol=1e-4, saveat="end", backend=backend)
    assert solution.stats.n_factorisations > 0
    assert reference.error(solution.y[-1]) < 1e-2


def test_tolerances_below_rounding():
    """Entries nineteen orders below the largest one come out right: what iterations mend, not one linear solve."""
    reference = problems.pyrolysis(np)
    solution = ev.solve(reference.problem(), rtol=1e-6, atol=1e-25, saveat="end")
    assert reference.error(solution.y[-1]) < 1e-5
