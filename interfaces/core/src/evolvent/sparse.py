"""Sparse matrices of derivatives: their patterns, and directions that compute many columns at once."""

from ._colouring import colouring
from ._pattern import Pattern

__all__ = ["Pattern", "colouring"]
