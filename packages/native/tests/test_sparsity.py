"""Which derivatives are zero, and how few directions the others need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolvent_native import _graph
from evolvent_native._derivatives import TooDense, colouring, compressed_jacobian, jacobian, jvp, sparsity
from evolvent_native._graph import BOOL, INT, REAL, Block, Graph, Node, make, make_many, record_in
from evolvent_native._interpret import run


def e(op: str, *inputs: Node | float) -> Node:
    """An elementwise node; numbers become arrays like the first node."""
    first = next(x for x in inputs if isinstance(x, Node))
    nodes = tuple(x if isinstance(x, Node) else fill(x, first.shape, first.dtype) for x in inputs)
    return make(op, nodes, first.shape, BOOL if op in _graph.COMPARISONS else nodes[-1].dtype)


def fill(value: Any, shape: tuple[int, ...], dtype: Any = REAL) -> Node:
    return make("broadcast", (_graph.constant(value, dtype),), shape, dtype)


def shaped(op: str, inputs: tuple[Node, ...], shape: tuple[int, ...], *attrs: Any) -> Node:
    return make(op, inputs, shape, inputs[0].dtype, attrs)


def part(x: Node, axis: int, start: int, stop: int) -> Node:
    starts = tuple(start if a == axis else 0 for a in range(len(x.shape)))
    shape = tuple(stop - start if a == axis else n for a, n in enumerate(x.shape))
    return shaped("slice", (x,), shape, starts, (1,) * len(shape))


def roll(x: Node, by: int, axis: int) -> Node:
    n = x.shape[axis]
    return shaped("concat", (part(x, axis, n - by % n, n), part(x, axis, 0, n - by % n)), x.shape, axis)


def scalar(x: Node, k: int) -> Node:
    return shaped("reshape", (part(x, 0, k, k + 1),), ())


def literal(value: Any) -> Node:
    return _graph.constant(np.asarray(value))


def pattern_and_numbers(build, shape: tuple[int, ...], x: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Where the pattern has entries, and the derivatives, one direction for each entry of the input."""
    graph = Graph()
    x = np.random.default_rng(0).normal(size=shape) if x is None else x
    with record_in(graph):
        p = graph.param(shape, REAL)
        out = build(p)
        rows, columns = sparsity(out, p)
        seeds = literal(np.eye(p.size).reshape(p.size, *shape))
        graph.outputs = jvp([out], [p], [seeds])
    (changes,) = run(graph, [x])
    there = np.zeros((out.size, p.size), bool)
    there[rows, columns] = True
    assert there.sum() == len(rows)
    return there, changes.reshape(p.size, out.size).T


def is_exact(build, shape: tuple[int, ...]) -> None:
    there, numbers = pattern_and_numbers(build, shape)
    np.testing.assert_array_equal(there, numbers != 0)


def brusselator(w: Node) -> Node:
    u, v = (shaped("reshape", (part(w, 0, k, k + 1),), w.shape[1:]) for k in range(2))

    def laplacian(x):
        around = e("add", e("add", roll(x, 1, 0), roll(x, -1, 0)), e("add", roll(x, 1, 1), roll(x, -1, 1)))
        return e("sub", around, e("mul", x, 4.0))

    reaction = e("mul", e("mul", u, u), v)
    du = e("add", e("sub", reaction, e("mul", u, 4.4)), laplacian(u))
    dv = e("add", e("sub", e("mul", u, 3.4), reaction), laplacian(v))
    return shaped("concat", tuple(shaped("reshape", (x,), (1, *x.shape)) for x in (du, dv)), w.shape, 0)


EXACT = {
    "stencil": lambda x: e("sub", e("add", roll(x, 1, 0), roll(x, -1, 0)), e("mul", x, x)),
    "polynomial": lambda x: e("mul", e("add", x, 2.0), e("mul", roll(x, 2, 0), roll(x, 2, 0))),
    "reversed": lambda x: e("add", x, shaped("slice", (x,), x.shape, (x.size - 1,), (-1,))),
    "update": lambda x: shaped("update", (e("sin", x), part(x, 0, 0, 2)), x.shape, (1,), (2,)),
    "gather": lambda x: shaped("gather", (e("exp", x), literal([[3, 0], [0, 99]])), (2, 2)),
    "scatter": lambda x: shaped("scatter", (x, literal([3, 0, 3]), part(x, 0, 1, 4)), x.shape),
    "scatter_add": lambda x: shaped("scatter_add", (x, literal([3, 0, 3]), part(x, 0, 1, 4)), x.shape),
    "sums": lambda x: shaped("sum", (shaped("reshape", (x,), (2, 3)),), (3,), (0,)),
    "running sums": lambda x: shaped("cumsum", (shaped("reshape", (x,), (2, 3)),), (2, 3), 1),
    "chosen by place": lambda x: e("where", literal([True, False] * 3), x, roll(x, 1, 0)),
    "zeros of a literal": lambda x: e("mul", literal([1.0, 0, 2, 0, 0, 3]), e("exp", x)),
    "steps": lambda x: e("add", e("floor", x), e("sign", roll(x, 1, 0))),
    "nothing": lambda x: e("floor", x),
    "sparse matrix": lambda x: shaped(
        "matmul", (literal(np.diag([1.0] * 5, 1)[None]), shaped("reshape", (x,), (1, 6, 1))), (1, 6, 1)
    ),
    "from the right": lambda x: shaped(
        "matmul", (shaped("reshape", (x,), (1, 2, 3)), literal(np.tri(3)[None])), (1, 2, 3)
    ),
    "product of matrices": lambda x: shaped(
        "matmul", (shaped("reshape", (x,), (1, 2, 3)), shaped("reshape", (e("sin", x),), (1, 3, 2))), (1, 2, 2)
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact(name):
    """The pattern is where derivatives differ from zero, for stencils, polynomials and moves of entries."""
    is_exact(EXACT[name], (6,))


def test_reaction_and_diffusion():
    """So it is for a two-dimensional reaction and diffusion of two kinds."""
    is_exact(brusselator, (2, 5, 6))


def _after_rounds(x: Node, limit: int = 2) -> Node:
    """A loop that moves entries along."""
    initial = (_graph.constant(0, INT), x)
    condition, body = (Block(_graph.current()) for _ in range(2))
    for block in (condition, body):
        for c in initial:
            block.param(c.shape, c.dtype)
    with record_in(condition):
        condition.outputs = [e("lt", condition.params[0], limit)]
    with record_in(body):
        n, y = body.params
        body.outputs = [e("add", n, 1), e("mul", roll(y, 1, 0), x)]
    return make_many("while", initial, [(c.shape, c.dtype) for c in initial], (), (condition, body))[1]


def _branch(x: Node) -> Node:
    yes, no = Block(_graph.current()), Block(_graph.current())
    with record_in(yes):
        yes.outputs = [roll(x, 1, 0)]
    with record_in(no):
        no.outputs = [e("sin", x)]
    return make_many("cond", (e("gt", scalar(x, 0), 0.0),), [(x.shape, REAL)], (), (yes, no))[0]


def _solved(x: Node) -> Node:
    a = e(
        "add",
        shaped("reshape", (shaped("concat", (x, x, x), (18,), 0),), (2, 3, 3)),
        literal(np.eye(3) + np.zeros((2, 3, 3))),
    )
    factors, exchanges = make_many("lu", (a,), [(a.shape, REAL), ((2, 3), INT)])
    return make("lu_solve", (factors, exchanges, shaped("reshape", (x,), (2, 3, 1))), (2, 3, 1), REAL, (False,))


CONTAINED = {
    "loop": _after_rounds,
    "branch": _branch,
    "sorted": lambda x: shaped("sort", (shaped("reshape", (x,), (2, 3)),), (2, 3), 1, False),
    "largest": lambda x: shaped("max", (shaped("reshape", (x,), (2, 3)),), (2,), (1,)),
    "products": lambda x: shaped("prod", (shaped("reshape", (x,), (2, 3)),), (2,), (1,)),
    "solve": _solved,
    "chosen": lambda x: e("where", e("gt", x, 0.0), roll(x, 1, 0), x),
    "gathered": lambda x: shaped("gather", (x, make("argsort", (x,), x.shape, INT, (0, False))), x.shape),
}


@pytest.mark.parametrize("name", CONTAINED)
def test_contained(name):
    """No derivative that can differ from zero is left out where values decide which do."""
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=6)
        there, numbers = pattern_and_numbers(CONTAINED[name], (6,), x)
        assert there[numbers != 0].all()


def test_what_is_separate_stays_separate():
    """Sorting rows, solving with several matrices and branches don't mix what they keep apart."""
    for name, entries in (("sorted", 18), ("largest", 6), ("branch", 12), ("solve", 18 * 2)):
        there, _ = pattern_and_numbers(CONTAINED[name], (6,))
        assert there.sum() <= entries


def test_calls():
    """The pattern of a graph that is called is found within it."""
    inner = Graph()
    with record_in(inner):
        x = inner.param((6,), REAL)
        inner.outputs = [EXACT["stencil"](x)]
    is_exact(lambda x: make_many("call", (roll(x, 1, 0),), [((6,), REAL)], (inner, 0))[0], (6,))


def test_large_grids_take_little_time():
    """The code for a hundred thousand entries is found from the graph alone, which does not grow with them."""
    sizes = []
    for n in (8, 200):
        graph = Graph()
        with record_in(graph):
            w = graph.param((2, n, n), REAL)
            pattern = sparsity(brusselator(w), w)
            assert len(pattern[0]) == 2 * n * n * 6
            colours = colouring(*pattern, (w.size, w.size))
            assert colours.max() < 14
            compressed_jacobian(brusselator, w, pattern, colours)
        sizes.append(len(graph.nodes))
    assert sizes[1] < 1.3 * sizes[0]


# ------------------------------------------------------------------ colouring
def is_valid(rows: np.ndarray, columns: np.ndarray, colours: np.ndarray) -> bool:
    pairs = np.stack([rows, colours[columns]])
    return len(np.unique(pairs, axis=1).T) == len(rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.randoms(use_true_random=False))
def test_valid(n, m, random):
    """No two columns of one colour have an entry in one row."""
    rows, columns = np.nonzero(np.random.default_rng(random.randrange(10**6)).random((n, m)) < 0.3)
    colours = colouring(rows, columns, (n, m))
    assert colours.shape == (m,)
    assert is_valid(rows, columns, colours)
    assert len(rows) == 0 or colours.max() + 1 >= np.bincount(rows).max()


@pytest.mark.parametrize("width", [1, 3, 5])
def test_bands(width):
    """A banded matrix needs as many colours as it has diagonals."""
    rows, columns = np.nonzero(np.abs(np.subtract.outer(np.arange(50), np.arange(50))) <= width // 2)
    assert colouring(rows, columns, (50, 50)).max() + 1 == width


@pytest.mark.parametrize("n", [7, 10, 23, 40])
@pytest.mark.parametrize("periodic", [False, True])
def test_grids(n, periodic):
    """The five-point stencil needs at most nine colours with periodic boundaries, and at most seven without."""
    i, j = np.indices((n, n))
    pairs = []
    for di, dj in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
        inside = periodic | ((i + di >= 0) & (i + di < n) & (j + dj >= 0) & (j + dj < n))
        pairs.append(np.stack([(i * n + j)[inside], ((i + di) % n * n + (j + dj) % n)[inside]]))
    rows, columns = np.concatenate(pairs, axis=1)
    colours = colouring(rows, columns, (n * n, n * n))
    assert is_valid(rows, columns, colours)
    assert colours.max() + 1 <= (9 if periodic else 7)


def test_arrows():
    """One full column costs one colour of its own; a full row needs all."""
    n = 20
    k = np.arange(n)
    rows, columns = np.concatenate([k, k[1:]]), np.concatenate([k, 0 * k[1:]])
    assert colouring(rows, columns, (n, n)).max() + 1 == 2
    assert colouring(columns, rows, (n, n)).max() + 1 == n


def test_no_entries():
    """A matrix without entries needs one colour at most."""
    none = np.zeros(0, np.int64)
    assert colouring(none, none, (3, 4)).tolist() == [0, 0, 0, 0]


# ------------------------------------------------------------------ Jacobians by them
def lorenz(y: Node) -> Node:
    a, b, c = (scalar(y, k) for k in range(3))
    return shaped(
        "pack",
        (
            e("mul", e("sub", b, a), 10.0),
            e("sub", e("mul", a, e("sub", _graph.constant(28.0), c)), b),
            e("sub", e("mul", a, b), e("mul", c, 8 / 3)),
        ),
        (3,),
    )


def test_small_models_entry_by_entry():
    """The Jacobian of Lorenz' equations takes three operations: the rest is constants and copies."""
    graph = Graph()
    with record_in(graph):
        y = graph.param((3,), REAL)
        out = lorenz(y)
        before = {node for node in graph.nodes if node.op != "constant"}
        matrix = jacobian(out, y)
        new = [n for n in graph.nodes if n not in before and n.op not in ("constant", "pack", "reshape")]
        used = {x for n in (matrix.inputs[0], *new) for x in n.inputs}
        assert len([n for n in new if n in used]) <= 3
        graph.outputs = [matrix]
    (found,) = run(graph, [np.array([1.0, 2.0, np.inf])])
    np.testing.assert_array_equal(found, [[-10, 10, 0], [-np.inf, -1, -1], [2, 1, -8 / 3]])


@pytest.mark.parametrize("name", [*EXACT, *CONTAINED])
def test_jacobians(name):
    """The Jacobian is the one by one direction after the other, however it is found."""
    build = {**EXACT, **CONTAINED}[name]
    _, numbers = pattern_and_numbers(build, (6,))
    x = np.random.default_rng(0).normal(size=6)
    graph = Graph()
    with record_in(graph):
        p = graph.param((6,), REAL)
        out = build(p)
        pattern = sparsity(out, p)
        colours = colouring(*pattern, (out.size, 6))
        graph.outputs = [jacobian(out, p), compressed_jacobian(build, p, pattern, colours)]
    matrix, values = run(graph, [x])
    np.testing.assert_allclose(matrix, numbers, 1e-12, 1e-14)
    np.testing.assert_allclose(values, numbers[pattern], 1e-12, 1e-14)


def test_jacobian_of_a_grid():
    """A large sparse Jacobian comes out of few directions, dense or as its entries."""
    there, numbers = pattern_and_numbers(brusselator, (2, 7, 6))
    graph = Graph()
    with record_in(graph):
        w = graph.param((2, 7, 6), REAL)
        pattern = sparsity(brusselator(w), w)
        colours = colouring(*pattern, (w.size, w.size))
        assert colours.max() + 1 <= 14
        graph.outputs = [
            jacobian(brusselator(w), w),
            compressed_jacobian(brusselator, w, pattern, colours),
        ]
    matrix, values = run(graph, [np.random.default_rng(0).normal(size=(2, 7, 6))])
    np.testing.assert_allclose(matrix, numbers, 1e-13, 1e-13)
    np.testing.assert_allclose(values, numbers[there], 1e-13, 1e-13)


def _chain(y: Node) -> Node:
    parts = [scalar(y, k) for k in range(y.size)]
    return shaped(
        "pack",
        tuple(e("sub", e("mul", a, b), e("sin", b)) for a, b in zip(parts, roll_list(parts), strict=True)),
        y.shape,
    )


def roll_list(parts: list) -> list:
    return parts[1:] + parts[:1]


def test_code_grows_with_the_model():
    """The code of a Jacobian grows linearly with a model of scalars, and not at all with the length of arrays."""

    def nodes(build, n):
        graph = Graph()
        with record_in(graph):
            jacobian(build(p := graph.param((n,), REAL)), p)
        return len(graph.nodes)

    assert nodes(_chain, 400) < 2.1 * nodes(_chain, 200)

    def dense(x):
        return e("mul", x, shaped("broadcast", (shaped("sum", (e("sin", x),), (), (0,)),), x.shape))

    assert nodes(dense, 30_000) <= nodes(dense, 400)
    graph = Graph()
    with record_in(graph):
        x = graph.param((30_000,), REAL)
        with pytest.raises(TooDense, match="treat the matrix as full"):
            sparsity(dense(x), x)
