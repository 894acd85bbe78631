"""Simulators of jump processes, each called as its own documentation does it.

A peer is a function of a model that returns ``run(seed)``, which simulates `PATHS` paths, and how many paths that is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

import evolvent as ev

from ._jump_models import INFECTION, RECOVERY, JumpModel
from .with_c import address, library

Runs = tuple[Callable[[int], Any], int]
LONGEST = 1 << 16  # events of a path that C keeps


def c_loop(model: JumpModel) -> Runs:
    """The loop by hand, each path kept; SIR alone."""
    if model.name != "sir":
        raise NotImplementedError("the loop by hand is for SIR")
    program = library("sir", "gillespie_sir")
    program.paths.restype = ctypes.c_long
    times, counts = np.empty(LONGEST), np.empty((LONGEST, 3), np.int64)
    numbers = [ctypes.c_double(x) for x in (INFECTION, RECOVERY, model.end)]
    paths = 20

    def run(seed: int) -> int:
        return program.paths(
            ctypes.c_uint64(seed), ctypes.c_long(paths), ctypes.c_long(999), ctypes.c_long(1), *numbers,
            address(times), address(counts),
        )  # fmt: skip

    return run, paths


def evolvent_with(method: str | None, **options: Any) -> Callable[[JumpModel], Runs]:
    """A compiled handle of a method; every event is kept unless `options` say otherwise."""

    def peer(model: JumpModel) -> Runs:
        run = ev.compile(model.problem, method, **options)
        return lambda seed: run(seed=seed), 1

    return peer


def evolvent_ensemble(paths: int) -> Callable[[JumpModel], Runs]:
    """Many paths on all cores, the counts at the end kept."""

    def peer(model: JumpModel) -> Runs:
        ensemble = ev.EnsembleProblem(model.problem, trajectories=paths)
        return lambda seed: ev.solve(ensemble, saveat="end", seed=seed), paths

    return peer


def rebop(model: JumpModel) -> Runs:
    """Every event of SIR kept (``nb_steps=0``), of others the end."""
    import rebop

    network, names = rebop.Gillespie(), _names(model)
    for rate, reactants, products in _reactions(model):
        network.add_reaction(rate, _spelt(reactants, names), _spelt(products, names))
    initial = {name: int(n) for name, n in zip(names, model.problem.y0, strict=True)}
    kept = 0 if model.name == "sir" else 1
    return lambda seed: network.run(initial, tmax=model.end, nb_steps=kept, rng=seed), 1


def roadrunner(model: JumpModel) -> Runs:
    """Its ``gillespie`` integrator, counts at the end."""
    import roadrunner

    simulator = roadrunner.RoadRunner(sbml_of(model))
    simulator.setIntegrator("gillespie")
    simulator.integrator.variable_step_size = model.name == "sir"

    def run(seed: int) -> Any:
        simulator.resetAll()
        simulator.integrator.seed = seed
        if model.name == "sir":
            return simulator.simulate(0.0, model.end)
        return simulator.simulate(0.0, model.end, 2)

    return run, 1


def gillespy2_compiled(model: JumpModel) -> Runs:
    """Its C++ program, which wants SCons, in batches."""
    import gillespy2

    paths = 1000 if model.name == "sir" else 10
    solver = gillespy2.SSACSolver(model=_gillespy2_model(model))
    return lambda seed: solver.run(number_of_trajectories=paths, seed=seed + 1), paths


def gillespy2_numpy(model: JumpModel) -> Runs:
    """Its Python program."""
    import gillespy2

    if model.name != "sir":
        raise NotImplementedError("minutes a path")
    solver = gillespy2.NumPySSASolver(model=_gillespy2_model(model))
    return lambda seed: solver.run(number_of_trajectories=1, seed=seed + 1), 1


def _gillespy2_model(model: JumpModel) -> Any:
    import gillespy2

    found = gillespy2.Model(name=model.name.replace("-", "_"))
    names = _names(model)
    species = [
        gillespy2.Species(name=name, initial_value=int(n)) for name, n in zip(names, model.problem.y0, strict=True)
    ]
    found.add_species(species)
    for j, (rate, reactants, products) in enumerate(_reactions(model)):
        constant = gillespy2.Parameter(name=f"k{j}", expression=repr(rate))
        found.add_parameter(constant)
        found.add_reaction(
            gillespy2.Reaction(
                name=f"r{j}",
                reactants={species[i]: n for i, n in reactants.items()},
                products={species[i]: n for i, n in products.items()},
                rate=constant,
            )
        )
    found.timespan(gillespy2.TimeSpan.linspace(t=model.end, num_points=model.saves + 1))
    return found


def sbml_of(model: JumpModel) -> str:
    """The model in the Systems Biology Markup Language, level 3."""
    import libsbml

    document = libsbml.SBMLDocument(3, 1)
    found = document.createModel()
    compartment = found.createCompartment()
    compartment.setId("cell")
    compartment.setSize(1.0)
    compartment.setConstant(True)
    names = _names(model)
    for name, count in zip(names, model.problem.y0, strict=True):
        species = found.createSpecies()
        species.setId(name)
        species.setCompartment("cell")
        species.setInitialAmount(float(count))
        species.setHasOnlySubstanceUnits(True)
        species.setBoundaryCondition(False)
        species.setConstant(False)
    for j, (rate, reactants, products) in enumerate(_reactions(model)):
        reaction = found.createReaction()
        reaction.setId(f"r{j}")
        reaction.setReversible(False)
        reaction.setFast(False)
        for side, create in ((reactants, reaction.createReactant), (products, reaction.createProduct)):
            for i, n in side.items():
                reference = create()
                reference.setSpecies(names[i])
                reference.setStoichiometry(float(n))
                reference.setConstant(True)
        factors = [repr(rate)]
        for i, n in reactants.items():
            factors += [names[i] if k == 0 else f"({names[i]} - {k})" for k in range(n)]
        reaction.createKineticLaw().setMath(libsbml.parseL3Formula(" * ".join(factors)))
    return libsbml.writeSBMLToString(document)


def _names(model: JumpModel) -> list[str]:
    return [f"s{i}" for i in range(len(model.problem.y0))]


def _reactions(model: JumpModel) -> list[tuple[float, dict[int, int], dict[int, int]]]:
    jumps = model.reactions
    found = []
    for rate, taken, net in zip(jumps.rates, jumps.reactants, jumps.net, strict=True):
        made = {i: taken.get(i, 0) + net.get(i, 0) for i in sorted({*taken, *net})}
        found.append((float(rate), dict(taken), {i: n for i, n in made.items() if n}))
    return found


def _spelt(side: dict[int, int], names: list[str]) -> list[str]:
    return [names[i] for i, n in side.items() for _ in range(n)]
