"""Generalised minimal residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from evolvent import InputError

from .krylov import Found, Goal, Krylov, measured, norm, product, spacing, target


class Space(NamedTuple):
    """An Arnoldi basis that grows: rows of zeros wait for the next vectors.

    `vector` is the last one, and `slot` is one at its row. `left` is the vector that the Hessenberg matrix's columns
    are orthogonal to: the residual goes along it.
    """

    vector: Any
    basis: Any
    hessenberg: Any
    left: Any
    slot: Any
    size: Any
    filled: Any
    count: Any


@dataclass(frozen=True)
class GMRES(Krylov):
    """Generalised minimal residuals, restarted: for large systems whose Jacobian is too dear to factorise.

    Matrix-free: nothing larger than ``restart`` states is kept, and the work is one product with the Jacobian, twice
    ``restart`` scalar products and one application of the preconditioner an iteration. Stiff diffusion wants a
    preconditioner. Without one take `BiCGStab` where memory is short. A step whose systems don't converge is taken anew
    with a smaller size.

    Parameters
    ----------
    preconditioner : Preconditioner, optional
        An approximate inverse, applied from the right.
    tolerance : float, optional
        The residual to stop at, in units of the solve's tolerance: by default 0.01 where Newton's iteration mends the
        rest, and 0.0001 in Rosenbrock methods, which rely on the solution. With a mass matrix residuals are reduced to
        a ten-thousandth besides, because they say little of the algebraic components.
    max_iterations : int
        After so many the step is taken anew with a smaller size.
    restart : int
        After so many iterations a new basis is begun.

    References
    ----------
    Y. Saad, M. H. Schultz, GMRES, SIAM J. Sci. Stat. Comput. 7 (1986) 856-869, doi:10.1137/0907058; the residual's
    norm by the Hessenberg matrix's left null vector: E. H. Ayachour, A fast implementation for GMRES method, J. Comput.
    Appl. Math. 159 (2003) 269-283, doi:10.1016/S0377-0427(03)00534-X.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> from evolvent_stiff_ode import GMRES, QNDF
    >>> def diffusion(t, y, p):
    ...     return 1000.0 * (np.roll(y, 1) - 2.0 * y + np.roll(y, -1))
    >>> heat = ev.ODEProblem(diffusion, y0=np.arange(50.0), t_span=(0.0, 10.0))
    >>> round(float(ev.solve(heat, QNDF(linear_solver=GMRES())).y[-1, 7]), 2)
    24.5
    """

    restart: int = 30

    def __post_init__(self):
        super().__post_init__()
        if self.restart < 1:
            raise InputError("restart", f"must be positive, got {self.restart!r}.")

    def _iterated(self, b, matrix, rhs, unit, goal: Goal) -> Found:
        c = b.control
        n = rhs.shape[0]
        most = min(self.restart, n)
        size = measured(b, rhs, unit)
        enough = target(b, size, goal, spacing(b, rhs))

        def goes_on(s):
            _, _, size, count = s
            return c.logical_and(size > enough, count < goal.iterations)

        def cycle(s):
            x, residual, size, count = s
            space = self._space(b, matrix, residual, size, enough, count, most, goal)
            x, residual = _best(b, space, x, residual, most)
            return x, residual, space.size, space.count

        start = (b.zeros_like(rhs), rhs, size, b.integer(0))
        x, _, size, _ = b.while_loop(goes_on, cycle, start, max_iterations=goal.iterations)
        return Found(x, size <= enough)

    def _space(self, b, matrix, residual, size, enough, count, most: int, goal: Goal) -> Space:
        """Extend a basis until the residual is small enough or the basis full."""
        xp, c = b.xp, b.control
        length = norm(b, residual)
        rows = [xp.ones_like(length)] + [xp.zeros_like(length)] * most
        slot = xp.stack(rows)
        left = xp.astype(slot, residual.dtype)
        vector = residual / xp.where(length > 0.0, length, xp.ones_like(length))
        basis = left[:, None, ...] * vector[None, ...]
        hessenberg = xp.stack([b.zeros_like(left)] * most)
        tiny = spacing(b, residual)

        def goes_on(s: Space):
            going = c.logical_and(s.size > enough, s.filled < most)
            return c.logical_and(going, s.count < goal.iterations)

        def extended(s: Space) -> Space:
            w = matrix(s.vector)
            first = norm(b, w)
            w, column = _orthogonal(b, s, w)
            length = xp.maximum(norm(b, w), tiny * first)
            length = xp.where(length > 0.0, length, xp.ones_like(length))
            slot = xp.roll(s.slot, 1, axis=0)
            vector = w / length
            basis = s.basis + slot[:, None, ...] * vector[None, ...]
            # Sum of left * column over what was there is the entry of `left` to come, but for its sign.
            entry = -xp.sum(s.left * column, axis=0) / length
            left = s.left + slot * entry
            hessenberg = s.hessenberg + s.slot[:most, None, ...] * (column + slot * length)[None, ...]
            reduced = b.to_control(b.stop_gradient(1.0 / norm(b, left)))
            one = b.integer(1)
            return Space(vector, basis, hessenberg, left, slot, size * reduced, s.filled + one, s.count + one)

        start = Space(vector, basis, hessenberg, left, slot, size, b.integer(0), count)
        return b.while_loop(goes_on, extended, start, max_iterations=most)


def _orthogonal(b, s: Space, w) -> tuple[Any, Any]:
    """Make a vector orthogonal to the basis, and give what it had in common with each row."""
    xp = b.xp
    if b.compiled and not b.traced:
        # Row by row, and no further than rows are filled.
        places = xp.arange(s.slot.shape[0])

        def without(carry):
            w, column, k = carry
            row = xp.take(s.basis, xp.reshape(xp.asarray(k), (1,)), axis=0)[0, ...]
            along = product(b, row, w)
            return w - along * row, column + along * xp.astype(places == k, w.dtype), k + b.integer(1)

        start = (w, b.zeros_like(s.left), b.integer(0))
        w, column, _ = b.while_loop(lambda x: x[2] <= s.filled, without, start, max_iterations=s.slot.shape[0])
        return w, column
    conjugate = s.basis if b.is_real(s.basis.dtype) else xp.conj(s.basis)
    column = _products(b, conjugate, w)
    w = w - _combined(b, column, s.basis)
    # Once is not enough: what was cancelled comes back by rounding.
    again = _products(b, conjugate, w)
    return w - _combined(b, again, s.basis), column + again


def _best(b, s: Space, x, residual, most: int) -> tuple[Any, Any]:
    """The best of a basis, and the residual that it leaves."""
    xp = b.xp
    length = norm(b, residual)
    square = xp.sum(xp.abs(s.left) ** 2, axis=0)
    left = s.left if b.is_real(s.left.dtype) else xp.conj(s.left)
    rest = length / square * left
    # Below its first row the matrix is triangular; columns that are not there yet get a diagonal of ones.
    triangle = xp.moveaxis(s.hessenberg, 0, 1)[1:, ...]
    there = xp.cumulative_sum(s.slot, axis=0)
    free = there[:-1, ...]
    eye = xp.eye(most, dtype=b.real_dtype(s.left.dtype), device=b.device)
    eye = eye[..., None] if b.lanes else eye
    weights = b.lu_solve(b.lu(triangle + eye * free[None, ...]), -rest[1:, ...])
    found = _combined(b, weights, s.basis[:-1, ...])
    return x + found, _combined(b, rest, s.basis)


def _products(b, basis, x) -> Any:
    """The scalar product of each row with a vector."""
    return b.xp.sum(basis * x[None, ...], axis=1) if b.lanes else b.xp.matmul(basis, x)


def _combined(b, weights, basis) -> Any:
    """The sum of the rows, weighted."""
    if b.lanes:
        return b.xp.sum(weights[:, None, ...] * basis, axis=0)
    return b.xp.matmul(b.xp.astype(weights, basis.dtype), basis)
