import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import evolvent as ev
import evolvent_stiff_ode as stiff
from evolvent.sparse import Pattern
from evolvent_stepping import Model, System
from evolvent_stiff_ode import AMG, GMRES, ILU, Banded, BiCGStab, DenseLU, Jacobi, SparseLU, UserPreconditioner
from evolvent_testing.problems import brusselator_periodic, heat, robertson_chain

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


def named(solver):
    """A name without addresses, which every process gives alike."""
    preconditioner = getattr(solver, "preconditioner", None)
    parts = [type(solver).__name__, *([type(preconditioner).__name__] if preconditioner else [])]
    return "-".join([*parts, *([str(solver.restart)] if hasattr(solver, "restart") else [])])


@pytest.mark.parametrize("solver", [*DIRECT, *ITERATIVE], ids=named)
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


# ---------------------------------------------------------------- in methods
def relaxed(t, y, p, shift, r):
    """Solve as though all were one decay."""
    return r / (shift + 600.0)


IN_METHODS = {
    "sparse": "sparse",
    "banded": "banded",
    "gmres": "gmres",
    "bicgstab": "bicgstab",
    "jacobi": GMRES(Jacobi()),
    "ilu": BiCGStab(ILU()),
    "user": GMRES(UserPreconditioner(relaxed)),
}


def error_beside(solver, method, problem, backend=None, rtol=1e-5):
    """How far a solution is from that by full matrices, in units of the tolerance."""
    options = {"rtol": rtol, "atol": rtol, "saveat": [problem.t_span[1]], "backend": backend}
    kind = getattr(stiff, method)
    found, wanted = (ev.solve(problem, kind(linear_solver=x), **options).y for x in (solver, "dense"))
    return float(np.max(np.abs(found - wanted) / (rtol + rtol * np.abs(wanted))))


@pytest.mark.parametrize("method", ["Rodas5P", "KenCarp4", "QNDF", "RadauIIA5"])
@pytest.mark.parametrize("solver", IN_METHODS)
def test_methods_agree_with_full_matrices(solver, method):
    """Diffusion, and reactions with it: whatever solves the linear systems, the tolerance is kept."""
    for made in (heat(np, points=16), brusselator_periodic(np, points=4)):
        problem = made.problem(t_span=(0.0, 0.1))
        assert error_beside(IN_METHODS[solver], method, problem, "eager") < 2.0


@pytest.mark.parametrize("method", ["Rodas5P", "QNDF"])
@pytest.mark.parametrize("solver", ["banded", "gmres", "ilu", "user"])
def test_compiled_methods_agree(solver, method):
    """Compiled solves keep the tolerance with each kind of solver."""
    pytest.importorskip("evolvent_native")
    problem = brusselator_periodic(np, points=8).problem(t_span=(0.0, 0.1))
    assert error_beside(IN_METHODS[solver], method, problem, "native") < 2.0


@pytest.mark.parametrize("solver", ["banded", "gmres", "bicgstab", "jacobi", "ilu", "user"])
def test_lanes_agree(solver):
    """Trajectories side by side keep the tolerance, each with its own number of iterations."""
    made = heat(np, points=12)
    ensemble = ev.EnsembleProblem(made.problem(), params={"conductivity": np.asarray([0.25, 1.0, 3.0])})
    found, wanted = (
        ev.solve(ensemble, stiff.QNDF(linear_solver=x), backend="eager", rtol=1e-5, atol=1e-5, saveat=[0.1]).y
        for x in (IN_METHODS[solver], "dense")
    )
    assert np.max(np.abs(found - wanted)) < 2e-5


@pytest.mark.parametrize(
    "solver",
    [pytest.param(GMRES(), marks=pytest.mark.slow), BiCGStab(), Banded(1, 1)],
    ids=["gmres", "bicgstab", "banded"],
)
def test_jax_agrees(solver):
    """JAX's compiled solves keep the tolerance, without a pattern."""
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        made = heat(jax.numpy, points=8)
        problem = made.problem(y0=jax.numpy.asarray(made.y0))
        y = ev.solve(problem, stiff.Rosenbrock23(linear_solver=solver), rtol=1e-4, atol=1e-4, saveat=[0.1]).y
    np.testing.assert_allclose(np.asarray(y)[-1], made.exact(0.1), atol=2e-3)


def test_masses_in_methods():
    """An algebraic equation is kept by the iterative solvers as by full matrices."""

    def f(t, y, p):
        return np.stack([-0.5 * y[0] + y[2], -500.0 * (y[1] - y[0]), y[0] + y[1] - 2.0 * y[2]])

    problem = ev.ODEProblem(f, [1.0, 1.0, 1.0], (0.0, 2.0), mass=np.asarray([1.0, 1.0, 0.0]))
    for solver in (GMRES(), GMRES(ILU()), BiCGStab(Jacobi())):
        for method in ("Rodas5P", "QNDF"):
            assert error_beside(solver, method, problem, "eager") < 5.0


def test_complex_states():
    """Oscillations of complex amplitudes, some of them stiff."""
    rates = np.asarray([1.0, -3.0, 20.0]) * 1j - np.asarray([0.0, 1.0, 1e4])
    problem = ev.ODEProblem(lambda t, y, p: rates * y + 0.1 * np.roll(y, 1), np.ones(3, complex), (0.0, 1.0))
    for solver in (GMRES(), BiCGStab(), GMRES(ILU()), Banded()):
        assert error_beside(solver, "KenCarp4", problem, "eager") < 5.0


# ---------------------------------------------------------------- failures
@pytest.mark.parametrize("solver", [GMRES, BiCGStab])
def test_too_few_iterations_are_never_silently_wrong(solver):
    """Where systems don't converge, steps are cut until they do, or the solve says that it failed."""
    problem = heat(np, points=16).problem()
    options = {"rtol": 1e-4, "atol": 1e-4, "saveat": [0.1], "backend": "eager", "max_steps": 400, "throw": False}
    solution = ev.solve(problem, stiff.KenCarp4(linear_solver=solver(max_iterations=3)), **options)
    assert not solution.success or error_beside(solver(max_iterations=3), "KenCarp4", problem, "eager", 1e-4) < 5.0


def test_not_finite_right_sides():
    """What is not finite on the right is not finite in the solution."""
    rhs = np.where(np.arange(N) == 3, np.nan, 1.0)
    for solver in (GMRES(), BiCGStab(), Banded()):
        assert not np.all(np.isfinite(solved(solver, matrix(float), None, 3.0, None, rhs, float)))


def test_zero_right_sides():
    """The solution for zero is zero."""
    for solver in (GMRES(), BiCGStab(ILU())):
        assert np.all(solved(solver, matrix(float), None, 3.0, None, np.zeros(N), float) == 0.0)


def test_user_preconditioners_are_never_stale():
    """A compiled solve sees what a preconditioner has become since the last one."""
    pytest.importorskip("evolvent_native")
    factor = 1.0

    def approximate(t, y, p, shift, r):
        return r * (factor / (shift + 600.0))

    problem = heat(np, points=12).problem()
    options = {"rtol": 1e-4, "atol": 1e-4, "saveat": [0.1], "backend": "native", "throw": False}
    method = stiff.QNDF(linear_solver=GMRES(UserPreconditioner(approximate)))
    assert ev.solve(problem, method, **options).success
    factor = float("nan")
    assert not ev.solve(problem, method, **options).success


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GMRES(ILU), "preconditioner: must be a Preconditioner"),
        (lambda: GMRES(restart=0), "restart: must be positive"),
        (lambda: BiCGStab(tolerance=0.0), "tolerance: must be positive"),
        (lambda: BiCGStab(max_iterations=0), "max_iterations: must be positive"),
        (lambda: Banded(1), "lower: and upper are given together"),
        (lambda: Banded(-1, 1), "lower: must be a whole number"),
        (lambda: UserPreconditioner(3.0), "function: must be callable"),
    ],
)
def test_wrong_arguments(make, message):
    """Each wrong argument is named."""
    with pytest.raises(ev.InputError, match=message):
        make()


def test_unknown_names():
    """A solver of no known name is refused, and the known ones are listed."""
    with pytest.raises(ev.InputError, match="'gmres'"):
        ev.solve(heat(np, points=4).problem(), stiff.QNDF(linear_solver="lu"))


# ---------------------------------------------------------------- multigrid
def test_multigrid():
    """One cycle of pyamg as a preconditioner: few iterations, the same solution."""
    pytest.importorskip("pyamg")
    problem = heat(np, points=64).problem()
    assert error_beside(GMRES(AMG(), max_iterations=15), "KenCarp4", problem, "eager") < 2.0


def test_multigrid_elsewhere(monkeypatch):
    """Where multigrid can't run, or pyamg is not there, the error says what to do."""
    problem = heat(np, points=8).problem()
    method = stiff.QNDF(linear_solver=GMRES(AMG()))
    monkeypatch.setitem(sys.modules, "pyamg", None)
    with pytest.raises(ev.InputError, match="pip install"):
        ev.solve(problem, method, backend="eager")
    pytest.importorskip("evolvent_native")
    with pytest.raises(ev.InputError, match="backend='eager'"):
        ev.solve(problem, method, backend="native")


# ---------------------------------------------------------------- patterns
def test_band_patterns():
    """A band holds what lies so far from the diagonal, and nothing else."""
    for n, lower, upper in [(6, 1, 2), (5, 0, 0), (3, 7, 7), (4, 2, 0)]:
        rows, columns = np.indices((n, n))
        inside = (rows - columns <= lower) & (columns - rows <= upper)
        assert Pattern.banded(n, lower, upper) == Pattern.from_matrix(inside)


def test_shuffled_chains_are_narrow():
    """A ring whose equations come in any order is a narrow band in Cuthill and McKee's."""
    from evolvent_stiff_ode.linear.banded import _storage

    order = np.random.default_rng(1).permutation(400)
    i = np.arange(400)
    ring = Pattern(order[np.r_[i, i, i]], order[np.r_[i, (i + 1) % 400, (i - 1) % 400]], (400, 400))
    storage = _storage(ring)
    assert max(storage.lower, storage.upper) <= 3


# ---------------------------------------------------------------- size
def test_iterations_where_factors_would_be_too_large(monkeypatch):
    """By itself a method takes factors, and iterations where those would not fit."""
    from evolvent_stiff_ode.linear import choice

    made = brusselator_periodic(np, points=8)
    model = Model(made.problem(sparsity=stiff_pattern(8)), ev.NumpyBackend())
    assert isinstance(choice.linear_solver_for("auto", model), SparseLU)
    monkeypatch.setattr(choice, "MANY", 100)
    monkeypatch.setattr(choice, "FILL", 1000)
    assert isinstance(choice.linear_solver_for("auto", model), BiCGStab)


def stiff_pattern(points):
    """Two species on a torus: each entry follows its four neighbours, and the other species."""
    place = np.arange(2 * points * points).reshape(2, points, points)
    seen = [place, place[::-1], *(np.roll(place, by, axis) for by in (1, -1) for axis in (1, 2))]
    columns = np.concatenate([x.reshape(-1) for x in seen])
    return Pattern(np.tile(place.reshape(-1), len(seen)), columns, (place.size, place.size))


@pytest.mark.slow
def test_memory_of_many_equations():
    """Steps of 131,072 equations by GMRES need less than 2 GB, imports included."""
    pytest.importorskip("evolvent_native")
    if not Path("/proc/self/status").exists():
        pytest.skip("native: the peak of a process's memory is read from /proc, which this system lacks")
    code = """
        import numpy as np, evolvent as ev
        from evolvent_stiff_ode import GMRES, QNDF
        from evolvent_testing.problems import brusselator_periodic
        problem = brusselator_periodic(np, points=256).problem(t_span=(0.0, 1e-4))
        assert ev.solve(problem, QNDF(linear_solver=GMRES()), rtol=1e-4, atol=1e-6, saveat="end").success
        # What getrusage says includes the process that this one was forked from.
        print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 2_000_000


@pytest.mark.slow
def test_chains_cost_in_proportion():
    """Time to compile and time to run grow with the number of cells, no faster."""
    pytest.importorskip("evolvent_native")
    compiled, run = {}, {}
    for cells in (100, 1000):
        problem = robertson_chain(np, cells=cells).problem()
        options = {"rtol": 1e-4, "atol": 1e-8, "saveat": "end"}
        start = time.perf_counter()
        ev.solve(problem, stiff.QNDF(), **options)
        compiled[cells] = time.perf_counter() - start
        times = []
        for _ in range(3):
            start = time.perf_counter()
            ev.solve(problem, stiff.QNDF(), **options)
            times.append(time.perf_counter() - start)
        run[cells] = min(times)
    assert compiled[1000] < 20 * compiled[100]
    assert run[1000] < 20 * run[100]
