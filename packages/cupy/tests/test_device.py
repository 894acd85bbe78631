"""Solves on a CUDA device."""

import numpy as np
import pytest

import evolvent as ev


def missing():
    """Why there is nothing to run these tests on; empty where there is."""
    try:
        import cupy
    except ImportError:
        return "cupy: not installed"
    try:
        return "" if cupy.cuda.runtime.getDeviceCount() else "cupy: no CUDA device"
    except cupy.cuda.runtime.CUDARuntimeError:
        return "cupy: no CUDA device"


WHY = missing()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(WHY), reason=WHY)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_dtype_and_device(dtype):
    """exp(-1) arrives in y0's dtype and on its device, and stats say where."""
    import cupy

    y0 = cupy.ones(1000, dtype=dtype)
    solution = ev.solve(ev.ODEProblem(lambda t, y, p: -y, y0, t_span=(0.0, 1.0)), "Tsit5")
    assert solution.y.dtype == dtype
    assert solution.y.device == y0.device == solution.t.device
    assert solution.stats.backend == "eager (cupy)"
    assert solution.stats.device == f"cuda:{y0.device.id}"
    np.testing.assert_allclose(cupy.asnumpy(solution.y[-1]), np.exp(-1.0), rtol=1e-4)


def test_as_on_numpy():
    """An event, saved times and a time-dependent right side give what NumPy gives."""
    import cupy

    def f(t, y, p):
        return [y[1], -y[0] * p * t]

    rising = ev.Event(lambda t, y, p: y[0], direction=1)
    solutions = [
        ev.solve(
            ev.ODEProblem(f, xp.asarray([1.0, 0.0]), t_span=(0.0, 6.0), params=2.0, events=[rising]),
            "Tsit5",
            saveat=xp.linspace(0.0, 6.0, 13),
            rtol=1e-8,
            atol=1e-8,
        )
        for xp in (cupy, np)
    ]
    values = [cupy.asnumpy(solution.y) for solution in solutions]
    np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-9)
    times = [cupy.asnumpy(solution.events[0].t) for solution in solutions]
    np.testing.assert_allclose(*times, rtol=1e-9)


def test_one_transfer_a_step(monkeypatch):
    """The control plane asks the device once a step, and twice for the first step's size."""
    import cupy

    from evolvent_cupy import CupyBackend

    asked = []
    to_control = CupyBackend.to_control
    monkeypatch.setattr(
        CupyBackend, "to_control", lambda self, *scalars: asked.append(scalars) or to_control(self, *scalars)
    )
    problem = ev.ODEProblem(lambda t, y, p: -y * t, cupy.ones(1000), t_span=(0.0, 5.0))
    solution = ev.solve(problem, "Tsit5", saveat="end")
    assert len(asked) == solution.stats.n_steps + 2


def test_wrong_library():
    """The backend says that it wants CuPy's arrays."""
    with pytest.raises(ev.BackendError, match=r"cupy\.asarray"):
        ev.solve(ev.ODEProblem(lambda t, y, p: -y, np.ones(1), t_span=(0.0, 1.0)), "Tsit5", backend="cupy")


def test_another_device():
    """Arrays on a device that is not the current one stay there."""
    import cupy

    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("cupy: needs two CUDA devices")
    with cupy.cuda.Device(1):
        y0 = cupy.ones(10)
    y = ev.solve(ev.ODEProblem(lambda t, y, p: -y * t, y0, t_span=(0.0, 1.0)), "Tsit5").y
    assert y.device.id == 1
