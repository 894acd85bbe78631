"""Linear systems of the backend protocol, on every backend, against numpy.linalg.solve."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent.lanes import LanesBackend

BACKENDS = ["numpy", "array_api_strict", "torch", "evolvent_torch", "jax", "native", "lanes", "lanes of torch"]
KINDS = ["float64", "complex128", "float32"]
SIZES = [1, 2, 3, 4, 5, 20]


def solver(name):
    """``solve(matrix, rhs)`` by a backend, from and to NumPy arrays."""
    if name == "native":
        from evolvent_native._backend import NativeBackend
        from evolvent_native._compiled import StagedFunction

        b = NativeBackend()
        return lambda matrix, rhs: StagedFunction(lambda m, r: b.lu_solve(b.lu(m), r), matrix, rhs)(matrix, rhs)
    if name == "jax":
        jax = pytest.importorskip("jax", reason="jax is not installed")
        jax.config.update("jax_enable_x64", True)
        b = ev.choose_backend("jax", jax.numpy.ones(1))
        solve = jax.jit(lambda m, r: b.lu_solve(b.lu(m), r))
        return lambda matrix, rhs: np.asarray(solve(matrix, rhs))
    if name.startswith("lanes"):
        xp = pytest.importorskip("torch", reason="torch is not installed") if "torch" in name else np

        def in_lanes(matrix, rhs):
            """Among lanes of other systems."""
            single = ev.choose_backend("torch" if "torch" in name else "eager", xp.ones(1))
            b = LanesBackend(single, 3)
            others = np.eye(len(rhs), dtype=matrix.dtype)
            matrices = xp.asarray(np.stack([others, matrix, 2 * others], axis=-1))
            sides = xp.asarray(np.stack([0 * rhs, rhs, rhs], axis=-1))
            found = np.asarray(b.lu_solve(b.lu(matrices), sides))
            assert_allclose(found[:, 0], 0 * rhs)
            assert_allclose(found[:, 2], rhs / 2)
            return found[:, 1]

        return in_lanes
    xp = pytest.importorskip(name.removeprefix("evolvent_"), reason=f"{name} is not installed")
    b = ev.choose_backend("torch" if name == "evolvent_torch" else "eager", xp.ones(1))

    def eagerly(matrix, rhs):
        return np.asarray(b.lu_solve(b.lu(xp.asarray(matrix)), xp.asarray(rhs)))

    return eagerly


@pytest.fixture(scope="module", params=BACKENDS)
def solve(request):
    return solver(request.param)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_solutions(solve, n, kind):
    """The factors solve the system as numpy.linalg.solve does, with zeros on the diagonal too, in the given dtype."""
    random = np.random.default_rng(n)
    matrix = random.standard_normal((n, n)) + n * np.eye(n)[::-1]
    rhs = random.standard_normal(n)
    if n > 1:
        matrix[np.arange(n), np.arange(n)] = 0.0
    if kind == "complex128":
        matrix, rhs = matrix * (1 + 1j) + 1j * np.roll(matrix, 1, 0), rhs * (2 - 1j)
    matrix, rhs = matrix.astype(kind), rhs.astype(kind)
    found = solve(matrix, rhs)
    assert found.dtype == kind
    tolerance = 1e3 * np.finfo(kind).eps * np.linalg.cond(matrix)
    assert_allclose(found, np.linalg.solve(matrix, rhs), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize("what", ["zero", "rank", "nan", "inf"])
def test_singular(solve, n, what):
    """A matrix that is singular or not finite gives what is not finite, without an exception or a warning."""
    matrix = np.eye(n)
    matrix[-1, -1] = {"zero": 0.0, "rank": 0.0, "nan": np.nan, "inf": np.inf}[what]
    if what == "rank":
        matrix[:, 0] = 0.0
    rhs = np.zeros(n)
    rhs[0] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.isfinite(solve(matrix, rhs)).all()


def test_under_transformations_of_jax():
    """Factors and solutions are batched by vmap and differentiated by grad."""
    jax = pytest.importorskip("jax", reason="jax is not installed")
    jax.config.update("jax_enable_x64", True)
    b = ev.choose_backend("jax", jax.numpy.ones(1))
    for n in (3, 6):
        matrix = jax.numpy.asarray(np.random.default_rng(n).standard_normal((n, n)))
        rhs = jax.numpy.arange(1.0, n + 1)
        inverse = np.linalg.inv(matrix)
        batched = jax.vmap(lambda s, m=matrix, r=rhs: b.lu_solve(b.lu(s * m), r))(jax.numpy.asarray([1.0, 2.0]))
        assert_allclose(batched, [inverse @ rhs, inverse @ rhs / 2], rtol=1e-9)
        # d/ds of inv(s A) r at one is -inv(A) r
        slope = jax.grad(lambda s, m=matrix, r=rhs: b.lu_solve(b.lu(s * m), r)[0])(1.0)
        assert_allclose(slope, -(inverse @ rhs)[0], rtol=1e-9)


def test_gradients_of_torch():
    """Autograd goes through a factorisation."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    matrix = torch.tensor([[0.0, 2.0], [3.0, 1.0]], dtype=torch.float64)
    rhs = torch.tensor([1.0, 1.0], dtype=torch.float64)
    b = ev.choose_backend("torch", matrix)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    b.lu_solve(b.lu(scale * matrix), rhs)[0].backward()
    assert_allclose(scale.grad.item(), -np.linalg.solve(matrix, rhs)[0], rtol=1e-12)


def test_in_loops():
    """Factors are carried through native loops, and stay as they were."""
    from evolvent_native._backend import NativeBackend
    from evolvent_native._compiled import StagedFunction

    b = NativeBackend()
    for n in (1, 3, 7):
        matrix = np.random.default_rng(n).standard_normal((n, n))
        rhs = np.arange(1.0, n + 1)

        def repeated(m, r):
            """The inverse, five times."""
            start = (0, b.lu(m), r)
            return b.while_loop(
                lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1], b.lu_solve(s[1], s[2])), start, max_iterations=9
            )[2]

        found = StagedFunction(repeated, matrix, rhs)(matrix, rhs)
        assert_allclose(found, np.linalg.matrix_power(np.linalg.inv(matrix), 5) @ rhs, rtol=1e-8)
