"""Reaction networks that BioNetGen wrote: real inputs for tests and benchmarks of jump processes."""

from __future__ import annotations

import ast
import operator
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import evolvent as ev

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def data_folder() -> Path | None:
    """Where real inputs lie: the folder that ``EVOLVENT_DATA`` names, or ``../shared/data`` beside the checkout."""
    given = os.environ.get("EVOLVENT_DATA")
    places = [Path(given)] if given else [root / "shared" / "data" for root in Path(__file__).resolve().parents]
    return next((place for place in places if place.is_dir()), None)


def bionetgen_problem(path: Path, t_span: tuple[float, float]) -> ev.JumpProblem:
    """Read a ``.net`` file as a jump problem, with species in the file's order.

    Its rates are mass action on ordered choices: factors for symmetry stand in its rate constants.
    """
    parameters: dict[str, float] = {}
    initial: list[float] = []
    rates: list[float] = []
    reactants: list[dict[int, int]] = []
    net: list[dict[int, int]] = []
    for section, words in _lines(path):
        if section == "parameters":
            parameters[words[1]] = _number(words[2], parameters)
        elif section == "species":
            initial.append(_number(words[2], parameters))
        elif section == "reactions":
            taken, made = _counted(words[1]), _counted(words[2])
            rates.append(_number(words[3], parameters))
            reactants.append(taken)
            net.append({i: made.get(i, 0) - taken.get(i, 0) for i in {*taken, *made}})
    reactions = ev.MassAction(rates, reactants, net, combinatoric=False)
    return ev.JumpProblem(np.asarray(initial).astype(np.int64), t_span, jumps=[reactions])


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    section = ""
    for line in path.read_text().splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["begin"]:
            section = words[1]
        elif words[:1] == ["end"]:
            section = ""
        elif words and section:
            yield section, words


def _counted(word: str) -> dict[int, int]:
    """How often each species stands in ``3,3,7``; 0 is none."""
    places = [int(number) - 1 for number in word.split(",") if number != "0"]
    return {place: places.count(place) for place in places}


def _number(text: str, names: dict[str, float]) -> float:
    """The value of an arithmetic expression of named parameters."""

    def value(node: Any) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.Name):
            return names[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ValueError(f"{text!r} is no arithmetic expression")

    return value(ast.parse(text.replace("^", "**"), mode="eval").body)
