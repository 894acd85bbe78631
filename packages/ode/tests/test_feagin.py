"""Feagin's pairs: their error estimate sees two stages alone, so that steps may explode unseen."""

import numpy as np
import pytest

import evolvent as ev
from evolvent_ode import Feagin10, Feagin12, Feagin14

every_pair = pytest.mark.parametrize("method", [Feagin10, Feagin12, Feagin14])


def orbit(t, y, p):
    """Kepler's problem."""
    return np.concatenate([y[2:], -y[:2] / np.sum(y[:2] ** 2) ** 1.5])


# Four orbits of eccentricity 0.7, from pericentre: loose tolerances invite steps across the next one.
KEPLER = ev.ODEProblem(orbit, np.array([0.3, 0.0, 0.0, np.sqrt(1.7 / 0.3)]), t_span=(0.0, 8.0 * np.pi))


@pytest.mark.parametrize("tolerance", [1e-4, 1e-5, 1e-6, 1e-9])
@every_pair
def test_steps_do_not_explode(method, tolerance):
    """At tolerances looser than the pairs are made for, the orbit stays bound."""
    with np.errstate(all="ignore"):
        solution = ev.solve(KEPLER, method(), rtol=tolerance, atol=tolerance)
    assert np.max(np.linalg.norm(solution.y[:, :2], axis=1)) < 3.0


@every_pair
def test_tight_tolerances_are_not_disturbed(method):
    """Where steps are small, what guards against explosions rejects none of them."""
    tight = ev.solve(KEPLER, method(), rtol=1e-12, atol=1e-12, saveat="end")
    assert np.max(np.abs(tight.y[-1] - KEPLER.y0)) < 1e-6
    system = ev.ODEProblem(lambda t, y, p: np.stack([y[1], -y[0]]), np.array([0.0, 1.0]), t_span=(0.0, 50.0))
    assert ev.solve(system, method(), rtol=1e-12, atol=1e-12, saveat="end").stats.n_rejected == 0


@every_pair
def test_a_state_that_starts_at_zero_moves(method):
    """With no size to measure by, the change itself is the measure."""
    problem = ev.ODEProblem(lambda t, y, p: 1.0 - y, np.zeros(2), t_span=(0.0, 3.0))
    solution = ev.solve(problem, method(), rtol=1e-8, atol=1e-8, saveat="end")
    np.testing.assert_allclose(solution.y[-1], 1.0 - np.exp(-3.0), rtol=1e-6)
