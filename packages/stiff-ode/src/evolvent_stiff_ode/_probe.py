"""A look at the spectrum of a large problem's Jacobian, by a few evaluations of f."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

ITERATIONS = 15


class Spectrum(NamedTuple):
    """The largest eigenvalue's absolute value, and whether it is real and negative."""

    radius: float
    diffusive: bool


def spectrum_of(problem: Any, backend: Any) -> Spectrum | None:
    """Estimate the largest eigenvalue at the start by the power method; None where f can't be asked.

    Products with the Jacobian are differences of f, which is enough for what is decided by them.
    """
    from evolvent_stepping import Model

    try:
        model = Model(problem, backend)
        t, y = backend.real(problem.t_span[0]), model.y0
        xp = backend.xp
        f0 = model.derivative(t, y, model.params0)
        chirp = np.cos(np.arange(y.size if isinstance(y.size, int) else int(np.prod(y.shape))) ** 2 * 0.7 + 0.3)
        direction = xp.reshape(xp.asarray(chirp, dtype=f0.dtype, device=backend.device), f0.shape)
        size = max(float(xp.max(xp.abs(y))), 1e-3) * float(xp.finfo(backend.real_dtype(y.dtype)).eps) ** 0.5
        radius, along = 0.0, 0.0
        for _ in range(ITERATIONS):
            length = float(xp.max(xp.abs(direction)))
            if not 0.0 < length < np.inf:
                break
            direction = direction / length
            change = (model.derivative(t, y + size * direction, model.params0) - f0) / size
            square = float(xp.sum(xp.abs(direction) ** 2))
            radius = (float(xp.sum(xp.abs(change) ** 2)) / square) ** 0.5
            along = float(
                xp.sum(xp.real(xp.conj(direction) * change) if not backend.is_real(y.dtype) else direction * change)
            )
            along = along / square
            direction = change
    except Exception:
        # What is wrong with f, the solve itself will say.
        return None
    if not np.isfinite(radius):
        return None
    return Spectrum(radius, along < -0.8 * radius)
