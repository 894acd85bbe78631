"""Plugins by entry points: algorithms as data, hooks as pluggy modules; a broken one harms nobody else."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import pluggy

from . import _hooks
from ._errors import PluginError, UnknownAlgorithmError

ALGORITHMS = "evolvent.algorithms"
HOOKS = "evolvent"

# Where to find algorithms that are not installed; the names that users know from SciPy and SciML are among them.
_ELSEWHERE = {
    "evolvent-ode": (
        "Euler Midpoint Heun Ralston RK4 BS3 OwrenZen3 OwrenZen4 OwrenZen5 DP5 Tsit5 DOP853 Vern6 Vern7 Vern8 Vern9 "
        "Feagin10 Feagin12 Feagin14 VCABM VelocityVerlet Yoshida6 KahanLi8 DPRKN6 DPRKN8 RKC ROCK2 ROCK4"
    ),
    "evolvent-stiff-ode": (
        "Rosenbrock23 ROS3P Rodas3 Rodas4 Rodas42 Rodas4P Rodas5 Rodas5P ImplicitEuler ImplicitMidpoint Trapezoid "
        "TRBDF2 SDIRK2 Kvaerno3 Kvaerno4 Kvaerno5 KenCarp3 KenCarp4 KenCarp47 KenCarp5 KenCarp58 ARS343 RadauIIA3 "
        "RadauIIA5 RadauIIA9 RadauIIA QNDF FBDF DFBDF SBDF2 SBDF3 SBDF4 ETDRK4 EXPRB32 EXPRB43 "
        "ImplicitEulerExtrapolation"
    ),
    "evolvent-jumps": (
        "Direct SortingDirect FirstReaction NextReaction DirectCR RDirect RSSA RSSACR CCNRM Coevolve HazardIntegration "
        "TauLeaping ImplicitTauLeaping ThetaTrapezoidal NSM DirectCRDirect"
    ),
}
_SYNONYMS = {
    "rk45": "DP5",
    "dopri5": "DP5",
    "dopri8": "DOP853",
    "rk23": "BS3",
    "dop853": "DOP853",
    "radau": "RadauIIA5",
    "bdf": "QNDF",
    "ode15s": "QNDF",
    "ode23s": "Rosenbrock23",
    "ode23t": "Trapezoid",
    "ode23tb": "TRBDF2",
    "lsoda": "QNDF",
    "cvode": "FBDF",
    "ida": "DFBDF",
    "ssa": "Direct",
    "gillespie": "Direct",
    "nrm": "NextReaction",
    "frm": "FirstReaction",
    "tauleaping": "TauLeaping",
    "tau": "TauLeaping",
}


class Failure(NamedTuple):
    """A plugin that could not be loaded, or a hook of it that raised, and why."""

    plugin: str
    reason: str
    what: str = "failed to load:"

    def __str__(self) -> str:
        return f"The plugin {self.plugin} {self.what} {self.reason}"


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown distribution"


@cache
def _algorithm_entries() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=ALGORITHMS):
        others = found.setdefault(entry.name, [])
        if not any(_distribution(entry) == _distribution(other) and entry.value == other.value for other in others):
            others.append(entry)
    return found


def algorithms() -> list[str]:
    """List the names of all installed algorithms; imports none of them."""
    return sorted(_algorithm_entries())


def algorithm_home(name: str) -> str:
    """Name the distribution that brings an algorithm."""
    return _distribution(_algorithm_entries()[name][0])


def load_algorithm(name: str) -> type:
    """Import an algorithm class by its registered name.

    Raises
    ------
    UnknownAlgorithmError
        If no installed plugin has it; the message has near names and the package that would bring it.
    PluginError
        If two packages claim the name, or its plugin can't be imported.
    """
    entries = _algorithm_entries().get(name)
    if not entries:
        wanted = _SYNONYMS.get(name.lower(), name)
        package = next((p for p, names in _ELSEWHERE.items() if wanted in names.split()), None)
        if wanted != name and wanted in _algorithm_entries():
            advice = f"{name} is called {wanted!r} here."
        elif package and wanted not in _algorithm_entries():
            advice = f"It comes with {package}: pip install {package}"
        else:
            advice = ""
        raise UnknownAlgorithmError(name, algorithms(), advice)
    if len(entries) > 1:
        homes = " and ".join(f"{_distribution(entry)} ({entry.value})" for entry in entries)
        raise PluginError(
            f"two plugins have an algorithm named {name!r}: {homes}. Uninstall one, or pass the algorithm itself."
        )
    try:
        return entries[0].load()
    except Exception as error:
        raise PluginError(f"{_distribution(entries[0])} has {name!r}, but it can't be imported: {error!r}") from error


@cache
def plugin_manager() -> tuple[pluggy.PluginManager, tuple[Failure, ...]]:
    """Load all hook modules, one by one, and report those that failed."""
    manager = pluggy.PluginManager("evolvent")
    manager.add_hookspecs(_hooks)
    failures = []
    seen: dict[str, EntryPoint] = {}
    for entry in entry_points(group=HOOKS):
        other = seen.setdefault(entry.name, entry)
        if other is not entry:
            if _distribution(other) != _distribution(entry) or other.value != entry.value:
                failures.append(
                    Failure(
                        entry.name,
                        f"both {_distribution(other)} and {_distribution(entry)} have a plugin of this name",
                    )
                )
            continue
        try:
            manager.register(entry.load(), name=entry.name)
        except Exception as error:
            failures.append(Failure(f"{entry.name} ({_distribution(entry)})", repr(error)))
    return manager, tuple(failures)


def hook_results(name: str, **arguments: Any) -> tuple[list[Any], list[Failure]]:
    """Call one hook of every plugin; a plugin that raises is reported, and the others are heard."""
    manager, failures = plugin_manager()
    results, broken = [], list(failures)
    for implementation in getattr(manager.hook, name).get_hookimpls():
        try:
            given = {key: arguments[key] for key in implementation.argnames}
            results.append(implementation.function(**given))
        except Exception as error:
            broken.append(Failure(implementation.plugin_name, repr(error), "raised"))
    return results, broken
