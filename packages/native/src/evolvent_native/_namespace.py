"""NumPy's namespace while nothing is recorded, the recording one while something is."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _functions as functions
from ._graph import recording


class Namespace:
    """What `NativeBackend.xp` is: the driver uses it on both sides of the compiler."""

    __name__ = "numpy"

    def __getattr__(self, name: str) -> Any:
        known, recorded = getattr(np, name), getattr(functions, name, None)
        if recorded is None or not callable(known) or isinstance(known, type):
            value = known
        else:

            def value(*arguments: Any, **options: Any) -> Any:
                return (recorded if recording() else known)(*arguments, **options)

        setattr(self, name, value)
        return value


namespace = Namespace()
