"""Products with the mass matrix, and its place in the matrix of a step."""

from __future__ import annotations

from typing import Any

from .solver import flat, matrix_times, unflat


def mass_times(system, x) -> Any:
    """Multiply the mass matrix by an array like y."""
    b, mass = system.backend, system.mass
    if mass is None:
        return x
    if len(mass.shape) == 2:
        return unflat(b, matrix_times(b, mass, flat(b, x)), x)
    return unflat(b, _over_lanes(b, mass) * flat(b, x), x)


def shifted_mass(system, matrix, shift, imaginary=None) -> Any:
    """The mass matrix times a shift, in the shape of a dense `matrix`."""
    b, xp, mass = system.backend, system.backend.xp, system.mass
    n = matrix.shape[0]
    if mass is None:
        mass = xp.eye(n, dtype=b.real_dtype(matrix.dtype), device=b.device)
    elif len(mass.shape) == 1:
        mass = xp.eye(n, dtype=mass.dtype, device=b.device) * mass
    return scalar(b, shift, imaginary, matrix) * _over_lanes(b, mass)


def scalar(b, shift, imaginary, like) -> Any:
    """A shift as a data-plane scalar, complex where it has an imaginary part."""
    real = b.time(shift, like)
    return real if imaginary is None else real + 1j * b.time(imaginary, like)


def _over_lanes(b, x) -> Any:
    return x[..., None] if b.lanes else x
