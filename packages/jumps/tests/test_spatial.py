"""Individuals that hop between sites."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.linalg import expm
from scipy.sparse.linalg import expm_multiply
from scipy.stats import chi2

import evolvent as ev

SPATIAL = ["NSM", "DirectCRDirect"]
STILL = [ev.Hopping([1.0], 1), ev.Hopping([0.0], (3,)), ev.Hopping([1.0], np.zeros((2, 2)))]
WEIGHTS = np.array([[0.0, 1.0, 0.5], [2.0, 0.0, 1.0], [0.0, 3.0, 0.0]])


def assert_law(counts, probabilities):
    """Chi-square at the level 1e-4, with rare outcomes together."""
    expected = counts.sum() * probabilities
    often = expected >= 8.0
    observed = np.append(counts[often], counts[~often].sum())
    expected = np.append(expected[often], expected[~often].sum())
    if expected[-1] < 1e-9:
        assert observed[-1] == 0
        observed, expected = observed[:-1], expected[:-1]
    statistic = np.sum((observed - expected) ** 2 / expected)
    assert chi2.sf(statistic, len(expected) - 1) > 1e-4


def generator(near, rate=1.0):
    q = np.zeros((near.n_sites, near.n_sites))
    np.add.at(q, (near.source, near.target), rate * near.weight)
    return q - np.diag(q.sum(1))


GRAPHS = {
    "line": ((5,), False),
    "ring": ((5,), True),
    "grid": ((3, 3), False),
    "weights": (WEIGHTS, False),
    "star": (nx.star_graph(4), False),
}


@pytest.mark.parametrize("method", SPATIAL)
@pytest.mark.parametrize("name", GRAPHS)
def test_walkers_are_where_a_random_walk_has_them(method, name):
    """From a point source, each individual is where the matrix exponential has it (20,000 walkers: shifts of 2 %)."""
    graph, periodic = GRAPHS[name]
    hopping = ev.Hopping([0.7], graph, periodic=periodic)
    y0 = np.zeros((1, hopping.neighbours.n_sites), int)
    y0[0, 0] = 200
    run = ev.compile(ev.JumpProblem(y0, (0.0, 1.3), jumps=[hopping]), method, saveat="end")
    counts = sum(run(seed=k).y[-1, 0] for k in range(100))
    assert_law(counts, expm(1.3 * generator(hopping.neighbours, 0.7))[0])


def reacting(y0=((2, 1, 0), (0, 1, 2), (0, 0, 0)), **changes):
    reactions = ev.MassAction([0.8], [{0: 1, 1: 1}], [{0: -1, 1: -1, 2: 1}])
    hopping = ev.Hopping([0.5, 0.3, 0.2], (3,))
    return ev.JumpProblem(np.array(y0), (0.0, 1.0), jumps=[reactions, hopping], **changes)


def moves(y):
    """The changes of `reacting` and how often each happens."""
    for i in range(3):
        if y[i] * y[3 + i]:
            yield {i: -1, 3 + i: -1, 6 + i: 1}, 0.8 * y[i] * y[3 + i]
        for s, rate in enumerate((0.5, 0.3, 0.2)):
            for j in (i - 1, i + 1):
                if 0 <= j < 3 and y[3 * s + i]:
                    yield {3 * s + i: -1, 3 * s + j: 1}, rate * y[3 * s + i]


def master_equation(y0, t):
    """Probabilities of the states of `reacting` at a time, by the matrix exponential."""
    states, q, todo = {y0: 0}, {}, [y0]
    while todo:
        y = todo.pop()
        for change, rate in moves(y):
            z = tuple(n + change.get(k, 0) for k, n in enumerate(y))
            if z not in states:
                states[z] = len(states)
                todo.append(z)
            q[states[y], states[z]] = q.get((states[y], states[z]), 0.0) + rate
    rows, columns = np.array(list(q)).T
    a = sparse.csr_array((list(q.values()), (rows, columns)), (len(states), len(states)))
    a = (a - sparse.diags_array(a.sum(1))).T.tocsr()
    p = np.zeros(len(states))
    p[0] = 1.0
    return states, expm_multiply(a * t, p)


@pytest.mark.parametrize("method", [*SPATIAL, "Direct"])
def test_reaction_and_diffusion_have_the_law_of_the_master_equation(method):
    """All nine counts together are distributed as the flat network's master equation says (3,000 paths)."""
    problem = reacting()
    states, p = master_equation(tuple(problem.y0.ravel().tolist()), 1.0)
    run = ev.compile(problem, method, saveat="end")
    counts = np.zeros(len(states))
    for k in range(3000):
        counts[states[tuple(run(seed=k).y[-1].ravel().tolist())]] += 1
    assert_law(counts, p)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(0, 2**30), st.sampled_from(SPATIAL))
def test_nobody_is_lost(n, seed, method):
    """On any graph, with sites that nobody leaves too, each species keeps its individuals and no count is negative."""
    rng = np.random.default_rng(seed)
    weights = rng.random((n, n)) * (rng.random((n, n)) < 0.4)
    y0 = rng.integers(0, 5, (2, n))
    problem = ev.JumpProblem(y0, (0.0, 2.0), jumps=[ev.Hopping([1.0, 0.3], weights)])
    y = ev.solve(problem, method, seed=seed, backend="eager").y
    assert np.all(y >= 0)
    assert np.all(y.sum(-1) == y0.sum(-1))


@pytest.mark.parametrize("method", SPATIAL)
@pytest.mark.parametrize(
    "hopping", [ev.Hopping([1.0], 1), ev.Hopping([0.0], (3,)), ev.Hopping([1.0], np.zeros((2, 2)))]
)
def test_where_nobody_can_hop_nothing_happens(method, hopping):
    """One site, rates of zero, a graph without links: the state stays."""
    y0 = np.full((1, hopping.neighbours.n_sites), 4)
    solution = ev.solve(ev.JumpProblem(y0, (0.0, 3.0), jumps=[hopping]), method, seed=1)
    assert solution.stats.n_accepted == 0
    assert np.array_equal(solution.y[-1], y0)


@pytest.mark.parametrize("method", SPATIAL)
def test_paths_are_equal_on_every_backend(method):
    """One seed gives the same counts eagerly, natively and on JAX."""
    jnp = pytest.importorskip("jax.numpy")
    problem = reacting(y0=((9, 0, 5), (4, 4, 4), (0, 1, 0)))
    paths = []
    for backend in ("eager", "native", "jax"):
        here = problem.replace(y0=jnp.asarray(problem.y0)) if backend == "jax" else problem
        paths.append(np.asarray(ev.solve(here, method, saveat=[0.2, 0.6, 1.0], seed=5, backend=backend).y))
    assert np.array_equal(paths[0], paths[1])
    assert np.array_equal(paths[0], paths[2])


@pytest.mark.parametrize("method", SPATIAL)
def test_rates_may_depend_on_site_and_parameters(method):
    """A reaction that happens at one site alone, with a rate from the parameters, leaves the others as they are."""
    decay = ev.MassAction(lambda p: [[p["k"], 0.0, 0.0]], [{"A": 1}], [{"A": -1}])
    hopping = ev.Hopping(lambda p: [0.0], (3,))
    problem = ev.JumpProblem({"A": np.array([7, 7, 7])}, (0.0, 50.0), {"k": 2.0}, jumps=[decay, hopping])
    assert ev.solve(problem, method, saveat="end", seed=2).y["A"][-1].tolist() == [0, 7, 7]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ev.Hopping([1.0], (0,)), "graph"),
        (lambda: ev.Hopping([1.0], np.zeros((2, 3))), "graph"),
        (lambda: ev.Hopping([1.0], [[0.0, -1.0], [1.0, 0.0]]), "graph"),
        (lambda: ev.Hopping([1.0], WEIGHTS, periodic=True), "periodic"),
        (lambda: ev.Hopping([-1.0], (3,)), "rates"),
        (lambda: ev.Hopping([[1.0, 2.0]], (3,)), "rates"),
        (lambda: ev.JumpProblem(np.ones(3), (0.0, 1.0), jumps=[ev.Hopping([1.0], (3,))]), "y0"),
        (lambda: ev.JumpProblem(np.ones((2, 3)), (0.0, 1.0), jumps=[ev.Hopping([1.0], (3,))]), "rates"),
        (lambda: ev.JumpProblem(np.ones((1, 3)), (0.0, 1.0), jumps=[ev.Hopping([1.0], (3,))] * 2), "jumps"),
    ],
)
def test_what_does_not_fit_is_named(make, name):
    """An argument that can't be used is named."""
    with pytest.raises(ev.InputError, match=f"^{name}"):
        make()


def test_methods_for_sites_want_sites():
    """A problem without sites is refused, and the message says what is missing."""
    decay = ev.MassAction([0.5], [{0: 1}], [{0: -1}])
    with pytest.raises(ev.InputError, match="Hopping"):
        ev.solve(ev.JumpProblem([10], (0.0, 1.0), jumps=[decay]), "NSM", seed=1)
