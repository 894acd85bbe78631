"""The array libraries that tests run on, and comparisons between their arrays."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

LIBRARIES = ("numpy", "native", "array-api-strict", "torch", "jax", "cupy")

_MODULES = {
    "numpy": "array_api_compat.numpy",
    "native": "array_api_compat.numpy",
    "array-api-strict": "array_api_strict",
    "torch": "array_api_compat.torch",
    "jax": "jax.numpy",
    "cupy": "array_api_compat.cupy",
}


class LibraryUnavailable(Exception):
    """An array library is not installed, or has no device to run on."""


def load_namespace(library: str) -> Any:
    """Import the Array API namespace of a library; JAX is switched to 64 bits.

    Parameters
    ----------
    library : {"numpy", "native", "array-api-strict", "torch", "jax", "cupy"}
        "native" is NumPy's namespace where evolvent-native is installed.

    Raises
    ------
    LibraryUnavailable
        With the reason.

    Examples
    --------
    >>> load_namespace("array-api-strict").__name__
    'array_api_strict'
    """
    root = "evolvent_native" if library == "native" else library.replace("-", "_")
    try:
        found = import_module(root)
    except ImportError as error:
        raise LibraryUnavailable(f"{library} is not installed: {error}") from error
    if library == "jax":
        found.config.update("jax_enable_x64", True)
    if library == "cupy" and not found.cuda.is_available():
        raise LibraryUnavailable("cupy finds no CUDA device")
    return import_module(_MODULES[library])


def library_of(xp: Any) -> str:
    """Name the library of a namespace.

    Examples
    --------
    >>> import array_api_strict
    >>> library_of(array_api_strict)
    'array-api-strict'
    """
    return next(library for library, module in _MODULES.items() if xp.__name__ in (module, module.split(".")[-1]))


def make_array(xp: Any, values: Any, dtype: Any = None) -> Any:
    """Make an array of `xp`; real floating values are double precision if no dtype is given."""
    if dtype is None:
        kind = np.asarray(values).dtype.kind
        dtype = {"f": xp.float64, "c": xp.complex128}.get(kind)
    return xp.asarray(values, dtype=dtype)


def to_numpy(array: Any) -> np.ndarray:
    """Copy an array of any library, on any device, to NumPy.

    Examples
    --------
    >>> import array_api_strict
    >>> to_numpy(array_api_strict.asarray([1.0, 2.0]))
    array([1., 2.])
    """
    if hasattr(array, "detach"):
        return array.detach().cpu().resolve_conj().numpy()
    if hasattr(array, "get"):
        return array.get()
    return np.asarray(array)


def assert_close(actual: Any, desired: Any, *, rtol: float = 0.0, atol: float = 0.0) -> None:
    """Assert that two arrays of one library agree in dtype, shape and, within the tolerances, in value.

    Raises
    ------
    AssertionError
        Which names what differs.

    Examples
    --------
    >>> import numpy as np
    >>> assert_close(np.asarray([1.0]), np.asarray([1.0 + 1e-12]), rtol=1e-9)
    """
    assert type(actual) is type(desired), f"{type(actual).__name__} is compared with {type(desired).__name__}"
    assert actual.dtype == desired.dtype, f"dtype {actual.dtype} where {desired.dtype} was expected"
    assert tuple(actual.shape) == tuple(desired.shape), f"shape {actual.shape} where {desired.shape} was expected"
    np.testing.assert_allclose(to_numpy(actual), to_numpy(desired), rtol=rtol, atol=atol)
