"""The native backend for the arrays of another library."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import optree

from evolvent import CannotStage

from .. import _functions as functions
from .._backend import NativeBackend
from .._functions.elementwise import real_dtype
from .._graph import recording
from .._staging import NAMESPACE, Rows


class ForeignBackend(NativeBackend):
    """Runs a solve of torch tensors or JAX arrays as one compiled program.

    Outside of programs, the problem's arrays stay those of their library, and all is done by its own backend. A
    program sees their memory, and what users get to see of its results are arrays of the library again. In between,
    from slice to slice, states and records are NumPy's.

    Parameters
    ----------
    home : Backend
        The library's own backend: it runs what can't be staged, too.
    library : Library
        How arrays pass the border.
    """

    def __init__(self, home: Any, library: Any, *, forced: bool = False):
        super().__init__(forced=forced)
        self.home, self.library = home, library
        self.device = home.device
        self.xp = library.namespace

    # ---------------------------------------------------------------- arrays that pass the border
    def enter(self, tree: Any) -> Any:
        return optree.tree_map(self.library.enter, tree, namespace=NAMESPACE)

    def leave(self, tree: Any) -> Any:
        leave = self.library.leave
        return optree.tree_map(
            lambda x: leave(x) if isinstance(x, np.ndarray) and type(x) is not Rows else x, tree, namespace=NAMESPACE
        )

    def scale(self, value, like):
        return self.library.numpy_dtype(like.dtype).type(value).real

    def restore(self, x, dtype):
        if recording():
            return super().restore(x, self.library.numpy_dtype(dtype))
        return self.home.restore(x, dtype)

    def host(self, x):
        return self.home.host(x)

    def data_times(self, times, like):
        dtype = real_dtype(np.asarray(self.library.enter(like)).dtype)
        return self.leave(np.asarray(self.library.enter(times), dtype))

    def stacked(self, buffer, example):
        return self.leave(buffer)

    def filtered(self, tree, mask):
        return self.leave(super().filtered(self.enter(tree), self.library.enter(mask)))

    def evaluate(self, function, steps, times, direction):
        if self.library.is_traced(times):
            run = function.func.at_home()
            steps = optree.tree_map(lambda x: self.home.xp.asarray(x), steps, namespace=NAMESPACE)
            return self.home.evaluate(partial(run, *function.args), steps, times, direction)
        return self.leave(super().evaluate(function, steps, times, direction))

    # ---------------------------------------------------------------- running
    def program(self, entry, functions, examples):
        return _Crossing(self, super().program(entry, functions, examples), (entry, functions, examples))

    def shown(self, result: Any, inputs: Any) -> Any:
        """The result; of a solve's state, what users may look at before its end are arrays of the library."""
        if not hasattr(result, "march"):
            return result
        march = result.march
        params = optree.tree_map(self._like, result.params, inputs.params, namespace=NAMESPACE)
        return result._replace(march=march._replace(y=self._like(march.y, inputs.y0)), params=params)

    def _like(self, x: Any, original: Any) -> Any:
        # Scalars come out of programs as numbers.
        if not self.library.owns(original):
            return x
        return self.library.leave(np.asarray(x, self.library.numpy_dtype(original.dtype)))

    def stage(self, function: Callable[..., Any], examples: tuple[Any, ...]) -> Any:
        return self.library.stage(function, examples, self.home)

    @property
    def stages_twice(self) -> bool:
        return self.library.stages_twice

    def eager(self) -> Any:
        return self.home

    @property
    def vmap(self) -> Any:
        """Ensembles are run by the library's own backend."""
        raise CannotStage(self.home, "an ensemble of another library's arrays runs by that library")


class _Crossing:
    """Compiled programs, called with arrays of the library."""

    def __init__(self, backend: ForeignBackend, programs: Any, source: Any):
        self.backend, self.programs, self.source = backend, programs, source

    def at_home(self) -> Any:
        """The same by the library's own backend."""
        entry, functions, examples = self.source
        entry = copy(entry)
        entry.backend = self.backend.home
        return self.backend.home.program(entry, functions, examples)

    def __call__(self, *operands: Any) -> Any:
        backend, inputs = self.backend, operands[0]
        # Numbers that a compiled problem is given later may want derivatives.
        why = backend.library.refusal([x for x in (inputs.y0, *inputs.params) if backend.library.owns(x)])
        if why:
            raise CannotStage(backend.home, why)
        return backend.shown(self.programs(*backend.enter(operands)), inputs)

    def many(self, operands: Any, alike: Any, *rest: Any, **options: Any) -> Any:
        enter = self.backend.enter
        return self.programs.many(enter(operands), enter(alike), *rest, **options)


def _at_home(name: str) -> Callable[..., Any]:
    """A method that is the library's backend's wherever nothing is recorded."""
    native = getattr(NativeBackend, name)

    def method(self: Any, *arguments: Any) -> Any:
        return native(self, *arguments) if recording() else getattr(self.home, name)(*arguments)

    method.__name__ = name
    return method


for _name in (
    "all_finite", "as_array", "as_state", "asked", "default_real", "initial", "is_boolean", "is_own", "is_real",
    "lu", "lu_solve", "real_dtype", "rms", "shifted", "sparsity", "time", "vjp", "zeros_like",
):  # fmt: skip
    setattr(ForeignBackend, _name, _at_home(_name))


def _derivative(name: str) -> Callable[..., Any]:
    """A derivative of a function: the compiler's own where the library's arrays record what is done to them."""
    native = getattr(NativeBackend, name)

    def method(self: Any, function: Any, *arguments: Any) -> Any:
        if recording():
            return native(self, function, *arguments)
        if any(map(self.library.is_recorded, arguments)):
            return self.library.lifted(partial(native, self), function, arguments)
        return getattr(self.home, name)(function, *arguments)

    method.__name__ = name
    return method


for _name in ("jacobian", "jvp", "sparse_jacobian", "time_derivative"):
    setattr(ForeignBackend, _name, _derivative(_name))


class Namespace:
    """What the driver uses on both sides of the compiler: the recording namespace, or the library's.

    Parameters
    ----------
    known : namespace
        The library's.
    """

    def __init__(self, known: Any):
        self._known = known
        self.__name__ = known.__name__

    def __getattr__(self, name: str) -> Any:
        known, recorded = getattr(self._known, name), getattr(functions, name, None)
        if recorded is None or not callable(known) or isinstance(known, type):
            value = known
        else:
            outside = self._outside(name, known)

            def value(*arguments: Any, **options: Any) -> Any:
                return (recorded if recording() else outside)(*arguments, **options)

        setattr(self, name, value)
        return value

    def _outside(self, name: str, known: Callable[..., Any]) -> Callable[..., Any]:
        return known
