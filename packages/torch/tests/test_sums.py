"""Weighted sums of states, by whichever calls of torch."""

import pytest

torch = pytest.importorskip("torch")

from evolvent import EagerBackend  # noqa: E402
from evolvent_torch import TorchBackend  # noqa: E402


def states(shape, dtype, count):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, dtype=dtype, generator=generator) for _ in range(count)]


def expected_sum(y, dt, weights, ks):
    import array_api_compat.torch as xp

    return EagerBackend(xp, ks[0].device).combine(y, dt, weights, ks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128])
@pytest.mark.parametrize("shape", [(), (2,), (3, 4), (10_000,), (2, 5_000)])
@pytest.mark.parametrize(
    "weights",
    [
        (1.0,),
        (0.5, -0.25),
        (0.1, 0.2, 0.3),
        [0.3, 0.1, 0.2],
        (0.0, 0.2, 0.0, -1.5, 2.5, 0.25),
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 2.0),
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_sum(dtype, shape, weights, given):
    """All ways give the plain formula, at first and again, and leave their arguments as they are."""
    y, *ks = states(shape, dtype, len(weights) + 2)
    y = y if given else None
    copies = [k.clone() for k in ks]
    backend = TorchBackend()
    for dt in (0.1, -0.3):
        expected = expected_sum(y, dt, weights, ks)
        torch.testing.assert_close(backend.combine(y, dt, weights, ks), expected)
    assert all(torch.equal(k, copy) for k, copy in zip(ks, copies, strict=True))


@pytest.mark.parametrize("size", [3, 20_000])
def test_zero_weights_shield_from_what_is_not_finite(size):
    """A stage with weight zero may hold anything."""
    y, one, other = states((size,), torch.float64, 3)
    bad = torch.full((size,), float("nan"), dtype=torch.float64)
    assert torch.isfinite(TorchBackend().combine(y, 0.1, (1.0, 0.0, 2.0, 1.0), [one, bad, other, one])).all()


@pytest.mark.parametrize("size", [3, 20_000])
def test_transformations(size):
    """Forward and reverse mode see the same sum, also of states that are no part of the differentiation."""
    fixed = states((size,), torch.float64, 3)
    weights = (0.2, 0.3, -0.5)

    def total(x):
        return TorchBackend().combine(fixed[0], 0.1, weights, [fixed[1], x, fixed[2]]).sum()

    expected = torch.full((size,), 0.03, dtype=torch.float64)
    torch.testing.assert_close(torch.func.grad(total)(fixed[0]), expected)
    _, along = torch.func.jvp(total, (fixed[0],), (fixed[1],))
    torch.testing.assert_close(along, (expected * fixed[1]).sum())


def test_norm():
    """The error norm is the eager backend's."""
    import array_api_compat.torch as xp

    for shape in ((), (5,), (2, 3)):
        error, y0, y1 = states(shape, torch.float64, 3)
        for atol in (1e-3, torch.full(shape, 1e-3, dtype=torch.float64)):
            found = TorchBackend().scaled_norm(error, y0, y1, 1e-2, atol)
            torch.testing.assert_close(found, EagerBackend(xp).scaled_norm(error, y0, y1, 1e-2, atol))


def test_derivatives_of_functions():
    """jvp, vjp and jacobian are torch's own."""
    backend = TorchBackend()
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    function = lambda x: torch.stack([x[0] * x[1], x[1] ** 2])  # noqa: E731
    jacobian = torch.tensor([[2.0, 1.0], [0.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(backend.jacobian(function, x), jacobian)
    value, along = backend.jvp(function, x, torch.ones_like(x))
    torch.testing.assert_close(value, function(x))
    torch.testing.assert_close(along, jacobian.sum(dim=1))
    value, pullback = backend.vjp(function, x)
    torch.testing.assert_close(pullback(torch.ones_like(x)), jacobian.sum(dim=0))
