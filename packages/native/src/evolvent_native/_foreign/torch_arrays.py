"""torch tensors: which run natively, their memory, and their functions as graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from array_api_compat import torch as torch_namespace
from torch.autograd import forward_ad

from .._array import Array, array, cast
from .._errors import StagingError
from .._functions.elementwise import real_dtype
from .._graph import current, record_in, record_nothing
from .._staging import Staged, flatten, stage_function, unflatten
from .backend import Namespace
from .torch_functions import DTYPES, Recorded, Recording, names_of_dtypes

stages_twice = True
namespace = Namespace(torch_namespace)


def refusal(leaves: list[Any]) -> str:
    """Why these tensors don't run natively; empty where they do."""
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return "a transformation of torch.func is at work"
    for leaf in leaves:
        if type(leaf) not in (torch.Tensor, torch.nn.Parameter):
            return f"{type(leaf).__name__} is a tensor of a kind of its own"
        if leaf.device.type != "cpu" or leaf.layout is not torch.strided:
            return f"a tensor lies on {leaf.device} as {leaf.layout}"
        if leaf.dtype not in names_of_dtypes:
            return f"a tensor holds {leaf.dtype}"
        if not leaf.numel():
            return "a tensor is empty"
        if leaf.requires_grad and torch.is_grad_enabled():
            return "a tensor wants gradients"
    return ""


def owns(x: Any) -> bool:
    return isinstance(x, torch.Tensor)


def is_traced(x: Any) -> bool:
    return False


def numpy_dtype(dtype: Any) -> np.dtype:
    return names_of_dtypes[dtype] if isinstance(dtype, torch.dtype) else np.dtype(dtype)


def enter(x: Any) -> Any:
    """A tensor's memory as an array of NumPy."""
    if not isinstance(x, torch.Tensor):
        return x
    return (x.detach() if x.requires_grad else x).resolve_conj().resolve_neg().numpy()


def leave(x: np.ndarray) -> Any:
    """An array's memory as a tensor."""
    if x.dtype not in DTYPES:
        return x
    if not x.flags.writeable or any(stride < 0 for stride in x.strides):
        x = x.copy()
    return torch.from_numpy(x)


def stage(function: Callable[..., Any], examples: tuple[Any, ...], home: Any) -> Staged:
    """Call a function once with tensors that record what is done to them."""
    leaves, structure = flatten(examples)
    real = _real_dtype(leaves)

    def recorded(*arguments: Any) -> Any:
        block = current()
        given = [_argument(x, known, real) for x, known in zip(flatten(arguments)[0], leaves, strict=True)]
        with record_nothing(), Recording(block):
            found, out = flatten(function(*unflatten(structure, given)))
        return unflatten(out, [_result(x) for x in found])

    return stage_function(recorded, tuple(unflatten(structure, [enter(x) for x in leaves])))


def is_recorded(x: Any) -> bool:
    """Whether a tensor stands for one of the compiler's arrays."""
    return type(x) is Recorded


def lifted(derivative: Callable[..., Any], function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Record a derivative of a function of tensors while tensors are recorded: torch's own don't know these."""

    def of_arrays(x: Array) -> Any:
        with record_nothing():
            found = function(Recorded(x))
        return _result(found)

    given = [x.array if is_recorded(x) else x for x in arguments]
    block = next(x._block for x in given if isinstance(x, Array) and x._block is not None)
    with record_in(block):
        found, structure = flatten(derivative(of_arrays, *given))
    return unflatten(structure, [Recorded(x) for x in found])


def _real_dtype(leaves: list[Any]) -> np.dtype:
    """The precision of a problem."""
    kinds = [names_of_dtypes[x.dtype] for x in leaves if isinstance(x, torch.Tensor)]
    kinds = [kind for kind in kinds if kind.kind in "fc"]
    return real_dtype(np.result_type(*kinds)) if kinds else names_of_dtypes[torch.get_default_dtype()]


def _argument(x: Array, known: Any, real: np.dtype) -> Any:
    """A tensor that records, for an argument of a function."""
    if not isinstance(known, torch.Tensor):
        # A Python number doesn't raise the precision of what it meets.
        x = cast(
            x, np.result_type(real, np.complex64) if x.dtype.kind == "c" else real if x.dtype.kind == "f" else x.dtype
        )
    given = Array(x.node)
    given.writable = False
    return Recorded(given)


def _result(x: Any) -> Any:
    if isinstance(x, Recorded):
        return x.array
    if isinstance(x, torch.Tensor):
        if x.requires_grad:
            raise StagingError("the result wants gradients: solve under torch.no_grad()")
        return array(enter(x))
    return x
