"""Backward differentiation of variable order: accuracy, cost, stability, dense output, restarts, constraints."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

import evolvent as ev
from evolvent_stepping import System
from evolvent_stiff_ode import FBDF, QNDF
from evolvent_stiff_ode._differences import HIGHEST, ROWS, advanced, newton_weights, respaced
from evolvent_testing import dae_problems, stiff_problems

METHODS = (QNDF, FBDF)


@pytest.fixture(params=METHODS, ids=lambda method: method.__name__)
def method(request):
    return request.param()


def solved(name, method, tolerance, problems=stiff_problems, **options):
    """A solve of a published problem, and its error in units of the tolerance."""
    given = problems()[name](np)
    solution = ev.solve(given.problem(), method, rtol=tolerance, atol=tolerance * given.scale, saveat="end", **options)
    return solution, given.error(np.asarray(solution.y[-1])) / tolerance


def decay(stiffness=-1e4, t_span=(0.0, 2.0), y0=(1.0, 3.0)):
    """Prothero and Robinson's problem beside a smooth one: y1 = cos t, y2 = 3 exp(sin t)."""
    return ev.ODEProblem(
        lambda t, y, p: [stiffness * (y[0] - np.cos(t)) - np.sin(t), y[1] * np.cos(t)], np.array(y0), t_span
    )


def exact(t):
    t = np.asarray(t)
    return np.stack([np.cos(t), 3.0 * np.exp(np.sin(t))], axis=-1)


@pytest.mark.parametrize("order", range(1, HIGHEST + 1))
@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.5, -1.0])
def test_differences_of_polynomials_change_their_spacing(order, ratio):
    """Respaced differences of a polynomial of the order are its differences on the other grid."""
    system = System(ev.choose_backend("eager", np.zeros(1)), {}, (), 1e-3, 1e-6)
    polynomial = np.polynomial.Polynomial(np.random.default_rng(order).normal(size=order + 1))

    def differences(spacing):
        values = polynomial(-spacing * np.arange(ROWS + 1))
        return [sum((-1) ** i * comb(j, i) * values[i] for i in range(j + 1)) for j in range(1, ROWS + 1)]

    found = respaced(system, order, ratio, tuple(np.array([d]) for d in differences(0.7)))
    np.testing.assert_allclose(np.concatenate(found[:order]), differences(0.7 * ratio)[:order], atol=1e-9)


@pytest.mark.parametrize("order", range(1, HIGHEST + 1))
def test_differences_go_on_with_a_step(order):
    """Differences after a step, and the polynomial made of them, are those of the values stepped to."""
    system = System(ev.choose_backend("eager", np.zeros(1)), {}, (), 1e-3, 1e-6)
    values = np.random.default_rng(order).normal(size=ROWS + 2)

    def differences(first):
        rows = [values[first:]]
        while len(rows) <= ROWS - first + 1:
            rows.append(rows[-1][:-1] - rows[-1][1:])
        return [np.array([row[0]]) for row in rows[1:]]

    old, new = differences(1), differences(0)
    padded = (*old, np.zeros(1))[:ROWS]
    found, last, _ = advanced(system, order, new[order], padded)
    np.testing.assert_allclose(np.concatenate(found[: order + 1]), np.concatenate(new[: order + 1]), atol=1e-12)
    np.testing.assert_allclose(last, new[order - 1], atol=1e-12)
    weights = newton_weights(system.backend.control, order, -1.0)
    before = values[0] + sum(w * d[0] for w, d in zip(weights, found, strict=False))
    assert before == pytest.approx(values[1], abs=1e-12)


@pytest.mark.parametrize("name", ["hires", "robertson", "oregonator", "pollution", "van_der_pol"])
def test_published_problems(method, name):
    """The end states of stiff problems are those published, in proportion to the tolerance."""
    for tolerance in (1e-4, 1e-7):
        solution, error = solved(name, method, tolerance)
        assert solution.success
        assert error < (300.0 if name in ("oregonator", "van_der_pol") else 50.0)


def test_errors_follow_the_tolerance(method):
    """Over six powers of ten the error falls in proportion to the tolerance."""
    tolerances = np.array([1e-3, 1e-5, 1e-7, 1e-9])
    errors = []
    for tolerance in tolerances:
        solution = ev.solve(decay(), method, rtol=tolerance, atol=tolerance, saveat=0.1)
        errors.append(np.max(np.abs(np.asarray(solution.y) - exact(solution.t))))
    assert np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0] == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("name", ["hires", "robertson", "van_der_pol"])
def test_costs_less_than_scipy_bdf(method, name):
    """At one tolerance it takes fewer evaluations of f, Jacobians and factorisations than SciPy's BDF."""
    integrate = pytest.importorskip("scipy.integrate")
    given, tolerance = stiff_problems()[name](np), 1e-6
    peer = integrate.solve_ivp(
        lambda t, y: np.asarray(given.f(t, y, given.params)),
        given.t_span,
        given.y0,
        method="BDF",
        rtol=tolerance,
        atol=tolerance * given.scale,
    )
    own, error = solved(name, method, tolerance)
    assert error < 5.0 * max(1.0, given.error(peer.y[:, -1]) / tolerance)
    assert own.stats.n_f < 0.7 * peer.nfev
    assert own.stats.n_factorisations < peer.nlu


@pytest.mark.parametrize("name", ["robertson_dae", "chemical_akzo_nobel", "transistor_amplifier", "pendulum"])
def test_algebraic_equations(method, name):
    """Problems with a singular mass matrix end in the published states."""
    for tolerance in (1e-4, 1e-6):
        solution, error = solved(name, method, tolerance, dae_problems)
        assert solution.success
        assert error < 300.0


def agrees(own, other):
    np.testing.assert_allclose(np.asarray(other.y[-1]), np.asarray(own.y[-1]), rtol=1e-6)
    assert abs(int(other.stats.n_steps) - int(own.stats.n_steps)) <= 2


SHORT = {"rtol": 1e-4, "atol": 1e-8, "saveat": "end"}


def test_native_code_agrees(method):
    """Native code comes where NumPy comes, in as many steps."""
    problem = stiff_problems()["hires"](np).problem(t_span=(0.0, 5.0))
    agrees(*(ev.solve(problem, method, backend=backend, **SHORT) for backend in ("eager", "native")))


@pytest.mark.slow
def test_jax_agrees(method):
    """JAX comes where NumPy comes, in as many steps."""
    jax = pytest.importorskip("jax")
    given = stiff_problems()["hires"]
    own = ev.solve(given(np).problem(t_span=(0.0, 5.0)), method, backend="eager", **SHORT)
    with jax.enable_x64(True):
        agrees(own, ev.solve(given(jax.numpy).problem(t_span=(0.0, 5.0)), method, backend="jax", **SHORT))


def test_trajectories_keep_their_own_order(method):
    """Trajectories that run together take each the steps that it would take alone."""
    problem, starts = decay(), np.array([[1.0, 3.0], [1.0, 0.0], [5.0, -2.0]])
    options = {"rtol": 1e-6, "atol": 1e-6, "saveat": "end", "backend": "eager"}
    together = ev.solve(ev.EnsembleProblem(problem, y0=starts), method, **options)
    for i, start in enumerate(starts):
        alone = ev.solve(problem.replace(y0=start), method, **options)
        np.testing.assert_allclose(np.asarray(together.y)[i, -1], alone.y[-1], rtol=1e-9, atol=1e-12)


def test_dense_output_is_as_good_as_the_steps(method):
    """Between the steps the polynomial errs by little more than the steps themselves, and is continuous."""
    solution = ev.solve(decay(), method, rtol=1e-7, atol=1e-7, dense=True)
    times = np.linspace(0.01, 1.99, 400)
    steps = np.max(np.abs(np.asarray(solution.y) - exact(solution.t)))
    assert np.max(np.abs(solution(times) - exact(times))) < 5.0 * steps
    ends = np.asarray(solution.t)[1:-1]
    np.testing.assert_allclose(solution(ends - 1e-12), solution(ends + 1e-12), atol=1e-9)


def test_backward_in_time(method):
    """A solve backward in time follows the solution that a forward one would."""
    backward = ev.solve(decay(1e4, (2.0, 0.0), exact(2.0)), method, rtol=1e-6, atol=1e-6, saveat="end")
    np.testing.assert_allclose(backward.y[-1], exact(0.0), atol=1e-4)


def test_complex_states(method):
    """A rotation that is damped fast towards a slow one is followed with complex numbers."""
    f = lambda t, y, p: -1e3 * (y - np.exp(1j * t)) + 1j * np.exp(1j * t)  # noqa: E731
    solution = ev.solve(
        ev.ODEProblem(f, np.array([1.0 + 0.0j]), (0.0, 3.0)), method, rtol=1e-6, atol=1e-6, saveat="end"
    )
    np.testing.assert_allclose(solution.y[-1], np.exp(3j), atol=1e-5)


def test_goes_on_behind_doses_and_jumps(method):
    """A dose, and a jump of f that nobody announced, cost new starts and no accuracy."""
    dosed = ev.ODEProblem(
        lambda t, y, p: -1e3 * (y - 1.0),
        np.array([1.0]),
        (0.0, 2.0),
        events=[ev.Dose(1.0, lambda t, y, p: (y + 5.0, p))],
    )
    solution = ev.solve(dosed, method, rtol=1e-6, atol=1e-6, saveat=[1.001])
    np.testing.assert_allclose(solution.y[0], 1.0 + 5.0 * np.exp(-1.0), rtol=1e-4)
    jumping = ev.ODEProblem(lambda t, y, p: np.where(t < 1.0, 1.0, -40.0) * np.ones(1), np.array([0.0]), (0.0, 2.0))
    solution = ev.solve(jumping, method, rtol=1e-6, atol=1e-6, saveat="end")
    np.testing.assert_allclose(solution.y[-1], -39.0, rtol=1e-5)


def test_recovers_where_f_is_not_finite_ahead(method):
    """Trial steps to where f is not finite are taken again, smaller."""
    # y = (1 - t)**2 until it ends at zero; beyond, the root is of a negative number.
    problem = ev.ODEProblem(lambda t, y, p: -2.0 * np.sqrt(y), np.array([1.0]), (0.0, 0.999))
    solution = ev.solve(problem, method, rtol=1e-6, atol=1e-10, saveat="end")
    np.testing.assert_allclose(solution.y[-1], 1e-6, rtol=1e-2)


def test_a_jacobian_that_is_not_finite_is_reported(method):
    """Where no step size makes the iteration converge, the solve ends and says why."""
    problem = ev.ODEProblem(
        lambda t, y, p: -1e3 * y, np.array([1.0]), (0.0, 1.0), jacobian=lambda t, y, p: np.array([[np.nan]])
    )
    solution = ev.solve(problem, method, throw=False, saveat="end")
    assert solution.status in (ev.Status.NEWTON_FAILED, ev.Status.NON_FINITE)
    assert solution.stats.n_steps < 200
