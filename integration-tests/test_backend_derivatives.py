"""Derivatives of the backend protocol, on every backend, against Jacobians written by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import evolvent as ev
from evolvent.lanes import LanesBackend
from evolvent.sparse import Pattern

X = np.array([0.5, 2.0, 1e-4, -1.5])
PATTERN = Pattern([0, 0, 1, 1, 2, 2, 3], [0, 1, 1, 2, 2, 3, 3], (4, 4))


def chain(b, x):
    """Each entry's square, times the next one; the last is alone."""
    xp = b.xp
    return xp.concat([x[:-1, ...] ** 2 * x[1:, ...], x[3:, ...] ** 3])


def by_hand(x):
    found = np.diag(np.append(2 * x[:-1] * x[1:], 3 * x[3] ** 2)).astype(x.dtype)
    found[[0, 1, 2], [1, 2, 3]] = x[:-1] ** 2
    return found


class On:
    """A backend, how arrays get there and back, and how precise its derivatives are."""

    def __init__(self, name):
        self.name, self.tolerance = name, 1e-12
        self.staged = name == "native"
        if name == "native":
            from evolvent_native._backend import NativeBackend

            self.b = NativeBackend()
            return
        library = "numpy" if name == "lanes" else name.removeprefix("lanes of ")
        xp = pytest.importorskip(library.removeprefix("evolvent_"), reason=f"{library} is not installed")
        if library == "jax":
            xp.config.update("jax_enable_x64", True)
            xp = xp.numpy
        kind = library.removeprefix("evolvent_") if library in ("jax", "evolvent_torch") else "eager"
        self.b, self.xp = ev.choose_backend(kind, xp.ones(1)), xp
        if kind == "eager":
            self.tolerance = 1e-8
        if name.startswith("lanes"):
            self.b = LanesBackend(self.b, 2)

    def __call__(self, derivative, x):
        """A derivative at x; in the other lane at another place."""
        if self.staged:
            from evolvent_native import StagedFunction

            return StagedFunction(lambda x: derivative(self.b, x), x)(x)
        if not self.b.lanes:
            return np.asarray(derivative(self.b, self.xp.asarray(x)))
        return np.asarray(derivative(self.b, self.xp.asarray(np.stack([1e3 * x, x], axis=-1))))[..., 1]


NAMES = ["numpy", "array_api_strict", "torch", "evolvent_torch", "jax", "native", "lanes", "lanes of evolvent_torch"]


@pytest.fixture(params=NAMES)
def on(request):
    return On(request.param)


@pytest.mark.parametrize("x", [X, X * (1 + 2j)], ids=["real", "complex"])
def test_jacobians(on, x):
    """Dense and sparse Jacobians are those written by hand; small entries among large ones included."""
    exact = by_hand(x)
    scale = on.tolerance * abs(exact).max()
    assert_allclose(on(lambda b, x: b.jacobian(lambda x: chain(b, x), x), x), exact, rtol=on.tolerance, atol=scale)
    sparse = on(lambda b, x: b.sparse_jacobian(lambda x: chain(b, x), x, PATTERN), x)
    assert_allclose(sparse, exact[PATTERN.rows, PATTERN.columns], rtol=on.tolerance, atol=scale)


def test_more_than_the_pattern(on):
    """A pattern with entries that are always zero gives zeros there; an empty one gives nothing."""
    exact = by_hand(X)
    full = on(lambda b, x: b.sparse_jacobian(lambda x: chain(b, x), x, Pattern.full((4, 4))), X)
    assert_allclose(full, exact.reshape(-1), rtol=on.tolerance, atol=on.tolerance * abs(exact).max())
    if on.name != "native":
        assert on(lambda b, x: b.sparse_jacobian(lambda x: 0 * x, x, Pattern((), (), (4, 4))), X).shape == (0,)


def test_other_shapes(on):
    """Scalars and matrices are differentiated in flat order."""
    matrix = X.reshape(2, 2)

    def product(b, x):
        return b.jacobian(lambda x: x[:1, ...] * x[1:, ...], x)

    exact = [[X[2], 0, X[0], 0], [0, X[3], 0, X[1]]]
    assert_allclose(on(product, matrix), exact, rtol=1e-7, atol=1e-7)
    assert_allclose(on(lambda b, x: b.jacobian(lambda x: x * x, x), np.asarray(3.0)), [[6.0]], rtol=1e-8)


def test_products(on):
    """Both jvp and vjp are products with the Jacobian."""
    direction = np.array([1.0, -2.0, 0.5, 3.0])

    def along(b, x):
        return b.jvp(lambda x: chain(b, x), x, _like(b, direction, x))[1]

    assert_allclose(on(along, X), by_hand(X) @ direction, rtol=1e-7, atol=1e-7)
    if on.name == "lanes of evolvent_torch":
        return

    def back(b, x):
        return b.vjp(lambda x: chain(b, x), x)[1](_like(b, direction, x))

    assert_allclose(on(back, X), direction @ by_hand(X), rtol=1e-7, atol=1e-7)


def _like(b, values, x):
    return 0.0 * x + b.xp.asarray(values.reshape(-1, *(1 for _ in b.lanes)), dtype=x.dtype)


@pytest.mark.parametrize("t", [0.0, 0.7, -30.0])
@pytest.mark.parametrize("x", [X, X * (1 + 2j)], ids=["real", "complex"])
def test_time_derivatives(on, t, x):
    """d/dt of sin(t) y + t^2 is cos(t) y + 2 t, at t = 0 too; of a constant it is zero."""

    def slope(b, x):
        def f(t):
            t = b.time(t, x)
            return b.xp.sin(t) * x + t**2

        return b.time_derivative(f, b.real(t), x)

    assert_allclose(on(slope, x), np.cos(t) * x + 2 * t, rtol=1e-6, atol=1e-6)
    assert_allclose(on(lambda b, x: b.time_derivative(lambda t: 2 * x, b.real(t), x), x), 0 * x)


def test_patterns(on):
    """The pattern of a function's Jacobian is found for arrays whose library stages, whatever the values."""

    def function(x, t, scale):
        return chain(on.b, x) * scale + on.b.xp.where(on.b.time(t, x) < 1.0, x, 2.0 * x)

    found = None
    if on.name == "native":
        found = on.b.sparsity(function, X, 0.0, 3.0)
    elif not on.b.lanes:
        found = on.b.sparsity(function, on.xp.asarray(0 * X), 0.0, 3.0)
    elif on.name == "lanes":
        found = on.b.sparsity(function, np.stack([X, X], axis=-1), np.zeros(2), 3.0)
    if found is None:
        assert on.name in ("array_api_strict", "torch", "lanes of evolvent_torch")
    else:
        assert found == PATTERN


def test_said(on):
    """Finite differences are said in the note; exact derivatives say nothing."""
    on(lambda b, x: b.jacobian(lambda x: chain(b, x), x), X)
    exact = on.name in ("native", "jax") or "evolvent_torch" in on.name
    assert on.b.note == ("" if exact else "derivatives are finite differences")


@pytest.mark.parametrize("stages", [True, False])
def test_eager_functions_that_ask_for_derivatives(stages):
    """On NumPy a function that asks for derivatives is compiled where it can be: they are exact then, as are times'."""
    b = ev.choose_backend("eager", X)

    def f(t, y, rate):
        if not stages and y[0] > 1e9:
            return y
        return [rate * np.sin(t) * y[0] * y[1], y[1] ** 3]

    def model(t, y, rate):
        return b.as_state(f(b.time(t, y), y, rate), y, "f")

    functions = {
        "f": model,
        "jacobian": lambda t, y, rate: b.jacobian(lambda y: model(t, y, rate), y),
        "slope": lambda t, y, rate: b.time_derivative(lambda t: model(t, y, rate), t, y),
    }
    y = np.array([0.3, 2.0])

    def entry(functions, t, y, rate):
        return [[functions[name](t + shift, y, rate) for name in ("f", "jacobian", "slope")] for shift in (0.0, 1.0)]

    program = b.program(entry, functions, dict.fromkeys(functions, (0.0, y, 3.0)))
    for shift, (value, jacobian, slope) in enumerate(program(0.5, y, 4.0)):
        t = 0.5 + shift
        assert_allclose(value, [4 * np.sin(t) * 0.6, 8.0])
        tolerance = 1e-14 if stages else 1e-7
        exact = [[4 * np.sin(t) * 2.0, 4 * np.sin(t) * 0.3], [0.0, 12.0]]
        assert_allclose(jacobian, exact, rtol=tolerance, atol=tolerance)
        assert_allclose(slope, [4 * np.cos(t) * 0.6, 0.0], rtol=tolerance, atol=tolerance)
        assert type(jacobian) is type(slope) is np.ndarray
    assert b.note == ("" if stages else "derivatives are finite differences")


def test_tensors_that_share_memory():
    """A tensor that was broadcast, as the states of an ensemble are, has derivatives like others."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    b = LanesBackend(ev.choose_backend("torch", torch.ones(1, dtype=torch.float64)), 3)
    x = torch.tensor([[2.0], [5.0]], dtype=torch.float64).expand(2, 3)
    exact = np.broadcast_to([[[4.0], [0.0]], [[0.0], [10.0]]], (2, 2, 3))
    assert_allclose(b.jacobian(lambda x: x**2, x), exact)
    assert_allclose(b.jvp(lambda x: x**2, x, torch.ones(2, 1, dtype=torch.float64).expand(2, 3))[1], exact.sum(1))
