"""Which backend runs the arrays of a problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._errors import BackendError
from ._registry import hook_results
from ._trees import flatten


def factories() -> list[Any]:
    """List all installed backends' factories, the core's own last."""
    from ._eager import EagerFactory

    results, _ = hook_results("evolvent_backends")
    return [factory for offered in results for factory in offered] + [EagerFactory()]


def is_array(x: Any) -> bool:
    """Whether x is an array of some library, as opposed to a Python or NumPy scalar."""
    return hasattr(x, "shape") and hasattr(x, "dtype") and not isinstance(x, np.generic)


def choose_backend(name: str | None, *trees: Any) -> Any:
    """Make the backend that runs the arrays in `trees`.

    Parameters
    ----------
    name : str, optional
        The backend that the user asked for.

    Raises
    ------
    BackendError
        If arrays of two libraries or devices meet, or no such backend is installed.
    """
    leaves = [leaf for tree in trees if tree is not None for leaf in flatten(tree)[0] if is_array(leaf)]
    _check_one_library(leaves)
    if name is None and all(type(leaf) is np.ndarray for leaf in leaves):
        offers = [f for f in factories() if getattr(f, "claims_numpy", False)]
        from ._eager import EagerFactory

        return (offers[0] if offers else EagerFactory()).make(leaves)
    known = factories()
    if name is not None:
        for factory in known:
            if factory.name == name:
                backend = factory.make(leaves)
                backend.forced = True
                return backend
        names = [factory.name for factory in known]
        raise BackendError(
            "backend",
            f"no installed backend is named {name!r}; there are {names}.",
            f"Try: pip install evolvent-{name}",
        )
    # A compiler takes arrays of other packages' libraries, but not each of them: it is asked about all, and first.
    for factory in known:
        if leaves and hasattr(factory, "takes") and factory.takes(leaves):
            return factory.make(leaves)
    for factory in known:
        if any(factory.claims(leaf) for leaf in leaves):
            return factory.make(leaves)
    raise AssertionError("the eager backend claims every array")


def _check_one_library(leaves: list[Any]) -> None:
    homes: dict[str, Any] = {}
    for leaf in leaves:
        homes.setdefault(type(leaf).__module__.split(".")[0].replace("jaxlib", "jax"), leaf)
    if len(homes) > 1:
        given = " and ".join(sorted(homes))
        raise BackendError(
            "y0, params", f"arrays of {given} meet in one problem.", "Convert them all to one library first."
        )
    devices = {str(device) for leaf in leaves if (device := _device(leaf)) is not None}
    if len(devices) > 1:
        raise BackendError(
            "y0, params",
            f"arrays on {' and '.join(sorted(devices))} meet in one problem.",
            "Move them to one device first.",
        )


def _device(leaf: Any) -> Any:
    try:
        return leaf.device
    except Exception:  # a tracer has none
        return None


def describe_device(leaf: Any) -> str:
    """Name the device of an array."""
    device = _device(leaf)
    return "cpu" if device is None or "cpu" in str(device).lower() else str(device)
