"""`while_loop` against Python loops, in every direction of differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from evolvent_jax._loops import any_lane, while_loop

LIMIT = 20


@pytest.fixture(autouse=True)
def x64(request):
    """64 bits, unless a test asks for both."""
    enabled = getattr(request, "param", True)
    with jax.enable_x64(enabled):
        yield enabled


both_precisions = pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"], indirect=True)


@pytest.fixture
def close(x64):
    tolerance = 1e-11 if x64 else 3e-4

    def check(actual, expected):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, tolerance, tolerance), actual, expected)

    return check


def step(carry, weight):
    """Ints, bools and floats, of which one leaf is a buffer that is only written."""
    count, flag, y, saved = carry["count"], *carry["rest"]
    new = jnp.sin(weight * y) + 0.5 * y[::-1]
    return {
        "count": count + 1,
        "rest": (jnp.logical_not(flag), new, saved.at[count % 3].set(jnp.where(flag, new[0], new[1] ** 2))),
    }


def start(y):
    return {"count": 0, "rest": (True, y, jnp.zeros(3))}


def value(carry):
    _, y, saved = carry["rest"]
    return jnp.sum(y**2) + jnp.sum(saved**3)


def looped(y, weight, count):
    return value(while_loop(lambda c: c["count"] < count, lambda c: step(c, weight), start(y), max_iterations=LIMIT))


def unrolled(y, weight, count):
    carry = start(y)
    for _ in range(min(int(count), LIMIT)):
        carry = step(carry, weight)
    return value(carry)


def point():
    return jnp.asarray([0.3, -0.7]), jnp.asarray([1.3, 0.8])


# One object each, so that one compilation serves all numbers of iterations.
compiled = jax.jit(looped)
compiled_gradient = jax.jit(jax.value_and_grad(looped, argnums=(0, 1)))
compiled_directional = jax.jit(lambda y, w, n: jax.jvp(lambda *yw: looped(*yw, n), (y, w), (1 + 0 * y, 2 + 0 * w))[1])

COUNTS = [0, 1, 2, 4, 5, 6, 7, 13, 19, 20, 25]


@both_precisions
@pytest.mark.parametrize("count", COUNTS)
def test_value_and_both_modes_equal_the_unrolled_loop(count, close):
    """The value, the gradient and a directional derivative, up to, at and beyond the bound."""
    y, w = point()
    expected, gradient = jax.value_and_grad(unrolled, argnums=(0, 1))(y, w, count)
    close(compiled(y, w, count), expected)
    close(compiled_gradient(y, w, count), (expected, gradient))
    close(compiled_directional(y, w, count), jnp.sum(gradient[0]) + 2 * jnp.sum(gradient[1]))


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 7, 9, 10, 17])
def test_every_bound_cuts_its_segments_right(limit, close):
    """Whatever the remainder of the bound by the stride, no lane overwrites a checkpoint."""
    with_limit = jax.jit(
        jax.vmap(
            jax.grad(
                lambda y, n: while_loop(
                    lambda c: c[0] < n, lambda c: (c[0] + 1, jnp.sin(c[1]) + 1), (0, y), max_iterations=limit
                )[1]
            ),
            in_axes=(None, 0),
        )
    )

    def expected(y, n):
        for _ in range(min(n, limit)):
            y = jnp.sin(y) + 1
        return y

    actual = with_limit(0.3, jnp.arange(limit + 3))
    close(actual, jnp.stack([jax.grad(expected)(0.3, n) for n in range(limit + 3)]))


def test_second_derivatives(close):
    """Forward over reverse, and forward over forward, give the Hessian."""
    y, w = point()
    expected = jax.hessian(unrolled)(y, w, 7)
    close(jax.jit(jax.jacfwd(jax.jacrev(looped)))(y, w, 7), expected)
    close(jax.jit(jax.jacfwd(jax.jacfwd(looped)))(y, w, 7), expected)
    close(jax.jacrev(looped)(y, w, 7), jax.jacfwd(looped)(y, w, 7))


def test_batches_equal_their_lanes(close):
    """The gradient of a batch and a batch of gradients, each lane with its own number of iterations."""
    counts = jnp.asarray([3, 0, 20, 1, 16])
    ys, w = jnp.linspace(-1, 1, 10).reshape(5, 2), point()[1]
    axes = (0, None, 0)
    lanes = [jax.grad(unrolled, (0, 1))(y, w, n) for y, n in zip(ys, counts, strict=True)]
    each = jax.tree.map(lambda *x: jnp.stack(x), *lanes)
    close(jax.jit(jax.vmap(jax.grad(looped, (0, 1)), axes))(ys, w, counts), each)
    close(jax.vmap(jax.grad(looped, (0, 1)), axes)(ys, w, counts), each)
    batch = jax.jit(jax.grad(lambda y, w: jnp.sum(jax.vmap(looped, axes)(y, w, counts)), (0, 1)))
    close(batch(ys, w), (each[0], jnp.sum(each[1], axis=0)))
    close(
        jax.vmap(lambda y, n: jax.jvp(lambda y: looped(y, w, n), (y,), (y,))[1])(ys, counts),
        jnp.sum(ys * each[0], 1),
    )
    close(
        jax.jit(jax.vmap(jax.hessian(looped), axes))(ys[:2], w, counts[:2]),
        jnp.stack([jax.hessian(unrolled)(y, w, n) for y, n in zip(ys[:2], counts[:2], strict=True)]),
    )


def test_two_levels_of_batches(close):
    """Lanes within lanes, where only the outer ones differ in their number of iterations."""
    counts, ys = jnp.asarray([2, 9]), jnp.linspace(-1, 1, 6).reshape(3, 2)
    w = point()[1]
    inner = jax.vmap(jax.grad(looped), (0, None, None))
    actual = jax.jit(jax.vmap(inner, (None, None, 0)))(ys, w, counts)
    close(actual, jnp.stack([jnp.stack([jax.grad(unrolled)(y, w, n) for y in ys]) for n in counts]))


def nested(loop, x, weight):
    """An outer loop whose body runs an inner loop, of a length that depends on the outer state."""

    def outer(carry):
        i, y = carry
        _, y = loop(lambda c: c[0] <= i % 3, lambda c: (c[0] + 1, jnp.sin(c[1] * weight) + i * 0.1), (0, y), 4)
        return i + 1, y * weight

    return loop(lambda c: c[0] < 5, outer, (0, x), 11)[1]


def python_loop(cond, body, carry, limit):
    for _ in range(limit):
        if not cond(carry):
            break
        carry = body(carry)
    return carry


def ours(cond, body, carry, limit):
    return while_loop(cond, body, carry, max_iterations=limit)


@both_precisions
def test_loop_inside_a_loop(close):
    """The reverse pass of the outer loop differentiates the inner one, also batched, and forward again."""
    expected = jax.grad(lambda x, w: nested(python_loop, x, w), (0, 1))
    gradient = jax.grad(lambda x, w: nested(ours, x, w), (0, 1))
    close(jax.jit(gradient)(0.4, 1.2), expected(0.4, 1.2))
    xs = jnp.asarray([0.1, 0.4])
    close(jax.jit(jax.vmap(gradient, (0, None)))(xs, 1.2), jax.vmap(expected, (0, None))(xs, 1.2))
    close(jax.jit(jax.jacfwd(gradient))(0.4, 1.2), jax.jacfwd(expected)(0.4, 1.2))


def test_loop_inside_scan_cond_and_checkpoint(close):
    """JAX's own control flow and rematerialisation differentiate through the loop."""
    y, w = point()

    def scanned(loop, y):
        def body(total, n):
            y_next = total + loop(y * total, w, n)
            return lax.cond(n > 3, lambda t: t, lambda t: loop(y * t, w, 2), y_next), y_next

        return body, y

    def by_scan(y):
        body, _ = scanned(looped, y)
        return lax.scan(jax.checkpoint(body), 1.0 + 0 * y[0], jnp.asarray([2, 5]))[0]

    def by_hand(y):
        total = 1.0
        for n in (2, 5):
            total = total + unrolled(y * total, w, n)
            total = total if n > 3 else unrolled(y * total, w, 2)
        return total

    close(jax.jit(jax.grad(by_scan))(y), jax.grad(by_hand)(y))


def test_closed_over_values_keep_their_derivatives(close):
    """Weights that only the functions close over, under grad, jvp and vmap, inside jit and outside."""

    def run(loop, w):
        shift = np.asarray([0.1, 0.2])
        return jnp.sum(loop(lambda y: jnp.sum(y) < w, lambda y: y * w + shift, jnp.asarray([0.1, 0.3]), 9))

    for transform in (jax.grad, jax.jacfwd, jax.jacrev):
        for wrap in (jax.jit, lambda f: f):
            close(wrap(transform(lambda w: run(ours, w)))(1.7), jax.grad(lambda w: run(python_loop, w))(1.7))
    ws = jnp.asarray([1.2, 1.7, 2.5])
    close(
        jax.vmap(jax.grad(lambda w: run(ours, w)))(ws),
        jnp.stack([jax.grad(lambda w: run(python_loop, w))(w) for w in ws]),
    )


def test_gradient_agrees_with_central_differences():
    """A trusted reference that shares no rule with JAX's derivatives."""
    y, w = point()
    gradient = jax.grad(looped)(y, w, 11)
    h = 1e-6
    differences = [(looped(y + h * e, w, 11) - looped(y - h * e, w, 11)) / (2 * h) for e in jnp.eye(2)]
    np.testing.assert_allclose(gradient, jnp.stack(differences), rtol=1e-7)


def test_unused_branches_that_are_not_finite_do_no_harm():
    """A branch that is nan for the states of the loop and not taken leaves value and gradient finite."""

    def run(x):
        def body(c):
            i, y = c
            return i + 1, lax.cond(y > 0, lambda y: jnp.sqrt(y), lambda y: 0.5 * y, y)

        return while_loop(lambda c: c[0] < 4, body, (0, x), max_iterations=6)[1]

    for x, slope in ((-1.0, 0.0625), (1.0, 0.0625)):
        assert float(jax.jit(jax.grad(run))(x)) == pytest.approx(slope)
    # an idle lane goes on being computed: beyond its end, log(0) is -inf with an infinite slope
    ends = jnp.asarray([1, 3])

    def shrinking(x, n):
        return while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, jnp.log(c[1])), (0, x), max_iterations=6)[1]

    slopes = jax.jit(jax.vmap(jax.grad(shrinking)))(jnp.asarray([1.0, 100.0]), ends)
    assert bool(jnp.all(jnp.isfinite(slopes)))


def saving(y, weight, count, self_limited):
    """Every state is saved; an ended lane writes beyond the end of the buffer."""

    def body(carry, saved):
        i, now = carry
        new = jnp.sin(weight * now) + 0.5
        return (i + 1, new), saved.at[jnp.where(i < count, i, LIMIT)].set(new)

    (_, last), saved = while_loop(
        lambda carry: carry[0] < count,
        body,
        (0, y),
        max_iterations=LIMIT,
        self_limited=self_limited,
        buffers=jnp.zeros((LIMIT, *y.shape)),
    )
    return jnp.sum(last) + jnp.sum(saved**2)


@pytest.mark.parametrize("self_limited", [False, True])
def test_buffers_are_left_alone_by_ended_lanes(close, self_limited):
    """Values and all derivatives of a batch with buffers are those of its lanes, which are those without."""

    def expected(y, weight, count):
        saved = []
        for _ in range(count):
            y = jnp.sin(weight * y) + 0.5
            saved.append(y)
        return jnp.sum(y) + sum(jnp.sum(x**2) for x in saved)

    counts, ys, w = [3, 0, 20, 9], jnp.linspace(-1, 1, 8).reshape(4, 2), jnp.asarray(1.3)
    each = [jax.value_and_grad(expected, (0, 1))(y, w, n) for y, n in zip(ys, counts, strict=True)]
    value, gradient = jax.tree.map(lambda *x: jnp.stack(x), *each)

    def run(y, w, n):
        return saving(y, w, n, self_limited)

    axes = (0, None, 0)
    close(jax.jit(jax.vmap(run, axes))(ys, w, jnp.asarray(counts)), value)
    batch = jax.jit(jax.vmap(jax.value_and_grad(run, (0, 1)), axes))(ys, w, jnp.asarray(counts))
    close(batch, (value, gradient))
    forward = jax.jit(jax.vmap(jax.jacfwd(run, 1), axes))(ys, w, jnp.asarray(counts))
    close(forward, gradient[1])
    close(jax.jit(jax.grad(run))(ys[3], w, 9), gradient[0][3])


def test_buffers_are_not_selected_from_in_a_batch():
    """The compiled loop of a batch whose lanes end apart never selects between whole buffers."""
    batch = jax.jit(jax.vmap(lambda y, n: saving(y, 1.3, n, True)))
    text = str(jax.make_jaxpr(batch)(jnp.ones((3, 2)), jnp.asarray([1, 2, 3])))
    assert not [line for line in text.splitlines() if f"[3,{LIMIT},2] = select_n" in line]


def test_primal_is_exactly_the_loop_of_jax():
    """Without derivatives a self-limited loop lowers to the very program of `lax.while_loop`."""

    def cond(c):
        return c[0] < 5

    def body(c):
        return c[0] + 1, jnp.sin(c[1])

    def program(f):
        return jax.jit(f).lower(0.5).compile().as_text().split("ENTRY")[1].count("\n")

    limited = program(lambda x: while_loop(cond, body, (0, x), max_iterations=9, self_limited=True)[1])
    assert limited == program(lambda x: lax.while_loop(cond, body, (0, x))[1])
    jaxpr = str(jax.make_jaxpr(lambda x: while_loop(cond, body, (0, x), max_iterations=9, self_limited=True))(0.5))
    assert jaxpr.count("while") == 1
    assert "dynamic_update" not in jaxpr


def test_memory_grows_with_the_root_of_the_bound():
    """Sixteen times the bound takes four times the memory, and a buffer only written is not checkpointed."""

    def run(x, limit):
        def body(c):
            i, y, saved = c
            return i + 1, jnp.sin(y), saved.at[i % 500].set(y)

        return jnp.sum(while_loop(lambda c: c[0] < 9, body, (0, x, jnp.zeros((500, 8))), max_iterations=limit)[2])

    def memory(limit):
        gradient = jax.jit(jax.grad(lambda x: run(x, limit)))
        return gradient.lower(jnp.ones(8)).compile().memory_analysis().temp_size_in_bytes

    state = 8 * 8 + 8
    fixed = memory(4)
    assert fixed < 4 * 500 * 8 * 8
    assert memory(1600) - fixed < 3 * 40 * state
    assert memory(16 * 1600) - fixed < 3 * 160 * state


def test_body_is_traced_once():
    """The Python function runs once, whatever is differentiated and batched."""
    calls = []

    def run(x):
        def body(c):
            calls.append(None)
            return c[0] + 1, jnp.sin(c[1])

        return while_loop(lambda c: c[0] < 5, body, (0, x), max_iterations=9)[1]

    jax.jit(jax.vmap(jax.grad(run)))(jnp.ones(3))
    assert len(calls) == 1


@both_precisions
def test_weak_initial_values_take_the_type_of_the_body(x64):
    """A Python scalar in the carry becomes what the body returns there."""
    out = while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] + jnp.float32(0.5)), (0, 1), max_iterations=9)
    assert out[1].dtype == jnp.float32
    assert float(out[1]) == 2.5
    out = while_loop(lambda c: c < 3.0, lambda c: c + 1, jnp.float32(0), max_iterations=9)
    assert out.dtype == jnp.float32


def test_a_changed_leaf_is_named():
    """Errors say which leaf changed, from what to what."""
    init = {"n": jnp.int32(0), "y": jnp.zeros(2)}
    with pytest.raises(TypeError, match=r"\['y'\] from float\d\d\[2\] to float\d\d\[3\]"):
        while_loop(lambda c: True, lambda c: {"n": c["n"], "y": jnp.zeros(3)}, init, max_iterations=3)
    with pytest.raises(TypeError, match=r"\['n'\] from int32\[\] to float"):
        while_loop(lambda c: True, lambda c: {"n": c["n"] + 0.5, "y": c["y"]}, init, max_iterations=3)
    with pytest.raises(TypeError, match="structure"):
        while_loop(lambda c: True, lambda c: c["y"], init, max_iterations=3)
    with pytest.raises(TypeError, match="boolean scalar"):
        while_loop(lambda c: c["y"] > 0, lambda c: c, init, max_iterations=3)
    with pytest.raises(ValueError, match="max_iterations"):
        while_loop(lambda c: True, lambda c: c, init, max_iterations=-1)


def test_a_custom_vjp_in_the_body_is_used(close):
    """Functions that only know their reverse mode still have it inside the loop."""

    @jax.custom_vjp
    def triple(x):
        return 3 * x

    triple.defvjp(lambda x: (3 * x, None), lambda _, ct: (7 * ct,))
    run = jax.grad(
        lambda x: while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, triple(c[1])), (0, x), max_iterations=4)[1]
    )
    close(run(1.0), 49.0)


def test_complex_leaves(close):
    """A complex carry has a gradient."""

    def run(loop, w):
        z = loop(lambda c: jnp.abs(c) < 3, lambda c: c * (1 + 0.5j) + w * c**2, jnp.asarray(0.3 + 0.1j), 8)
        return jnp.abs(z)

    close(jax.jit(jax.grad(lambda w: run(ours, w)))(0.2), jax.grad(lambda w: run(python_loop, w))(0.2))


def test_random_keys_in_the_carry(close):
    """Leaves of an extended dtype are checkpointed like all others."""

    def run(x):
        def body(c):
            i, key, y = c
            key, draw = jax.random.split(key)
            return i + 1, key, y * (1 + jax.random.uniform(draw))

        return while_loop(lambda c: c[0] < 5, body, (0, jax.random.key(1), x), max_iterations=9)[2]

    close(jax.jit(jax.grad(run))(2.0), run(1.0))


def test_any_lane_is_one_answer_for_all_lanes():
    """Identity outside of vmap, the disjunction within."""
    assert bool(any_lane(jnp.asarray(True)))
    flags = jnp.asarray([[True, False], [False, False]])
    out = jax.vmap(any_lane)(flags[:, 0])
    assert out.tolist() == [True, True]
    assert jax.vmap(jax.vmap(any_lane))(flags).tolist() == [[True, True], [True, True]]
