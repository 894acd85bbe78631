"""The problems that peers are compared on, by name."""

from __future__ import annotations

from .brusselator import BRUSSELATOR_2D, BRUSSELATOR_ROLL, BRUSSELATOR_ROLL_FIXED
from .brusselator_stiff import BRUSSELATOR_STIFF
from .ensembles import LORENZ_ENSEMBLE, LORENZ_ENSEMBLE_FIXED
from .hires import HIRES
from .lorenz import LORENZ, LORENZ_SHORT
from .lotka_volterra import LOTKA_VOLTERRA
from .orego import OREGO
from .pleiades import PLEIADES
from .pollu import POLLU, POLLU_STIFF
from .rober import ROBER
from .spiral import SPIRAL_GRADIENT, SPIRAL_NEURAL_ODE

__all__ = ["CASES"]

CASES = {
    case.name: case
    for case in (
        LOTKA_VOLTERRA,
        PLEIADES,
        POLLU,
        LORENZ_SHORT,
        LORENZ,
        LORENZ_ENSEMBLE,
        LORENZ_ENSEMBLE_FIXED,
        SPIRAL_NEURAL_ODE,
        SPIRAL_GRADIENT,
        BRUSSELATOR_2D,
        BRUSSELATOR_ROLL,
        BRUSSELATOR_ROLL_FIXED,
        ROBER,
        HIRES,
        OREGO,
        POLLU_STIFF,
        BRUSSELATOR_STIFF,
    )
}
