"""Array namespaces for the tests of the driver."""

from importlib import import_module

import numpy as np
import pytest

NAMESPACES = ["numpy", "native", "array_api_strict", "torch", "jax.numpy"]


@pytest.fixture(autouse=True)
def _by_the_library_itself(monkeypatch):
    """Solves run by the array library, but for those of the namespace "native"."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "off")


def load(name, monkeypatch=None):
    if name == "native":
        pytest.importorskip("evolvent_native", reason="evolvent-native is not installed")
        monkeypatch.setenv("EVOLVENT_NATIVE", "on")
        name = "numpy"
    module = pytest.importorskip(name, reason=f"{name} is not installed")
    if name == "jax.numpy":
        import_module("jax").config.update("jax_enable_x64", True)
    return module


@pytest.fixture(params=NAMESPACES)
def xp(request, monkeypatch):
    """Every Array API namespace that runs on a CPU; "native" is NumPy's, compiled."""
    return load(request.param, monkeypatch)


@pytest.fixture(params=["numpy", "native", "jax.numpy"])
def numpy_or_jax(request, monkeypatch):
    """One eager namespace and those that compile: for what the other libraries do as NumPy does."""
    return load(request.param, monkeypatch)


@pytest.fixture(params=["numpy", "array_api_strict", "torch"])
def eager_xp(request):
    """The namespaces that run call by call."""
    return load(request.param)


@pytest.fixture
def double():
    """Make a double-precision array of a namespace."""

    def make(xp, values):
        values = np.asarray(values)
        dtype = xp.complex128 if values.dtype.kind == "c" else xp.float64
        return xp.asarray(values.tolist(), dtype=dtype)

    return make
