"""Autograd through a solve agrees with central differences."""

from typing import Any

import pytest

import evolvent as ev

torch = pytest.importorskip("torch")

TIGHT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}


def tensor(value):
    return torch.tensor(value, dtype=torch.float64)


def central_difference(function, x, size=1e-5):
    """The gradient of a scalar function of a tensor, entry by entry."""
    parts = []
    for i in range(x.numel()):
        step = torch.zeros_like(x).reshape(-1)
        step[i] = size
        step = step.reshape(x.shape)
        parts.append((function(x + step) - function(x - step)) / (2.0 * size))
    return torch.stack(parts).reshape(x.shape).detach()


def autograd(function, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x), x)[0]


def check(function, x):
    """The gradient by torch's graph, by torch.func in both modes, and by differences are one."""
    expected = central_difference(function, x)
    tolerance = {"rtol": 1e-6, "atol": 1e-6}
    torch.testing.assert_close(autograd(function, x), expected, **tolerance)
    torch.testing.assert_close(torch.func.grad(function)(x), expected, **tolerance)
    torch.testing.assert_close(torch.func.jacrev(function)(x), expected, **tolerance)
    torch.testing.assert_close(torch.func.jacfwd(function)(x), expected, **tolerance)
    _, along = torch.func.jvp(function, (x,), (torch.ones_like(x),))
    torch.testing.assert_close(along, expected.sum(), **tolerance)


def lotka_volterra(t, y, p):
    hares, lynx = y
    return [p[0] * hares - p[1] * hares * lynx, p[3] * hares * lynx - p[2] * lynx]


def test_rates_of_lotka_volterra():
    """The mean of a populations' history has the right derivatives with respect to all four rates."""
    y0 = tensor([33.956, 5.933])
    times = torch.linspace(1.0, 10.0, 10)

    def mean(rates):
        problem = ev.ODEProblem(lotka_volterra, y0, t_span=(0.0, 10.0), params=rates)
        return ev.solve(problem, "Tsit5", saveat=times, **TIGHT).y.mean()

    check(mean, tensor([0.55, 0.028, 0.80, 0.024]))


def layers(flat):
    """A net with 2 inputs, 5 hidden units and 2 outputs, of one vector."""
    return {
        "w1": flat[:10].reshape(2, 5),
        "b1": flat[10:15],
        "w2": flat[15:25].reshape(5, 2),
        "b2": flat[25:27],
    }


def net(t, y, p):
    return torch.tanh(y @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]


def test_weights_and_initial_state_of_a_neural_ode():
    """The end of a neural ODE has the right derivatives with respect to every weight and to y0."""
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(29, dtype=torch.float64, generator=generator) / 2.0

    def end(x):
        problem = ev.ODEProblem(net, x[27:], t_span=(0.0, 1.5), params=layers(x[:27]))
        return (ev.solve(problem, "Tsit5", saveat="end", **TIGHT).y ** 2).sum()

    check(end, flat)


def bouncing_ball(x):
    """A ball that is dropped, with x = (restitution, gravity, initial height)."""
    effect = lambda t, y, p: torch.stack([torch.zeros_like(y[0]), -p[0] * y[1]])  # noqa: E731
    bounce = ev.Event(lambda t, y, p: y[0], effect, direction=-1)
    y0 = torch.stack([x[2], torch.zeros_like(x[2])])
    return ev.ODEProblem(lambda t, y, p: [y[1], -p[1]], y0, t_span=(0.0, 2.0), params=x, events=[bounce])


@pytest.mark.parametrize("component", [0, 1])
def test_bouncing_ball(component):
    """Height and speed after two bounces have the right derivatives, to which the event times contribute."""

    def end(x):
        solution = ev.solve(bouncing_ball(x), "Tsit5", saveat="end", **TIGHT)
        assert len(solution.events[0].t) == 2
        return solution.y[-1, component]

    check(end, tensor([0.8, 9.81, 1.5]))


def test_derivative_of_the_time_of_a_terminal_event():
    """A falling ball hits the ground after sqrt(2 h / g)."""
    x = tensor([3.0, 9.81]).requires_grad_()
    ground = ev.Event(lambda t, y, p: y[0], terminal=True, direction=-1)
    y0 = torch.stack([x[0], torch.zeros_like(x[0])])
    fall = ev.ODEProblem(lambda t, y, p: [y[1], -p[1]], y0, t_span=(0.0, 5.0), params=x, events=[ground])
    solution = ev.solve(fall, "Tsit5", **TIGHT)
    (found,) = torch.autograd.grad(solution.events[0].t[0], x, retain_graph=True)
    (expected,) = torch.autograd.grad(torch.sqrt(2.0 * x[0] / x[1]), x)
    torch.testing.assert_close(found, expected)
    (speed,) = torch.autograd.grad(solution.y[-1, 1], x)
    (expected,) = torch.autograd.grad(-torch.sqrt(2.0 * x[0] * x[1]), x)
    torch.testing.assert_close(speed, expected)


def test_event_of_a_closure():
    """A threshold that only the condition knows, and no argument of the problem, gets its derivative."""
    threshold = tensor(0.5).requires_grad_()
    reach = ev.Event(lambda t, y, p: y[0] - threshold, terminal=True)
    decay = ev.ODEProblem(lambda t, y, p: -y, tensor([1.0]), t_span=(0.0, 5.0), events=[reach])
    time = ev.solve(decay, "Tsit5", **TIGHT).events[0].t[0]
    (found,) = torch.autograd.grad(time, threshold)
    assert found.item() == pytest.approx(-2.0, rel=1e-6)


def test_modules_in_closures():
    """The parameters of a module that f closes over get the gradients that they would get as params."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
    names = dict(module.named_parameters())
    y0 = tensor([2.0, 0.0])
    closed = ev.ODEProblem(lambda t, y, p: module(y), y0, t_span=(0.0, 1.0))
    functional = lambda t, y, p: torch.func.functional_call(module, p, y)  # noqa: E731
    opened = ev.ODEProblem(functional, y0, t_span=(0.0, 1.0), params=names)
    ends = [ev.solve(problem, "Tsit5").y[-1].sum() for problem in (closed, opened)]
    gradients = [torch.autograd.grad(end, list(names.values())) for end in ends]
    for one, other in zip(*gradients, strict=True):
        assert one.abs().sum() > 0.0
        torch.testing.assert_close(one, other)


def test_dense_output():
    """Values between the steps carry derivatives too."""

    def middle(rate):
        problem = ev.ODEProblem(lambda t, y, p: -p * y, tensor([1.0]), t_span=(0.0, 1.0), params=rate)
        return ev.solve(problem, "Tsit5", **TIGHT)(0.456)[0]

    check(middle, tensor(2.0))


def test_saved_functions():
    """What save= computes of the state carries derivatives."""

    def energy(x):
        problem = ev.ODEProblem(lambda t, y, p: [y[1], -p * y[0]], tensor([1.0, 0.0]), t_span=(0.0, 1.0), params=x)
        return ev.solve(problem, "Tsit5", saveat="end", save=lambda t, y, p: p * y[0] ** 2, **TIGHT).y[-1]

    check(energy, tensor(1.7))


def test_second_derivatives():
    """exp(-k) has the second derivative exp(-k)."""

    def end(rate):
        problem = ev.ODEProblem(lambda t, y, p: -p * y, tensor([1.0]), t_span=(0.0, 1.0), params=rate)
        return ev.solve(problem, "Tsit5", saveat="end", **TIGHT).y[-1, 0]

    rate = tensor(0.7)
    torch.testing.assert_close(torch.func.hessian(end)(rate), torch.exp(-rate), rtol=1e-6, atol=1e-8)


def test_vmap_names_ensembles():
    """Under vmap torch hides what the step size depends on: the error says what to use instead."""

    def end(rate):
        problem = ev.ODEProblem(lambda t, y, p: -p * y, tensor([1.0]), t_span=(0.0, 1.0), params=rate)
        return ev.solve(problem, "Tsit5", saveat="end").y[-1, 0]

    with pytest.raises(ev.BackendError, match="EnsembleProblem"):
        torch.func.vmap(end)(tensor([1.0, 2.0]))
    with pytest.raises(ev.BackendError, match="EnsembleProblem"):
        torch.func.vmap(torch.func.grad(end))(tensor([1.0, 2.0]))
