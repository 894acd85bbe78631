"""How evolvent finds the CuPy backend, with and without CuPy."""

import subprocess
import sys

import numpy as np
import pytest

import evolvent as ev
from evolvent_cupy._hooks import CupyFactory


class OfCupy:
    """An object of a class that says it lives in CuPy."""


OfCupy.__module__ = "cupy._core.core"


def test_claims_by_home():
    """What is claimed is told by the class's home, and by that of its bases."""
    factory = CupyFactory()
    assert factory.name == "cupy"
    assert factory.claims(OfCupy())
    assert factory.claims(type("Units", (OfCupy,), {"__module__": "units"})())
    assert not factory.claims(np.ones(1))
    assert not factory.claims([1.0])
    assert not factory.claims(type("Other", (), {"__module__": "cupy_extras"})())


def test_asking_imports_nothing():
    """A solve on NumPy leaves CuPy alone."""
    code = (
        "import sys, numpy as np, evolvent as ev\n"
        "from evolvent_cupy._hooks import CupyFactory\n"
        "assert not CupyFactory().claims(np.ones(1))\n"
        "ev.solve(ev.ODEProblem(lambda t, y, p: -y, [1.0], t_span=(0.0, 1.0)), 'Tsit5')\n"
        "assert 'cupy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.delitem(sys.modules, "evolvent_cupy._backend", raising=False)
    monkeypatch.delattr("evolvent_cupy._backend", raising=False)


@pytest.mark.usefixtures("without_cupy")
def test_cupy_is_missing():
    """Who asks for the backend by name, or for its devices, is told what to install."""
    problem = ev.ODEProblem(lambda t, y, p: -y, [1.0], t_span=(0.0, 1.0))
    with pytest.raises(ev.BackendError, match=r"pip install 'evolvent-cupy\[cuda12\]'"):
        ev.solve(problem, "Tsit5", backend="cupy")
    with pytest.raises(ev.BackendError, match="pip install"):
        CupyFactory().devices()


@pytest.mark.usefixtures("without_cupy")
def test_others_solve_on():
    """That CuPy is missing is no concern of other arrays."""
    problem = ev.ODEProblem(lambda t, y, p: -y, [1.0], t_span=(0.0, 1.0))
    assert ev.solve(problem, "Tsit5").success
