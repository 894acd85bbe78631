"""Exponential methods: functions of matrices, orders, Krylov spaces that own up to their errors, known solutions."""

import array_api_compat.numpy as np_api
import numpy as np
import pytest
from scipy.linalg import expm

import evolvent as ev
from evolvent_stiff_ode import ETDRK4, EXPRB32, EXPRB43
from evolvent_stiff_ode._krylov_phi import phi_times
from evolvent_stiff_ode._phi import phi
from evolvent_testing import problems
from evolvent_testing.backends import load_namespace, to_numpy
from evolvent_testing.convergence import measured_order


@pytest.fixture
def backend():
    from evolvent._numpy import NumpyBackend

    return NumpyBackend()


def by_exponential(matrix, k):
    """phi_k from the exponential of a larger matrix, by SciPy."""
    n = len(matrix)
    large = np.zeros(((k + 1) * n,) * 2, dtype=matrix.dtype)
    large[:n, :n] = matrix
    for j in range(k):
        large[j * n : (j + 1) * n, (j + 1) * n : (j + 2) * n] = np.eye(n)
    return expm(large)[:n, k * n :]


def laplacian(n, scale):
    return scale * (np.eye(n, k=1) - 2.0 * np.eye(n) + np.eye(n, k=-1))


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 1e4])
def test_functions_of_matrices(backend, size):
    """They agree with SciPy's exponential of a bordered matrix, also for half of the matrix."""
    matrix = np.random.default_rng(1).normal(size=(6, 6)) + 1j * np.diag(np.arange(6.0))
    matrix = size * matrix if size < 10.0 else -size * (matrix @ np.conj(matrix.T)) / 20.0
    whole, half = phi(backend, matrix, 4)
    for k in range(5):
        for found, exact in ((whole[k], by_exponential(matrix, k)), (half[k], by_exponential(0.5 * matrix, k))):
            # The exponential is one and something.
            size = max(np.max(np.abs(exact)), 1.0 if k == 0 else 0.0)
            np.testing.assert_allclose(found, exact, rtol=0.0, atol=5e-13 * size)


def test_slow_components_keep_their_digits_beside_stiff_ones(backend):
    """Of a diagonal matrix with entries of all sizes every function has full relative accuracy."""
    entries = np.asarray([-1e8, -50.0, -1.0, 1e-9, 2.0])
    whole, _ = phi(backend, entries, 1, diagonal=True)
    np.testing.assert_allclose(whole[1], np.expm1(entries) / entries, rtol=1e-14)
    full, _ = phi(backend, np.diag(entries), 1)
    np.testing.assert_allclose(np.diag(full[1]), np.expm1(entries) / entries, rtol=1e-14)


@pytest.mark.parametrize("dt", [0.1, 1.0, 5.0])
def test_krylov_spaces_know_their_errors(backend, dt):
    """Products from a Krylov space are as wrong as they say, to a factor of twenty, unless at rounding."""
    matrix = laplacian(80, 20.0)
    vector = np.random.default_rng(2).normal(size=80)
    wanted = ((0.5, 1), (1.0, 1), (1.0, 3), (1.0, 4))
    for (c, k), (found, leak) in zip(
        wanted, phi_times(backend, lambda x: matrix @ x, dt, vector, 30, wanted), strict=True
    ):
        error = np.linalg.norm(found - by_exponential(c * dt * matrix, k) @ vector)
        assert error <= 20.0 * np.linalg.norm(leak) + 1e-13
        assert np.linalg.norm(leak) <= 20.0 * error + 1e-13


def test_an_exhausted_krylov_space_is_exact(backend):
    """Where the space holds all that the matrix makes of the vector, the product is exact; of zero it is zero."""
    matrix, vector = laplacian(5, 20.0), np.arange(5.0)
    ((found, leak),) = phi_times(backend, lambda x: matrix @ x, 1.0, vector, 30, ((1.0, 1),))
    np.testing.assert_allclose(found, by_exponential(matrix, 1) @ vector, atol=1e-14)
    assert np.max(np.abs(leak)) < 1e-14
    ((found, leak),) = phi_times(backend, lambda x: matrix @ x, 1.0, 0.0 * vector, 3, ((1.0, 1),))
    assert not np.any(found)
    assert not np.any(leak)


@pytest.mark.parametrize("method", [EXPRB32(), EXPRB43(), EXPRB43(krylov_dimension=2), ETDRK4()], ids=repr)
@pytest.mark.parametrize("dense", [False, True])
def test_measured_orders(method, dense):
    """With fixed steps, errors fall with the claimed order, at the end and between steps."""
    given = problems.clockwork(np_api) if isinstance(method, EXPRB43 | ETDRK4) else problems.detest_e1(np_api)
    shown = measured_order(method, given, dense=dense)
    assert shown.order == pytest.approx(method.order, abs=0.2), str(shown)


def fixed(problem, name, dt):
    return ev.solve(problem, name, dt=dt, adaptive=False, saveat="end", backend="eager").y[-1]


@pytest.mark.parametrize(("name", "order"), [("EXPRB32", 3), ("EXPRB43", 4)])
def test_orders_where_the_linear_part_is_stiff(name, order):
    """On a reaction with diffusion the order is full, however stiff the diffusion."""
    matrix, grid = laplacian(24, 25.0**2), np.linspace(0.0, 1.0, 26)[1:-1]
    y0 = 4.0 * grid * (1.0 - grid)
    problem = ev.ODEProblem(lambda t, y, p: matrix @ y + 5.0 / (1.0 + y * y), y0, (0.0, 0.5))
    exact = ev.solve(problem, "RadauIIA9", rtol=1e-12, atol=1e-13, saveat="end", backend="eager").y[-1]
    errors = [np.max(np.abs(fixed(problem, name, 0.5 / n) - exact)) for n in (8, 32)]
    assert 0.5 * np.log2(errors[0] / errors[1]) >= order - 0.3


@pytest.mark.parametrize("name", ["EXPRB32", "EXPRB43"])
@pytest.mark.parametrize("problem", ["robertson", "hires", "van_der_pol"])
def test_published_values(name, problem):
    """Final values agree with the published ones to what the tolerance promises."""
    given = getattr(problems, problem)(np_api)
    solution = ev.solve(given.problem(), name, rtol=1e-5, atol=1e-5 * given.scale, saveat="end")
    assert given.error(solution.y[-1]) < 3e-4


@pytest.mark.parametrize("name", ["EXPRB32", "EXPRB43"])
def test_small_krylov_spaces_make_small_steps_not_wrong_ones(name):
    """With a space far too small for large steps the error is still what the tolerance allows, for each step."""
    given = problems.brusselator_periodic(np_api, points=8)
    problem = given.problem(t_span=(0.0, 0.5))
    exact = ev.solve(problem, "RadauIIA5", rtol=1e-10, atol=1e-10, saveat="end").y[-1]
    kind = {"EXPRB32": EXPRB32, "EXPRB43": EXPRB43}[name]
    options = {"rtol": 1e-5, "atol": 1e-5, "saveat": "end", "backend": "eager"}
    small = ev.solve(problem, kind(krylov_dimension=4), **options)
    large = ev.solve(problem, kind(), **options)
    for solution in (small, large):
        allowed = 1e-5 * (1.0 + np.max(np.abs(exact)))
        assert np.max(np.abs(solution.y[-1] - exact)) < allowed * solution.stats.n_steps
    assert small.stats.n_steps > large.stats.n_steps


def kuramoto_sivashinsky(n, **given):
    """Kassam and Trefethen's problem in Fourier space, where its linear part is diagonal."""
    x = 32.0 * np.pi * np.arange(1, n + 1) / n
    start = np.fft.fft(np.cos(x / 16.0) * (1.0 + np.sin(x / 16.0)))
    k = np.fft.fftfreq(n, 1.0 / n) / 16.0
    k = np.where(np.arange(n) == n // 2, 0.0, k)
    rates, factors = k**2 - k**4 + 0.0j, -0.5j * k
    return ev.SplitODEProblem(
        lambda t, y, p: rates * y,
        lambda t, y, p: factors * np.fft.fft(np.real(np.fft.ifft(y)) ** 2),
        start,
        (0.0, 30.0),
        **given,
    )


def test_kuramoto_sivashinsky_by_fixed_steps():
    """Kassam and Trefethen's problem is solved at order four, with its diagonal and with full matrices alike."""
    problem = kuramoto_sivashinsky(64, sparsity=np.eye(64, dtype=bool))

    def at_end(count, problem=problem):
        return ev.solve(problem, "ETDRK4", dt=30.0 / count, saveat="end", backend="eager").y[-1]

    fine = at_end(960)
    errors = [np.max(np.abs(np.fft.ifft(at_end(count) - fine))) for count in (60, 120, 240)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4.0, abs=0.2)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(4.0, abs=0.2)
    full = at_end(240, kuramoto_sivashinsky(64))
    np.testing.assert_allclose(full, at_end(240), atol=1e-8)


def test_what_is_not_linear_in_the_implicit_part_is_not_lost():
    """ETDRK4 keeps its order where the implicit part is only nearly linear."""
    exact = ev.solve(
        ev.ODEProblem(lambda t, y, p: -20.0 * y + y * y + np.cos(t), np.asarray([1.0]), (0.0, 1.0)),
        "RadauIIA9",
        rtol=1e-12,
        atol=1e-13,
    ).y[-1]
    problem = ev.SplitODEProblem(
        lambda t, y, p: -20.0 * y + y * y, lambda t, y, p: 0.0 * y + np.cos(t), np.asarray([1.0]), (0.0, 1.0)
    )
    errors = [abs(ev.solve(problem, "ETDRK4", dt=1.0 / n).y[-1, 0] - exact[0]) for n in (40, 80)]
    assert np.log2(errors[0] / errors[1]) >= 3.8


@pytest.mark.parametrize("method", [EXPRB32(), EXPRB43(krylov_dimension=2), ETDRK4()], ids=repr)
@pytest.mark.parametrize("library", ["native", "jax", "torch"])
def test_libraries_agree(method, library):
    """Natively compiled, by JAX and by torch the result is that of NumPy."""
    span = {"t_span": (0.0, 0.01)}
    options = {"saveat": "end", **({"rtol": 1e-5, "atol": 1e-8} if method.adaptive else {"dt": 0.001})}
    plain = ev.solve(problems.robertson(np_api).problem(**span), method, backend="eager", **options).y[-1]
    xp = load_namespace(library)
    backend = "eager" if library == "torch" else library
    other = ev.solve(problems.robertson(xp).problem(**span), method, backend=backend, **options).y[-1]
    np.testing.assert_allclose(to_numpy(other), plain, rtol=1e-8)


@pytest.mark.parametrize("method", [EXPRB43(), EXPRB43(krylov_dimension=2)], ids=repr)
def test_lanes_are_solved_as_they_would_be_alone(method):
    """Trajectories that run side by side don't see each other."""
    given = problems.robertson(np_api)
    alone = given.problem(t_span=(0.0, 10.0))
    starts = np.stack([np.asarray(given.y0) * k for k in (1.0, 1.1)])
    options = {"rtol": 1e-5, "atol": 1e-8, "saveat": "end", "backend": "eager"}
    together = ev.solve(ev.EnsembleProblem(alone, y0=starts), method, **options)
    for start, found in zip(starts, np.asarray(together.y), strict=True):
        np.testing.assert_allclose(found[-1], ev.solve(alone.replace(y0=start), method, **options).y[-1], rtol=1e-10)


def test_bad_dimension():
    """A dimension that is none is refused by name."""
    with pytest.raises(ev.InputError, match="krylov_dimension"):
        ev.solve(problems.hires(np_api).problem(), EXPRB43(krylov_dimension=0))


def test_large_systems_without_structure_are_refused():
    """ETDRK4 says what to take instead, where its matrices would not fit."""
    problem = ev.ODEProblem(lambda t, y, p: -y * y[0], np.ones(3000), (0.0, 1.0))
    with pytest.raises(ev.InputError, match="EXPRB43"):
        ev.solve(problem, "ETDRK4", dt=0.1, backend="eager")


@pytest.mark.parametrize("name", ["EXPRB32", "EXPRB43"])
def test_between_steps(name):
    """Where the steps could be as long as one likes, the system being linear, dense output is right all the same."""
    problem = ev.ODEProblem(
        lambda t, y, p: np.stack([-1000.0 * (y[0] - y[1]), -y[1]]), np.asarray([1.0, 1.0]), (0.0, 3.0)
    )
    solution = ev.solve(problem, name, rtol=1e-7, atol=1e-9, dense=True, backend="eager")
    times = np.linspace(0.0, 3.0, 301)
    np.testing.assert_allclose(solution(times)[:, 1], np.exp(-times), rtol=1e-5)
