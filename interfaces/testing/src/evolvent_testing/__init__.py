"""What every algorithm must hold: conformance kit, convergence tool, reference problems, backend fixtures."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backends import assert_close, make_array, to_numpy
    from .conformance import AlgorithmConformance
    from .convergence import Convergence, measured_order, measured_tolerance_order
    from .problems import ReferenceProblem, dae_problems, reference_problems, stiff_problems

__version__ = "0.1.0"

# Loaded when first asked for: pytest imports this package at every start, for its plugin.
_HOME = {
    "AlgorithmConformance": "conformance",
    "Convergence": "convergence",
    "ReferenceProblem": "problems",
    "assert_close": "backends",
    "dae_problems": "problems",
    "make_array": "backends",
    "measured_order": "convergence",
    "measured_tolerance_order": "convergence",
    "reference_problems": "problems",
    "stiff_problems": "problems",
    "to_numpy": "backends",
}

__all__ = [
    "AlgorithmConformance",
    "Convergence",
    "ReferenceProblem",
    "assert_close",
    "dae_problems",
    "make_array",
    "measured_order",
    "measured_tolerance_order",
    "reference_problems",
    "stiff_problems",
    "to_numpy",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
