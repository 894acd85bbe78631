"""Derivatives of functions: recorded where something is recorded, else compiled and run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evolvent.sparse import Pattern

from . import _derivatives
from ._array import Array, array
from ._compiled import StagedFunction
from ._graph import Node, current, recording
from ._staging import Staged, stage_function


def jvp(function: Callable[[Any], Any], x: Any, dx: Any) -> tuple[Any, Any]:
    """A function's value and its derivative along a direction.

    Parameters
    ----------
    function : callable
        From an array to an array.
    x, dx : array
        Where, and which way; of one shape and dtype.

    Returns
    -------
    value, change : array

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_native import jvp
    >>> jvp(lambda x: x * x, np.asarray([1.0, 2.0]), np.asarray([1.0, 0.0]))
    (array([1., 4.]), array([2., 0.]))
    """
    if not recording():
        return StagedFunction(lambda x, dx: jvp(function, x, dx), x, dx)(x, dx)
    at, value = _applied(function, x)
    (change,) = _derivatives.jvp([value.node], [at], [array(dx, at.dtype).node])
    return value, Array(change)


def vjp(function: Callable[[Any], Any], x: Any, cotangent: Any) -> tuple[Any, Any]:
    """A function's value, and a cotangent of it pulled back to the argument (``cotangent @ jacobian``).

    Parameters
    ----------
    function : callable
        From an array to an array.
    x : array
        Where.
    cotangent : array
        Like the value.

    Returns
    -------
    value, gradient : array

    Raises
    ------
    NotDifferentiable
        If the function has a loop whose length is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_native import vjp
    >>> vjp(np.sum, np.asarray([1.0, 2.0]), np.asarray(3.0))[1]
    array([3., 3.])
    """
    if not recording():
        return StagedFunction(lambda x, c: vjp(function, x, c), x, cotangent)(x, cotangent)
    at, value = _applied(function, x)
    (gradient,) = _derivatives.vjp([value.node], [at], [array(cotangent, value.dtype).node])
    return value, Array(gradient)


def jacobian(function: Callable[[Any], Any], x: Any) -> Any:
    """A function's matrix of derivatives, by its sparsity: entry by entry, or in a few directions at once.

    Parameters
    ----------
    function : callable
        From an array to an array.
    x : array
        Where.

    Returns
    -------
    array of shape (size of the value, size of x)

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_native import jacobian
    >>> jacobian(lambda x: np.stack([x[0] * x[1], x[1]]), np.asarray([2.0, 3.0]))
    array([[3., 2.],
           [0., 1.]])
    """
    if not recording():
        return StagedFunction(lambda x: jacobian(function, x), x)(x)
    at, value = _applied(function, x)
    return Array(_derivatives.jacobian(value.node, at))


def sparse_jacobian(function: Callable[[Any], Any], x: Any, pattern: Pattern) -> Any:
    """The entries of a matrix of derivatives at given places.

    Parameters
    ----------
    function : callable
        From an array to an array.
    x : array
        Where.
    pattern : Pattern
        Where the matrix may differ from zero, as `pattern` finds it, or more.

    Returns
    -------
    array of shape (pattern.size,)

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent.sparse import Pattern
    >>> from evolvent_native import sparse_jacobian
    >>> sparse_jacobian(lambda x: x**2, np.asarray([1.0, 3.0]), Pattern.diagonal(2))
    array([2., 6.])
    """
    if not recording():
        return StagedFunction(lambda x: sparse_jacobian(function, x, pattern), x)(x)
    at, value = _applied(function, x)
    places = pattern.rows.astype(np.int64), pattern.columns.astype(np.int64)
    return Array(_derivatives.compressed_jacobian(lambda _: value.node, at, places, lambda: pattern.colours))


def pattern(function: Callable[..., Any], x: Any, *others: Any) -> Pattern | None:
    """Where the derivatives of ``function(x, *others)`` by x may differ from zero, whatever the arguments' values.

    Returns
    -------
    Pattern or None
        None where there are more than eight million.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_native import pattern
    >>> pattern(lambda x, rate: rate * x * np.roll(x, 1), np.zeros(3), 2.0)
    Pattern of 6 entries in (3, 3)
    """
    return pattern_of(stage_function(function, (x, *others)))


def pattern_anywhere(function: Callable[..., Any], arguments: tuple[Any, ...], backend: Any) -> Pattern | None:
    """The same for arrays of NumPy, torch or JAX, run by whatever backend; None if the function can't be staged."""
    from . import _foreign

    try:
        return pattern_of(_foreign.stage(function, arguments, backend))
    except Exception:  # whatever users' functions raise
        return None


def dependence_anywhere(function: Callable[..., Any], arguments: tuple[Any, ...], backend: Any) -> Pattern | None:
    """What a function's result depends on, in any way, of its first argument; None if the function can't be staged."""
    from . import _foreign

    try:
        own = isinstance(arguments[0], np.ndarray)
        staged = stage_function(function, arguments) if own else _foreign.stage(function, arguments, backend)
        output, input = staged.graph.outputs[0], staged.graph.params[0]
        rows, columns = _derivatives.dependence(output, input)
    except Exception:  # whatever users' functions raise
        return None
    return Pattern(rows, columns, (output.size, input.size))


def pattern_of(staged: Staged) -> Pattern | None:
    """Where the derivatives of a function's result by its first argument may differ from zero."""
    output, input = staged.graph.outputs[0], staged.graph.params[0]
    try:
        rows, columns = _derivatives.sparsity(output, input)
    except _derivatives.TooDense:
        return None
    return Pattern(rows, columns, (output.size, input.size))


def hvp(function: Callable[[Any], Any], x: Any, dx: Any) -> Any:
    """The second derivative of a number along a direction: how its gradient changes.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_native import hvp
    >>> hvp(lambda x: x[0] ** 2 * x[1], np.asarray([1.0, 2.0]), np.asarray([1.0, 0.0]))
    array([4., 2.])
    """
    if not recording():
        return StagedFunction(lambda x, dx: hvp(function, x, dx), x, dx)(x, dx)
    at, value = _applied(function, x)
    (change,) = _derivatives.hvp(value.node, [at], [array(dx, at.dtype).node])
    return Array(change)


def sparsity(function: Callable[[Any], Any], x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where a function's matrix of derivatives may be other than zero, whatever the argument's values.

    Returns
    -------
    rows, columns : numpy.ndarray of int

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_native import sparsity
    >>> sparsity(lambda x: x * np.roll(x, 1), np.zeros(3))
    (array([0, 0, 1, 1, 2, 2]), array([0, 2, 0, 1, 1, 2]))
    """
    staged = StagedFunction(function, x)
    return _derivatives.sparsity(staged.graph.outputs[0], staged.graph.params[0])


def _applied(function: Callable[[Any], Any], x: Any) -> tuple[Node, Array]:
    """A function's value at a node of its own, so that nothing else that is known of `x` is differentiated."""
    before = array(x).node
    block = current()
    # No view, which others could see through.
    at = Node("cast", (before,), (), before.shape, before.dtype, block)
    block.nodes.append(at)
    return at, array(function(Array(at)))
