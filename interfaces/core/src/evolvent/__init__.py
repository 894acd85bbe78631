"""evolvent: scientific machine learning for every Python array.

Problems, algorithms and solutions are plain values; `solve` brings them together. The solvers themselves live in
plugins (``evolvent-ode``, ...), which are found by their entry points.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._algorithm import Algorithm
    from ._backend import choose_backend
    from ._eager import EagerBackend
    from ._errors import (
        BackendError,
        CannotStage,
        InputError,
        PluginError,
        SolveError,
        SolveInterrupted,
        UnknownAlgorithmError,
    )
    from ._events import Dose, Event, NonNegative
    from ._hooks import hookimpl
    from ._jumps import ConstantRate, Hopping, JumpProblem, MassAction, VariableRate
    from ._numpy import NumpyBackend
    from ._problem import DAEProblem, EnsembleProblem, ODEProblem, Problem, SecondOrderODEProblem, SplitODEProblem
    from ._protocol import Backend
    from ._registry import algorithms, load_algorithm
    from ._solution import EnsembleSolution, EventLog, Occurrences, Solution, Stats
    from ._solve import choose_algorithm, compile, explain, init, solve
    from ._status import Status

__version__ = "0.1.0"

_HOME = {
    "Algorithm": "_algorithm",
    "Backend": "_protocol",
    "BackendError": "_errors",
    "CannotStage": "_errors",
    "ConstantRate": "_jumps",
    "DAEProblem": "_problem",
    "Dose": "_events",
    "EagerBackend": "_eager",
    "EnsembleProblem": "_problem",
    "EnsembleSolution": "_solution",
    "Event": "_events",
    "EventLog": "_solution",
    "Hopping": "_jumps",
    "InputError": "_errors",
    "JumpProblem": "_jumps",
    "MassAction": "_jumps",
    "NonNegative": "_events",
    "NumpyBackend": "_numpy",
    "ODEProblem": "_problem",
    "Occurrences": "_solution",
    "PluginError": "_errors",
    "Problem": "_problem",
    "SecondOrderODEProblem": "_problem",
    "SplitODEProblem": "_problem",
    "Solution": "_solution",
    "SolveError": "_errors",
    "SolveInterrupted": "_errors",
    "Stats": "_solution",
    "Status": "_status",
    "UnknownAlgorithmError": "_errors",
    "VariableRate": "_jumps",
    "algorithms": "_registry",
    "choose_algorithm": "_solve",
    "choose_backend": "_backend",
    "compile": "_solve",
    "explain": "_solve",
    "hookimpl": "_hooks",
    "init": "_solve",
    "load_algorithm": "_registry",
    "solve": "_solve",
}

__all__ = [
    "Algorithm",
    "Backend",
    "BackendError",
    "CannotStage",
    "ConstantRate",
    "DAEProblem",
    "Dose",
    "EagerBackend",
    "EnsembleProblem",
    "EnsembleSolution",
    "Event",
    "EventLog",
    "Hopping",
    "InputError",
    "JumpProblem",
    "MassAction",
    "NonNegative",
    "NumpyBackend",
    "ODEProblem",
    "Occurrences",
    "PluginError",
    "Problem",
    "SecondOrderODEProblem",
    "SplitODEProblem",
    "Solution",
    "SolveError",
    "SolveInterrupted",
    "Stats",
    "Status",
    "UnknownAlgorithmError",
    "VariableRate",
    "algorithms",
    "choose_algorithm",
    "choose_backend",
    "compile",
    "explain",
    "hookimpl",
    "init",
    "load_algorithm",
    "solve",
]


def __getattr__(name):
    if name in _HOME:
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
    if name in ("random", "trees"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__, "random"])
