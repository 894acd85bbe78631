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


def staged(function, *arguments):
    """What the graph of a function gives."""
    from evolvent_native._foreign import torch_arrays
    from evolvent_native._interpret import run

    made = torch_arrays.stage(function, arguments, None)
    return torch.from_numpy(np.array(run(made.graph, [x.numpy() for x in arguments])[0]))


def energy(x):
    return torch.tanh(x).sum() * torch.sigmoid(x[0]) + torch.nn.functional.silu(x).prod() + torch.relu(x) @ x


def by_autograd(x):
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        return torch.autograd.grad(energy(z), z)[0]


def triangles(x):
    a = torch.outer(x, x)
    return torch.tril(a, -1) + torch.triu(a, 1).T + torch.diag(x) * torch.trace(a)


FUNCTIONS = {
    "gradients": torch.func.grad(energy),
    "gradients by autograd": by_autograd,
    "jacobian": lambda x: torch.func.jacfwd(lambda z: torch.sin(z) * z)(x) @ x,
    "hessian": lambda x: torch.func.hessian(lambda z: torch.sin(z).sum() * z[0])(x),
    "vmap": lambda x: torch.vmap(lambda a, b: torch.dot(a, x) - b**3)(torch.outer(x, x), x),
    "index": lambda x: torch.outer(x, x)[torch.tensor([0, 2]), torch.tensor([1, 3])] + x[[0, 1]],
    "joined": lambda x: torch.hstack([x, x.flip(0)]).chunk(4)[1] * torch.vstack([x, x])[:, 1:3].sum(0),
    "triangles": triangles,
    "reductions": lambda x: torch.stack([
        x.max(), x.min(0).values, x.prod(), x.var(), x.std(correction=0), x.norm(), torch.logsumexp(x, 0),
        x.abs().mean(), torch.linalg.norm(x, ord=1), x.amax(), torch.diff(x).sum(), torch.trapezoid(x),
    ]),
    "rounding": lambda x: torch.round(3 * x) + torch.floor(x) / 2 + x % 0.3 - torch.fmod(x, 0.3) + x // 0.2,
    "promotion": lambda x: (x > 0).sum() / 3 + x.to(torch.float32) * torch.tensor(0.1, dtype=F64) + torch.arange(4),
    "powers": lambda x: x**2 + 2.0**x + x.abs() ** 0.5 + torch.pow(x, 3) + 1 / x + x.exp().sqrt().rsqrt(),
    "padding": lambda x: torch.nn.functional.pad(torch.outer(x, x), (1, -1, 0, 2), value=0.5).cumsum(1),
    "matrices": lambda x: torch.linalg.inv(torch.eye(4) + torch.outer(x, x)) @ x + torch.linalg.det(torch.diag(x) + 1),
    "batched": lambda x: torch.einsum("bij,bj->bi", torch.ones(3, 2, 4) * x, torch.ones(3, 4) * x),
    "choices": lambda x: torch.where((x > 0) ^ (x < 0.5), torch.logaddexp(x, x * 2), x.masked_fill(x < 0, 0.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    """What torch's functions compute is what their graphs compute."""
    torch.set_default_dtype(F64)
    try:
        x = tensor(0.3, -0.7, 1.2, 0.4)
        torch.testing.assert_close(staged(FUNCTIONS[name], x), FUNCTIONS[name](x), rtol=1e-10, atol=1e-10)
    finally:
        torch.set_default_dtype(torch.float32)


PARTS = {
    "entry": lambda a: a[1, 2],
    "row": lambda a: a[1],
    "column": lambda a: a[:, 1],
    "block": lambda a: a[1:, ::2],
    "transposed": lambda a: a.T[1],
    "diagonal": lambda a: a.diagonal(),
    "upper diagonal": lambda a: torch.diagonal(a, 1),
    "lower diagonal": lambda a: torch.diagonal(a, -1),
    "flat": lambda a: a.view(-1)[2:9],
    "reshaped": lambda a: a.reshape(2, 6)[1],
    "reshaped copy": lambda a: a.T.reshape(-1)[:3],
    "reshaped copy of a block": lambda a: a[:, :2].reshape(-1)[:3],
    "contiguous copy": lambda a: a.T.contiguous()[0],
    "split": lambda a: a.split(2)[1],
    "unbound": lambda a: a.unbind(1)[2],
    "squeezed": lambda a: a[:, None].squeeze(1)[0],
    "permuted": lambda a: a[None].permute(2, 0, 1)[3],
    "copied": lambda a: a.clone()[0],
    "flipped": lambda a: a.flip(0)[0],
    "padded": lambda a: torch.nn.functional.pad(a, (0, 0))[0],
    "gathered": lambda a: a[[0, 1]][0],
    "detached": lambda a: a.detach()[2],
}


@pytest.mark.parametrize("name", PARTS)
def test_writing_to_parts(name):
    """What is written to a part of a tensor is seen in the whole where torch shares memory, and only there."""

    def written(x):
        whole = torch.outer(x[:3], x)
        part = PARTS[name](whole)
        part.mul_(2.0)
        part += 1.0
        return whole

    x = tensor(0.3, -0.7, 1.2, 0.4)
    torch.testing.assert_close(staged(written, x), written(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.complex128], ids=str)
def test_derivatives(dtype):
    """While tensors record, derivatives of functions of tensors are the compiler's own, of the tensors' dtype."""
    from evolvent.sparse import Pattern
    from evolvent_native._compiled import Call
    from evolvent_native._program import Programs

    def f(x):
        return torch.stack([x[0] * x[1], torch.sin(x[1]), x[2] ** 2 + x[0]])

    x = tensor(0.5, 2.0, -1.0, dtype=dtype)
    b = ev.choose_backend("native", x)
    exact = np.array([[2.0, 0.5, 0.0], [0.0, np.cos(2.0), 0.0], [1.0, 0.0, -2.0]])
    pattern = Pattern.from_matrix(exact)
    wanted = {
        "jacobian": (lambda x, t: b.jacobian(f, x), exact),
        "sparse": (lambda x, t: b.sparse_jacobian(f, x, pattern), exact[pattern.rows, pattern.columns]),
        "product": (lambda x, t: b.jvp(f, x, x)[1], exact @ x.numpy()),
        "by time": (lambda x, t: b.time_derivative(lambda t: f(x) * b.time(t, x) ** 2, t, x), 4.0 * f(x).numpy()),
    }
    for name, (derivative, value) in wanted.items():
        found = Programs(None, Call(), {"f": b.stage(derivative, (x, 2.0))})(x.numpy(), 2.0)
        assert found.dtype == x.numpy().dtype, name
        np.testing.assert_allclose(found, value, rtol=1e-5 if dtype == torch.float32 else 1e-12, err_msg=name)
