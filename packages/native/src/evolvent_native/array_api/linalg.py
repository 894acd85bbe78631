"""The linear algebra extension, but for eigenvalues and singular values, which the compiler does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._functions import linalg as _recording
from . import compiled

if TYPE_CHECKING:  # given below

    def __getattr__(name: str) -> Any: ...


__all__ = (  # noqa: SIM905
    "cholesky cross det diagonal inv matmul matrix_norm matrix_power matrix_transpose outer qr slogdet solve "
    "tensordot trace vecdot vector_norm"
).split()

for _name in __all__:
    globals()[_name] = compiled(getattr(_recording, _name))
