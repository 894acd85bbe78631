"""Linear systems, for backends."""

from . import _small_lu as written_out

__all__ = ["written_out"]
