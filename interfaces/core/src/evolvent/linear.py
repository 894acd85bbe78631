"""Linear systems, for backends."""

from . import _small_lu as written_out
from ._superlu import HostLU, solved

__all__ = ["HostLU", "solved", "written_out"]
