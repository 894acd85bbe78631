import warnings

import array_api_strict
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent import EagerBackend, NumpyBackend
from evolvent.sparse import Pattern
from evolvent_stiff_ode._ordering import StructurallySingular
from evolvent_stiff_ode._straight_lu import straight_lu, straight_solve
from evolvent_stiff_ode._symbolic import Symbolic

native = pytest.importorskip("evolvent_native")


def sparse(matrix):
    """A matrix's pattern and values."""
    matrix = sp.csr_array(matrix)
    matrix.sort_indices()
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return Pattern(rows, matrix.indices, matrix.shape), matrix.data


def staged(function, *arguments):
    """A function's value by machine code."""
    return native.stage(function, *arguments)(*arguments)


def backend_of_native():
    from evolvent_native._backend import NativeBackend

    return NativeBackend()


# ---------------------------------------------------------------- ways to solve
def straight(backend, symbolic, values, rhs):
    return straight_solve(backend, symbolic, straight_lu(backend, symbolic, values), rhs)


def straight_eagerly(symbolic, values, rhs):
    return straight(NumpyBackend(), symbolic, values, rhs)


def straight_strictly(symbolic, values, rhs):
    xp = array_api_strict
    return np.asarray(straight(EagerBackend(xp), symbolic, xp.asarray(values), xp.asarray(rhs)))


def straight_natively(symbolic, values, rhs):
    return staged(lambda v, r: straight(backend_of_native(), symbolic, v, r), values, rhs)


def by_loops(symbolic, values, rhs):
    b = backend_of_native()
    return staged(lambda v, r: b.sparse_solve(symbolic, b.sparse_lu(symbolic, v), r), values, rhs)


def on_host(symbolic, values, rhs):
    b = NumpyBackend()
    return b.sparse_solve(symbolic, b.sparse_lu(symbolic, values), rhs)


STRAIGHT = [straight_eagerly, straight_strictly, straight_natively]
STATIC = [*STRAIGHT, by_loops]
WAYS = [*STATIC, on_host]


@st.composite
def systems(draw, largest=14, kinds=(np.float64, np.complex128)):
    """Dominant entries, one in each row and column, and others off the diagonal."""
    n = draw(st.integers(1, largest))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < draw(st.sampled_from([0.05, 0.2, 0.5])))
    if draw(st.sampled_from(kinds)) is np.complex128:
        matrix = matrix * np.exp(1j * rng.normal(size=(n, n)))
    np.fill_diagonal(matrix, 0.0)
    order = rng.permutation(n) if draw(st.booleans()) else np.arange(n)
    matrix[np.arange(n), order] = 4.0 * np.sqrt(n) + rng.random(n)
    return matrix, rng.normal(size=n).astype(matrix.dtype)


def close(x, wanted, accuracy=1e-12):
    assert x.dtype == wanted.dtype
    np.testing.assert_allclose(x, wanted, rtol=0, atol=accuracy * max(np.max(np.abs(wanted)), 1e-300))


@pytest.mark.parametrize("way", [straight_eagerly, straight_strictly, on_host])
@given(systems())
@settings(max_examples=40, deadline=None)
def test_dense_solutions_eagerly(way, system):
    """Whatever the pattern, the solution is that of the full matrix."""
    matrix, rhs = system
    pattern, values = sparse(matrix)
    close(way(Symbolic.of(pattern, values), values, rhs), np.linalg.solve(matrix, rhs))


@pytest.mark.parametrize("way", [straight_natively, by_loops])
@given(systems())
@settings(max_examples=8, deadline=None)
def test_dense_solutions_natively(way, system):
    """Machine code gives the solution of the full matrix, whatever the pattern."""
    matrix, rhs = system
    pattern, values = sparse(matrix)
    close(way(Symbolic.of(pattern, values), values, rhs), np.linalg.solve(matrix, rhs))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex64, np.complex128])
def test_machine_code_against_its_meaning(kind):
    """The loops compute what NumPy computes by the same plan, for one and for several right sides."""
    from evolvent_native._interpret import run

    b, matrix = backend_of_native(), grid(6)
    pattern, values = sparse(matrix)
    rng = np.random.default_rng(0)
    values = (values * (1 + 0.2j * rng.normal(size=len(values)) if np.dtype(kind).kind == "c" else 1)).astype(kind)
    symbolic = Symbolic.of(pattern)
    accuracy = 100 * np.finfo(kind).eps
    factorise = native.stage(lambda v: b.sparse_lu(symbolic, v), values)
    factors = factorise(values)
    close(factors, run(factorise.graph, [values])[0], accuracy)
    for shape in [(symbolic.n,), (symbolic.n, 3)]:
        rhs = rng.normal(size=shape).astype(kind)
        substitute = native.stage(lambda f, r: b.sparse_solve(symbolic, f, r), factors, rhs)
        x = substitute(factors, rhs)
        close(x, run(substitute.graph, [factors, rhs])[0], accuracy)
        close(sp.csr_array((values, (pattern.rows, pattern.columns))) @ x, rhs, accuracy)


def grid(n):
    """Reaction and diffusion of two substances on a periodic square."""
    ring = sp.diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1]).tolil()
    ring[0, n - 1] = ring[n - 1, 0] = 1.0
    one = sp.eye_array(n)
    laplacian = sp.kron(ring, one) + sp.kron(one, ring)
    rng = np.random.default_rng(n)
    reaction = [[sp.diags_array(rng.normal(size=n * n)) for _ in range(2)] for _ in range(2)]
    return (
        sp.eye_array(2 * n * n) * 8.0
        - sp.block_array([[laplacian, None], [None, laplacian]])
        - sp.block_array(reaction)
    )


def chain(cells, width=3):
    """Cells with full matrices, coupled to their neighbours."""
    rng = np.random.default_rng(cells)
    own = sp.block_diag([rng.normal(size=(width, width)) for _ in range(cells)])
    ring = sp.diags_array([np.ones(cells - 1), -2 * np.ones(cells), np.ones(cells - 1)], offsets=[-1, 0, 1])
    return sp.eye_array(cells * width) * 12.0 - own - sp.kron(ring, sp.eye_array(width))


@pytest.mark.parametrize("way", [by_loops, on_host])
@pytest.mark.parametrize(
    "matrix", [grid(16), chain(100), chain(100, 1), sp.random_array((150, 150), rng=1) + 9 * sp.eye_array(150)]
)
def test_residuals_of_large_systems(way, matrix):
    """Hundreds of equations are solved to rounding."""
    pattern, values = sparse(matrix)
    rhs = np.random.default_rng(0).normal(size=pattern.shape[0])
    close(matrix @ way(Symbolic.of(pattern), values, rhs), rhs, 1e-13)


# ---------------------------------------------------------------- pivots
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("told", [False, True])
def test_zeros_on_the_diagonal(way, told):
    """A saddle point, whose diagonal has missing entries, is solved by pivots off the diagonal."""
    block, constraint = np.diag([2.0, 3.0, 4.0]), np.asarray([[1.0, 1.0, 0.0], [0.0, 1.0, -1.0]])
    matrix = np.block([[block, constraint.T], [constraint, np.zeros((2, 2))]])
    pattern, values = sparse(matrix)
    rhs = np.arange(1.0, 6.0)
    x = way(Symbolic.of(pattern, values if told else None), values, rhs)
    close(x, np.linalg.solve(matrix, rhs))


@pytest.mark.parametrize("way", WAYS)
def test_tiny_diagonal_by_values(way):
    """Where the diagonal is there but tiny, the values lead to other pivots."""
    matrix = np.asarray([[1e-20, 1.0, 0.5], [1.0, 0.0, 0.0], [0.0, 0.25, 1.0]])
    pattern, values = sparse(matrix)
    close(way(Symbolic.of(pattern, values), values, np.ones(3)), np.linalg.solve(matrix, np.ones(3)))


@pytest.mark.parametrize("way", STATIC)
@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 2.0], [2.0, 4.0]],
        [[1.0, 1.0, 0.0], [0.1, 0.1, 0.3], [0.7, 0.7, 0.9]],
        [[0.0, 1.0], [1.0, 1.0]],
        [[1e-20, 1.0], [1.0, 1.0]],
        [[1.0, np.nan], [0.0, 1.0]],
        [[np.inf, 1.0], [1.0, 1.0]],
    ],
    ids=["singular", "singular to rounding", "zero pivot", "tiny pivot", "nan", "infinite"],
)
@pytest.mark.parametrize("kind", [np.float64, np.complex128])
def test_bad_pivots_are_told(way, matrix, kind):
    """What the pivots chosen beforehand can't solve is not finite in the solution, and nobody is warned."""
    n = len(matrix)
    full = Pattern(*np.divmod(np.arange(n * n), n), (n, n))
    values = np.asarray(matrix, kind).reshape(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.all(np.isfinite(way(Symbolic.of(full), values, np.ones(n, kind))))


def test_bad_matrices_on_the_host():
    """SuperLU exchanges pivots; what is singular or not finite is not finite in the solution there, too."""
    full = Pattern([0, 0, 1, 1], [0, 1, 0, 1], (2, 2))
    symbolic = Symbolic.of(full)
    close(on_host(symbolic, np.asarray([0.0, 1.0, 1.0, 1.0]), np.asarray([1.0, 3.0])), np.asarray([2.0, 1.0]))
    for bad in ([1.0, 2.0, 2.0, 4.0], [1.0, np.nan, 0.0, 1.0]):
        assert np.all(np.isnan(on_host(symbolic, np.asarray(bad), np.ones(2))))


def test_scaling_is_no_reason_for_alarm():
    """Rows and columns in the most different units don't make pivots bad."""
    rng = np.random.default_rng(0)
    rows, columns = 10.0 ** rng.integers(-60, 60, 12), 10.0 ** rng.integers(-60, 60, 12)
    matrix = rng.normal(size=(12, 12)) + 12 * np.eye(12)
    pattern, values = sparse(matrix * rows[:, None])
    for way in STATIC:
        close(way(Symbolic.of(pattern), values, rows), np.linalg.solve(matrix, np.ones(12)))
    pattern, values = sparse(matrix * columns)
    for way in STATIC:
        close(way(Symbolic.of(pattern), values, np.ones(12)) * columns, np.linalg.solve(matrix, np.ones(12)))


def test_structurally_singular():
    """A pattern all of whose matrices are singular is refused with the unknowns named."""
    with pytest.raises(StructurallySingular, match="of 3 unknowns, 1 can't be solved for"):
        Symbolic.of(Pattern([0, 1, 2, 2], [2, 2, 1, 2], (3, 3)))


def test_wrong_input():
    """Rectangles and values of another count are refused."""
    with pytest.raises(ValueError, match="square"):
        Symbolic.of(Pattern([0], [1], (2, 3)))
    with pytest.raises(ValueError, match="3 entries"):
        Symbolic.of(Pattern([0, 1, 1], [0, 0, 1], (2, 2)), np.ones(4))


# ---------------------------------------------------------------- fill
@pytest.mark.parametrize("reverse", [False, True])
def test_no_needless_fill(reverse):
    """Tridiagonal and arrow matrices don't fill, from whichever end they are written."""
    n = 40
    arrow = np.eye(n)
    arrow[0] = arrow[:, 0] = 1.0
    band = np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    for matrix in (arrow, band):
        pattern, values = sparse(matrix[::-1, ::-1] if reverse else matrix)
        assert Symbolic.of(pattern).straight.size == len(values)


def test_plans_grow_with_the_fill():
    """Factors of chains grow linearly, those of grids as n log n, and indices more slowly than factors."""
    sizes = [Symbolic.of(sparse(chain(cells))[0]).plan.size for cells in (100, 1000)]
    assert sizes[1] < 10.5 * sizes[0]
    plans = [Symbolic.of(sparse(grid(n))[0]).plan for n in (16, 32)]
    assert plans[1].size < 4 * 1.6 * plans[0].size
    assert len(plans[1].numbers) < 0.6 * plans[1].size


def test_many_equations_take_no_time():
    """Order and plan for a hundred thousand equations of a chain: as they are, and written species by species."""
    cells = 10_000
    matrix = chain(cells)
    by_species = np.arange(3 * cells).reshape(cells, 3).T.reshape(-1)
    natural, shuffled = (
        Symbolic.of(sparse(m)[0]).plan for m in (matrix, sp.csr_array(matrix)[by_species][:, by_species])
    )
    assert max(natural.size, shuffled.size) < 20 * 3 * cells


def test_equal_by_content():
    """Equal patterns have equal symbolic factorisations, others don't."""
    band, longer = (sparse(np.eye(n) + np.eye(n, k=1))[0] for n in (5, 6))
    again = sparse(np.eye(5) + np.eye(5, k=1))[0]
    assert Symbolic.of(band) == Symbolic.of(again)
    assert hash(Symbolic.of(band)) == hash(Symbolic.of(again))
    assert Symbolic.of(band) != Symbolic.of(longer)


def test_large_fill_is_left_to_loops():
    """Code is written out for small factors only."""
    assert Symbolic.of(sparse(np.ones((8, 8)))[0]).straight is not None
    assert Symbolic.of(sparse(np.ones((15, 15)))[0]).straight is None
    assert Symbolic.of(sparse(chain(100))[0]).straight is None


# ---------------------------------------------------------------- other libraries
def test_lanes():
    """Each lane has its own matrix, written out as on the host."""
    b = NumpyBackend().in_lanes(3)
    pattern, values = sparse(chain(4))
    symbolic = Symbolic.of(pattern)
    values = values[:, None] * np.asarray([1.0, 2.0, -4.0])
    rhs = np.random.default_rng(0).normal(size=(12, 3))
    wanted = np.linalg.solve(chain(4).toarray(), rhs) / np.asarray([1.0, 2.0, -4.0])
    close(b.sparse_solve(symbolic, b.sparse_lu(symbolic, values), rhs), wanted)
    close(straight(b, symbolic, values, rhs), wanted)


def test_derivatives_by_jax():
    """Derivatives by matrix and right side are those of the dense solution, in forward and in reverse."""
    jax = pytest.importorskip("jax")
    from evolvent_jax._backend import JaxBackend

    with jax.enable_x64(True):
        b = JaxBackend([jax.numpy.ones(1)])
        pattern, values = sparse(chain(5))
        symbolic, rhs = Symbolic.of(pattern), np.linspace(1.0, 2.0, 15)

        def by_backend(v, r):
            return b.sparse_solve(symbolic, b.sparse_lu(symbolic, v), r)

        def dense(v, r):
            full = jax.numpy.zeros((15, 15)).at[pattern.rows, pattern.columns].set(v)
            return jax.numpy.linalg.solve(full, r)

        for derivative in (jax.jacfwd, jax.jacrev):
            for argument in (0, 1):
                found, wanted = (jax.jit(derivative(f, argument))(values, rhs) for f in (by_backend, dense))
                close(np.asarray(found), np.asarray(wanted), 1e-11)
        many = jax.vmap(by_backend)(np.stack([values, 2 * values]), np.stack([rhs, rhs]))
        close(np.asarray(many[1]), np.asarray(dense(values, rhs)) / 2)


def test_derivatives_by_torch():
    """Torch's derivatives by matrix and right side agree with differences, real and complex."""
    torch = pytest.importorskip("torch")
    from evolvent_torch._backend import TorchBackend

    b = TorchBackend(torch.device("cpu"), torch.float64)
    pattern, values = sparse(chain(2))
    symbolic, rhs = Symbolic.of(pattern), np.linspace(1.0, 2.0, 6)

    def solve(v, r):
        return b.sparse_solve(symbolic, b.sparse_lu(symbolic, v), r)

    for factor in (1.0, 1.0 + 0.5j):
        v, r = (torch.tensor(x * factor, requires_grad=True) for x in (values, rhs))
        assert torch.autograd.gradcheck(solve, (v, r), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(solve, (v, r))
