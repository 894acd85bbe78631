"""Array namespaces for the tests of the driver."""

from importlib import import_module

import numpy as np
import pytest

NAMESPACES = ["numpy", "array_api_strict", "torch", "jax.numpy"]


def load(name):
    module = pytest.importorskip(name, reason=f"{name} is not installed")
    if name == "jax.numpy":
        import_module("jax").config.update("jax_enable_x64", True)
    return module


@pytest.fixture(params=NAMESPACES)
def xp(request):
    """Every Array API namespace that runs on a CPU."""
    return load(request.param)


@pytest.fixture(params=["numpy", "jax.numpy"])
def numpy_or_jax(request):
    """One eager namespace and one that compiles: for what the other libraries do as NumPy does."""
    return load(request.param)


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
