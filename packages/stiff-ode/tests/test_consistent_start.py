"""Consistent initial values, and what is said where there are none."""

from __future__ import annotations

import numpy as np
import pytest

import evolvent as ev
from evolvent_stiff_ode._constraints import of_diagonal, of_matrix
from evolvent_testing.problems import dae_problems


def cubic(y0, **changes):
    """A differential unknown, and an algebraic one that is twice its cubic root."""
    return ev.ODEProblem(lambda t, y, p: [-y[0], y[1] ** 3 - 8.0 * y[0]], y0, (0.0, 1.0), mass=[1.0, 0.0], **changes)


@pytest.mark.parametrize("backend", ["native", "eager"])
@pytest.mark.parametrize("method", ["Rodas5P", "QNDF", "RadauIIA5", "KenCarp4"])
def test_algebraic_guess_is_repaired(method, backend):
    """The differential components stay as given, bit by bit, and the algebraic ones satisfy their equations."""
    solution = ev.solve(cubic([1.0, 1.0]), method, backend=backend)
    assert solution.y[0, 0] == 1.0
    assert abs(solution.y[0, 1] - 2.0) < 1e-6
    assert abs(solution.y[-1, 1] - 2.0 * np.exp(-1.0 / 3.0)) < 1e-4


def test_consistent_start_is_kept():
    """Initial values that satisfy the equations are not touched."""
    reference = dae_problems()["chemical_akzo_nobel"](np)
    assert np.array_equal(ev.solve(reference.problem(), "Rodas5P").y[0], reference.y0)


@pytest.mark.parametrize("residual", [False, True])
def test_sums_of_components_keep_what_is_stored(residual):
    """With a mass matrix that is not diagonal, M y stays: the charges of the amplifier's capacitors."""
    reference = dae_problems()["transistor_amplifier"](np)
    y0 = reference.y0.copy()
    y0[1] += 0.1
    y0[4] -= 0.2
    problem = reference.problem(y0=y0, t_span=(0.0, 1e-3))
    if residual:
        mass = reference.mass

        def equations(t, y, yp, p):
            f = reference.f(t, y, p)
            return [sum((mass[i, j] * yp[j] for j in range(8) if mass[i, j]), start=-f[i]) for i in range(8)]

        problem = ev.DAEProblem(equations, y0, t_span=(0.0, 1e-3), params=reference.params)
    start = ev.solve(problem, "DFBDF" if residual else "Rodas5P").y[0]
    assert np.max(np.abs(reference.mass @ (start - y0))) < 1e-15
    f = np.asarray(reference.f(0.0, start, reference.params))
    # Sums of equations over the nodes of a capacitor have no derivative in them.
    assert max(abs(f[i] + f[i + 1]) for i in (0, 3, 6)) < 1e-9


@pytest.mark.parametrize("backend", ["native", "eager"])
@pytest.mark.parametrize("residual", [False, True])
def test_no_consistent_start(residual, backend):
    """Where the algebraic equations have no solution the error says which is off, and by how much."""
    if residual:
        problem = ev.DAEProblem(lambda t, y, yp, p: [yp[0] + y[0], y[1] ** 2 + y[0]], [1.0, 0.5], t_span=(0.0, 1.0))
    else:
        problem = ev.ODEProblem(lambda t, y, p: [-y[0], y[1] ** 2 + y[0]], [1.0, 0.5], (0.0, 1.0), mass=[1.0, 0.0])
    with pytest.raises(ev.SolveError, match=r"INCONSISTENT_START.*equations are off: 1 by 1\.25") as raised:
        ev.solve(problem, "DFBDF" if residual else "Rodas5P", backend=backend)
    assert raised.value.solution.status is ev.Status.INCONSISTENT_START
    assert raised.value.solution.stats.n_steps == 0


def test_singular_equations_are_named():
    """Where the equations can't be solved for their unknowns at the start, the error names these."""
    with pytest.raises(ev.SolveError, match="singular at that point, so that 1 can't be found"):
        ev.solve(cubic([1.0, 0.0]), "Rodas5P")

    def redundant(t, y, p):
        return [-y[0], y[0] + y[1] + y[2], y[0] - 1.0 - y[1] - y[2]]

    with pytest.raises(ev.SolveError, match="so that 1, 2 can't be found"):
        ev.solve(ev.ODEProblem(redundant, [1.0, 0.0, 0.0], (0.0, 1.0), mass=[1.0, 0.0, 0.0]), "Rodas5P")


def test_inconsistent_behind_a_jump():
    """An effect behind which no consistent state exists ends the solve with that status."""

    def f(t, y, p):
        return [-y[0], y[1] ** 2 - y[0]]

    below = ev.Event(lambda t, y, p: y[0] - 0.5, effect=lambda t, y, p: [-1.0, y[1]])
    problem = ev.ODEProblem(f, [1.0, 1.0], (0.0, 1.0), events=[below], mass=[1.0, 0.0])
    solution = ev.solve(problem, "Rodas5P", throw=False)
    assert solution.status is ev.Status.INCONSISTENT_START
    assert abs(float(solution.t[-1]) - np.log(2.0)) < 1e-5


@pytest.mark.parametrize("residual", [False, True])
def test_index_three_is_refused(residual):
    """The pendulum with its length as the constraint is refused before the solve, and the equation named."""

    def f(t, y, p):
        x, z, u, v, tension = y
        return [u, v, -tension * x, -tension * z - 1.0, x * x + z * z - 1.0]

    y0 = [1.0, 0.0, 0.0, 0.0, 0.0]
    if residual:

        def equations(t, y, yp, p):
            return [*(yp[i] - g for i, g in enumerate(f(t, y, p)[:4])), y[0] ** 2 + y[1] ** 2 - 1.0]

        problem = ev.DAEProblem(equations, y0, t_span=(0.0, 1.0))
    else:
        problem = ev.ODEProblem(f, y0, (0.0, 1.0), mass=[1.0, 1.0, 1.0, 1.0, 0.0])
    with pytest.raises(ev.InputError, match=r"equation 4 contains no algebraic unknown.*index is above 1"):
        ev.solve(problem, "DFBDF" if residual else "Rodas5P")


def test_too_few_equations_for_their_unknowns():
    """Two algebraic equations that share one unknown are refused, whatever their numbers."""

    def f(t, y, p):
        return [-y[0] + y[2], y[1] - y[0], y[1] + 2.0 * y[0]]

    with pytest.raises(ev.InputError, match="nothing determines unknown 2"):
        ev.solve(ev.ODEProblem(f, [1.0, 1.0, 0.0], (0.0, 1.0), mass=[1.0, 0.0, 0.0]), "Rodas5P")


def test_null_spaces():
    """Null vectors are those of the matrix and of its transpose, block by block; a regular matrix has none."""
    rng = np.random.default_rng(3)
    block = rng.normal(size=(4, 2)) @ rng.normal(size=(2, 4))
    matrix = np.zeros((7, 7))
    matrix[1:5, 2:6] = block
    matrix[6, 0] = 2.0
    found = of_matrix(matrix)
    assert len(found.directions) == len(found.equations) == 4
    for places, weights in found.directions:
        assert np.max(np.abs(matrix[:, list(places)] @ np.array(weights))) < 1e-12
    for places, weights in found.equations:
        assert np.max(np.abs(np.array(weights) @ matrix[list(places)])) < 1e-12
    assert np.allclose(found.projector @ found.projector, found.projector)
    assert of_matrix(np.eye(3) + 0.1 * rng.normal(size=(3, 3))) is None
    assert of_diagonal(np.array([1.0, 2.0])) is None
    assert of_diagonal(np.array([1.0, 0.0, 0.5])).least == 0.5
