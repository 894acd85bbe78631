"""The time-stepping driver of evolvent: step control, saving, dense output, events, ensembles, written once.

A method is a `Stepper`: three pure functions of arrays. All else is here.
"""

from ._control import Memory, StepControl
from ._hermite import Hermite, hermite
from ._integrator import Integrator
from ._model import Model
from ._options import Options
from ._stepper import Entry, Part, Step, Stepper, Work
from ._system import System

__version__ = "0.1.0"

__all__ = [
    "Entry",
    "Hermite",
    "Integrator",
    "Memory",
    "Model",
    "Options",
    "Part",
    "Step",
    "StepControl",
    "Stepper",
    "System",
    "Work",
    "hermite",
]
