"""Tensors of torch that want no gradients are solved natively, and come back as what they were."""

from typing import NamedTuple

import numpy as np
import pytest

import evolvent as ev

torch = pytest.importorskip("torch")
pytest.importorskip("evolvent_torch")

F64 = torch.float64
TIGHT = {"rtol": 1e-9, "atol": 1e-9}


def tensor(*values, dtype=F64):
    return torch.tensor(values, dtype=dtype)


def lorenz(t, y, p):
    return torch.stack([p["s"] * (y[1] - y[0]), y[0] * (p["r"] - y[2]) - y[1], y[0] * y[1] - p["b"] * y[2]])


def written(t, y, p):
    dy = torch.zeros(2, dtype=y.dtype)
    dy[0] = y[1]
    dy[1] = -p * torch.sin(y[0])
    return dy


def filled(t, y, p):
    dy = torch.empty_like(y)
    dy[1:] = -y[:-1]
    dy[:1] = y[-1] * p
    return dy.mul_(0.5)


def brusselator(t, y, p):
    def laplacian(u):
        return torch.roll(u, 1, 0) + torch.roll(u, -1, 0) + torch.roll(u, 1, 1) + torch.roll(u, -1, 1) - 4 * u

    u, v = y
    return torch.stack([1 + u**2 * v - 4.4 * u + p * laplacian(u), 3.4 * u - u**2 * v + p * laplacian(v)])


def by_namespace(t, y, p):
    from array_api_compat import array_namespace

    xp = array_namespace(y)
    return xp.concat([xp.flip(y[:2], axis=0), -xp.sin(y[2:]) * xp.exp(-p * t)])


def einsums(t, y, p):
    return torch.einsum("ij,j->i", p, torch.tanh(y)) - torch.linalg.norm(y) * y + (p @ y).clamp(min=-1, max=1)


LAYERS = (
    torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).to(F64).requires_grad_(False)
)

MODELS = {
    "lorenz": (lorenz, tensor(1.0, 0.0, 0.0), {"s": torch.tensor(10.0, dtype=F64), "r": 28.0, "b": 8 / 3}),
    "entries written one by one": (written, tensor(1.0, 0.0), 2.0),
    "slices written": (filled, tensor(1.0, 0.5, 0.25, 2.0), torch.tensor(0.5, dtype=F64)),
    "brusselator": (brusselator, 1.0 + torch.rand(2, 4, 5, dtype=F64, generator=torch.Generator().manual_seed(1)), 0.1),
    "by its namespace": (by_namespace, tensor(1.0, 0.5, 0.25, 2.0), 0.3),
    "products": (einsums, tensor(1.0, -0.5, 0.25), torch.eye(3, dtype=F64).roll(1, 0)),
    "neural network": (lambda t, y, p: LAYERS(y) - p * y, tensor(1.0, -0.5), 0.1),
    "list of scalars": (lambda t, y, p: [y[1], -p * y[0] + 0.1 * torch.cos(t)], tensor(1.0, 0.0), 1.5),
    "scalar": (lambda t, y, p: -p * y, torch.tensor(1.0, dtype=F64), 1.5),
    "softmax": (lambda t, y, p: torch.nn.functional.softplus(y) * torch.softmax(-y, dim=0) - y, tensor(1.0, 2.0), None),
    "solve": (
        lambda t, y, p: torch.linalg.solve(torch.eye(2, dtype=F64) + torch.outer(y, y), -y), tensor(1.0, 0.5), None,
    ),
    "vector by matrix": (lambda t, y, p: torch.tanh(y @ p) @ p.T - y, tensor(1.0, 0.5), torch.ones(2, 3, dtype=F64)),
    "complex": (lambda t, y, p: 1j * p * y - 0.1 * y.conj(), torch.tensor([1.0 + 1j], dtype=torch.complex128), 2.0),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_eager(name):
    """A solve gives natively what it gives in torch, in as many steps."""
    f, y0, p = MODELS[name]
    problem = ev.ODEProblem(f, y0, (0.0, 1.0), p)
    options = {"saveat": 0.25, "dense": True, **TIGHT}
    native, eager = (ev.solve(problem, "Tsit5", backend=b, **options) for b in (None, "torch"))
    assert native.stats.backend == "native", native.stats.note
    assert native.stats.device == "cpu"
    assert native.stats.n_steps == eager.stats.n_steps
    for a, b in ((native.t, eager.t), (native.y, eager.y), (native(0.3), eager(0.3))):
        assert type(a) is torch.Tensor
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


def test_float32():
    """float32 tensors stay float32, though times and step sizes are float64."""
    y0 = tensor(1.0, 0.0, 0.0, dtype=torch.float32)
    problem = ev.ODEProblem(lorenz, y0, (0.0, 1.0), {"s": torch.tensor(10.0), "r": 28.0, "b": 8 / 3})
    native, eager = (
        ev.solve(problem, "Tsit5", backend=b, saveat=torch.linspace(0, 1, 5), rtol=1e-4, atol=1e-4)
        for b in (None, "torch")
    )
    assert native.stats.backend == "native", native.stats.note
    assert native.y.dtype == native.t.dtype == torch.float32
    torch.testing.assert_close(native.y, eager.y, rtol=1e-3, atol=1e-3)


class Ball(NamedTuple):
    height: torch.Tensor
    speed: torch.Tensor


def test_structured_states_events_and_effects():
    """Structured states, events with effects on states and parameters, and dense output are those of torch."""
    bounce = ev.Event(
        lambda t, y, p: y.height,
        effect=lambda t, y, p: (Ball(torch.abs(y.height), -p["e"] * y.speed), {**p, "g": p["g"] * 1.1}),
        direction=-1,
        name="bounce",
    )
    problem = ev.ODEProblem(
        lambda t, y, p: Ball(y.speed, -p["g"] * torch.ones_like(y.height)),
        Ball(torch.tensor(1.0, dtype=F64), torch.tensor(0.0, dtype=F64)),
        (0.0, 2.0),
        {"g": torch.tensor(9.81, dtype=F64), "e": 0.8},
        events=[bounce, ev.Dose(times=[1.5], effect=lambda t, y, p: Ball(y.height, y.speed + 1.0))],
    )
    native, eager = (ev.solve(problem, "Tsit5", backend=b, dense=True, **TIGHT) for b in (None, "torch"))
    assert native.stats.backend == "native", native.stats.note
    times = torch.linspace(0.0, 2.0, 9, dtype=F64)
    pairs = [(native.y, eager.y), (native(times), eager(times)), (native(2.0), eager(2.0))]
    for i in range(2):
        mine, theirs = native.events[i], eager.events[i]
        assert type(mine.t) is torch.Tensor
        torch.testing.assert_close(mine.t, theirs.t)
        pairs.append((mine.y, theirs.y))
    for mine, theirs in pairs:
        assert isinstance(mine, Ball)
        assert type(mine.height) is torch.Tensor
        torch.testing.assert_close(mine.height, theirs.height, rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(mine.speed, theirs.speed, rtol=1e-7, atol=1e-7)


def test_dicts_saved_functions_and_callbacks():
    """A dict of tensors, a function of what is saved, and a callback between steps see tensors."""
    seen = []
    problem = ev.ODEProblem(
        lambda t, y, p: {"a": y["b"], "b": -p * y["a"]}, {"a": tensor(1.0, 2.0), "b": tensor(0.0, 0.0)}, (0.0, 1.0), 2.0
    )
    options = {"saveat": [0.5, 1.0], "save": lambda t, y, p: torch.hypot(y["a"], y["b"]), **TIGHT}
    native, eager = (
        ev.solve(problem, "Tsit5", backend=b, on_step=lambda t, y: seen.append((t, y["a"])), **options)
        for b in (None, "torch")
    )
    assert native.stats.backend == "native", native.stats.note
    assert {type(x) for pair in seen for x in pair} == {torch.Tensor}
    torch.testing.assert_close(native.y, eager.y)
    last = ev.solve(problem, "Tsit5", saveat="end", **TIGHT)
    torch.testing.assert_close(last.y["a"][-1], ev.solve(problem, "Tsit5", backend="torch", **TIGHT).y["a"][-1])


def test_second_order():
    """Second-order problems give pairs of tensors."""
    problem = ev.SecondOrderODEProblem(lambda t, q, v, p: -p * q, tensor(1.0, 0.5), tensor(0.0, 1.0), (0.0, 1.0), 2.0)
    native, eager = (ev.solve(problem, "DPRKN6", backend=b, saveat=0.5, **TIGHT) for b in (None, "torch"))
    assert native.stats.backend == "native", native.stats.note
    for mine, theirs in zip(native.y, eager.y, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_compiled_and_by_hand():
    """A compiled problem takes and gives tensors, and so does one that is stepped by hand."""
    problem = ev.ODEProblem(lorenz, *MODELS["lorenz"][1:2], (0.0, 1.0), MODELS["lorenz"][2])
    run = ev.compile(problem, "Tsit5", saveat="end", **TIGHT)
    for start in (tensor(1.0, 2.0, 3.0), tensor(0.5, 0.5, 9.0)):
        eager = ev.solve(problem.replace(y0=start), "Tsit5", backend="torch", saveat="end", **TIGHT)
        torch.testing.assert_close(run(y0=start).y, eager.y, rtol=1e-7, atol=1e-7)
    assert run().stats.backend == "native"
    rate = torch.tensor(10.0, dtype=F64, requires_grad=True)
    last = run(params=MODELS["lorenz"][2] | {"s": rate}).y[-1, 0]
    assert torch.autograd.grad(last, rate)[0].isfinite()
    integrator = ev.init(problem, "Tsit5", **TIGHT)
    integrator.advance_to(0.5)
    assert type(integrator.y) is torch.Tensor
    assert type(integrator.params["s"]) is torch.Tensor
    torch.testing.assert_close(integrator.y, ev.solve(problem, "Tsit5", **TIGHT)(0.5), rtol=1e-6, atol=1e-6)


def test_results_share_memory():
    """Tensors enter and leave without being copied."""
    from evolvent_native._foreign import torch_arrays

    x = torch.ones(1000, dtype=F64)
    assert torch_arrays.enter(x).__array_interface__["data"][0] == x.data_ptr()
    assert torch_arrays.leave(torch_arrays.enter(x)).data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (lambda t, y, p: -y if y[0] > 0.5 else -2 * y, "torch.where"),
        (lambda t, y, p: torch.from_numpy(-y.numpy()), "numpy"),
        (lambda t, y, p: -y * torch.rand(()).to(F64) * 0 - y, "draw numbers"),
        (lambda t, y, p: -y * (1.0 + 0.0 * torch.special.erf(y)), "erf"),
    ],
)
def test_what_cannot_be_staged_runs_in_torch(f, why):
    """A function that can't be staged runs in torch, and the statistics say why."""
    solution = ev.solve(ev.ODEProblem(f, tensor(1.0), (0.0, 1.0)), "Tsit5")
    assert solution.stats.backend == "eager (torch)"
    assert why in solution.stats.note
    assert type(solution.y) is torch.Tensor


def test_gradients():
    """Tensors that want gradients are solved in torch, and get them."""
    rate = torch.tensor(2.0, dtype=F64, requires_grad=True)
    y0 = tensor(1.0)
    problem = ev.ODEProblem(lambda t, y, p: -p * y, y0, (0.0, 1.0), rate)
    solution = ev.solve(problem, "Tsit5", **TIGHT)
    assert solution.stats.backend == "eager (torch)"
    solution.y[-1, 0].backward()
    np.testing.assert_allclose(rate.grad.item(), -np.exp(-2.0), rtol=1e-7)
    with torch.no_grad():
        assert ev.solve(problem, "Tsit5").stats.backend == "native"

    def final(rate):
        return ev.solve(problem.replace(params=rate), "Tsit5", saveat="end", **TIGHT).y[-1, 0]

    np.testing.assert_allclose(torch.func.grad(final)(rate.detach()).item(), -np.exp(-2.0), rtol=1e-7)


def test_gradients_of_what_a_function_holds():
    """A function whose own tensors want gradients is solved in torch, and they get them."""
    layer = torch.nn.Linear(1, 1, bias=False).to(F64)
    solution = ev.solve(ev.ODEProblem(lambda t, y, p: layer(y), tensor(1.0), (0.0, 1.0)), "Tsit5", **TIGHT)
    assert "gradients" in solution.stats.note
    solution.y[-1, 0].backward()
    weight = layer.weight.item()
    np.testing.assert_allclose(layer.weight.grad.item(), np.exp(weight), rtol=1e-6)


def test_changed_closures_are_seen():
    """A tensor that a function closes over is read in each solve."""
    rate = tensor(1.0)
    problem = ev.ODEProblem(lambda t, y, p: -rate * y, tensor(1.0), (0.0, 1.0))
    for value in (1.0, 2.0):
        rate.fill_(value)
        solution = ev.solve(problem, "Tsit5", **TIGHT)
        assert solution.stats.backend == "native"
        np.testing.assert_allclose(solution.y[-1].item(), np.exp(-value), rtol=1e-7)


def test_ensembles():
    """Ensembles of tensors are solved, and stay tensors."""
    problem = ev.ODEProblem(lambda t, y, p: -p * y, tensor(1.0), (0.0, 1.0), torch.tensor(1.0, dtype=F64))
    rates = torch.linspace(1.0, 2.0, 4, dtype=F64)
    solution = ev.solve(ev.EnsembleProblem(problem, params=rates), "Tsit5", saveat=[1.0], **TIGHT)
    assert isinstance(solution.y, torch.Tensor)
    torch.testing.assert_close(solution.y[:, -1, 0], torch.exp(-rates), rtol=1e-6, atol=1e-6)


def test_unsuitable_tensors_are_refused_by_name():
    """Asking for the native backend with tensors that want gradients says why that can't be."""
    problem = ev.ODEProblem(lambda t, y, p: -y, tensor(1.0).requires_grad_(), (0.0, 1.0))
    with pytest.raises(ev.BackendError, match="wants gradients"):
        ev.solve(problem, "Tsit5", backend="native")
