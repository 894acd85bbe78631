"""What comes out is of the library, the dtype and the device of what went in."""

import dataclasses

import pytest

import evolvent as ev

torch = pytest.importorskip("torch")

no_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch: no CUDA device")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, no_cuda])])


def decay(t, y, p):
    return -y


@devices
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
def test_dtype_and_device(dtype, device):
    """exp(-1) arrives in y0's dtype and on its device."""
    y0 = torch.ones(3, dtype=dtype, device=device)
    solution = ev.solve(ev.ODEProblem(decay, y0, t_span=(0.0, 1.0)), "Tsit5")
    assert solution.y.dtype == dtype
    assert solution.t.dtype == dtype.to_real()
    assert solution.y.device == y0.device == solution.t.device
    assert solution.stats.backend == "eager (torch)"
    assert solution.stats.device == str(y0.device)
    expected = torch.exp(-solution.t)[:, None].to(dtype).expand(-1, 3)
    torch.testing.assert_close(solution.y, expected, rtol=1e-4, atol=1e-5)


@devices
def test_one_transfer_a_step(device, monkeypatch):
    """The host asks the device for one number a step, and the initial step size for two transfers."""
    fetched = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda x: fetched.append(x) or tolist(x))
    for name in ("item", "__float__", "__bool__", "__int__"):
        monkeypatch.setattr(torch.Tensor, name, lambda x, name=name: pytest.fail(f"{name} was called"))
    y0 = torch.tensor([1.0, 0.0], dtype=torch.float64, device=device)
    problem = ev.ODEProblem(lambda t, y, p: torch.stack([y[1], -y[0] * torch.cos(t)]), y0, t_span=(0.0, 20.0))
    solution = ev.solve(problem, "Tsit5", saveat="end")
    assert solution.stats.n_steps > 50
    # Besides the steps: whether y0 is finite, and the guess of the first step size.
    assert len(fetched) <= solution.stats.n_steps + 3


@pytest.mark.gpu
@no_cuda
def test_nothing_else_waits_for_the_device():
    """CUDA itself sees no more synchronisations than a step's one, and one for each row of a tableau."""
    y0 = torch.ones(1000, dtype=torch.float64, device="cuda")
    problem = ev.ODEProblem(lambda t, y, p: -y * torch.sin(t), y0, t_span=(0.0, 20.0))
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning, match="synchronizing") as seen:
            stats = ev.solve(problem, "Tsit5", saveat="end").stats
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(seen) <= stats.n_steps + 20


@pytest.mark.parametrize("backend", [None, "torch", "eager"])
def test_backends_by_name(backend):
    """The generic eager backend runs tensors as well, and both take NumPy's steps to NumPy's values."""
    y0 = torch.tensor([1.0, 2.0], dtype=torch.float64)
    options = {"saveat": 0.5, "backend": backend}
    problem = ev.ODEProblem(lambda t, y, p: -p * t * y, y0, t_span=(0.0, 3.0), params=torch.tensor(0.5))
    solution = ev.solve(problem, "Tsit5", **options)
    assert solution.stats.backend == "eager (torch)"
    on_numpy = ev.solve(problem.replace(y0=y0.numpy(), params=0.5), "Tsit5", saveat=0.5, backend="eager")
    assert solution.stats.n_steps == on_numpy.stats.n_steps
    torch.testing.assert_close(solution.y, torch.from_numpy(on_numpy.y), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,), (20_000,)])
def test_shapes(shape):
    """A state of any shape, scalars, empty and large ones among them."""
    y0 = torch.ones(shape, dtype=torch.float64)
    y = ev.solve(ev.ODEProblem(decay, y0, t_span=(0.0, 1.0)), "Tsit5", saveat="end", dt=0.01).y
    assert y.shape == (1, *shape)
    torch.testing.assert_close(y[0], torch.exp(torch.tensor(-1.0)).double().expand(shape), rtol=1e-5, atol=1e-7)


def test_default_tolerances_of_single_precision():
    """float32 asks for 1e-4, which it can keep, and takes fewer steps than float64 with 1e-6."""
    steps = {}
    for dtype in (torch.float32, torch.float64):
        y0 = torch.tensor([1.0, 0.0], dtype=dtype)
        problem = ev.ODEProblem(lambda t, y, p: [y[1], -y[0]], y0, t_span=(0.0, 10.0))
        solution = ev.solve(problem, "Tsit5", saveat="end")
        steps[dtype] = solution.stats.n_steps
        expected = torch.cos(torch.tensor(10.0))
        assert abs(solution.y[-1, 0] - expected) < (1e-3 if dtype == torch.float32 else 1e-5)
    assert steps[torch.float32] < steps[torch.float64]


@dataclasses.dataclass
class Rates:
    growth: object
    death: object


def test_structured_state_and_params():
    """Dicts of tensors as state, dataclasses and dicts as params; gradients reach the leaves."""
    params = {"rates": Rates(torch.tensor(0.5, requires_grad=True), torch.tensor(0.2)), "power": 2}
    y0 = {"position": torch.zeros(2, 2), "speed": torch.ones(())}

    def f(t, y, p):
        change = p["rates"].growth * y["speed"] ** p["power"] - p["rates"].death * y["speed"]
        return {"position": y["speed"] * torch.ones(2, 2), "speed": change}

    solution = ev.solve(ev.ODEProblem(f, y0, t_span=(0.0, 0.5), params=params), "Tsit5")
    assert solution.y["position"].shape == (solution.t.shape[0], 2, 2)
    solution.y["position"][-1].sum().backward()
    assert params["rates"].growth.grad > 0.0


def test_plain_numbers_beside_tensors():
    """Numbers in y0 take the dtype of the tensors in params."""
    rate = torch.tensor(2.0, dtype=torch.float64)
    real = ev.ODEProblem(lambda t, y, p: -p * y, [1, 2.0], t_span=(0.0, 1.0), params=rate)
    assert ev.solve(real, "Tsit5").y.dtype == torch.float64
    turning = ev.ODEProblem(lambda t, y, p: 1j * p * y, [1.0 + 0j], t_span=(0.0, 1.0), params=rate)
    assert ev.solve(turning, "Tsit5").y.dtype == torch.complex128


def test_lists_of_tensors():
    """A list of scalar tensors is a state, and leads back to its parts."""
    height = torch.tensor(2.0, requires_grad=True)
    y = ev.solve(ev.ODEProblem(lambda t, y, p: -y, [height, 1.0], t_span=(0.0, 1.0)), "Tsit5").y
    (found,) = torch.autograd.grad(y[-1, 0], height)
    assert found.item() == pytest.approx(0.367879, rel=1e-3)


def test_parameters_as_initial_state():
    """An nn.Parameter may be y0, and gets its gradient."""
    start = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    y = ev.solve(ev.ODEProblem(decay, start, t_span=(0.0, 1.0)), "Tsit5").y
    assert type(y) is torch.Tensor
    y[-1].sum().backward()
    torch.testing.assert_close(start.grad, torch.full_like(start, 0.36787944), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode):
    """Nothing is recorded where the user wants no derivatives."""
    rate = torch.tensor(2.0, requires_grad=True)
    fall = ev.Event(lambda t, y, p: y[0] - 0.5)
    with mode():
        decaying = ev.ODEProblem(lambda t, y, p: -p * y, torch.ones(1), (0.0, 1.0), rate, events=[fall])
        solution = ev.solve(decaying, "Tsit5")
    assert not solution.y.requires_grad
    assert not solution.events[0].t.requires_grad
    assert solution.y[-1].item() == pytest.approx(0.135335, rel=1e-3)


def test_integer_state_becomes_the_default_float():
    """Integers are promoted to torch's default dtype."""
    solution = ev.solve(ev.ODEProblem(decay, torch.ones(2, dtype=torch.int64), t_span=(0.0, 1.0)), "Tsit5")
    assert solution.y.dtype == torch.get_default_dtype()


def test_wrong_library():
    """The torch backend says that it wants tensors."""
    import numpy as np

    with pytest.raises(ev.BackendError, match="as_tensor"):
        ev.solve(ev.ODEProblem(decay, np.ones(2), t_span=(0.0, 1.0)), "Tsit5", backend="torch")


def test_wrong_results_of_f():
    """A result of another library, dtype or shape is named."""
    y0 = torch.ones(2, dtype=torch.float64)
    for f, words in [
        (lambda t, y, p: y.numpy(), "numpy"),
        (lambda t, y, p: y.to(torch.complex128), "complex"),
        (lambda t, y, p: y[:1], "shape"),
        (lambda t, y, p: [y[0]], "1 components"),
    ]:
        with pytest.raises(ev.InputError, match=words):
            ev.solve(ev.ODEProblem(f, y0, t_span=(0.0, 1.0)), "Tsit5")


def test_not_finite():
    """NaN in y0 is refused, as it is on every backend."""
    with pytest.raises(ev.InputError, match="NaN"):
        ev.solve(ev.ODEProblem(decay, torch.tensor([1.0, float("nan")]), t_span=(0.0, 1.0)), "Tsit5")


def test_compiled_problems():
    """What is kept from one run to the next fits every mode of torch in which the next may run."""
    rate = torch.tensor(2.0, dtype=torch.float64)
    problem = ev.ODEProblem(lambda t, y, p: -p * y, torch.ones(1).double(), t_span=(0.0, 1.0), params=rate)
    run = ev.compile(problem, "Tsit5", saveat="end")
    end = lambda rate: run(params=rate).y[-1, 0]  # noqa: E731
    expected = torch.exp(-rate)
    close = {"rtol": 1e-5, "atol": 0.0}
    with torch.inference_mode():
        torch.testing.assert_close(end(rate), expected, **close)
    torch.testing.assert_close(torch.func.grad(end)(rate), -expected, **close)
    torch.testing.assert_close(torch.func.jacfwd(end)(rate), -expected, **close)
    leaf = rate.clone().requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(end(leaf), leaf)[0], -expected, **close)
    torch.testing.assert_close(end(rate), expected, **close)


def test_stepping_by_hand():
    """An integrator's state is a tensor that leads back to the parameters."""
    rate = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    problem = ev.ODEProblem(lambda t, y, p: -p * y, torch.ones(1).double(), t_span=(0.0, 1.0), params=rate)
    integrator = ev.init(problem, "Tsit5")
    integrator.advance_to(0.5)
    (found,) = torch.autograd.grad(integrator.y[0], rate)
    assert found.item() == pytest.approx(-0.5 * 0.36787944, rel=1e-5)
