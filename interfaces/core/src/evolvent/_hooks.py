"""The hooks that a plugin may implement, by pluggy."""

from __future__ import annotations

from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("evolvent")
hookimpl = pluggy.HookimplMarker("evolvent")


@hookspec
def evolvent_backends() -> list[Any]:
    """List this plugin's `BackendFactory` values.

    The factories are asked for every array of a problem, so asking must import nothing heavy.
    """
    raise NotImplementedError


@hookspec
def evolvent_choose(problem: Any, options: dict[str, Any], backend: Any) -> Any:
    """Propose an algorithm for `problem`: ``(score, algorithm, reason)`` or None. The highest score wins."""


@hookspec
def evolvent_sparsity(function: Any, arguments: tuple[Any, ...], backend: Any) -> Any:
    """Find the `Pattern` of the Jacobian of `function` by the first of its arguments, or return None."""


@hookspec
def evolvent_dependence(function: Any, arguments: tuple[Any, ...], backend: Any) -> Any:
    """Find the `Pattern` of what the result of `function` depends on of its first argument, or return None."""


@hookspec
def evolvent_stage(function: Any, examples: tuple[Any, ...], backend: Any) -> Any:
    """Compile a function of NumPy arrays that asks `backend`, an eager one, for derivatives; None if that can't be.

    While the function is recorded, `backend.recorder` is set to the backend that knows derivatives of what is.
    """


@hookspec
def evolvent_convert(problem: Any, wanted: type) -> Any:
    """Convert `problem` to the problem type `wanted`, or return None."""
