"""Whole solves under JAX's transformations, against exact solutions, central differences and eager solves."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import evolvent as ev

jax.config.update("jax_enable_x64", True)

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def lotka_volterra(t, y, p):
    hares, lynx = y
    return [p["a"] * hares - p["b"] * hares * lynx, p["d"] * hares * lynx - p["c"] * lynx]


RATES = {"a": 0.55, "b": 0.028, "c": 0.80, "d": 0.024}


@pytest.fixture
def hares():
    return ev.ODEProblem(lotka_volterra, jnp.asarray([33.956, 5.933]), (0.0, 20.0), RATES)


def central_difference(function, x, h=1e-5):
    """The gradient of a function of a vector, one entry at a time."""
    x = np.asarray(x, dtype=float)
    return np.asarray([(function(x + h * e) - function(x - h * e)) / (2.0 * h) for e in np.eye(x.size)])


def bouncing(xp):
    """A ball that drops from p[0] under gravity p[1], and keeps p[2] of its speed."""
    bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0 * y[0], -p[2] * y[1]], direction=-1)
    fall = lambda t, y, p: [y[1], -p[1]]  # noqa: E731

    def state_at_end(p):
        y0 = xp.stack([p[0], 0.0 * p[0]])
        return ev.solve(ev.ODEProblem(fall, y0, (0.0, 1.6), p, events=[bounce]), "Tsit5", saveat=[1.6], **TIGHT).y[-1]

    return state_at_end


def test_concrete_solve_equals_numpy(hares):
    """JAX arrays give NumPy's steps and NumPy's result."""
    ours = ev.solve(hares, "Tsit5")
    theirs = ev.solve(hares.replace(y0=np.asarray(hares.y0)), "Tsit5")
    assert isinstance(ours.y, jax.Array)
    assert ours.stats.backend == "jax"
    assert ours.stats.n_steps == theirs.stats.n_steps
    # The sizes of steps differ by the rounding of tiny error estimates; what they lead to doesn't.
    np.testing.assert_allclose(ours.t, theirs.t, rtol=1e-6)
    np.testing.assert_allclose(ours(np.linspace(0, 20, 50)), theirs(np.linspace(0, 20, 50)), rtol=1e-7)
    np.testing.assert_allclose(ours.y[-1], theirs.y[-1], rtol=1e-9)


def test_jit_pads_with_the_end(hares):
    """Inside jit, where the number of steps is unknown, the solution repeats its end and still interpolates."""
    t, y, between = jax.jit(
        lambda y0: (lambda s: (s.t, s.y, s(7.5)))(ev.solve(hares.replace(y0=y0), "Tsit5", max_steps=100))
    )(hares.y0)
    plain = ev.solve(hares, "Tsit5")
    assert t.shape[0] == 102
    assert t[-1] == 20.0
    np.testing.assert_allclose(y[-1], plain.y[-1], rtol=1e-12)
    np.testing.assert_allclose(between, plain(7.5), rtol=1e-10)


def test_solution_leaves_jit_as_a_pytree(hares):
    """A compiled function may return a Solution."""
    solution = jax.jit(lambda y0: ev.solve(hares.replace(y0=y0), "Tsit5", saveat=[5.0, 20.0]))(hares.y0)
    assert ev.Status(int(solution.status)) is ev.Status.SUCCESS
    assert solution.success
    assert solution.y.shape == (2, 2)


def test_failure_inside_jit_is_nan(hares):
    """Inside jit a solve that runs out of steps has a status that says so, and NaN where nothing was computed."""
    solution = jax.jit(lambda y0: ev.solve(hares.replace(y0=y0), "Tsit5", saveat=[0.1, 20.0], max_steps=5))(hares.y0)
    assert ev.Status(int(solution.status)) is ev.Status.MAX_STEPS
    assert np.all(np.isfinite(solution.y[0]))
    assert np.all(np.isnan(solution.y[1]))


def test_gradient_of_lotka_volterra(hares):
    """Reverse mode agrees with central differences, in the parameters and the initial state."""

    def final(x):
        rates = dict(zip("abcd", x[:4], strict=True))
        problem = hares.replace(params=rates, y0=jnp.asarray(x[4:]))
        return ev.solve(problem, "Tsit5", saveat=[10.0, 20.0], **TIGHT).y[:, 0].sum()

    x = jnp.asarray([*RATES.values(), 33.956, 5.933])
    gradient = jax.jit(jax.grad(final))(x)
    np.testing.assert_allclose(gradient, central_difference(jax.jit(final), x), rtol=1e-5)
    np.testing.assert_allclose(gradient, jax.jit(jax.jacfwd(final))(x), rtol=1e-7)


def test_gradient_of_a_neural_network():
    """Reverse mode through a small network agrees with central differences."""
    weights = np.random.default_rng(0).normal(size=12) * 0.5

    def final(w):
        w = jnp.asarray(w)
        f = lambda t, y, p: jnp.tanh(y @ w[:6].reshape(2, 3)) @ w[6:].reshape(3, 2)  # noqa: E731
        return ev.solve(ev.ODEProblem(f, jnp.asarray([1.0, -0.5]), (0.0, 2.0)), "Tsit5", saveat="end", **TIGHT).y[-1, 0]

    np.testing.assert_allclose(
        jax.jit(jax.grad(final))(weights), central_difference(jax.jit(final), weights), atol=1e-7
    )


@pytest.mark.parametrize("mode", [jax.jacrev, jax.jacfwd])
def test_gradient_through_bounces(mode):
    """Derivatives in both modes see that the bounces move: against the closed form of the flight."""

    def exact(p):
        height, gravity, keeps = p
        first = jnp.sqrt(2.0 * height / gravity)
        speed = keeps * gravity * first
        second = first + 2.0 * speed / gravity
        s = 1.6 - second
        return jnp.stack([keeps * speed * s - gravity * s**2 / 2.0, keeps * speed - gravity * s])

    p = jnp.asarray([1.0, 9.81, 0.8])
    state_at_end = bouncing(jnp)
    np.testing.assert_allclose(jax.jit(state_at_end)(p), exact(p), rtol=1e-8)
    np.testing.assert_allclose(jax.jit(mode(state_at_end))(p), jax.jacrev(exact)(p), rtol=1e-6)


def test_time_of_a_terminal_event_has_a_derivative():
    """The time at which a ball lands, sqrt(2 h / g), is differentiated."""
    land = ev.Event(lambda t, y, p: y[0], terminal=True, direction=-1)

    def landing(h):
        problem = ev.ODEProblem(lambda t, y, p: [y[1], -9.81], jnp.stack([h, 0.0 * h]), (0.0, 5.0), events=[land])
        return ev.solve(problem, "Tsit5", saveat="end", **TIGHT).events[0].t[0]

    np.testing.assert_allclose(jax.jit(landing)(2.0), np.sqrt(4.0 / 9.81), rtol=1e-9)
    np.testing.assert_allclose(jax.jit(jax.grad(landing))(2.0), 0.5 * np.sqrt(2.0 / 9.81 / 2.0), rtol=1e-7)


def test_derivative_of_the_span():
    """The end's derivative in the end time is f there."""

    def end(t1):
        problem = ev.ODEProblem(lambda t, y, p: -2.0 * y, jnp.asarray([3.0]), (0.0, t1))
        return ev.solve(problem, "Tsit5", saveat="end", **TIGHT).y[-1, 0]

    np.testing.assert_allclose(jax.jit(jax.grad(end))(0.7), -6.0 * np.exp(-1.4), rtol=1e-7)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(end))(0.7), -6.0 * np.exp(-1.4), rtol=1e-7)


def test_second_derivative():
    """Forward over reverse gives the Hessian: d2/dr2 exp(-r t) = t**2 exp(-r t)."""

    def decay(r):
        problem = ev.ODEProblem(lambda t, y, p: -p * y, jnp.asarray([1.0]), (0.0, 2.0), r)
        return ev.solve(problem, "Tsit5", saveat="end", **TIGHT).y[-1, 0]

    np.testing.assert_allclose(jax.jit(jax.jacfwd(jax.grad(decay)))(0.8), 4.0 * np.exp(-1.6), rtol=1e-6)


def test_vmap_gives_each_its_own_steps(hares):
    """Mapped solves take the steps that each takes alone."""
    rates = jnp.asarray([0.4, 0.55, 0.7])

    def steps_and_end(a):
        solution = ev.solve(hares.replace(params={**RATES, "a": a}), "Tsit5", saveat="end")
        return solution.stats.n_steps, solution.y[-1]

    steps, ends = jax.jit(jax.vmap(steps_and_end))(rates)
    for i, a in enumerate(rates):
        alone = ev.solve(hares.replace(params={**RATES, "a": float(a)}), "Tsit5", saveat="end")
        assert steps[i] == alone.stats.n_steps
        np.testing.assert_allclose(ends[i], alone.y[-1], rtol=1e-9)


def test_gradient_of_a_mapped_solve(hares):
    """Grad of vmap equals vmap of grad."""
    final = lambda a: ev.solve(hares.replace(params={**RATES, "a": a}), "Tsit5", saveat="end").y[-1, 0]  # noqa: E731
    rates = jnp.asarray([0.5, 0.6])
    together = jax.jit(jax.grad(lambda r: jax.vmap(final)(r).sum()))(rates)
    np.testing.assert_allclose(together, jax.jit(jax.vmap(jax.grad(final)))(rates), rtol=1e-8)


def test_changed_closure_is_seen():
    """A changed closure cell, global, default or constant array gives the new answer, without a word."""
    cell = [1.0]
    table = np.asarray([1.0, 2.0])

    def f(t, y, p, factor=[1.0]):  # noqa: B006
        return -cell[0] * factor[0] * table * SCALE[0] * y

    SCALE[0] = 1.0
    problem = ev.ODEProblem(f, jnp.ones(2), (0.0, 1.0))
    solve = lambda: np.asarray(ev.solve(problem, "Tsit5", saveat="end", **TIGHT).y[-1])  # noqa: E731
    np.testing.assert_allclose(solve(), np.exp(-table), rtol=1e-6)
    cell[0] = 2.0
    np.testing.assert_allclose(solve(), np.exp(-2.0 * table), rtol=1e-6)
    table[:] = [0.5, 3.0]
    np.testing.assert_allclose(solve(), np.exp(-2.0 * table), rtol=1e-6)
    f.__defaults__[0][0] = 0.5
    np.testing.assert_allclose(solve(), np.exp(-table), rtol=1e-6)
    SCALE[0] = 3.0
    np.testing.assert_allclose(solve(), np.exp(-3.0 * table), rtol=1e-6)


SCALE = [1.0]


def test_records_that_are_full_are_emptied():
    """A solve of more steps than its record and its first slice hold keeps them all, and its dense output."""
    problem = ev.ODEProblem(lambda t, y, p: [y[1], -y[0]], jnp.asarray([1.0, 0.0]), (0.0, 1000.0))
    every = ev.solve(problem, "Tsit5", rtol=1e-10, atol=1e-10)
    assert every.stats.n_steps > 20_000
    assert every.t.shape[0] == every.stats.n_accepted + 1
    np.testing.assert_allclose(every.y[:, 0], np.cos(every.t), atol=1e-7)
    times = np.linspace(3.0, 997.0, 7)
    np.testing.assert_allclose(every(times)[:, 0], np.cos(times), atol=1e-7)
    some = ev.solve(problem, "Tsit5", rtol=1e-10, atol=1e-10, saveat=np.linspace(0.0, 1000.0, 11))
    np.testing.assert_allclose(some.y[:, 0], np.cos(some.t), atol=1e-7)


def test_more_events_than_the_log_holds():
    """Events beyond the log's length are kept outside a transformation, and told inside one."""
    crossing = ev.Event(lambda t, y, p: y[0])
    problem = ev.ODEProblem(lambda t, y, p: [y[1], -y[0]], jnp.asarray([1.0, 0.0]), (0.0, 60.0), events=[crossing])
    found = ev.solve(problem, "Tsit5", max_events=4, **TIGHT).events[0].t
    np.testing.assert_allclose(found, (np.arange(19) + 0.5) * np.pi, rtol=1e-8)


def test_callback_sees_every_step(hares):
    """on_step is called in Python after each accepted step, and may end the solve."""
    times = []
    solution = ev.solve(hares, "Tsit5", on_step=lambda t, y: times.append(float(t)) or t > 5.0)
    assert solution.status is ev.Status.STOPPED
    np.testing.assert_allclose(times, solution.t[1:], rtol=1e-15)
    with pytest.raises(ev.InputError, match="on_step"):
        jax.jit(lambda y0: ev.solve(hares.replace(y0=y0), "Tsit5", on_step=lambda t, y: False).y)(hares.y0)


def test_single_precision_without_x64():
    """With 64 bits off everything, times included, is float32, and accurate to that."""
    with jax.enable_x64(False):
        problem = ev.ODEProblem(lambda t, y, p: -p * y, jnp.asarray([1.0]), (0.0, 1.0), 2.0)
        solution = ev.solve(problem, "Tsit5")
        assert solution.y.dtype == solution.t.dtype == jnp.float32
        np.testing.assert_allclose(solution.y[-1], np.exp(-2.0), rtol=1e-4)


def test_ensemble_with_events_and_spans():
    """An ensemble's members have their own events and ends, as when each is solved alone."""
    bounce = ev.Event(lambda t, y, p: y[0], lambda t, y, p: [0.0 * y[0], -0.9 * y[1]], direction=-1, name="bounce")
    kick = ev.Dose([1.0], lambda t, y, p: [y[0], y[1] + 1.0])
    ball = ev.ODEProblem(lambda t, y, p: [y[1], -p], jnp.asarray([1.0, 0.0]), (0.0, 3.0), 9.81, events=[bounce, kick])
    gravity, ends = jnp.asarray([9.81, 5.0, 1.0]), np.asarray([3.0, 2.0, 2.5])
    many = ev.solve(ev.EnsembleProblem(ball, params=gravity, t_span=(0.0, ends)), "Tsit5", max_steps=200)
    for i in range(3):
        alone = ev.solve(ball.replace(params=float(gravity[i]), t_span=(0.0, ends[i])), "Tsit5")
        np.testing.assert_allclose(many[i].events["bounce"].t, alone.events["bounce"].t, rtol=1e-9)
        np.testing.assert_allclose(many[i].t, alone.t, rtol=1e-7)
        np.testing.assert_allclose(many[i].y, alone.y, rtol=1e-7, atol=1e-9)
