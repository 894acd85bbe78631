"""What runs the arrays of a problem, and how it is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ._errors import BackendError
from ._registry import hook_results
from ._trees import flatten


class Backend(Protocol):
    """What a problem's arrays are run by; one is made for each solve.

    Two planes: state-sized arrays are the *data plane*, in the user's library and on the user's device. Times, step
    sizes, error norms, counters and decisions are the *control plane*: Python numbers in the eager backend, one entry
    per trajectory in batches, traced scalars in JAX and native code. Algorithms use Python's arithmetic on both, the
    functions below for all else, and never branch on a value.

    Attributes
    ----------
    name : str
        "eager", "jax", ...
    xp : namespace
        The Array API namespace of the data plane.
    control : namespace
        Functions of control scalars: where, minimum, maximum, abs, sqrt, power, log, exp, floor, ceil, sign, isfinite,
        logical_and, logical_or, logical_not, nextafter.
    traced : bool
        Whether values are unknown while the algorithm is called: a graph is being built.
    rematerialise : bool
        Whether taking a step again is cheaper than carrying its stages through the loop.
    differentiates : bool
        Whether derivatives may be taken through this solve, so that event times must carry them.
    lanes : tuple of int
        The trailing axes that hold one trajectory each: () or (trajectories,).
    epsilon : float
        Spacing of control-plane reals at one.
    """

    name: str
    xp: Any
    control: Any
    traced: bool
    rematerialise: bool
    differentiates: bool
    lanes: tuple[int, ...]
    epsilon: float

    # the control plane
    def real(self, value) -> Any: ...
    def integer(self, value) -> Any: ...
    def boolean(self, value) -> Any: ...
    def table(self, values) -> Any: ...
    def pick(self, table, *index) -> Any: ...
    def to_control(self, *scalars) -> Any: ...

    # the data plane
    def as_state(self, value, like, what) -> Any: ...
    def time(self, t, like) -> Any: ...
    def zeros_like(self, x) -> Any: ...
    def combine(self, y, dt, weights, ks) -> Any: ...
    def rms(self, x) -> Any: ...
    def scaled_norm(self, error, y0, y1, rtol, atol) -> Any: ...
    def stop_gradient(self, x) -> Any: ...

    # control flow, on trees
    def select(self, pred, yes, no) -> Any: ...
    def cond(self, pred, yes, no, *operands) -> Any: ...
    def while_loop(self, cond, body, carry, *, max_iterations, resumable=False, records=None) -> Any: ...
    def any(self, pred) -> Any: ...

    # records that grow
    def buffer(self, capacity, example) -> Any: ...
    def put(self, buffer, index, value, when) -> Any: ...

    # derivatives
    def jvp(self, function, x, dx) -> Any: ...
    def vjp(self, function, x) -> Any: ...
    def jacobian(self, function, x) -> Any: ...


class BackendFactory(Protocol):
    """How a plugin offers a backend: by name, and by the arrays that it claims."""

    name: str

    def claims(self, array: Any) -> bool:
        """Whether this backend runs `array` by default; must not import the array's library."""
        ...

    def make(self, leaves: list[Any]) -> Any:
        """Make the backend for one solve of a problem with these arrays."""
        ...

    def devices(self) -> list[str]:
        """List what it can run on, for ``python -m evolvent``; may import."""
        ...


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
        offers = [f for f in factories() if getattr(f, "claims_numpy", False)] if leaves else []
        from ._eager import EagerFactory

        return (offers[0] if offers else EagerFactory()).make(leaves)
    known = factories()
    if name is not None:
        for factory in known:
            if factory.name == name:
                return factory.make(leaves)
        names = [factory.name for factory in known]
        raise BackendError(
            "backend",
            f"no installed backend is named {name!r}; there are {names}.",
            f"Try: pip install evolvent-{name}",
        )
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


Functions = dict[str, Callable[..., Any]]
