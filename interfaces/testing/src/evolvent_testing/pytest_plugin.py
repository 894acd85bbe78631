"""Fixtures and markers for pytest; found by its entry point, so that a plugin's tests need no conftest.

It is imported at every start of pytest, so it imports nothing heavy itself.
"""

import pytest

pytest.register_assert_rewrite("evolvent_testing.backends", "evolvent_testing.conformance")

# The names of .backends.LIBRARIES, which would have to be imported.
LIBRARIES = ("numpy", "native", "array-api-strict", "torch", "jax", pytest.param("cupy", marks=pytest.mark.gpu))


def pytest_configure(config):
    """Make the markers known."""
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    config.addinivalue_line("markers", "gpu: needs a CUDA device")


def _namespace(library):
    from .backends import LibraryUnavailable, load_namespace

    try:
        return load_namespace(library)
    except LibraryUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=LIBRARIES)
def xp(request, monkeypatch):
    """Each array library's namespace in turn; one that can't be used is skipped with the reason.

    "native" is NumPy's, where solves are compiled; with all others they run by the library itself.
    """
    monkeypatch.setenv("EVOLVENT_NATIVE", "on" if request.param == "native" else "off")
    return _namespace(request.param)


@pytest.fixture
def torch():
    """PyTorch itself, or a skip."""
    _namespace("torch")
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    """JAX itself with 64 bits, or a skip."""
    _namespace("jax")
    return pytest.importorskip("jax")
