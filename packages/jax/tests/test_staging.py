"""`stage` sees every change of a function, and recognises what has not changed."""

import math
import timeit

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from evolvent_jax._staging import stage

RATE = 2.0
TABLE = np.asarray([1.0, 2.0])


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def run():
    """Evaluate a function by a cache of compiled programs, and count the compilations."""
    programs = {}

    def evaluate(fn, *args):
        staged = stage(fn, *args)
        if staged.key not in programs:
            programs[staged.key] = jax.jit(staged.call)
        return programs[staged.key](staged.consts, *args)

    evaluate.programs = programs
    return evaluate


def lorenz(t, y, p):
    a, b, c = y
    return [p["sigma"] * (b - a), a * (p["rho"] - c) - b, a * b - p["beta"] * c]


LORENZ_ARGS = (0.0, np.ones(3), {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3})


def test_same_function_gives_the_same_key(run):
    """Other values of equal types, and another function with the same text, find the program again."""
    result = run(lorenz, *LORENZ_ARGS)
    assert [float(x) for x in result] == pytest.approx([0.0, 26.0, 1 - 8 / 3])
    run(lorenz, 1.0, np.zeros(3), LORENZ_ARGS[2])
    run(lambda t, y, p: lorenz(t, y, p), *LORENZ_ARGS)
    assert len(run.programs) == 1


def test_changed_global(run, monkeypatch):
    """A global that is rebound counts."""

    def scaled(y):
        return RATE * y

    assert run(scaled, 1.0) == 2.0
    monkeypatch.setitem(globals(), "RATE", 3.0)
    assert run(scaled, 1.0) == 3.0
    monkeypatch.setitem(globals(), "RATE", 2.0)
    assert run(scaled, 1.0) == 2.0
    assert len(run.programs) == 2


def test_changed_closure_cell_and_attribute(run):
    """What the function closes over is read anew, at any depth."""
    factor = 2.0

    class Model:
        power = 2

    def nested(y):
        return [factor * x for x in (y, y**Model.power)]

    assert run(nested, 3.0) == [6.0, 18.0]
    factor = 5.0
    assert run(nested, 3.0) == [15.0, 45.0]
    Model.power = 3
    assert run(nested, 3.0) == [15.0, 135.0]


def test_changed_default_argument(run):
    """Defaults that are replaced, or changed in place, count."""

    def shifted(y, shift=1.0, scales=[2.0]):  # noqa: B006
        return y * scales[0] + shift

    assert run(shifted, 1.0) == 3.0
    shifted.__defaults__ = (4.0, shifted.__defaults__[1])
    assert run(shifted, 1.0) == 6.0
    shifted.__defaults__[1][0] = 3.0
    assert run(shifted, 1.0) == 7.0


def test_changed_arrays_are_operands(run, monkeypatch):
    """Another array of the same type, or the same array changed in place, needs no other program."""

    def summed(y):
        return jnp.sum(y * TABLE)

    assert run(summed, 1.0) == 3.0
    monkeypatch.setitem(globals(), "TABLE", jnp.asarray([5.0, 6.0]))
    assert run(summed, 1.0) == 11.0
    mutable = np.asarray([1.0, 1.0])
    monkeypatch.setitem(globals(), "TABLE", mutable)
    assert run(summed, 1.0) == 2.0
    mutable[0] = 9.0
    assert run(summed, 1.0) == 10.0
    assert len(run.programs) == 1
    monkeypatch.setitem(globals(), "TABLE", np.ones(3))
    assert run(summed, 1.0) == 3.0
    assert len(run.programs) == 2


def test_arrays_of_nested_programs_count_by_value(run):
    """A constant that JAX keeps inside a nested program is compared by its bits."""
    table = np.asarray([1.0, 2.0])

    def outer(y):
        return jax.jit(lambda x: jnp.sum(x * jnp.asarray(table.tolist())))(y)

    assert run(outer, 1.0) == 3.0
    table[1] = 5.0
    assert run(outer, 1.0) == 6.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.1, math.nextafter(0.1, 1)),
        (0.0, -0.0),
        (np.float32(1), np.float64(1)),
        (np.int32(1), np.int64(1)),
        (1e-320, 0.0),
        (1j, 1j + 1e-17),
    ],
)
def test_literals_are_compared_bit_by_bit(one, other):
    """Numbers that print alike, or compare equal, or have another dtype, make other programs."""
    assert stage(lambda y: (y, one), 1.0).key == stage(lambda y: (y, one), 1.0).key
    assert stage(lambda y: (y, one), 1.0).key != stage(lambda y: (y, other), 1.0).key


def test_types_and_structure_count():
    """Shape, dtype, weak type and the structure of arguments and results are part of the key."""

    def twice(y):
        return jax.tree.map(lambda x: x * 2, y)

    args = [
        1.0,
        np.float64(1.0),
        1,
        np.float32(1),
        np.ones(1),
        np.ones(2),
        [1.0],
        (1.0,),
        {"a": 1.0},
        {"b": 1.0},
    ]
    keys = {stage(twice, arg).key for arg in args}
    assert len(keys) == len(args)
    assert stage(lambda y: (y, y), 1.0).key != stage(lambda y: [y, y], 1.0).key
    assert stage(lambda y: (y, 2.0), 1.0).key != stage(lambda y: (2.0, y), 1.0).key


def scanned(body, y):
    return lax.scan(body, y[0], y)[0]


def chosen(yes, no, y):
    return lax.cond(y[0, 0] > 0, yes, no, y)


def counted_to(end, y):
    return lax.while_loop(lambda x: x[0, 0] < end, lambda x: x + 1, y)


def gradient_of(activation):
    return jax.vmap(jax.grad(lambda x: jnp.sum(activation(x))))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda y: y[0] - y[1], lambda y: y[1] - y[0]),
        (jnp.sin, jnp.cos),
        (lambda y: jnp.sum(y, axis=0), lambda y: jnp.sum(y, axis=1)),
        (lambda y: y[:1], lambda y: y[1:]),
        (lambda y: scanned(lambda c, x: (c + x, c), y), lambda y: scanned(lambda c, x: (c - x, c), y)),
        (lambda y: chosen(jnp.sin, jnp.cos, y), lambda y: chosen(jnp.cos, jnp.sin, y)),
        (lambda y: counted_to(1, y), lambda y: counted_to(2, y)),
        (lambda y: jax.jit(lambda x: x * 2)(y), lambda y: jax.jit(lambda x: x * 3)(y)),
        (jax.nn.relu, jax.nn.softplus),
        (lambda y: jax.nn.softmax(y, axis=0), lambda y: jax.nn.softmax(y, axis=1)),
        (lambda y: y @ y, lambda y: y @ y.T),
        (gradient_of(jax.nn.relu), gradient_of(jax.nn.gelu)),
    ],
)
def test_programs_are_told_apart_and_recognised(one, other):
    """Operations, their order, parameters and nested programs; equal keys for two traces of each."""
    y = np.ones((2, 2))
    first, second = stage(one, y), stage(other, y)
    assert first.key == stage(lambda x: one(x), y).key
    assert second.key == stage(lambda x: other(x), y).key
    assert hash(first.key) == hash(stage(one, y).key)
    assert first.key != second.key


def test_custom_rules_do_not_count():
    """Two traces of a function with derivative rules of its own are equal, with primal changes still seen."""
    scale = 2.0

    @jax.custom_jvp
    def forward(x):
        return scale * x

    forward.defjvp(lambda primals, tangents: (forward(*primals), tangents[0]))

    @jax.custom_vjp
    def reverse(x):
        return scale * x

    reverse.defvjp(lambda x: (scale * x, None), lambda _, ct: (ct,))

    def both(x):
        return forward(x) + reverse(x)

    key = stage(both, 1.0).key
    assert key == stage(both, 1.0).key
    scale = 3.0
    assert key != stage(both, 1.0).key


def test_unknown_parameters_are_compared_by_identity():
    """A host callback is the same program only if it is the same function."""

    def host(x):
        return np.asarray(x)

    def with_callback(function):
        return lambda y: jax.pure_callback(function, jax.ShapeDtypeStruct((), np.float64), y)

    key = stage(with_callback(host), 1.0).key
    assert key == stage(with_callback(host), 1.0).key
    assert key != stage(with_callback(lambda x: np.asarray(x)), 1.0).key


def test_call_evaluates_inside_other_traces():
    """The staged program can be differentiated, batched and compiled, and gives back the structure."""
    table = jnp.asarray([1.0, 3.0])
    staged = stage(lambda t, p: {"out": (jnp.sum(p["a"] * table) * t, None)}, 0.0, {"a": np.ones(2)})
    assert [(a.shape, a.dtype) for a in staged.out_avals] == [((), np.float64)]
    assert staged.out_tree == jax.tree.structure({"out": (0, None)})

    def value(t, a):
        return staged.call(staged.consts, t, {"a": a})["out"][0]

    assert jax.jit(value)(2.0, jnp.ones(2)) == 8.0
    assert jax.grad(value, argnums=1)(2.0, jnp.ones(2)).tolist() == [2.0, 6.0]
    assert jax.vmap(value, (0, None))(jnp.arange(3.0), jnp.ones(2)).tolist() == [0.0, 4.0, 8.0]
    with pytest.raises(TypeError, match="staged for arguments"):
        staged.call(staged.consts, 2.0, {"b": jnp.ones(2)})


def test_closed_over_tracers_are_constants():
    """Inside grad and vmap, values of the outer trace pass through `consts` with their derivatives."""

    def outer(w):
        staged = stage(lambda y: y * w, 1.0)
        return staged.call(staged.consts, 3.0)

    assert jax.grad(outer)(2.0) == 3.0
    assert jax.vmap(outer)(jnp.arange(2.0)).tolist() == [0.0, 3.0]
    assert jax.jit(outer)(2.0) == 6.0


def test_tracers_serve_as_examples():
    """Staging for the arguments of an outer trace looks at their types only."""

    def outer(y):
        staged = stage(jnp.sin, y)
        return staged.call(staged.consts, y)

    assert jax.jit(jax.grad(outer))(0.5) == pytest.approx(math.cos(0.5))
    assert stage(jnp.sin, jax.ShapeDtypeStruct((), np.float64)).key == stage(jnp.sin, np.float64(1)).key


def test_branches_on_values_raise_what_jax_raises():
    """The error of JAX passes unchanged."""
    with pytest.raises(jax.errors.TracerBoolConversionError):
        stage(lambda y: y if y > 0 else -y, 1.0)
    with pytest.raises(ZeroDivisionError):
        stage(lambda y: 1 / 0, 1.0)


def test_staging_takes_well_below_ten_milliseconds():
    """Three equations take about half a millisecond; the bound leaves a margin for slow machines."""
    stage(lorenz, *LORENZ_ARGS)
    assert min(timeit.repeat(lambda: stage(lorenz, *LORENZ_ARGS), number=10, repeat=5)) / 10 < 10e-3
