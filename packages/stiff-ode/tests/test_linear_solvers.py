import numpy as np
import pytest

import evolvent as ev
from evolvent_stepping import Model, System
from evolvent_stiff_ode import GMRES, ILU, Banded, BiCGStab, DenseLU, Jacobi, SparseLU, UserPreconditioner

N = 24
RNG = np.random.default_rng(7)
BAND = np.abs(np.subtract.outer(np.arange(N), np.arange(N))) <= 2
DIRECT = [DenseLU(), SparseLU(), Banded(), Banded(2, 2)]
ITERATIVE = [
    GMRES(tolerance=1e-9),
    GMRES(tolerance=1e-9, restart=7),
    BiCGStab(tolerance=1e-9),
    GMRES(Jacobi(), tolerance=1e-9),
    BiCGStab(ILU(), tolerance=1e-9),
    GMRES(ILU(), tolerance=1e-9, restart=5),
    GMRES(UserPreconditioner(lambda t, y, p, shift, r: r / (shift + 20.0)), tolerance=1e-9),
]


def matrix(dtype):
    """A band matrix with a dominant diagonal."""
    found = RNG.normal(size=(N, N)) * BAND
    if np.dtype(dtype).kind == "c":
        found = found * np.exp(1j * RNG.normal(size=(N, N)))
    return (found - 8.0 * np.eye(N)).astype(dtype)


MASSES = {
    "identity": None,
    "diagonal": 1.0 + RNG.random(N),
    "singular": (np.arange(N) % 3 > 0) * 1.0,
    "full": (RNG.normal(size=(N, N)) * BAND * 0.1 + np.eye(N)) * 1.0,
}


def solved(solver, jacobian, mass, shift, imaginary, rhs, dtype):
    """Solve one linear system as a step does."""
    backend = ev.NumpyBackend()
    problem = ev.ODEProblem(
        lambda t, y, p: p["J"] @ y, np.ones(N, dtype), (0.0, 1.0), {"J": jacobian}, mass=mass, sparsity=BAND
    )
    model = Model(problem, backend)
    solver = solver.prepared(model)
    parts = {name: part.function for name, part in solver.parts(model).items()}
    system = System(backend, parts, model.params0, 1e-6, 1e-6, None, model.mass)
    factors = solver.factor(system, system.jacobian(0.0, model.y0), shift, imaginary)
    return solver.solve(system, factors, rhs)


@pytest.mark.parametrize("solver", [*DIRECT, *ITERATIVE], ids=repr)
@pytest.mark.parametrize("mass", MASSES)
@pytest.mark.parametrize("kind", ["real", "complex", "complex shift"])
def test_dense_solutions(solver, mass, kind):
    """Whatever the mass matrix and the shift, the solution is that of the full matrix."""
    dtype = np.complex128 if kind == "complex" else np.float64
    jacobian, given = matrix(dtype), MASSES[mass]
    imaginary = 2.5 if kind == "complex shift" else None
    rhs = RNG.normal(size=N) * (1.0 if kind == "real" else 1.0 + 0.5j)
    full = np.eye(N) if given is None else (np.diag(given) if given.ndim == 1 else given)
    wanted = np.linalg.solve((3.0 + 1j * (imaginary or 0.0)) * full - jacobian, rhs)
    if kind == "real":
        wanted = wanted.real
    x = solved(solver, jacobian, given, 3.0, imaginary, rhs, dtype)
    np.testing.assert_allclose(x, wanted, rtol=0, atol=1e-9 * np.max(np.abs(wanted)))
