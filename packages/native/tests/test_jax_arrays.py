"""JAX arrays on the CPU, outside of transformations, are solved natively, and come back as what they were."""

import numpy as np
import pytest

import evolvent as ev

jax = pytest.importorskip("jax")
pytest.importorskip("evolvent_jax")
jnp = jax.numpy

TIGHT = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def close(a, b, tolerance=1e-9):
    assert isinstance(a, jax.Array)
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def lorenz(t, y, p):
    return jnp.stack([p["s"] * (y[1] - y[0]), y[0] * (p["r"] - y[2]) - y[1], y[0] * y[1] - p["b"] * y[2]])


LORENZ = {"s": np.float64(10.0), "r": 28.0, "b": 8 / 3}


def brusselator(t, y, p):
    def laplacian(u):
        return sum(jnp.roll(u, s, axis) for axis in (0, 1) for s in (1, -1)) - 4 * u

    u, v = y
    return jnp.stack([1 + u**2 * v - 4.4 * u + p * laplacian(u), 3.4 * u - u**2 * v + p * laplacian(v)])


def by_namespace(y):
    xp = y.__array_namespace__()
    return xp.concat([xp.flip(y[:2], axis=0), -xp.sin(y[2:]) * xp.exp(-y[0])])


def control_flow(y):
    def body(i, z):
        return jax.lax.cond(z[0] > 0.5, lambda z: z * 0.9, lambda z: z + 0.1 * y, z)

    steps, sums = jax.lax.scan(lambda c, x: (c + x, c * x), 0.0, y)
    halved = jax.lax.while_loop(lambda z: jnp.sum(z * z) > 1.0, lambda z: 0.5 * z, y)
    return jax.lax.fori_loop(0, 12, body, y) * 0.1 - halved + 0.01 * sums + steps


def written(y):
    i = jnp.argmax(y)
    dy = jnp.zeros_like(y).at[0].set(y[1]).at[jnp.array([1, 2])].add(-2 * y[:2])
    return jax.lax.dynamic_update_slice(dy.at[i].add(0.1), y[None, 0] * 0.1, (3,)) + 0.01 * jnp.take(
        y, jnp.array([1, 0, 3, 2])
    )


def network(t, y, p):
    hidden = jax.nn.softplus(p["w"] @ y + p["b"])
    return jnp.tanh(jnp.einsum("ij,i->j", p["w"], jax.nn.silu(hidden))) - jnp.clip(y, -1, 1)


def interpolated(y):
    return -y * jnp.interp(y[0], jnp.linspace(0.0, 1.0, 5), jnp.array([1.0, 2.0, 1.5, 1.0, 0.5])) - jnp.mod(y, 0.7)


MODELS = {
    "lorenz": (lorenz, lambda: jnp.array([1.0, 0.0, 0.0]), LORENZ),
    "brusselator": (brusselator, lambda: jnp.asarray(1.0 + np.random.default_rng(1).random((2, 4, 5))), 0.1),
    "list of scalars": (lambda t, y, p: [y[1], -p * y[0] + 0.1 * jnp.cos(t)], lambda: jnp.array([1.0, 0.0]), 1.5),
    "scalar": (lambda t, y, p: -p * y, lambda: jnp.array(1.0), 1.5),
    "complex": (lambda t, y, p: 1j * p * y - 0.1 * y.conj(), lambda: jnp.array([1.0 + 1j]), 2.0),
    "network": (network, lambda: jnp.array([1.0, -0.5, 0.25]), "weights"),
}


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_xla(name):
    """A solve gives natively what it gives by XLA, in as many steps."""
    f, start, p = MODELS[name]
    if p == "weights":
        draw = np.random.default_rng(1).normal
        p = {"w": jnp.asarray(draw(size=(6, 3))), "b": jnp.asarray(draw(size=6))}
    problem = ev.ODEProblem(f, start(), (0.0, 1.0), p)
    options = {"saveat": 0.25, "dense": True, **TIGHT}
    native, xla = (ev.solve(problem, "Tsit5", backend=b, **options) for b in (None, "jax"))
    assert native.stats.backend == "native", native.stats.note
    assert native.stats.device == "cpu"
    assert native.stats.n_steps == xla.stats.n_steps
    for a, b in ((native.t, xla.t), (native.y, xla.y), (native(0.3), xla(0.3))):
        close(a, b, 1e-8)


def test_float32():
    """Without 64 bits arrays are float32, though times and step sizes are float64."""
    with jax.enable_x64(False):
        problem = ev.ODEProblem(lorenz, jnp.array([1.0, 0.0, 0.0]), (0.0, 1.0), LORENZ | {"s": jnp.array(10.0)})
        options = {"saveat": jnp.linspace(0, 1, 5), "rtol": 1e-4, "atol": 1e-4}
        native, xla = (ev.solve(problem, "Tsit5", backend=b, **options) for b in (None, "jax"))
        assert native.stats.backend == "native", native.stats.note
        assert native.y.dtype == native.t.dtype == np.float32
        close(native.y, xla.y, 1e-3)


def test_structured_states_events_and_effects():
    """Structured states, events with effects on states and parameters, and dense output are those of XLA."""
    bounce = ev.Event(
        lambda t, y, p: y["height"],
        effect=lambda t, y, p: (
            {"height": jnp.abs(y["height"]), "speed": -p["e"] * y["speed"]},
            {**p, "g": p["g"] * 1.1},
        ),
        direction=-1,
        name="bounce",
    )
    problem = ev.ODEProblem(
        lambda t, y, p: {"height": y["speed"], "speed": -p["g"] * jnp.ones_like(y["height"])},
        {"height": jnp.array(1.0), "speed": jnp.array(0.0)},
        (0.0, 2.0),
        {"g": jnp.array(9.81), "e": 0.8},
        events=[bounce, ev.Dose(times=[1.5], effect=lambda t, y, p: {**y, "speed": y["speed"] + 1.0})],
    )
    native, xla = (ev.solve(problem, "Tsit5", backend=b, dense=True, **TIGHT) for b in (None, "jax"))
    assert native.stats.backend == "native", native.stats.note
    times = jnp.linspace(0.0, 2.0, 9)
    pairs = [(native.y, xla.y), (native(times), xla(times)), (native(2.0), xla(2.0))]
    for i in range(2):
        mine, theirs = native.events[i], xla.events[i]
        close(mine.t, theirs.t)
        pairs.append((mine.y, theirs.y))
    for mine, theirs in pairs:
        close(mine["height"], theirs["height"], 1e-7)
        close(mine["speed"], theirs["speed"], 1e-7)


def test_saved_functions_and_callbacks():
    """A function of what is saved, and a callback between steps, see JAX arrays."""
    seen = []
    problem = ev.ODEProblem(lambda t, y, p: jnp.stack([y[1], -p * y[0]]), jnp.array([1.0, 0.0]), (0.0, 1.0), 2.0)
    options = {"saveat": [0.5, 1.0], "save": lambda t, y, p: {"r": jnp.hypot(y[0], y[1])}, **TIGHT}
    native, xla = (
        ev.solve(problem, "Tsit5", backend=b, on_step=lambda t, y: seen.append(y), **options) for b in (None, "jax")
    )
    assert native.stats.backend == "native", native.stats.note
    assert all(isinstance(y, jax.Array) for y in seen)
    close(native.y["r"], xla.y["r"])
    ends = [ev.solve(problem, "Tsit5", backend=b, **options | {"saveat": "end"}) for b in (None, "jax")]
    close(ends[0].y["r"], ends[1].y["r"])


def test_second_order():
    """Second-order problems give pairs of arrays."""
    start = jnp.array([1.0, 0.5]), jnp.array([0.0, 1.0])
    problem = ev.SecondOrderODEProblem(lambda t, q, v, p: -p * q, *start, (0.0, 1.0), 2.0)
    native, xla = (ev.solve(problem, "DPRKN6", backend=b, saveat=0.5, **TIGHT) for b in (None, "jax"))
    assert native.stats.backend == "native", native.stats.note
    for mine, theirs in zip(native.y, xla.y, strict=True):
        close(mine, theirs)


def test_compiled_and_by_hand():
    """A compiled problem takes and gives JAX arrays, and so does one that is stepped by hand."""
    problem = ev.ODEProblem(lorenz, jnp.array([1.0, 0.0, 0.0]), (0.0, 1.0), LORENZ | {"s": jnp.array(10.0)})
    run = ev.compile(problem, "Tsit5", saveat="end", **TIGHT)
    assert run().stats.backend == "native"
    start = jnp.array([1.0, 2.0, 3.0])
    close(run(y0=start).y, ev.solve(problem.replace(y0=start), "Tsit5", backend="jax", saveat="end", **TIGHT).y, 1e-7)
    integrator = ev.init(problem, "Tsit5", **TIGHT)
    integrator.advance_to(0.5)
    assert isinstance(integrator.params["s"], jax.Array)
    close(integrator.y, ev.solve(problem, "Tsit5", dense=True, **TIGHT)(0.5), 1e-6)


def test_large_arrays_share_memory():
    """Arrays enter without being copied, and large ones leave so."""
    from evolvent_native._foreign import jax_arrays

    x = jnp.ones(100_000)
    assert jax_arrays.enter(x).__array_interface__["data"][0] == x.unsafe_buffer_pointer()
    memory = np.empty(800_064, np.uint8)
    aligned = memory[-memory.__array_interface__["data"][0] % 64 :][:800_000].view(np.float64)
    aligned[:] = 1.0
    assert jax_arrays.leave(aligned).unsafe_buffer_pointer() == aligned.__array_interface__["data"][0]


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (lambda t, y, p: -y * (1.0 + 0.0 * jax.scipy.special.digamma(y)), "digamma"),
        (lambda t, y, p: -y + 1e-9 * jax.random.normal(jax.random.key(0), y.shape), "random"),
    ],
)
def test_what_cannot_be_staged_runs_by_xla(f, why):
    """A function that can't be staged runs by XLA, and the statistics say why."""
    solution = ev.solve(ev.ODEProblem(f, jnp.array([1.0]), (0.0, 1.0)), "Tsit5")
    assert solution.stats.backend == "jax"
    assert why in solution.stats.note
    np.testing.assert_allclose(solution.y[-1, 0], np.exp(-1.0), rtol=1e-3)


def test_what_jax_cannot_trace_says_so_as_before():
    """A branch on a value raises JAX's own error, with advice."""
    problem = ev.ODEProblem(lambda t, y, p: -y if y[0] > 0.5 else y, jnp.array([1.0]), (0.0, 1.0))
    with pytest.raises(jax.errors.ConcretizationTypeError) as error:
        ev.solve(problem, "Tsit5")
    assert "jnp.where" in error.value.__notes__[-1]


def test_transformations():
    """jit, grad and vmap around a solve are those of XLA, whatever is traced: y0, parameters or a closure."""
    problem = ev.ODEProblem(lambda t, y, p: -p * y, jnp.array([1.0]), (0.0, 1.0), jnp.array(2.0))

    def final(rate):
        return ev.solve(problem.replace(params=rate), "Tsit5", saveat=[1.0], **TIGHT).y[-1, 0]

    def closed_over(rate):
        held = ev.ODEProblem(lambda t, y, p: -rate * y, jnp.array([1.0]), (0.0, 1.0))
        return ev.solve(held, "Tsit5", saveat=[1.0], **TIGHT).y[-1, 0]

    rate = jnp.array(2.0)
    assert float(final(rate)) == pytest.approx(np.exp(-2.0), rel=1e-7)
    assert float(jax.grad(final)(rate)) == pytest.approx(-np.exp(-2.0), rel=1e-6)
    assert float(jax.jit(final)(rate)) == pytest.approx(np.exp(-2.0), rel=1e-7)
    np.testing.assert_allclose(jax.vmap(final)(jnp.array([1.0, 2.0])), np.exp([-1.0, -2.0]), rtol=1e-7)
    assert float(jax.jit(closed_over)(rate)) == pytest.approx(np.exp(-2.0), rel=1e-7)


def test_solutions_inside_transformations():
    """A solution that was computed natively can be evaluated inside grad and vmap."""
    problem = ev.ODEProblem(lambda t, y, p: {"a": -y["a"]}, {"a": jnp.array([1.0])}, (0.0, 1.0))
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert solution.stats.backend == "native"
    slope = jax.vmap(jax.grad(lambda t: solution(t)["a"][0]))(jnp.array([0.3, 0.6]))
    np.testing.assert_allclose(slope, -np.exp([-0.3, -0.6]), rtol=1e-5)


def test_changed_closures_are_seen():
    """What a function closes over is read in each solve."""
    rate = jnp.array(1.0)
    problem = ev.ODEProblem(lambda t, y, p: -rate * y, jnp.array([1.0]), (0.0, 1.0))
    for value in (1.0, 2.0):
        rate = jnp.array(value)
        solution = ev.solve(problem, "Tsit5", **TIGHT)
        assert solution.stats.backend == "native"
        np.testing.assert_allclose(solution.y[-1, 0], np.exp(-value), rtol=1e-7)


def test_ensembles():
    """Ensembles of JAX arrays are solved, and stay JAX arrays."""
    problem = ev.ODEProblem(lambda t, y, p: -p * y, jnp.array([1.0]), (0.0, 1.0), jnp.array(1.0))
    rates = jnp.linspace(1.0, 2.0, 4)
    solution = ev.solve(ev.EnsembleProblem(problem, params=rates), "Tsit5", saveat=[1.0], **TIGHT)
    assert isinstance(solution.y, jax.Array)
    np.testing.assert_allclose(solution.y[:, -1, 0], jnp.exp(-rates), rtol=1e-6)


FUNCTIONS = {
    "by its namespace": by_namespace,
    "control flow": control_flow,
    "written to": written,
    "interpolated": interpolated,
    "derivatives": jax.grad(lambda x: jnp.sum(jnp.cosh(0.7 * x)) + x[0] * x[1]),
    "jacobian": lambda x: jax.jacfwd(lambda z: jnp.sin(z) * z[0])(x) @ x,
    "vmap": lambda x: jax.vmap(lambda a, b: jnp.dot(a, x) - b**3)(jnp.outer(x, x), x),
    "gather fill": lambda x: x.at[jnp.array([0, 7])].get(mode="fill", fill_value=3.0),
    "gather rows": lambda x: jnp.outer(x, x)[jnp.array([[0, 2], [1, 1]])],
    "gather pairs": lambda x: jnp.outer(x, x)[jnp.array([0, 2]), jnp.array([1, 3])],
    "take along": lambda x: jnp.take_along_axis(jnp.outer(x, x), jnp.argsort(jnp.outer(x, -x), axis=1), axis=1),
    "gather by values": lambda x: jnp.outer(x, x)[jnp.argmin(x)],
    "scatter rows": lambda x: jnp.outer(x, x).at[jnp.array([1, 3])].set(x[0]),
    "scatter dropped": lambda x: x.at[jnp.argmax(x) + jnp.array([0, 1, 9])].add(1.0),
    "column": lambda x: jnp.outer(x, x).at[:, 1].set(0.5),
    "pad": lambda x: jax.lax.pad(jnp.outer(x, x), 0.5, ((1, -1, 2), (-1, 2, 0))),
    "slices": lambda x: jnp.outer(x, x)[::-2, 1:] + jnp.cumsum(x, axis=0)[1:] - jnp.flip(x)[:-1],
    "long scan": lambda x: jax.lax.scan(lambda c, a: (0.9 * c + a, c), 0.0, jnp.tile(x, 5), reverse=True)[1],
    "switch": lambda x: jax.lax.switch(jnp.argmax(x), [jnp.sin, jnp.cos, jnp.tan, jnp.exp], x),
    "integers": lambda x: (jnp.round(10 * x).astype(jnp.int32) // 3 % 4) * (x > 0) + jnp.sign(x) ** -2,
    "reductions": lambda x: jnp.stack(
        [x.max(), x.min(), x.prod(), x.mean(), x.std(), jnp.linalg.norm(x), jnp.median(x)]
    ),
    "matrices": lambda x: jnp.linalg.inv(jnp.eye(4) + jnp.outer(x, x)) @ x + jnp.linalg.det(jnp.diag(x) + 1.0),
    "cholesky": lambda x: jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(jnp.eye(4) + jnp.outer(x, x)), x),
    "batched product": lambda x: jnp.einsum("bij,bj->bi", jnp.ones((3, 2, 4)) * x, jnp.ones((3, 4)) * x),
    "logic": lambda x: jnp.where((x > 0) ^ (x < 0.5) | jnp.isnan(x), jnp.logaddexp(x, 1.0), jax.nn.gelu(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    """What JAX's functions compute is what their graphs compute."""
    from evolvent_native._foreign import jax_arrays
    from evolvent_native._interpret import run

    x = jnp.array([0.3, -0.7, 1.2, 0.4])
    function = FUNCTIONS[name]
    staged = jax_arrays.stage(function, (x,), None)
    (found,) = run(staged.graph, [np.asarray(x)])
    np.testing.assert_allclose(found, function(x), rtol=1e-12, atol=1e-12)
