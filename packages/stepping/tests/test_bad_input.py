"""Bad input: the error names the argument, what was given, and what to do."""

import numpy as np
import pytest

import evolvent as ev


def decay(t, y, p):
    return -y


def problem(**changes):
    return ev.ODEProblem(**({"f": decay, "y0": [1.0, 2.0], "t_span": (0.0, 1.0)} | changes))


def error_of(message, algorithm="Tsit5", options=None, **changes):
    with pytest.raises(ev.InputError, match=message) as caught:
        ev.solve(problem(**changes), algorithm, **(options or {}))
    return caught.value


def test_errors_are_value_errors_that_name_their_argument():
    """InputError is a ValueError with .argument."""
    error = error_of("^rtol: must be positive, got -1.0", options={"rtol": -1.0})
    assert isinstance(error, ValueError)
    assert error.argument == "rtol"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": 0.0}, "^rtol: must be positive, got 0.0"),
        ({"rtol": float("nan")}, "^rtol: must be positive, got nan"),
        ({"rtol": "tight"}, "^rtol: must be positive"),
        ({"atol": -1e-6}, "^atol: must not be negative, got -1e-06"),
        ({"atol": float("nan")}, "^atol: must not be negative, got nan"),
        ({"atol": np.ones(3)}, r"^atol: must be a number or like y0.*\(3,\).*\(2,\)"),
        ({"atol": np.array([1.0, -1.0])}, "^atol: has negative entries"),
        ({"dt": 0.0}, "^dt: must be positive, got 0.0"),
        ({"dt": -0.1}, "^dt: must be positive, got -0.1"),
        ({"min_step": -1.0}, "^min_step: must be positive"),
        ({"min_step": 1.0, "max_step": 0.5}, "^min_step: must not exceed max_step = 0.5, got 1.0"),
        ({"max_step": 0.0}, "^max_step: must be positive"),
        ({"max_steps": 0}, "^max_steps: must be a positive integer, got 0"),
        ({"max_steps": 10.5}, "^max_steps: must be a positive integer, got 10.5"),
        ({"wall_time": -1.0}, "^wall_time: must be positive"),
        ({"save": 3}, "^save: must be a function, got 3"),
        ({"on_step": "now"}, "^on_step: must be a function, got 'now'"),
        ({"saveat": [0.5, 0.2]}, r"^saveat: must be sorted in the direction of t_span\. Give np\.sort"),
        ({"saveat": [0.5, 1.5]}, r"^saveat: .*1\.5.* lies outside t_span = \(0\.0, 1\.0\)"),
        ({"saveat": [-0.5, 0.5]}, r"^saveat: .*-0\.5.* lies outside t_span"),
        ({"saveat": [0.5, float("nan")]}, "^saveat: has NaN"),
        ({"saveat": []}, "^saveat: must be a one-dimensional array of times"),
        ({"saveat": np.ones((2, 2))}, r"^saveat: must be a one-dimensional array of times, got shape \(2, 2\)"),
        ({"saveat": 0.0}, "^saveat: a spacing must be positive, got 0.0"),
        ({"saveat": "start"}, "^saveat: must be times, a spacing or 'end', got 'start'"),
        ({"t_stops": ["noon"]}, "^t_stops: must be times, got"),
        ({"t_stops": [float("nan")]}, "^t_stops: has NaN"),
        ({"saveta": [0.5]}, "^saveta: Tsit5 has no such option. Did you mean 'saveat'?"),
        ({"t_eval": [0.5]}, "^t_eval: Tsit5 has no such option. Give saveat="),
        ({"args": (1.0,)}, "^args: Tsit5 has no such option. Give them to the problem as params="),
        ({"method": "RK45"}, "^method: .* Give the algorithm as the second argument"),
        ({"dense_output": True}, "^dense_output: .* Give dense=True"),
        ({"first_step": 0.1}, "^first_step: .* Give dt="),
        ({"dt0": 0.1}, "^dt0: .* Give dt="),
        ({"max_nfev": 10}, "^max_nfev: .* Give max_steps="),
        ({"stepsize_controller": None}, "^stepsize_controller: .* Give rtol= and atol="),
        ({"callback": print}, "^callback: .* Give events= to the problem"),
        ({"linear_solver": "dense"}, "^linear_solver: .* Give it to the algorithm"),
        ({"jac": None}, "^jac: .* Give the problem jacobian="),
        ({"stiff": True}, "^stiff: Tsit5 has no such option. Give stiff= to the problem"),
        ({"colour": "red"}, "^colour: Tsit5 has no such option. There are rtol, atol, saveat"),
    ],
)
def test_options(options, message):
    """Every option is checked before the first step."""
    error_of(message, options=options)


def test_backward_saveat():
    """Backward in time the order of saveat is backward too."""
    error_of(
        r"^saveat: must be sorted in the direction of t_span.*\[::-1\]",
        options={"saveat": [0.2, 0.5]},
        t_span=(1.0, 0.0),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y0": [1.0, float("nan")]}, "^y0: has NaN or infinite entries: .* Give finite initial values"),
        ({"y0": [1.0, float("inf")]}, "^y0: has NaN or infinite entries"),
        ({"y0": np.array([1.0, np.nan])}, "^y0: has NaN or infinite entries"),
        ({"y0": {"a": np.nan}}, "^y0: has NaN"),
        ({"y0": []}, "^y0: has no entries"),
        ({"y0": ["one"]}, "^y0: must hold numbers, got 'one'"),
        ({"y0": np.array(["one"])}, "^y0: must hold numbers, got an array of dtype"),
        ({"y0": None}, "^y0: "),
        ({"y0": [[1.0, 2.0], [3.0]]}, "^y0: can't be made an array"),
        ({"t_span": (0.0, 0.0)}, r"^t_span: has zero length: \(0\.0, 0\.0\)"),
        ({"t_span": (0.0, float("nan"))}, "^t_span: must be finite"),
        ({"t_span": (0.0, float("inf"))}, "^t_span: must be finite, .* A terminal Event ends a solve early"),
        ({"t_span": (0.0,)}, r"^t_span: must be a pair \(start, end\)"),
        ({"t_span": 3.0}, r"^t_span: must be a pair \(start, end\), got 3\.0"),
        ({"t_span": ("a", "b")}, "^t_span: must hold two real numbers"),
        ({"t_span": (0.0, 1j)}, "^t_span: must hold two real numbers"),
        ({"f": 3}, r"^f: must be a function \(t, y, params\), got 3"),
        ({"events": [3]}, "^events: must be a sequence of ev.Event and ev.Dose"),
        ({"events": 3}, "^events: must be a sequence of ev.Event and ev.Dose"),
        ({"discontinuities": "x"}, "^discontinuities: must be times"),
        ({"domain": 3}, "^domain: must be"),
        ({"domain": ev.NonNegative([5])}, r"^domain: .*component 5"),
        ({"domain": ev.NonNegative(), "y0": [-1.0, 1.0]}, "^y0: has negative entries, but domain="),
        ({"domain": ev.NonNegative(), "y0": [1j, 1.0]}, "^domain: a complex state"),
    ],
)
def test_problems(changes, message):
    """Problems are checked when they are made, or before the first step."""
    error_of(message, **changes)


def test_events_and_doses():
    """Events are checked when they are made."""
    with pytest.raises(ev.InputError, match=r"^condition: .*got 3"):
        ev.Event(3)
    with pytest.raises(ev.InputError, match=r"^effect: .*got 3"):
        ev.Event(decay, 3)
    with pytest.raises(ev.InputError, match=r"^direction: must be -1, 0 or 1, got 2"):
        ev.Event(decay, direction=2)
    with pytest.raises(ev.InputError, match=r"^terminal: must be False, True or a positive count, got -1"):
        ev.Event(decay, terminal=-1)
    with pytest.raises(ev.InputError, match=r"^effect: .*got None"):
        ev.Dose([1.0], None)
    error_of("^times: must be times", events=[ev.Dose("noon", decay)])
    error_of("^times: has NaN", events=[ev.Dose([np.nan], decay)])


def test_second_order_problems():
    """q0 and v0 have one shape, a is a function."""
    with pytest.raises(ev.InputError, match=r"^v0: must have the shape of q0, \(1,\), got \(2,\)"):
        ev.SecondOrderODEProblem(lambda t, q, v, p: q, [1.0], [1.0, 2.0], (0.0, 1.0))
    with pytest.raises(ev.InputError, match=r"^a: must be a function \(t, q, v, params\)"):
        ev.SecondOrderODEProblem(3, [1.0], [1.0], (0.0, 1.0))


def test_replace_checks_as_making_does():
    """problem.replace names unknown fields and checks new values."""
    with pytest.raises(ev.InputError, match=r"^y1: ODEProblem has no such field; it has f, y0, t_span"):
        problem().replace(y1=3)
    with pytest.raises(ev.InputError, match=r"^t_span: has zero length"):
        problem().replace(t_span=(1.0, 1.0))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda t, y, p: y[:1], r"^f: returned shape \(1,\) where \(2,\) is needed"),
        (lambda t, y, p: [y[0]], r"^f: returned 1 components where shape \(2,\) is needed"),
        (lambda t, y, p: [y, y], r"^f: returned a component of shape \(2,\) where \(\) is needed"),
        (lambda t, y, p: 1.0, r"^f: returned shape \(\) where \(2,\) is needed"),
        (lambda t, y, p: None, r"^f: returned None where numbers are needed\. Did a return statement get lost\?"),
        (lambda t, y, p: "fast", "^f: returned 'fast' where numbers are needed"),
        (lambda t, y, p: ["fast", 1.0], "^f: returned 'fast' where numbers are needed"),
        (lambda t, y, p: [1j, 0.0], "^f: returned complex values, but y is real. Give y0 a complex dtype"),
        (lambda t, y, p: {"a": y}, "^f: returned {'a'"),
    ],
)
def test_what_f_returns(numpy_or_jax, double, f, message):
    """The first call of f tells whether it returns an array like y."""
    error_of(message, f=f, y0=double(numpy_or_jax, [1.0, 2.0]))


def test_the_dtype_that_f_returns(xp):
    """A float64 derivative of a float32 state, and a complex one of a real state, are errors."""
    y0 = xp.asarray([1.0, 2.0], dtype=xp.float32)
    error_of(
        "^f: returned .*float64, but y is .*float32. Give y0 and params one dtype",
        f=lambda t, y, p: xp.astype(y, xp.float64) if hasattr(xp, "astype") else y.to(xp.float64),
        y0=y0,
    )
    error_of(
        "^f: returned .*complex.*, but y is .*float32. Give y0 a complex dtype",
        f=lambda t, y, p: xp.asarray([1j, 1j], dtype=xp.complex64),
        y0=y0,
    )


def test_the_structure_that_f_returns():
    """A nested state wants a derivative of its structure."""
    error_of("^f: must have the structure of y0, .*got", f=lambda t, y, p: {"b": y["a"]}, y0={"a": 1.0})
    error_of(r"^f: returned shape \(1,\) where \(2,\)", f=lambda t, y, p: {"a": y["a"][:1]}, y0={"a": np.ones(2)})


def test_f_of_another_library():
    """`f` that turns torch into NumPy is told so."""
    torch = pytest.importorskip("torch")
    y0 = torch.tensor([1.0, 2.0], dtype=torch.float64)
    error_of(
        "^f: returned an array of numpy, but y is one of torch. Use operations of y's own library",
        f=lambda t, y, p: np.ones(2),
        y0=y0,
    )
    error_of("^f: returned an array of torch, but y is one of numpy", f=lambda t, y, p: y0, y0=np.ones(2))


def test_mixed_libraries():
    """Arrays of two libraries in one problem are an error that names both."""
    torch = pytest.importorskip("torch")
    strict = pytest.importorskip("array_api_strict")
    for y0, params in ((torch.ones(2), np.ones(2)), (np.ones(2), {"k": torch.ones(1)})):
        with pytest.raises(
            ev.BackendError, match=r"^y0, params: arrays of numpy and torch meet.* Convert them all to one library"
        ):
            ev.solve(problem(y0=y0, params=params), "Tsit5")
    with pytest.raises(ev.BackendError, match="arrays of array_api_strict and torch meet"):
        ev.solve(problem(y0={"a": torch.ones(2), "b": strict.ones(2)}), "Tsit5")


def test_mixed_devices():
    """Arrays of two devices in one problem are an error that names both."""
    strict = pytest.importorskip("array_api_strict")
    other = strict.ones(2, device=strict.Device("device1"))
    with pytest.raises(
        ev.BackendError, match=r"arrays on .*CPU_DEVICE.* and .*device1.* meet.* Move them to one device"
    ):
        ev.solve(problem(y0=strict.ones(2), params=other), "Tsit5")


def test_backends_by_name():
    """An unknown backend's error lists those that are installed."""
    with pytest.raises(
        ev.BackendError,
        match=r"^backend: no installed backend is named 'fortran'; there are \[.*'eager'.*pip install evolvent-fortran",
    ):
        ev.solve(problem(), "Tsit5", backend="fortran")
    assert ev.solve(problem(), "Tsit5", backend="eager").stats.backend.startswith("eager")


def test_algorithms():
    """An algorithm that can't do what is asked says what it can."""
    with pytest.raises(
        ev.InputError,
        match=r"^algorithm: VelocityVerlet solves SecondOrderODEProblem, not ODEProblem. Leave the algorithm out",
    ):
        ev.solve(problem(), "VelocityVerlet", dt=0.1)
    with pytest.raises(ev.InputError, match=r"^algorithm: must be an algorithm, its name or None, got 5"):
        ev.solve(problem(), 5)
    with pytest.raises(ev.InputError, match=r"^dt: RK4 takes fixed steps and needs their size. Give dt="):
        ev.solve(problem(), "RK4")
    with pytest.raises(ev.InputError, match=r"^adaptive: RK4 has no error estimate. Leave adaptive out and give dt="):
        ev.solve(problem(), "RK4", adaptive=True)
    with pytest.raises(ev.InputError, match=r"^dt: Tsit5 takes fixed steps"):
        ev.solve(problem(), "Tsit5", adaptive=False)


def test_unknown_algorithms():
    """Near names are offered, and the package that would bring a known one."""
    with pytest.raises(
        ev.UnknownAlgorithmError,
        match=r"^algorithm: no installed plugin has an algorithm named 'Tsit6'. Did you mean 'Tsit5'",
    ):
        ev.solve(problem(), "Tsit6")
    with pytest.raises(ev.UnknownAlgorithmError, match="Did you mean 'Tsit5'"):
        ev.solve(problem(), "tsit5")
    with pytest.raises(ev.UnknownAlgorithmError, match="RK45 is called 'DP5' here"):
        ev.solve(problem(), "RK45")


def test_one_argument_too_many():
    """A function that takes other arguments is refused with its signature, before it is called."""
    error_of(r"^f: must take \(t, y, params\), but its signature is \(t, y\)\.$", f=lambda t, y: -y)
