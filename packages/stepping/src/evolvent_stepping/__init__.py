"""The time-stepping driver of evolvent: step control, saving, dense output, events, ensembles, written once.

A method is a `Stepper`: three pure functions of arrays. All else is here.
"""

from ._control import Memory, StepControl
from ._events import first_crossing
from ._hermite import Hermite, hermite
from ._integrator import Integrator
from ._march import record_step
from ._model import Model
from ._options import Options
from ._reduce import ReducedSolution
from ._reductions import FirstPassage, Histogram, Moments, Quantiles, Reduction
from ._state import RUNNING
from ._stepper import Entry, Part, Step, Stepper, Work
from ._system import System

__version__ = "0.1.0"

__all__ = [
    "Entry",
    "FirstPassage",
    "Hermite",
    "Histogram",
    "Integrator",
    "Memory",
    "Model",
    "Moments",
    "Options",
    "Part",
    "Quantiles",
    "ReducedSolution",
    "Reduction",
    "Step",
    "StepControl",
    "Stepper",
    "System",
    "Work",
    "RUNNING",
    "first_crossing",
    "record_step",
    "hermite",
]
