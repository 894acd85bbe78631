"""What a stepper sees of a problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class System:
    """The right-hand side and the operations that a step is made of.

    Attributes
    ----------
    backend : Backend
        Whose arrays and control flow to use.
    params : tuple
        The parameters' leaves at present; events may have changed them.
    calls : int
        How often f was called from Python.
    mass : array or None
        The entries of the mass matrix: (n, n), the diagonal in the shape of y, or those of its pattern; None for the
        identity.
    noise : tuple
        The two words of the key of this solve's random numbers, and its trajectory; empty for methods without.
    """

    def __init__(
        self,
        backend: Any,
        functions: dict[str, Callable[..., Any]],
        params: Any,
        rtol: Any,
        atol: Any,
        nonnegative: Any = None,
        mass: Any = None,
        noise: Any = (),
    ):
        self.backend = backend
        self.functions = functions
        self.params = params
        self.rtol = rtol
        self.atol = atol
        self.nonnegative = nonnegative
        self.mass = mass
        self.noise = noise
        self.calls = 0
        self.combine = backend.combine
        self._f = functions.get("f")

    def with_params(self, params: Any) -> System:
        """The same system with other parameters."""
        if params is self.params:
            return self
        return System(
            self.backend, self.functions, params, self.rtol, self.atol, self.nonnegative, self.mass, self.noise
        )

    def f(self, t, y) -> Any:
        """The derivative at (t, y), an array like y."""
        self.calls += 1
        if self.nonnegative is not None:
            y = self.clipped(y)
        if self._f is not None:
            return self._f(t, y, self.params)
        if "f_implicit" in self.functions:
            return self.functions["f_implicit"](t, y, self.params) + self.functions["f_explicit"](t, y, self.params)
        return self.backend.xp.stack([y[1, ...], self.functions["acceleration"](t, y[0, ...], y[1, ...], self.params)])

    def residual(self, t, y, yp) -> Any:
        """What is left of an implicit problem's equations, an array like y."""
        self.calls += 1
        if self.nonnegative is not None:
            y = self.clipped(y)
        return self.functions["residual"](t, y, yp, self.params)

    def jacobian(self, t, y) -> Any:
        """The Jacobian at (t, y), as the method's linear solver wants it."""
        return self.functions["jacobian"](t, y, self.params)

    def time_derivative(self, t, y) -> Any:
        """The partial derivative of f with respect to time, an array like y."""
        return self.functions["time_derivative"](t, y, self.params)

    def acceleration(self, t, q, v) -> Any:
        """The acceleration of a second-order problem, an array like q."""
        self.calls += 1
        return self.functions["acceleration"](t, q, v, self.params)

    def clipped(self, y) -> Any:
        """The state with its guarded components no smaller than zero."""
        xp = self.backend.xp
        return xp.where(xp.logical_and(self.nonnegative, y < 0.0), xp.zeros_like(y), y)

    def scaled_norm(self, error, y0, y1) -> Any:
        """Root mean square of ``error / (atol + rtol * max(|y0|, |y1|))``, a data-plane scalar."""
        return self.backend.scaled_norm(error, y0, y1, self.rtol, self.atol)
