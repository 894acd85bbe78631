"""The linear systems of implicit problems, ``dF/dy + shift * dF/dy'``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evolvent import InputError
from evolvent_stepping import Part

from .._consistent import sharp_shift
from .pattern import entries_at
from .solver import LinearSolver, size_of


@dataclass(frozen=True)
class Pencil:
    """Solves with both derivatives of a residual, by the linear solver of ordinary problems.

    What this calls the Jacobian is the pair of derivatives by y and by y', as full matrices or entries of one pattern.
    """

    inner: LinearSolver

    def parts(self, model) -> dict[str, Part]:
        """List the functions to be staged: "jacobian" takes y' too."""
        y = model.y0
        pattern = getattr(self.inner, "jacobian_pattern", None)
        pair = Part(
            lambda t, y, yp, params: derivatives(model, pattern, t, y, yp, params),
            (model.backend.real(model.problem.t_span[0]), y, y, model.params0),
        )
        return self.inner.parts(model) | {"jacobian": pair}

    def factor(self, system, jacobian, shift, imaginary=None) -> Any:
        """Prepare the matrix of a step."""
        by_state, by_slope = jacobian
        b = system.backend
        return self._factored(system, by_state + b.time(shift, by_state) * by_slope)

    def start_factors(self, system, jacobian, constraints, mask) -> tuple[Any, Any]:
        """Prepare the matrix whose unknowns are algebraic components of y, and differential ones of y'.

        Which those are the constraints say, or a mask where they are not known beforehand. Also what the differential
        part of a solution must be multiplied by: in a sparse matrix a sharp shift divides it.
        """
        by_state, by_slope = jacobian
        b, xp = system.backend, system.backend.xp
        pattern = getattr(self.inner, "jacobian_pattern", None)
        if constraints is None:
            chosen = by_slope if isinstance(mask, tuple) else xp.where(mask[None, ...], by_state, by_slope)
            return self._factored(system, chosen), b.real(1.0)
        if pattern is not None:
            # Zeros in place of what is usually large would spoil the order of pivots.
            shift = sharp_shift(system, self, jacobian, constraints)
            return self.factor(system, jacobian, shift), shift
        if constraints.simple:
            chosen = xp.asarray(constraints.mask, device=b.device)
            mixed = xp.where(chosen[..., None] if b.lanes else chosen, by_state, by_slope)
            return self._factored(system, mixed), b.real(1.0)
        onto = xp.asarray(constraints.projector, dtype=b.real_dtype(by_state.dtype), device=b.device)
        along = xp.tensordot(by_state - by_slope, onto, axes=((1,), (0,)))
        mixed = by_slope + (xp.permute_dims(along, (0, 2, 1)) if b.lanes else along)
        return self._factored(system, mixed), b.real(1.0)

    def _factored(self, system, matrix) -> Any:
        # The inner solver has no mass matrix to add.
        return self.inner.factor(getattr(system, "plain", system), -matrix, system.backend.real(0.0))

    def solve(self, system, factors, rhs) -> Any:
        """Solve for a right side of the shape of y."""
        return self.inner.solve(system, factors, rhs)

    def times(self, system, jacobian, x) -> Any:
        """Multiply the derivative by y by an array like y."""
        return self.inner.times(system, jacobian[0], x)

    def bound(self, system, jacobian) -> Any:
        """Bound the spectral radius of the derivative by y."""
        return self.inner.bound(system, jacobian[0])


def derivatives(model, pattern, t, y, yp, params) -> tuple[Any, Any]:
    """Both derivatives of a residual: the user's, or derived of it; full, or at the places of a pattern."""
    b, n = model.backend, size_of(model)
    if model.problem.jacobian is None:
        found = []
        for function, x in (
            (lambda y: model.residual(t, y, yp, params), y),
            (lambda yp: model.residual(t, y, yp, params), yp),
        ):
            found.append(b.jacobian(function, x) if pattern is None else b.sparse_jacobian(function, x, pattern))
        return found[0], found[1]
    given = model.given_jacobians(t, y, yp, params)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(
            "jacobian", f"must return the derivatives of the residual by y and by yp, a pair, got {given!r}."
        )
    full = [x.toarray() if hasattr(x, "toarray") else x for x in given]
    by_state, by_slope = (b.as_array(x, y, (n, n, *b.lanes), "jacobian") for x in full)
    return (by_state, by_slope) if pattern is None else tuple(entries_at(b, x, pattern) for x in (by_state, by_slope))
