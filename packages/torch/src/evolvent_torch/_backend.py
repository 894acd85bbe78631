"""The torch backend: the eager one, in as few calls of torch as will do, and with torch's derivatives."""

from __future__ import annotations

import sys
from typing import Any

import torch
from array_api_compat import torch as namespace

from evolvent import BackendError, EagerBackend, InputError
from evolvent.trees import tree_map

from ._sparse import SparseSolve
from ._sums import WeightedSums
from ._transforms import is_batched, transforming


def _references(x: Any) -> int:
    return sys.getrefcount(x)


# How many references a function's argument has that nobody else holds.
_OWN = _references(torch.empty(0))


class TorchBackend(EagerBackend):
    """Runs a solve call by call on torch tensors, on their device.

    Parameters
    ----------
    device : torch.device
        Where new tensors are made.
    dtype : torch.dtype
        The dtype of states that the user gives as plain numbers.

    Raises
    ------
    BackendError
        If the solve runs under ``torch.func.vmap``: the step size would depend on values that torch hides.

    Examples
    --------
    >>> import evolvent as ev
    >>> rate = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    >>> y0 = torch.ones(1, dtype=torch.float64)
    >>> decay = ev.ODEProblem(lambda t, y, p: -p * y, y0, t_span=(0.0, 1.0), params=rate)
    >>> solution = ev.solve(decay, "Tsit5", rtol=1e-8, atol=1e-8)
    >>> solution.y[-1, 0].backward()
    >>> round(rate.grad.item(), 6)  # -exp(-2)
    -0.135335
    """

    name = "torch"
    exact = True

    def __init__(self, device: torch.device | None = None, dtype: torch.dtype | None = None):
        super().__init__(namespace, device or torch.get_default_device())
        self.dtype = dtype or torch.get_default_dtype()
        self.combine = WeightedSums(self.device).combine
        self._tolerance: tuple[Any, Any] = (None, None)

    @classmethod
    def of(cls, leaves: list[Any]) -> TorchBackend:
        """Make the backend for a problem with these arrays."""
        for leaf in leaves:
            if not isinstance(leaf, torch.Tensor):
                home = type(leaf).__module__.split(".")[0]
                raise BackendError(
                    "backend",
                    f"'torch' runs torch tensors, got an array of {home}.",
                    "Convert with torch.as_tensor.",
                )
        dtypes = [leaf.dtype for leaf in leaves if leaf.is_floating_point() or leaf.is_complex()]
        dtype = namespace.result_type(*dtypes).to_real() if dtypes else None
        backend = cls(leaves[0].device if leaves else None, dtype)
        backend.differentiates = transforming() or (
            torch.is_grad_enabled() and any(leaf.requires_grad for leaf in leaves)
        )
        return backend

    # the control plane
    def to_control(self, *scalars):
        """Bring data-plane scalars to the host, all in one transfer."""
        if len(scalars) == 1:
            scalar = scalars[0]
            return float(self._fetched(scalar)) if isinstance(scalar, torch.Tensor) else float(scalar)
        tensors = [scalar for scalar in scalars if isinstance(scalar, torch.Tensor)]
        if not tensors:
            return tuple(map(float, scalars))
        fetched = iter(self._fetched(torch.stack([tensor.reshape(()) for tensor in tensors])))
        return tuple(float(next(fetched) if isinstance(scalar, torch.Tensor) else scalar) for scalar in scalars)

    def _fetched(self, x: torch.Tensor) -> Any:
        try:
            return x.tolist()
        except RuntimeError as error:
            if is_batched(x):
                raise BackendError(
                    "y0, params",
                    "a solve under torch.func.vmap can't choose its step size: "
                    "torch hides the values that it depends on.",
                    "Solve an ev.EnsembleProblem instead: every trajectory has its own steps there.",
                ) from error
            raise

    _host = _fetched

    # the data plane
    def default_real(self):
        return self.dtype

    def all_finite(self, x):
        return self._fetched(torch.isfinite(x.detach()).all())

    def initial(self, value, what):
        if isinstance(value, torch.Tensor):
            if type(value) is not torch.Tensor:
                # A parameter becomes a plain tensor that leads back to it.
                value = torch.Tensor.view_as(value, value)
        elif isinstance(value, list | tuple) and any(isinstance(item, torch.Tensor) for item in value):
            items = [torch.as_tensor(item, dtype=self.dtype, device=self.device) for item in value]
            value = torch.stack(items)
        else:
            value = self._of_numbers(value, what)
        return super().initial(value, what)

    def _of_numbers(self, value, what):
        try:
            array = torch.as_tensor(value, device=self.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(what, f"can't be made a tensor: {error}") from error
        # Python numbers say nothing about precision; the problem's tensors do.
        return array.to(self.dtype.to_complex() if array.is_complex() else self.dtype)

    def time(self, t, like):
        dtype = like.dtype.to_real()
        if isinstance(t, torch.Tensor):
            return t.to(dtype)
        return torch.full((), float(t), dtype=dtype, device=self.device)

    def asked(self, function, y, *arguments):
        # Tensors made in inference mode don't count what is written to them.
        version = None if y.is_inference() else y._version
        value = self._own(function(*arguments))
        if version is not None and y._version != version:
            raise InputError("f", "changes its y in place.", "Return new tensors, and clone what is to be changed.")
        return value

    def _own(self, value):
        """The value, copied if somebody else may still write to it: a function may return one buffer ever again."""
        if type(value) is torch.Tensor and (sys.getrefcount(value) > _OWN or value._is_view()):
            return value.clone()
        return value

    def as_state(self, value, like, what):
        if isinstance(value, torch.Tensor) and value.shape == like.shape and value.dtype == like.dtype:
            return value
        return self.as_array(value, like, tuple(like.shape), what)

    def _stacked(self, items, like, shape, what):
        if shape and len(items) == shape[0]:
            dtype, rest = like.dtype, shape[1:]
            if all(isinstance(x, torch.Tensor) and x.dtype == dtype and x.shape == rest for x in items):
                return torch.stack(tuple(items))
        return super()._stacked(items, like, shape, what)

    def rms(self, x):
        norm = torch.linalg.vector_norm(x)
        return norm * max(x.numel(), 1) ** -0.5 if x.ndim else norm

    def scaled_norm(self, error, y0, y1, rtol, atol):
        """Root mean square of ``error / (atol + rtol * max(|y0|, |y1|))``."""
        largest = y0.abs() if y1 is y0 else torch.maximum(y0.abs(), y1.abs())
        if not isinstance(atol, torch.Tensor):
            if self._tolerance[0] != atol:
                self._tolerance = (atol, torch.full((), atol, dtype=largest.dtype, device=self.device))
            atol = self._tolerance[1]
        return self.rms(error / torch.add(atol, largest, alpha=rtol))

    def stop_gradient(self, x):
        """Detach tensors, alone or in a tree."""
        if not isinstance(x, torch.Tensor):
            return tree_map(self.stop_gradient, x) if isinstance(x, tuple | list | dict) else x
        if x.requires_grad or transforming():
            # Not y0 and params alone need derivatives: functions may have tensors of their own.
            self.differentiates = True
            return x.detach()
        return x

    # linear systems
    def lu(self, matrix):
        """Factorise matrices (..., n, n) for `lu_solve`."""
        factors, pivots, singular = torch.linalg.lu_factor_ex(matrix)
        regular = (singular == 0) & torch.isfinite(matrix).all(-1).all(-1)
        return torch.where(regular[..., None, None], factors, torch.nan), pivots

    def lu_solve(self, factors, rhs):
        """Solve for right sides (..., n)."""
        return torch.linalg.lu_solve(*factors, rhs[..., None])[..., 0]

    def sparse_lu(self, symbolic, values):
        """The values themselves, so that derivatives follow: their factors are found again by them."""
        return values

    def sparse_solve(self, symbolic, factors, rhs):
        """Solve for right sides (n,) or (n, m), on the host."""
        return SparseSolve.apply(factors, rhs, symbolic, False)

    def sparse_solve_by_values(self, symbolic, values, rhs):
        """Solve by the matrix's entries: here they are the factors."""
        return self.sparse_solve(symbolic, values, rhs)

    # derivatives
    def jvp(self, function, x, dx):
        """The function's value and directional derivative, by forward mode."""
        # Dual numbers need memory of their own for each entry.
        return torch.func.jvp(function, (x.contiguous(),), (dx.contiguous(),))

    def vjp(self, function, x):
        """The function's value and its pullback, by reverse mode."""
        value, pullback = torch.func.vjp(function, x)
        return value, lambda cotangent: pullback(cotangent)[0]

    def pushed(self, function, x, masks):
        """Derivatives along directions, all at once."""
        seeds = torch.as_tensor(masks, device=self.device).to(x.dtype).reshape(-1, *x.shape)
        x = x.contiguous()
        changes = torch.vmap(lambda dx: _change(function, x, dx))(seeds)
        return changes.reshape(seeds.shape[0], -1), None

    def time_derivative(self, function, t, like):
        """The derivative of a function of time, by forward mode."""
        now = self.time(t, like).contiguous()
        return _change(function, now, torch.ones_like(now))


def _change(function, x, dx):
    """A directional derivative, in the value's dtype: tangents of single precision meet doubles on the way."""
    value, change = torch.func.jvp(function, (x,), (dx,))
    return change.to(value.dtype)
