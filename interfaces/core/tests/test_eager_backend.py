"""The eager backend: array operations and control flow for any Array API namespace."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent.lanes import LanesBackend


@pytest.fixture(params=["numpy", "array_api_strict", "torch"])
def b(request):
    """The generic backend on each namespace that runs call by call."""
    xp = pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return ev.choose_backend("eager", xp.ones(1, dtype=xp.float64))


def array(b, values, dtype=None):
    return b.xp.asarray(values, dtype=dtype or b.xp.float64)


def test_combine(b):
    """`combine` is y + dt * sum(w k): extra ks are ignored, y may be left out."""
    y, k1, k2 = array(b, [1.0, 2.0]), array(b, [10.0, 20.0]), array(b, [7.0, 7.0])
    assert_allclose(np.asarray(b.combine(y, 0.5, (0.2, 0.0), (k1, k2))), [2.0, 4.0])
    assert_allclose(np.asarray(b.combine(None, 1.0, (0.2,), (k1, k2))), [2.0, 4.0])
    assert_allclose(np.asarray(b.combine(y, 0.5, (0.0,), (k1,))), [1.0, 2.0])
    assert_allclose(np.asarray(b.combine(None, 0.5, (0.0,), (k1,))), [0.0, 0.0])


def test_norms(b):
    """`rms` is the root of the mean square of magnitudes; scaled_norm is that in units of the tolerance."""
    assert_allclose(float(b.rms(array(b, [3.0, 4.0]))), np.sqrt(12.5))
    assert_allclose(float(b.rms(array(b, [3.0 + 4.0j, 0.0], b.xp.complex128))), np.sqrt(12.5))
    assert_allclose(float(b.rms(array(b, -2.0))), 2.0)
    norm = b.scaled_norm(array(b, [1e-3, 0.0]), array(b, [1.0, 1.0]), array(b, [-9.0, 1.0]), 1e-3, 1e-3)
    assert_allclose(float(norm), 0.1 / np.sqrt(2.0), rtol=1e-12)


def test_to_control(b):
    """Scalars of the data plane become Python floats, all in one transfer."""
    assert b.to_control(array(b, 2.0)) == 2.0
    assert b.to_control(array(b, 2.0), array(b, 3.0)) == (2.0, 3.0)


def test_loops_and_branches(b):
    """while_loop and cond are Python's own; an exception in a resumable loop takes what was reached along."""
    assert b.while_loop(lambda n: n < 5, lambda n: n + 1, 0, max_iterations=10) == 5
    assert b.cond(True, lambda x: x, lambda x: -x, 3.0) == 3.0
    assert b.select(False, 1.0, 2.0) == 2.0

    def body(n):
        if n == 3:
            raise RuntimeError("stop")
        return n + 1

    with pytest.raises(RuntimeError) as caught:
        b.while_loop(lambda n: True, body, 0, max_iterations=10, resumable=True)
    assert caught.value.evolvent_reached == [3]


def test_jvp_and_jacobian(b):
    """Without derivatives of the library's own, central differences: right to the cube root of rounding squared."""
    x = array(b, [0.3, -1.2])

    def function(x):
        return b.xp.stack([b.xp.sin(x[0]) * x[1], x[0] ** 3])

    exact = [[np.cos(0.3) * -1.2, np.sin(0.3)], [3 * 0.09, 0.0]]
    assert_allclose(np.asarray(b.jacobian(function, x)), exact, atol=1e-9)
    value, tangent = b.jvp(function, x, array(b, [1.0, 2.0]))
    assert_allclose(np.asarray(value), np.asarray(function(x)))
    assert_allclose(np.asarray(tangent), np.asarray(exact) @ [1.0, 2.0], atol=1e-9)
    value, pull = b.vjp(function, x)
    assert_allclose(np.asarray(pull(array(b, [1.0, 2.0]))), [1.0, 2.0] @ np.asarray(exact), atol=1e-9)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_control_functions_are_ieee(x, y):
    """The control plane's functions give NumPy's results, infinities and NaN among them, and never raise."""
    c = ev.EagerBackend(np).control
    with np.errstate(all="ignore"):
        for name in ("sqrt", "log", "exp", "abs", "sign", "isfinite"):
            assert_allclose(getattr(c, name)(x), getattr(np, name)(np.float64(x)), rtol=1e-15, equal_nan=True)
        if np.isfinite(x) and np.isfinite(y) and x >= 0.0:
            assert_allclose(c.power(x, y), np.power(np.float64(x), np.float64(y)), rtol=1e-12, equal_nan=True)
    assert c.where(x == x, 1, 2) == (1 if x == x else 2)


def test_lanes_select_and_loop_each_on_their_own():
    """A loop of lanes goes on for those that want to; the others keep what they have."""
    b = LanesBackend(ev.EagerBackend(np), 3)
    limits = np.array([1.0, 5.0, 3.0])
    counts = b.while_loop(lambda n: n < limits, lambda n: n + 1.0, b.real(0.0), max_iterations=10)
    assert counts.tolist() == limits.tolist()
    chosen = b.cond(np.array([True, False, True]), lambda x: x + 1.0, lambda x: x - 1.0, b.real(0.0))
    assert chosen.tolist() == [1.0, -1.0, 1.0]
    rows = b.buffer(4, b.real(0.0))
    for k in range(3):
        rows = b.put(rows, b.integer(k), b.real(10.0 * k), k < limits)
    assert rows.counts().tolist() == [1, 3, 3]
    assert rows.lane(1) == [0.0, 10.0, 20.0]


def test_which_backend_runs_what(monkeypatch):
    """The arrays decide, where nothing is compiled; a name forces."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "off")
    torch = pytest.importorskip("torch")
    assert ev.choose_backend(None, [1.0]).name == "eager"
    assert ev.choose_backend(None, np.ones(1)).name == "eager"
    assert ev.choose_backend(None, torch.ones(1)).name in ("torch", "eager")
    assert ev.choose_backend("eager", torch.ones(1)).name == "eager"
    jnp = pytest.importorskip("jax.numpy")
    assert ev.choose_backend(None, jnp.ones(1)).name == "jax"
    assert import_module("evolvent").choose_backend(None, None, {"k": jnp.ones(1)}).name == "jax"
