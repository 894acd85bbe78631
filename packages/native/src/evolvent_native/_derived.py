"""Derivatives of functions: recorded where something is recorded, else compiled and run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _derivatives
from ._array import Array, array
from ._compiled import StagedFunction
from ._graph import Node, current, recording


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
    at = Node("reshape", (before,), (), before.shape, before.dtype, block)
    block.nodes.append(at)
    return at, array(function(Array(at)))
