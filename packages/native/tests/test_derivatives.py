"""Derivatives as graph rules, against JAX, finite differences and each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evolvent_native
from evolvent_native import _functions, _graph
from evolvent_native._array import Array
from evolvent_native._derivatives import NotDifferentiable, hvp, jacobian, jvp, vjp
from evolvent_native._graph import BOOL, INT, REAL, Block, Graph, Node, make, make_many, record_in
from evolvent_native._inline import inline
from evolvent_native._interpret import run

jax = pytest.importorskip("jax")
jnp = jax.numpy
COMPLEX = np.dtype(np.complex128)


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


# ------------------------------------------------------------------ recording and running
def e(op: str, *inputs: Node, dtype: Any = None) -> Node:
    """An elementwise node; numbers become arrays like the first node."""
    first = next(x for x in inputs if isinstance(x, Node))
    nodes = tuple(x if isinstance(x, Node) else fill(x, first.shape, first.dtype) for x in inputs)
    kind = BOOL if op in _graph.COMPARISONS else nodes[-1].dtype
    return make(op, nodes, first.shape, dtype or kind)


def fill(value: Any, shape: tuple[int, ...], dtype: Any = REAL) -> Node:
    return make("broadcast", (_graph.constant(value, dtype),), shape, dtype)


def literal(value: Any) -> Node:
    return _graph.constant(np.asarray(value))


def shaped(op: str, inputs: tuple[Node, ...], shape: tuple[int, ...], *attrs: Any) -> Node:
    return make(op, inputs, shape, inputs[0].dtype, attrs)


def staged(build, *arrays: np.ndarray, literal_bytes: float = _graph.LITERAL_BYTES) -> Graph:
    graph = Graph(literal_bytes)
    with record_in(graph):
        out = build(*(graph.param(a.shape, a.dtype) for a in arrays))
        graph.outputs = list(out) if isinstance(out, tuple) else [out]
    return graph


def well_formed(block: Block) -> None:
    """Elementwise nodes have inputs of their own shape, and of one dtype where they must."""
    for node in block.nodes:
        if node.op in _graph.ELEMENTWISE:
            assert all(x.shape == node.shape for x in node.inputs), node
            kinds = {x.dtype for x in node.inputs[1 if node.op == "where" else 0 :]}
            assert len(kinds) == 1, node
            if node.op not in {"cast", "complex", "real", "imag", "abs", *_graph.COMPARISONS, *_graph.PREDICATES}:
                assert kinds == {node.dtype}, node
        for region in node.regions:
            well_formed(region)


def sample(kind: Any, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(kind).kind == "c" else x).astype(kind)


def in_jax(graph: Graph, *args: Any, block: Block | None = None, known: dict | None = None) -> list:
    """What a graph computes, by JAX."""
    block = graph if block is None else block
    known = dict(zip(graph.params, args, strict=True)) if known is None else known
    for node in block.nodes:
        known[node] = _in_jax(graph, node, [known[x] for x in node.inputs], known)
    return [known[x] for x in block.outputs]


def _in_jax(graph: Graph, node: Node, values: list, known: dict) -> Any:
    if node.op == "constant":
        return jnp.asarray(node.value)
    if node.op == "data":
        return jnp.asarray(graph.data[node.attrs[0]])
    if node.op == "result":
        return values[0][node.attrs[0]]
    if node.op == "call":
        return in_jax(node.attrs[0], *values)
    if node.op == "cond":
        return jax.lax.cond(values[0], *(lambda r=r: in_jax(graph, block=r, known=dict(known)) for r in node.regions))
    if node.op == "while":
        condition, body = (
            lambda carry, r=r: in_jax(graph, block=r, known={**known, **dict(zip(r.params, carry, strict=True))})
            for r in node.regions
        )
        return jax.lax.while_loop(lambda carry: condition(carry)[0], body, values)
    if node.op == "lu":
        factors, exchanges, _ = jax.lax.linalg.lu(values[0])
        return factors, exchanges
    if node.op in ("sum", "prod", "max", "min"):
        return getattr(jnp, node.op)(values[0], axis=node.attrs[0])
    if node.op in ("slice", "update"):
        shape = node.shape if node.op == "slice" else node.inputs[1].shape
        places = jnp.ix_(*(a + k * np.arange(n) for a, k, n in zip(*node.attrs, shape, strict=True)))
        return values[0][places] if node.op == "slice" else values[0].at[places].set(values[1])
    if node.op in ("scatter", "scatter_add"):
        x, i, v = values
        flat = x.reshape(-1).at[i]
        return (flat.set if node.op == "scatter" else flat.add)(v).reshape(x.shape)
    by_name = {
        "cast": lambda x: (x.real if node.dtype.kind != "c" else x).astype(node.dtype),
        "broadcast": lambda x: jnp.broadcast_to(x, node.shape),
        "reshape": lambda x: x.reshape(node.shape),
        "permute": lambda x: x.transpose(node.attrs[0]),
        "concat": lambda *xs: jnp.concatenate(xs, axis=node.attrs[0]),
        "pack": lambda *xs: jnp.stack(xs),
        "iota": lambda: jnp.arange(node.shape[0]),
        "gather": lambda x, i: x.reshape(-1)[i],
        "cumsum": lambda x: jnp.cumsum(x, axis=node.attrs[0]),
        "cumprod": lambda x: jnp.cumprod(x, axis=node.attrs[0]),
        "sort": lambda x: jnp.sort(x, axis=node.attrs[0], descending=node.attrs[1]),
        "argsort": lambda x: jnp.argsort(x, axis=node.attrs[0], descending=node.attrs[1]),
        "matmul": lambda a, b: a @ b,
        "cholesky": lambda a: jnp.linalg.cholesky(a),
        "qr": lambda a: tuple(jnp.linalg.qr(a)),
        "complex": jax.lax.complex,
        "where": jnp.where,
        "neg": jnp.negative,
        "sub": jnp.subtract,
        "mul": jnp.multiply,
        "div": jnp.divide,
        "mod": jnp.mod,
        "pow": jax.lax.pow,
        "floordiv": jnp.floor_divide,
        "not": jnp.logical_not,
        "eq": jnp.equal,
        "lt": jnp.less,
        "gt": jnp.greater,
        "and": jnp.logical_and,
    }
    return by_name[node.op](*values) if node.op in by_name else getattr(jnp, node.op)(*values)


def with_derivatives(graph: Graph, arrays: list[np.ndarray]) -> list[list[np.ndarray]]:
    """The changes in one direction, in two directions at once, and what the inputs count, by the graph's rules."""
    tangents, twice = directions(arrays)
    cotangents = [sample(x.dtype, x.shape, 30 + k) for k, x in enumerate(graph.outputs)]
    rules = Graph()
    given = [rules.param(a.shape, a.dtype) for a in [*arrays, *tangents, *twice, *cotangents]]
    n = len(arrays)
    with record_in(rules):
        outputs = inline(graph, given[:n])
        forward = jvp(outputs, given[:n], given[n : 2 * n])
        both = jvp(outputs, given[:n], given[2 * n : 3 * n])
        back = vjp(outputs, given[:n], given[3 * n :])
        rules.outputs = [*forward, *both, *back]
    well_formed(rules)
    for x, change, count in zip(outputs, forward, both, strict=True):
        assert (change.shape, change.dtype) == (x.shape, x.dtype)
        assert (count.shape, count.dtype) == ((2, *x.shape), x.dtype)
    assert [(x.shape, x.dtype) for x in back] == [(a.shape, a.dtype) for a in arrays]
    found = run(rules, [*arrays, *tangents, *twice, *cotangents])
    m = len(outputs)
    return [found[:m], found[m : 2 * m], found[2 * m :], cotangents]


def directions(arrays: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    tangents = [sample(a.dtype, a.shape, 10 + k) for k, a in enumerate(arrays)]
    return tangents, [np.stack([2 * t, sample(t.dtype, t.shape, 20 + k)]) for k, t in enumerate(tangents)]


def agrees_with_jax(build, *arrays: np.ndarray, rtol: float = 1e-9) -> None:
    graph = staged(build, *arrays)
    forward, both, back, cotangents = with_derivatives(graph, list(arrays))
    tangents, twice = directions(list(arrays))
    inputs = [jnp.asarray(a) for a in arrays]

    def function(*xs):
        return in_jax(graph, *xs)

    _, by_jax = jax.jvp(function, inputs, [jnp.asarray(t) for t in tangents])
    for mine, lanes, its in zip(forward, both, by_jax, strict=True):
        np.testing.assert_allclose(mine, its, rtol, rtol)
        np.testing.assert_allclose(lanes[0], 2 * mine, rtol, rtol)
    _, second = jax.jvp(function, inputs, [jnp.asarray(t[1]) for t in twice])
    for lanes, its in zip(both, second, strict=True):
        np.testing.assert_allclose(lanes[1], its, rtol, rtol)
    if "while" not in {node.op for node in graph.nodes}:
        counts = jax.vjp(function, *inputs)[1]([jnp.asarray(c) for c in cotangents])
        for mine, its in zip(back, counts, strict=True):
            np.testing.assert_allclose(mine, its, rtol, rtol)


def changes_by(change, build, *arrays: np.ndarray, rtol: float = 1e-10) -> None:
    """The result changes as `change` says of it, the inputs and their changes; reverse mode is its transpose."""
    graph = staged(build, *arrays)
    (forward,), (both,), back, (cotangent,) = with_derivatives(graph, list(arrays))
    tangents, twice = directions(list(arrays))
    (value,) = run(graph, list(arrays))
    np.testing.assert_allclose(forward, change(value, *arrays, *tangents), rtol, rtol)
    np.testing.assert_allclose(both[0], 2 * forward, rtol, rtol)
    np.testing.assert_allclose(both[1], change(value, *arrays, *(t[1] for t in twice)), rtol, rtol)
    counted = sum((c * t).sum() for c, t in zip(back, tangents, strict=True))
    np.testing.assert_allclose(counted, (cotangent * forward).sum(), rtol)


# ------------------------------------------------------------------ each rule on its own
SMOOTH = ["neg", "abs", "exp", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh"]
STEPPED = ["sign", "floor", "ceil"]
POSITIVE = ["sqrt", "log", "log1p", "log2", "log10"]
BINARY = ["add", "sub", "mul", "div", "mod", "atan2", "hypot", "copysign", "maximum", "minimum", "floordiv"]


@pytest.mark.parametrize("op", SMOOTH + STEPPED)
def test_unary(op):
    """The derivative of each elementwise function is JAX's."""
    agrees_with_jax(lambda x: e(op, x), sample(REAL, (4,)))


@pytest.mark.parametrize("op", POSITIVE)
def test_of_positive(op):
    """So it is where only positive numbers are allowed."""
    agrees_with_jax(lambda x: e(op, x), np.abs(sample(REAL, (4,))) + 0.1)


@pytest.mark.parametrize("op", ["asin", "acos", "atanh"])
def test_of_fractions(op):
    """So it is where only numbers between -1 and 1 are."""
    agrees_with_jax(lambda x: e(op, x), np.tanh(sample(REAL, (4,))))


def test_acosh():
    """So it is where only numbers above 1 are."""
    agrees_with_jax(lambda x: e("acosh", x), np.cosh(sample(REAL, (4,))))


@pytest.mark.parametrize("op", BINARY)
def test_binary(op):
    """So it is for functions of two numbers."""
    agrees_with_jax(lambda x, y: e(op, x, y), sample(REAL, (4,)), sample(REAL, (4,), 1))


def test_powers():
    """Powers: of positive and negative numbers, with constant and variable exponents, at zero."""
    x, y = np.abs(sample(REAL, (4,))) + 0.1, sample(REAL, (4,), 1)
    agrees_with_jax(lambda x, y: e("pow", x, y), x, y)
    agrees_with_jax(lambda x: e("pow", x, 1.7), x)
    agrees_with_jax(lambda x: e("pow", x, 3.0), np.array([-1.0, 0.0, 2.0, 3.0]))
    agrees_with_jax(lambda x, y: e("pow", x, y), np.zeros(2), np.array([2.0, 1.5]))


def test_ties_share():
    """Where several entries are the largest, each has its share, as in JAX."""
    x = np.array([1.0, 3.0, 3.0, 2.0])
    agrees_with_jax(lambda x: shaped("max", (x,), (), (0,)), x)
    agrees_with_jax(lambda x: shaped("min", (x,), (), (0,)), -x)
    agrees_with_jax(lambda x, y: e("maximum", x, y), x, x[::-1].copy())


def test_absolute_values_at_zero():
    """At zero the sign of zero decides, so that what takes a sign off and puts it back on changes as it should."""
    agrees_with_jax(lambda x: e("abs", x), np.array([0.0, -1.0]))
    x = np.array([0.0, -0.0, 2.0, -3.0])
    graph = staged(lambda x: tuple(jvp([e("copysign", e("abs", x), x)], [x], [fill(1.0, x.shape)])), x)
    np.testing.assert_array_equal(run(graph, [x])[0], 1)


COMPLEX_RULES = {
    "real": lambda z: e("real", z, dtype=REAL),
    "imag": lambda z: e("imag", z, dtype=REAL),
    "conj": lambda z: e("conj", z),
    "abs": lambda z: e("abs", z, dtype=REAL),
    "mul": lambda z: e("mul", z, e("conj", z)),
    "div": lambda z: e("div", z, e("add", e("mul", z, z), 2.0 + 1j)),
    "complex": lambda z: e("complex", e("sin", e("real", z, dtype=REAL)), e("imag", z, dtype=REAL), dtype=COMPLEX),
    "cast": lambda z: make("cast", (e("mul", e("real", z, dtype=REAL), e("real", z, dtype=REAL)),), z.shape, COMPLEX),
    "to real": lambda z: make("cast", (e("mul", z, z),), z.shape, REAL),
    "sum": lambda z: shaped("sum", (e("mul", z, z),), (2,), (1,)),
    "prod": lambda z: shaped("prod", (z,), (2,), (1,)),
    "cumprod": lambda z: shaped("cumprod", (z,), z.shape, 1),
    "matmul": lambda z: shaped(
        "matmul", (shaped("reshape", (z,), (1, 2, 3)), shaped("reshape", (z,), (1, 3, 2))), (1, 2, 2)
    ),
}


@pytest.mark.parametrize("name", COMPLEX_RULES)
def test_complex(name):
    """Changes and cotangents of complex numbers follow JAX's conventions."""
    agrees_with_jax(COMPLEX_RULES[name], sample(COMPLEX, (2, 3)))


def test_sign_of_complex():
    """The direction of a complex number changes by what is across it, over its size."""
    z, t = sample(COMPLEX, (3,)), sample(COMPLEX, (3,), 1)
    graph = staged(lambda z, t: tuple(jvp([e("sign", z)], [z], [t])), z, t)
    h = 1e-6
    expected = ((z + h * t) / abs(z + h * t) - (z - h * t) / abs(z - h * t)) / (2 * h)
    np.testing.assert_allclose(run(graph, [z, t])[0], expected, 1e-8)


ELEMENTARY = {
    "exp": np.exp,
    "expm1": np.exp,
    "log": lambda z: 1 / z,
    "log1p": lambda z: 1 / (1 + z),
    "sqrt": lambda z: 0.5 / np.sqrt(z),
    "sin": np.cos,
    "cos": lambda z: -np.sin(z),
    "tan": lambda z: 1 / np.cos(z) ** 2,
    "sinh": np.cosh,
    "cosh": np.sinh,
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "asin": lambda z: 1 / (np.sqrt(1 - z) * np.sqrt(1 + z)),
    "acos": lambda z: -1 / (np.sqrt(1 - z) * np.sqrt(1 + z)),
    "atan": lambda z: 1 / (1 + z * z),
    "asinh": lambda z: 1 / np.sqrt(1 + z * z),
    "acosh": lambda z: 1 / (np.sqrt(z - 1) * np.sqrt(z + 1)),
    "atanh": lambda z: 1 / (1 - z * z),
}


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_of_complex_numbers(name):
    """They are recorded by parts, and holomorphic all the same: on the real and imaginary axes as elsewhere."""
    z = np.array([0.3, -0.6, 0.3j, -0.6j, 0.7 - 1j, 1 + 1j, -1 - 1j, 0.5 + 0.5j])

    def changes(z):
        out = getattr(_functions, name)(Array(z)).node
        return tuple(jvp([out], [z], [fill(t, z.shape, COMPLEX)])[0] for t in (1, 1j))

    along, across = run(staged(changes, z), [z])
    np.testing.assert_allclose(along, ELEMENTARY[name](z), 1e-12, 1e-15)
    np.testing.assert_allclose(across, 1j * ELEMENTARY[name](z), 1e-12, 1e-15)


STRUCTURE = {
    "broadcast": lambda x: shaped("broadcast", (shaped("reshape", (x,), (2, 1, 3)),), (4, 2, 5, 3)),
    "permute": lambda x: shaped("permute", (x,), (3, 2), (1, 0)),
    "slice": lambda x: shaped("slice", (x,), (2, 2), (1, 2), (-1, -2)),
    "small slices": lambda x: e("mul", *(shaped("slice", (x,), (1, 1), (0, k), (1, 1)) for k in (0, 2))),
    "update": lambda x: shaped(
        "update", (x, shaped("slice", (e("sin", x),), (1, 2), (1, 0), (1, 1))), (2, 3), (0, 0), (1, 2)
    ),
    "concat": lambda x: shaped("concat", (x, e("sin", x), fill(1.0, (1, 3), x.dtype)), (5, 3), 0),
    "pack": lambda x: shaped("pack", tuple(shaped("sum", (e(f, x),), (), (0, 1)) for f in ("sin", "exp")), (2,)),
    "gather": lambda x: shaped("gather", (x, literal([[0, 5], [5, 1]])), (2, 2)),
    "scatter": lambda x: shaped(
        "scatter", (x, literal([4, 1, 4]), shaped("reshape", (_row(e("exp", x), 0),), (3,))), (2, 3)
    ),
    "scatter_add": lambda x: shaped(
        "scatter_add", (x, literal([4, 1, 4, 0, 0, 5]), shaped("reshape", (e("exp", x),), (6,))), (2, 3)
    ),
    "sum": lambda x: shaped("sum", (x,), (3,), (0,)),
    "max": lambda x: shaped("max", (x,), (2,), (1,)),
    "min": lambda x: shaped("min", (x,), (), (0, 1)),
    "prod": lambda x: shaped("prod", (x,), (3,), (0,)),
    "prod of all": lambda x: shaped("prod", (shaped("permute", (x,), (3, 2), (1, 0)),), (), (0, 1)),
    "cumsum": lambda x: shaped("cumsum", (x,), (2, 3), 1),
    "cumprod": lambda x: shaped("cumprod", (x,), (2, 3), 1),
    "sort": lambda x: shaped("sort", (x,), (2, 3), 1, False),
    "sort down": lambda x: shaped("sort", (x,), (2, 3), 0, True),
    "where": lambda x: e("where", e("lt", x, 0.3), e("sin", x), fill(2.0, (2, 3), x.dtype)),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_structure(name):
    """Operations that move, choose and reduce entries have JAX's derivatives."""
    agrees_with_jax(STRUCTURE[name], sample(REAL, (2, 3)))


@pytest.mark.parametrize("name", STRUCTURE)
def test_single_precision(name):
    """Derivatives have the precision of the function, and the values of those in double."""
    x = sample(REAL, (2, 3)).astype(np.float32)
    single = with_derivatives(staged(STRUCTURE[name], x), [x])
    double = with_derivatives(staged(STRUCTURE[name], x.astype(REAL)), [x.astype(REAL)])
    for mine, its in zip(single[0] + single[2], double[0] + double[2], strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, its, 1e-4, 1e-5)


EMPTY = {
    "sort": lambda x: shaped("sort", (x,), (2, 0), 1, False),
    "prod": lambda x: shaped("prod", (x,), (2,), (1,)),
    "cumprod": lambda x: shaped("cumprod", (x,), (2, 0), 1),
    "cumsum": lambda x: shaped("cumsum", (x,), (2, 0), 1),
    "sum": lambda x: shaped("sum", (e("mul", x, x),), (), (0, 1)),
    "slice": lambda x: shaped("slice", (x,), (1, 0), (1, 0), (1, -1)),
    "gather": lambda x: shaped("gather", (x, literal(np.zeros(0, np.int64))), (0,)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_arrays(name):
    """Arrays without entries have derivatives without entries, or zero."""
    x = np.zeros((2, 0))
    forward, both, back, _ = with_derivatives(staged(EMPTY[name], x), [x])
    assert not forward[0].any()
    assert not both[0].any()
    assert back[0].shape == (2, 0)


def test_holomorphic_jacobian():
    """The Jacobian of a holomorphic function is complex."""
    z = sample(COMPLEX, (3,))

    def build(z):
        return e("div", e("mul", z, z), e("add", shaped("slice", (z,), (3,), (2,), (-1,)), 2.0 + 0j))

    below = z[::-1] + 2
    expected = np.diag(2 * z / below) + np.diag(-(z**2) / below**2)[:, ::-1]
    (matrix,) = run(staged(lambda z: jacobian(build(z), z), z), [z])
    np.testing.assert_allclose(matrix, expected, 1e-13)


@pytest.mark.parametrize("zeros", [[2], [1, 3]])
def test_products_with_zeros(zeros):
    """Products and running products have their derivatives where factors are zero."""
    x = sample(REAL, (5,))
    x[zeros] = 0
    agrees_with_jax(lambda x: shaped("prod", (x,), (), (0,)), x)
    agrees_with_jax(lambda x: shaped("cumprod", (x,), (5,), 0), x)


def test_what_is_not_chosen_does_not_matter():
    """A branch of `where` whose derivative is infinite leaves no NaN where the other one is taken."""

    def safe_root(x):
        positive = e("gt", x, 0.0)
        return e("where", positive, e("sqrt", e("where", positive, x, fill(1.0, x.shape))), fill(0.0, x.shape))

    agrees_with_jax(safe_root, np.array([0.0, -1.0, 4.0]))
    x = np.array([0.0, -1.0, 4.0])
    graph = staged(
        lambda x: tuple(
            jvp([e("where", e("gt", x, 0.0), e("sqrt", x), fill(0.0, x.shape))], [x], [fill(1.0, x.shape)])
        ),
        x,
    )
    np.testing.assert_array_equal(run(graph, [x])[0], [0, 0, 0.25])


def matrices(seed: int = 0, kind: Any = REAL) -> np.ndarray:
    return sample(kind, (2, 3, 3), seed) + 3 * np.eye(3)


def _solved(transposed: bool):
    def build(a, b):
        factors, exchanges = make_many("lu", (a,), [(a.shape, a.dtype), (a.shape[:2], INT)])
        return make("lu_solve", (factors, exchanges, b), b.shape, b.dtype, (transposed,))

    return build


def _solved_by_held_factors(transposed: bool):
    """The factors go through `where`, so that where they come from is not seen."""

    def build(a, b):
        factors, exchanges = make_many("lu", (a,), [(a.shape, a.dtype), (a.shape[:2], INT)])
        same = e("eq", factors, factors)
        factors = e("where", same, factors, fill(0.0, factors.shape, factors.dtype))
        return make("lu_solve", (factors, exchanges, b), b.shape, b.dtype, (transposed,))

    return build


@pytest.mark.parametrize("kind", [REAL, COMPLEX])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("solve", [_solved, _solved_by_held_factors])
def test_solve(solve, transposed, kind):
    """A solve has the derivative of the equation it solves, wherever its factors come from."""

    def change(x, a, b, da, db):
        if transposed:
            a, da = a.swapaxes(1, 2), da.swapaxes(1, 2)
        return np.linalg.solve(a, db - da @ x)

    changes_by(change, solve(transposed), matrices(0, kind)[:, [2, 0, 1]], sample(kind, (2, 3, 2), 1))


def test_products_of_matrices():
    """Products of matrices, one and several, have JAX's derivatives."""
    for batch in (1, 2):
        a, b = sample(REAL, (batch, 2, 3)), sample(REAL, (batch, 3, 4), 1)
        agrees_with_jax(lambda a, b: make("matmul", (a, b), (a.shape[0], 2, 4), REAL), a, b)


@pytest.mark.parametrize("kind", [REAL, COMPLEX])
def test_factors(kind):
    """The factors of LU and QR change as JAX says."""

    def lu(a):
        return make_many("lu", (a,), [(a.shape, a.dtype), (a.shape[:2], INT)])[0]

    def qr(a):
        b, n, k = a.shape
        return make_many("qr", (a,), [((b, n, k), a.dtype), ((b, k, k), a.dtype)])

    agrees_with_jax(lu, matrices(0, kind))
    agrees_with_jax(qr, sample(kind, (2, 4, 3)))


def test_cholesky():
    """So does that of Cholesky, of which the symmetric part of the change counts."""

    def build(x):
        square = make("matmul", (x, shaped("permute", (x,), (2, 3, 3), (0, 2, 1))), (2, 3, 3), REAL)
        return shaped("cholesky", (square,), (2, 3, 3))

    agrees_with_jax(build, matrices())
    agrees_with_jax(lambda a: shaped("cholesky", (a,), (2, 3, 3)), matrices() @ matrices().swapaxes(1, 2))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_triangular_solve(lower, unit, transposed):
    """Triangular solves follow the triangle that they use, and no more of the matrix."""

    def used(a):
        a = np.tril(a) if lower else np.triu(a)
        return a.swapaxes(1, 2) if transposed else a

    def change(x, a, b, da, db):
        eye = np.eye(3)
        if unit:
            a, da = a * (1 - eye) + eye, da * (1 - eye)
        return np.linalg.solve(used(a), db - used(da) @ x)

    changes_by(
        change,
        lambda a, b: make("triangular_solve", (a, b), b.shape, REAL, (lower, unit, transposed)),
        matrices(),
        sample(REAL, (2, 3, 2), 1),
    )


# ------------------------------------------------------------------ control flow and calls
def _loop(x):
    """Five Euler steps of x' = -x**2 * s with s around the loop, counted by an integer."""
    s = e("sin", x)
    initial = (_graph.constant(0, INT), x, fill(0.0, x.shape))
    condition, body = (Block(_graph.current()) for _ in range(2))
    for block in (condition, body):
        for c in initial:
            block.param(c.shape, c.dtype)
    with record_in(condition):
        condition.outputs = [e("lt", condition.params[0], 5)]
    with record_in(body):
        n, y, total = body.params
        body.outputs = [e("add", n, 1), e("sub", y, e("mul", e("mul", y, y), s)), e("add", total, y)]
    return make_many("while", initial, [(c.shape, c.dtype) for c in initial], (), (condition, body))[1:]


def test_forward_through_a_loop():
    """Changes go forward through a loop, into carries that they reach in later rounds, and around it."""
    x, t = 0.3 * sample(REAL, (3,)), sample(REAL, (3,), 1)
    graph = staged(lambda x, t: tuple(jvp(_loop(x), [x], [t])), x, t)
    plain = staged(_loop, x)
    _, by_jax = jax.jvp(lambda x: in_jax(plain, x), [jnp.asarray(x)], [jnp.asarray(t)])
    for mine, its in zip(run(graph, [x, t]), by_jax, strict=True):
        np.testing.assert_allclose(mine, its, 1e-12)


def test_many_directions_through_a_loop():
    """The Jacobian of a loop is that of one direction after the other."""
    x = 0.3 * sample(REAL, (3,))
    graph = staged(lambda x: jacobian(_loop(x)[1], x), x)
    plain = staged(_loop, x)
    expected = jax.jacfwd(lambda x: in_jax(plain, x)[1])(jnp.asarray(x))
    np.testing.assert_allclose(run(graph, [x])[0], expected, 1e-12)


def test_no_way_back_through_a_loop():
    """Reverse mode through a loop is refused in words, and is no matter where the loop does not depend on the input."""
    with pytest.raises(NotDifferentiable, match="reverse mode can't go back through a loop"):
        staged(lambda x: tuple(vjp([_loop(x)[0]], [x], [x])), np.ones(3))
    x = np.ones(3)
    graph = staged(lambda x, y: tuple(vjp([e("mul", _loop(x)[0], y)], [y], [y])), x, x)
    assert np.isfinite(run(graph, [x, x])[0]).all()


def _branch(x, y):
    s = e("sin", x)
    regions = []
    for which in range(2):
        block = Block(_graph.current())
        with record_in(block):
            block.outputs = [e("mul", s, y), y] if which == 0 else [e("exp", x), fill(1.0, x.shape)]
        regions.append(block)
    sum_ = shaped("sum", (x,), (), (0,))
    return make_many("cond", (e("gt", sum_, 0.0),), [(x.shape, REAL)] * 2, (), regions)


@pytest.mark.parametrize("sign", [1, -1])
def test_branches(sign):
    """Of a branch, the side that is taken is differentiated, both ways."""
    agrees_with_jax(_branch, sign * np.ones(3), sample(REAL, (3,), 1))


def test_calls():
    """A graph that is called is differentiated like one written out, its closed-over arrays included."""
    x, c = sample(REAL, (3,)), sample(REAL, (3,), 5)
    inner = staged(lambda x: (e("mul", e("sin", x), literal(c)), e("exp", x)), x, literal_bytes=8)
    assert len(inner.data) == 1

    def build(x):
        root = _graph.current().root
        offset = len(root.data)
        root.data.extend(inner.data)
        a, b = make_many("call", (e("mul", x, x),), [(x.shape, REAL)] * 2, (inner, offset))
        return e("mul", a, b)

    graph = Graph()
    with record_in(graph):
        p, t = graph.param((3,), REAL), graph.param((3,), REAL)
        out = build(p)
        graph.outputs = [*jvp([out], [p], [t]), *vjp([out], [p], [t]), jacobian(out, p)]
    t = sample(REAL, (3,), 6)

    def by_jax(x):
        return jnp.sin(x * x) * c * jnp.exp(x * x)

    slope = np.diag(jax.jacfwd(by_jax)(jnp.asarray(x)))
    forward, back, matrix = run(graph, [x, t])
    np.testing.assert_allclose(forward, slope * t, 1e-12)
    np.testing.assert_allclose(back, slope * t, 1e-12)
    np.testing.assert_allclose(matrix, np.diag(slope), 1e-12)


@pytest.mark.parametrize("kind", [REAL, COMPLEX])
@pytest.mark.parametrize("weights", [(0.5, -2.0), None])
def test_sums_of_stages(weights, kind):
    """The sums that a stepper takes of its stages follow the state, the step, the stages and their weights."""
    y, k, m = (sample(kind, (3,), seed) for seed in range(3))
    scale, a, b = np.array(0.3), np.array(0.5), np.array(-2.0)

    def change(x, y, h, k, m, *rest):
        a, b, *rest = rest if weights is None else (0.5, -2.0, *rest)
        dy, dh, dk, dm, *rest = rest
        da, db = rest if weights is None else (0, 0)
        return dy + dh * (a * k + b * m) + h * (a * dk + b * dm + da * k + db * m)

    def build(y, *rest):
        return make("combine", (y, *rest), y.shape, y.dtype, (True, True, weights))

    more = (a, b) if weights is None else ()
    if kind == REAL:
        changes_by(change, build, y, scale, k, m, *more)
    else:
        agrees = with_derivatives(staged(build, y, scale, k, m, *more), [y, scale, k, m, *more])
        tangents, _ = directions([y, scale, k, m, *more])
        np.testing.assert_allclose(agrees[0][0], change(None, y, scale, k, m, *more, *tangents), 1e-12)
    graph = staged(lambda y: jacobian(build(y, literal(scale), e("sin", y), y, *map(literal, more)), y), y)
    matrix = run(graph, [y])[0]
    np.testing.assert_allclose(matrix, np.diag(1 + 0.3 * (0.5 * np.cos(y) - 2)), 1e-12)


def test_foreign_functions_are_refused():
    """A function that is called by its address has no derivative, and the message says so."""
    with pytest.raises(NotDifferentiable, match="derivative of pointer_call is not known"):
        staged(lambda x: tuple(jvp([make("pointer_call", (x,), x.shape, REAL, ("d(d)", 0))], [x], [x])), np.ones(2))


def test_integers_do_not_change():
    """Numbers that are rounded, compared or cast to integers follow nothing."""

    def build(x):
        return make("cast", (make("cast", (x,), x.shape, INT),), x.shape, REAL)

    x = sample(REAL, (3,))
    graph = staged(lambda x: (*jvp([build(x)], [x], [x]), *vjp([build(x)], [x], [x])), x)
    for zero in run(graph, [x]):
        np.testing.assert_array_equal(zero, 0)


def test_inlined_graphs_are_copies():
    """A graph recorded within another computes the same there, with its arrays, loops and branches."""
    x, c = sample(REAL, (3,)), sample(REAL, (3,), 5)

    def everything(x):
        y = e("mul", x, literal(c))
        return (*_loop(y), *_branch(y, x))

    inner = staged(everything, x, literal_bytes=8)
    outer = Graph(literal_bytes=8)
    with record_in(outer):
        literal(np.ones(2))
        p = outer.param((3,), REAL)
        outer.outputs = inline(inner, [e("neg", p)]) + inline(inner, [p])
    assert len(outer.data) == 1 + len(inner.data)
    found = run(outer, [x])
    for mine, its in zip(found, [*run(inner, [-x]), *run(inner, [x])], strict=True):
        np.testing.assert_array_equal(mine, its)


def test_what_is_asked_twice():
    """An input may be asked for twice, an output may be an input, and what does not follow counts nothing."""
    x, y = sample(REAL, (3,)), sample(REAL, (3,), 1)
    graph = staged(lambda x, y: tuple(vjp([e("mul", x, x), x], [x, y, x], [y, None])), x, y)
    first, nothing, second = run(graph, [x, y])
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, 2 * x * y, 1e-15)
    np.testing.assert_array_equal(nothing, 0)


# ------------------------------------------------------------------ a corpus of random functions
def _bounded(x):
    return e("tanh", x)


def _row(x, k):
    return shaped("slice", (x,), (1, 3), (k, 0), (1, 1))


STEPS = [
    lambda x, y: e("add", x, y),
    lambda x, y: e("sub", x, e("mul", y, 0.5)),
    lambda x, y: e("mul", x, y),
    lambda x, y: e("div", x, e("add", e("mul", y, y), 1.5)),
    lambda x, y: shaped("concat", (_row(y, 1), _row(x, 0)), (2, 3), 0),
    lambda x, y: shaped("update", (x, _row(y, 0)), (2, 3), (1, 0), (1, 1)),
    lambda x, y: shaped("gather", (x, literal([[5, 0, 0], [1, 2, 4]])), (2, 3)),
    lambda x, y: shaped(
        "broadcast", (shaped("reshape", (shaped("sum", (e("mul", x, y),), (2,), (1,)),), (2, 1)),), (2, 3)
    ),
    lambda x, y: shaped("cumsum", (x,), (2, 3), 1),
    lambda x, y: shaped(
        "reshape",
        (
            make(
                "matmul",
                (shaped("reshape", (x,), (1, 2, 3)), literal(np.arange(9.0).reshape(1, 3, 3).astype(x.dtype) / 9)),
                (1, 2, 3),
                x.dtype,
            ),
        ),
        (2, 3),
    ),
    lambda x, y: shaped("reshape", (shaped("permute", (x,), (3, 2), (1, 0)),), (2, 3)),
]
REAL_STEPS = [
    *STEPS,
    lambda x, y: e("sin", x),
    lambda x, y: e("exp", _bounded(x)),
    lambda x, y: e("log", e("add", e("mul", x, x), 0.5)),
    lambda x, y: e("sqrt", e("add", e("mul", x, x), 0.5)),
    lambda x, y: e("pow", e("add", e("mul", x, x), 0.5), _bounded(y)),
    lambda x, y: e("atan2", x, e("add", e("mul", y, y), 0.5)),
    lambda x, y: e("maximum", x, y),
    lambda x, y: e("where", e("lt", x, y), x, e("cos", y)),
    lambda x, y: shaped("broadcast", (shaped("max", (x,), (3,), (0,)),), (2, 3)),
    lambda x, y: shaped("sort", (x,), (2, 3), 1, True),
    lambda x, y: shaped("cumprod", (_bounded(x),), (2, 3), 1),
]
COMPLEX_STEPS = [
    *STEPS[:3],
    *STEPS[4:],
    lambda x, y: e("conj", x),
    lambda x, y: e("complex", e("sin", e("real", x, dtype=REAL)), e("imag", y, dtype=REAL), dtype=COMPLEX),
    lambda x, y: make("cast", (e("abs", x, dtype=REAL),), x.shape, COMPLEX),
    lambda x, y: e("div", x, make("cast", (e("add", e("abs", y, dtype=REAL), 1.0),), y.shape, COMPLEX)),
]


def programs(steps: list):
    """Which steps, each on which two of the arrays that there are."""
    step = st.tuples(st.integers(0, len(steps) - 1), st.integers(0, 9), st.integers(0, 9))
    return st.lists(step, min_size=2, max_size=7).map(lambda chosen: _program(steps, chosen))


def _program(steps: list, chosen: list):
    def build(x, y):
        pool = [x, y]
        for which, i, j in chosen:
            pool.append(steps[which](pool[-1 - i % len(pool)], pool[j % len(pool)]))
        return pool[-1]

    return build


@settings(max_examples=30, deadline=None)
@given(programs(REAL_STEPS))
def test_random_functions(build):
    """Forward and reverse mode agree with JAX on random functions."""
    agrees_with_jax(build, sample(REAL, (2, 3)), sample(REAL, (2, 3), 1))


@settings(max_examples=15, deadline=None)
@given(programs(COMPLEX_STEPS))
def test_random_complex_functions(build):
    """So they do on complex ones, holomorphic or not."""
    agrees_with_jax(build, sample(COMPLEX, (2, 3)), sample(COMPLEX, (2, 3), 1))


@settings(max_examples=15, deadline=None)
@given(programs(REAL_STEPS))
def test_random_second_derivatives(build):
    """Jacobians and Hessian-vector products of random functions agree with JAX's."""
    x, y, t = (sample(REAL, (2, 3), k) for k in range(3))

    def derivatives(x, y, t):
        out = build(x, y)
        total = shaped("sum", (e("mul", out, out),), (), (0, 1))
        return (jacobian(out, x), *hvp(total, [x], [t]))

    matrix, product = run(staged(derivatives, x, y, t), [x, y, t])
    plain = staged(build, x, y)

    def by_jax(x):
        return in_jax(plain, x, jnp.asarray(y))[0]

    rows = jax.vjp(by_jax, jnp.asarray(x))[1]
    for k in range(6):
        np.testing.assert_allclose(matrix[k], rows(jnp.eye(6)[k].reshape(2, 3))[0].reshape(-1), 1e-9, 1e-9)
    gradient = jax.grad(lambda x: (by_jax(x) ** 2).sum())
    expected = jax.jvp(gradient, [jnp.asarray(x)], [jnp.asarray(t)])[1]
    np.testing.assert_allclose(product, expected, 1e-8, 1e-8)


def test_a_vector_of_one_entry_has_a_derivative_by_its_entry():
    """The one entry of a vector, taken out, is still what the function is differentiated by."""
    x = np.asarray([3.0])
    assert evolvent_native.jacobian(lambda x: np.stack([x[0] * x[0]]), x).tolist() == [[6.0]]
