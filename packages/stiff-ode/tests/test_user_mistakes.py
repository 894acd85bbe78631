"""What a user may get wrong about implicit methods, and is told."""

import numpy as np
import pytest

import evolvent as ev
from evolvent_stiff_ode import QNDF


def relaxation(t, y, p):
    return [-1e3 * (y[0] - y[1]), -y[1]]


stiff = ev.ODEProblem(relaxation, y0=[1.0, 1.0], t_span=(0.0, 1.0))


@pytest.mark.parametrize("solver", ["auto", "dense", "sparse"])
def test_a_pattern_of_another_size(solver):
    """A pattern that does not fit is an error even where no linear solver needs it."""
    with pytest.raises(ev.InputError, match=r"^sparsity: must be \(2, 2\) for 2 equations, got \(3, 3\)"):
        ev.solve(stiff.replace(sparsity=np.eye(3)), QNDF(linear_solver=solver))


@pytest.mark.parametrize(
    ("jacobian", "message"),
    [
        (lambda t, y, p: [-1e3, 1e3], r"^jacobian: returned shape \(2,\) where \(2, 2\) is needed"),
        (lambda t, y, p: [[-1e3, 0.0], [1e3, -1.0]], r"^jacobian: returned 0 at \(0, 1\), where .* is 1000"),
    ],
)
def test_a_wrong_jacobian(jacobian, message):
    """A Jacobian of another shape is an error; one that is transposed is found on request."""
    with pytest.raises(ev.InputError, match=message):
        ev.solve(stiff.replace(jacobian=jacobian), "Rodas5P", check_jacobian=True)


def test_a_hint_that_is_none():
    """Whether a problem is stiff is a truth value, or not known."""
    with pytest.raises(ev.InputError, match=r"^stiff: must be True, False or None, got 'yes'"):
        stiff.replace(stiff="yes")


def test_a_misspelt_linear_solver():
    """The names that there are, are listed."""
    with pytest.raises(ev.InputError, match=r"^linear_solver: must be a LinearSolver, 'auto' or one of 'dense'"):
        ev.solve(stiff, QNDF(linear_solver="densee"))
