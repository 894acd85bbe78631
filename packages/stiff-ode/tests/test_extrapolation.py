"""Extrapolated implicit Euler steps: weights, known solutions, dense output, every backend."""

import array_api_compat.numpy as np_api
import numpy as np
import pytest

import evolvent as ev
from evolvent_stiff_ode.implicit_euler_extrapolation import BEGINS, COUNTS, ERROR, ROWS, SLOPES, VALUE
from evolvent_testing import problems
from evolvent_testing.backends import load_namespace, to_numpy

NAME = "ImplicitEulerExtrapolation"


@pytest.mark.parametrize("row", range(1, ROWS))
def test_weights_remove_powers_of_the_step(row):
    """A row keeps constants and removes as many powers of the step size as it has entries, but for one."""
    lengths = 1.0 / np.asarray(COUNTS)[row::-1]
    for columns, first in ((VALUE, 0), *zip(SLOPES, BEGINS, strict=True)):
        if row < first:
            continue
        weights = np.asarray([column[row] for column in columns])[: row + 1]
        for power in range(row - first + 1):
            assert weights @ lengths**power == pytest.approx(1.0 if power == 0 else 0.0, abs=1e-9)
    errors = np.asarray([column[row] for column in ERROR])[: row + 1]
    for power in range(row):
        assert errors @ lengths**power == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("problem", ["robertson", "hires", "oregonator", "pollution", "van_der_pol"])
def test_published_values(problem):
    """Final values agree with the published ones to what the tolerance promises."""
    given = getattr(problems, problem)(np_api)
    solution = ev.solve(given.problem(), NAME, rtol=1e-6, atol=1e-6 * given.scale, saveat="end")
    # The pulses of oscillators come late by an error that the tolerance does not bound.
    assert given.error(solution.y[-1]) < (2e-4 if problem in ("oregonator", "van_der_pol") else 2e-5)


def test_singular_mass_matrix():
    """Robertson's reaction with a conservation law in place of an equation ends at its published state."""
    given = problems.robertson_dae(np_api)
    solution = ev.solve(given.problem(), NAME, rtol=1e-8, atol=1e-13, saveat="end")
    assert given.error(solution.y[-1]) < 1e-5


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8])
def test_between_steps(tolerance):
    """Dense output keeps to the tolerance, but for a factor of two hundred, and hits the ends of steps."""
    problem = ev.ODEProblem(
        lambda t, y, p: -50.0 * (y - np.cos(t)) - np.sin(t), y0=np.asarray([1.0]), t_span=(0.0, 4.0)
    )
    solution = ev.solve(problem, NAME, rtol=tolerance, atol=tolerance, dense=True)
    times = np.linspace(0.0, 4.0, 301)
    assert np.max(np.abs(solution(times)[:, 0] - np.cos(times))) < 200.0 * tolerance
    inner = solution.t[1:-1]
    np.testing.assert_allclose(solution(inner - 1e-12)[:, 0], solution(inner + 1e-12)[:, 0], atol=1e-9)


def test_order_rises_with_the_tolerance():
    """A tolerance ten thousand times smaller takes not even five times as many steps."""
    given = problems.pollution(np_api)
    steps = [
        ev.solve(given.problem(), NAME, rtol=rtol, atol=1e-4 * rtol, saveat="end", backend="eager").stats.n_steps
        for rtol in (1e-4, 1e-8)
    ]
    assert steps[1] < 5 * steps[0]


@pytest.mark.parametrize("backend", ["eager", "native"])
def test_complex_state(backend):
    """A stiff linear equation with complex coefficients is solved."""
    rate = -100.0 + 50.0j
    part = rate / (rate - 1.0j)
    exact = part * np.exp(2.0j) + (1.0 + 0.5j - part) * np.exp(2.0 * rate)
    problem = ev.ODEProblem(lambda t, y, p: rate * (y - np.exp(1j * t)), np.asarray([1.0 + 0.5j]), (0.0, 2.0))
    solution = ev.solve(problem, NAME, rtol=1e-8, atol=1e-8, backend=backend, saveat="end")
    assert abs(solution.y[-1, 0] - exact) < 1e-6


def test_backward_in_time():
    """A rotation is followed backward."""
    start = np.asarray([np.cos(3.0), -np.sin(3.0)])
    problem = ev.ODEProblem(lambda t, y, p: np.stack([y[1], -y[0]]), start, (3.0, 0.0))
    solution = ev.solve(problem, NAME, rtol=1e-7, atol=1e-7, saveat="end")
    np.testing.assert_allclose(solution.y[-1], [1.0, 0.0], atol=2e-6)


@pytest.mark.parametrize("library", ["native", pytest.param("jax", marks=pytest.mark.slow), "torch"])
def test_libraries_agree(library):
    """Natively compiled, by JAX and by torch the result is that of NumPy."""
    span, options = {"t_span": (0.0, 1.0)}, {"rtol": 1e-5, "atol": 1e-8, "saveat": "end"}
    plain = ev.solve(problems.robertson(np_api).problem(**span), NAME, backend="eager", **options).y[-1]
    xp, backend = load_namespace(library), "eager" if library == "torch" else library
    other = ev.solve(problems.robertson(xp).problem(**span), NAME, backend=backend, **options).y[-1]
    np.testing.assert_allclose(to_numpy(other), plain, rtol=1e-8)


def test_lanes_are_solved_as_they_would_be_alone():
    """Trajectories that run side by side don't see each other."""
    given = problems.robertson(np_api)
    alone = given.problem(t_span=(0.0, 100.0))
    starts = np.stack([np.asarray(given.y0) * k for k in (1.0, 1.1, 1.2)])
    options = {"rtol": 1e-6, "atol": 1e-10, "saveat": "end", "backend": "eager"}
    together = ev.solve(ev.EnsembleProblem(alone, y0=starts), NAME, **options)
    for start, found in zip(starts, np.asarray(together.y), strict=True):
        np.testing.assert_allclose(found[-1], ev.solve(alone.replace(y0=start), NAME, **options).y[-1], rtol=1e-9)
