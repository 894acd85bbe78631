"""Sparse linear systems, solved on the host, with torch's derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from evolvent.linear import solved


class SparseSolve(torch.autograd.Function):
    """``apply(values, rhs, symbolic, transposed)``: the solution of a sparse linear system.

    Both of its derivatives solve once more with the same factors, which are remembered.
    """

    @staticmethod
    def forward(values: Any, rhs: Any, symbolic: Any, transposed: bool) -> Any:
        """Solve on the host."""
        matrix, side = (x.detach().resolve_conj().cpu().numpy() for x in (values, rhs))
        found = solved(symbolic, matrix, side, transposed=transposed)
        return torch.as_tensor(found, device=rhs.device)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep what derivatives need."""
        values, _, *ctx.how = inputs
        ctx.save_for_backward(values, output)
        ctx.save_for_forward(values, output)

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        """Pull back: for ``A x = b`` to the right side by A^-H, and to the matrix by minus that times x^H."""
        values, x = ctx.saved_tensors
        symbolic, transposed = ctx.how
        pulled = SparseSolve.apply(values, cotangents[0].conj(), symbolic, not transposed).conj()
        rows, columns = _places(symbolic, x, transposed)
        change = -pulled[rows] * x[columns].conj()
        change = change.reshape(len(rows), -1).sum(-1)
        return change if values.is_complex() else change.real, pulled, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Push forward: ``A dx = db - dA x``."""
        values, x = ctx.saved_tensors
        moved, side = tangents[:2]
        change = torch.zeros_like(x) if side is None else side
        if moved is not None:
            rows, columns = _places(ctx.how[0], x, ctx.how[1])
            weights = moved.reshape(-1, *(1,) * (x.ndim - 1))
            change = change.index_add(0, rows, (weights * x[columns]).to(x.dtype), alpha=-1)
        return SparseSolve.apply(values, change, *ctx.how)


def _places(symbolic: Any, like: Any, transposed: bool) -> tuple[Any, Any]:
    pattern = symbolic.pattern
    places = [torch.as_tensor(np.asarray(x, np.int64), device=like.device) for x in (pattern.rows, pattern.columns)]
    return (places[1], places[0]) if transposed else (places[0], places[1])
