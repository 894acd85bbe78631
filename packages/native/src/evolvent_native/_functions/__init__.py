"""The recording namespace: the functions of the Array API standard, each of which adds nodes to the graph."""

# ruff: noqa: F401
from __future__ import annotations

import math as _math

import numpy as _np

from .. import _array
from . import creation, data_types, elementwise, indexing, linalg, manipulation, searching, sorting, statistical
from .creation import *  # noqa: F403
from .data_types import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .indexing import take, take_along_axis
from .manipulation import *  # noqa: F403
from .searching import *  # noqa: F403
from .sorting import argsort, sort
from .statistical import *  # noqa: F403

pi, e, inf, nan = _math.pi, _math.e, _math.inf, _math.nan
newaxis = None
__array_api_version__ = "2024.12"

for _name in linalg.MAIN:
    globals()[_name] = getattr(linalg, _name)


class _Info:
    """What the namespace says of itself."""

    def capabilities(self):
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self):
        return "cpu"

    def devices(self):
        return ["cpu"]

    def default_dtypes(self, *, device=None):
        types = data_types
        return {
            "real floating": types.float64,
            "complex floating": types.complex128,
            "integral": types.int64,
            "indexing": types.int64,
        }

    def dtypes(self, *, device=None, kind=None):
        every = {name: getattr(data_types, name) for name in data_types.__all__}
        every = {name: dtype for name, dtype in every.items() if isinstance(dtype, _np.dtype)}
        return every if kind is None else {n: d for n, d in every.items() if data_types.isdtype(d, kind)}


def __array_namespace_info__() -> _Info:
    return _Info()


_array._install()
