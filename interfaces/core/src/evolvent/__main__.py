"""``python -m evolvent``: what is installed, what it can do, and what is broken; ``explain``: how a problem is run."""

from __future__ import annotations

import argparse
import importlib
import sys
from importlib.machinery import SourceFileLoader
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from ._backend import factories
from ._errors import InputError
from ._problem import Problem
from ._registry import algorithm_home, algorithms, hook_results, load_algorithm
from ._solve import explain


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line asks for: list what is installed, or explain problems."""
    parser = argparse.ArgumentParser(prog="python -m evolvent", description="List what is installed.")
    commands = parser.add_subparsers(dest="command")
    asked = commands.add_parser("explain", help="say which algorithm and backend solve a problem, and why")
    asked.add_argument("where", help="script.py, script.py:name, package.module or package.module:name")
    asked.add_argument("--algorithm", help="the algorithm to take; by default the one that ev.solve would choose")
    asked.add_argument("--backend", help="the backend to take; by default the one that ev.solve would choose")
    given = parser.parse_args([] if arguments is None else arguments)
    if given.command is None:
        list_installed()
        return
    try:
        for name, problem in problems_of(given.where).items():
            lines = explain(problem, given.algorithm, backend=given.backend).splitlines()
            print("\n".join([name, *(f"  {line}" for line in lines)]))
    except InputError as error:
        raise SystemExit(str(error)) from None


def problems_of(where: str) -> dict[str, Any]:
    """The problem that ``file.py:name`` or ``module:name`` names, or all problems of a file or module."""
    place, colon, name = where.rpartition(":")
    if not colon or name.startswith(("/", "\\")):  # the colon of a Windows drive
        place, name = where, ""
    module = _imported(place)
    if not name:
        found = {key: value for key, value in vars(module).items() if isinstance(value, Problem)}
        if not found:
            raise InputError("explain", f"{place} has no problem at its top level.", "Name one: file.py:name.")
        return found
    value = module
    for part in name.split("."):
        if not hasattr(value, part):
            known = [key for key, value in vars(module).items() if isinstance(value, Problem)]
            raise InputError("explain", f"{place} has nothing named {name!r}.", f"Its problems are {known}.")
        value = getattr(value, part)
    return {name: value}


def _imported(place: str) -> ModuleType:
    """A module by its name, or a file, run as a module: not what is under ``if __name__ == "__main__"``."""
    path = Path(place)
    if path.suffix != ".py":
        sys.path.insert(0, "")
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise InputError(
                "explain", f"there is no module {place!r}: {error}.", "Give a file as path/to/it.py."
            ) from error
        finally:
            sys.path.remove("")
    if not path.is_file():
        raise InputError("explain", f"there is no file {place!r}.")
    sys.path.insert(0, str(path.parent))
    loader = SourceFileLoader("explained_by_evolvent", str(path))
    module = ModuleType(loader.name)
    module.__file__ = str(path)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


def list_installed() -> None:
    """Print packages, algorithms with their traits, backends with their devices, and broken plugins."""
    print("packages")
    packages = {
        d.metadata["Name"]: d.version for d in distributions() if (d.metadata["Name"] or "").startswith("evolvent")
    }
    for name, version in sorted(packages.items()):
        print(f"  {name} {version}")
    broken = [f"{failure.plugin}: {failure.reason}" for failure in hook_results("evolvent_backends")[1]]
    print("algorithms")
    for name in algorithms():
        try:
            algorithm = load_algorithm(name)
            print(f"  {name:24} {algorithm_home(name):20} {', '.join(algorithm.traits(algorithm))}")
        except Exception as error:
            broken.append(f"{name}: {error}")
    print("backends")
    for factory in factories():
        try:
            print(f"  {factory.name:24} {', '.join(factory.devices())}")
        except Exception as error:
            broken.append(f"backend {factory.name}: {error!r}")
    if broken:
        print("failed to load")
        for line in broken:
            print(f"  {line}")


if __name__ == "__main__":
    main(sys.argv[1:])
