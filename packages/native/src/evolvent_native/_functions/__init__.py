"""The recording namespace: the functions of the Array API standard, each of which adds nodes to the graph."""

from __future__ import annotations

import math as _math

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

_MAIN = ("matmul", "dot", "diagonal")
for _name in _MAIN:
    globals()[_name] = getattr(linalg, _name)

_array._install()
