"""The stochastic half of the SBML Test Suite, its mass-action models written as arrays: moments of 10,000 paths."""

import csv
import itertools
import math
import xml.etree.ElementTree as ElementTree
import zipfile
from functools import cache
from math import comb, prod

import numpy as np
import pytest

import evolvent as ev
from evolvent_testing.problems.bionetgen import data_folder

PATHS = 10_000
CORE, MATH = "{http://www.sbml.org/sbml/level3/version%d/core}", "{http://www.w3.org/1998/Math/MathML}"
OPERATIONS = {
    "times": prod,
    "plus": sum,
    "minus": lambda x: x[0] - x[1] if len(x) > 1 else -x[0],
    "divide": lambda x: x[0] / x[1],
    "power": lambda x: x[0] ** x[1],
}


@cache
def archive():
    folder = data_folder()
    path = None if folder is None else folder / "sbml-test-suite-even.zip"
    return zipfile.ZipFile(path) if path is not None and path.is_file() else None


def cases():
    """The cases with reactions; none where the archive is missing."""
    if archive() is None:
        return []
    names = sorted({name.split("/")[1] for name in archive().namelist() if name.startswith("stochastic/0")})
    return [name for name in names if b"<listOfReactions" in read(name, "model.xml")]


def read(case, file):
    return archive().read(f"stochastic/{case}/{file}")


def value(node, names):
    """The value of a MathML expression."""
    kind = node.tag.removeprefix(MATH)
    if kind == "ci":
        return names[node.text.strip()]
    if kind == "cn":
        return float(node.text)
    if kind == "csymbol":
        return names["time"]
    operation, *operands = node
    return OPERATIONS[operation.tag.removeprefix(MATH)]([value(x, names) for x in operands])


class Model:
    """A case's species, parameters, reactions and events, as far as these cases have them."""

    def __init__(self, text):
        root = ElementTree.fromstring(text)
        core = root.tag.removesuffix("sbml")
        model = root[0]
        self.core = core
        self.species = {x.get("id"): x for x in model.iter(core + "species")}
        self.initial = [int(float(x.get("initialAmount"))) for x in self.species.values()]
        self.fixed = {
            name for name, x in self.species.items() if "true" in (x.get("boundaryCondition"), x.get("constant"))
        }
        self.numbers = {x.get("id"): float(x.get("value")) for x in model.iter(core + "parameter") if x.get("value")}
        self.numbers |= {x.get("id"): float(x.get("size", 1.0)) for x in model.iter(core + "compartment")}
        self.reactions = list(model.iter(core + "reaction"))
        self.events = list(model.iter(core + "event"))

    def side(self, reaction, kind):
        references = reaction.iterfind(f"{self.core}{kind}/{self.core}speciesReference")
        found = {}
        for x in references:
            found[x.get("species")] = found.get(x.get("species"), 0) + int(float(x.get("stoichiometry", 1)))
        return found

    def law(self, reaction):
        """The kinetic law, a function of the species' amounts by name."""
        law = reaction.find(self.core + "kineticLaw")
        local = {x.get("id"): float(x.get("value")) for x in law.iter(self.core + "localParameter")}
        (expression,) = law.find(MATH + "math")
        return lambda amounts: value(expression, self.numbers | amounts | local)

    def problem(self, end):
        names = list(self.species)
        rates, reactants, net, others = [], [], [], []
        for reaction in self.reactions:
            taken, made = self.side(reaction, "listOfReactants"), self.side(reaction, "listOfProducts")
            change = {i: made.get(s, 0) - taken.get(s, 0) for i, s in enumerate(names) if s not in self.fixed}
            law = self.law(reaction)
            ways = {names.index(s): n for s, n in taken.items() if s not in self.fixed}
            rate = constant_of(law, ways, names)
            if rate is None:
                others.append(as_function(law, names, change))
            else:
                rates.append(rate)
                reactants.append(ways)
                net.append(change)
        jumps = [ev.MassAction(rates, reactants, net)] if rates else []
        return ev.JumpProblem(self.initial, (0.0, end), jumps=[*jumps, *others], events=self.doses(names))

    def doses(self, names):
        """Events whose triggers are times, of these cases the only kind beside thresholds of a species."""
        found = []
        for event in self.events:
            (trigger,) = event.find(f"{self.core}trigger/{MATH}math")
            operation, left, right = trigger
            assert operation.tag == MATH + "geq"
            assignments = []
            for x in event.iter(self.core + "eventAssignment"):
                (expression,) = x.find(MATH + "math")
                assignments.append((names.index(x.get("variable")), value(expression, self.numbers)))

            def effect(t, y, p, assignments=assignments):
                entries = list(y)
                for i, amount in assignments:
                    entries[i] = amount + 0.0 * y[0]
                return entries

            if left.tag == MATH + "csymbol":
                found.append(ev.Dose([value(right, self.numbers)], effect))
            else:
                i, threshold = names.index(left.text.strip()), value(right, self.numbers)
                condition = lambda t, y, p, i=i, threshold=threshold: y[i] - threshold + 0.5  # noqa: E731
                found.append(ev.Event(condition, effect, direction=1))
        return found


def constant_of(law, ways, names):
    """The rate constant of a law that is mass action, seen at many counts; None where it is another."""
    seen = []
    for counts in itertools.product((3, 7, 50), repeat=len(names)):
        combinations = prod(comb(counts[i], n) for i, n in ways.items())
        seen.append(law(dict(zip(names, map(float, counts), strict=True))) / combinations)
    return seen[0] if np.allclose(seen, seen[0], rtol=1e-12) and seen[0] >= 0.0 else None


def as_function(law, names, change):
    def rate(t, y, p):
        return law({name: y[i] for i, name in enumerate(names)})

    def effect(t, y, p):
        return [y[i] + change.get(i, 0) for i in range(len(names))]

    return ev.ConstantRate(rate, effect)


@pytest.mark.skipif(
    archive() is None, reason="the SBML Test Suite's archive is not here: EVOLVENT_DATA names its folder"
)
@pytest.mark.parametrize("case", cases())
def test_mean_and_deviation_lie_within_the_suites_ranges(case):
    """At every time the z-scores of mean and standard deviation of 10,000 paths are those that the suite accepts."""
    settings = dict(line.split(":", 1) for line in read(case, "settings.txt").decode().splitlines() if ":" in line)
    end, steps = float(settings["duration"]), int(settings["steps"])
    model = Model(read(case, "model.xml").decode())
    rows = list(csv.DictReader(read(case, "results.csv").decode().splitlines()))
    ensemble = ev.EnsembleProblem(model.problem(end), trajectories=PATHS)
    y = ev.solve(ensemble, saveat=np.linspace(0.0, end, steps + 1), seed=20240601).y.astype(float)
    low, high = map(float, settings["meanRange"].strip(" ()").split(","))
    low_sd, high_sd = map(float, settings["sdRange"].strip(" ()").split(","))
    for name in (word.strip() for word in settings["variables"].split(",")):
        found = y[:, :, list(model.species).index(name)]
        for k, row in enumerate(rows):
            mean, sd = float(row[f"{name}-mean"]), float(row[f"{name}-sd"])
            if sd == 0.0:
                assert np.all(found[:, k] == mean)
                continue
            z = math.sqrt(PATHS) * (found[:, k].mean() - mean) / sd
            z_sd = math.sqrt(PATHS / 2) * (found[:, k].var(ddof=1) / sd**2 - 1.0)
            assert low < z < high, (name, row["time"], z)
            assert low_sd < z_sd < high_sd, (name, row["time"], z_sd)


@pytest.mark.skipif(
    archive() is None, reason="the SBML Test Suite's archive is not here: EVOLVENT_DATA names its folder"
)
def test_all_cases_with_reactions_are_there():
    """Nineteen of the even-numbered cases have reactions; the others draw from distributions."""
    assert len(cases()) == 19
