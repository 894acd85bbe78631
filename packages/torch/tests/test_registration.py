"""How evolvent finds the torch backend."""

import subprocess
import sys

import pytest

import evolvent as ev


def test_claims_nothing_before_torch_is_imported():
    """Looking for a backend does not import torch."""
    code = (
        "import sys, numpy as np, evolvent as ev\n"
        "from evolvent_torch._hooks import TorchFactory\n"
        "assert not TorchFactory().claims(np.ones(1))\n"
        "ev.solve(ev.ODEProblem(lambda t, y, p: -y, [1.0], t_span=(0.0, 1.0)), 'Tsit5')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_claims_tensors_alone():
    """Tensors and parameters are torch's, NumPy's arrays are not."""
    torch = pytest.importorskip("torch")
    from evolvent_torch._hooks import TorchFactory

    factory = TorchFactory()
    assert factory.claims(torch.ones(1))
    assert factory.claims(torch.nn.Parameter(torch.ones(1)))
    assert not factory.claims([1.0])
    assert factory.devices()[0] == "cpu"


def test_registered():
    """The entry point brings the backend, so its name is known."""
    pytest.importorskip("torch")
    solution = ev.solve(ev.ODEProblem(lambda t, y, p: -y, [1.0], t_span=(0.0, 1.0)), "Tsit5", backend="torch")
    assert type(solution.y).__module__ == "torch"
