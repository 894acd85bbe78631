"""Functions that can't be staged run eagerly; the line at fault and what to write instead are said."""

import math
import random

import numpy as np
import pytest
import scipy.interpolate
import scipy.linalg
import scipy.special

import evolvent as ev
from evolvent.__main__ import main

SPLINE = scipy.interpolate.CubicSpline([0.0, 1.0, 2.0], [0.0, 1.0, 0.0])


def branch(t, y, p):
    if y[0] > 0.2:
        return -y
    return y


def greater(t, y, p):
    return [max(y[0], 0.0), y[1]]


def both(t, y, p):
    return -y * (y[0] > 0.0 and y[1] > 0.0)


def loop(t, y, p):
    x = y[0]
    while x > 0.5:
        x = x / 2.0
    return [x, -y[1]]


def asserted(t, y, p):
    assert y[0] > -100.0
    return -y


def raising(t, y, p):
    if np.any(y < -5.0):
        raise ValueError("negative")
    return -y


def of_math(t, y, p):
    return [-math.sin(y[0]), y[1]]


def of_several_lines(t, y, p):
    return [
        math.cos(
            y[0],
        ),
        y[1],
    ]


def as_float(t, y, p):
    a = float(y[0])
    return [-a, y[1]]


def as_place(t, y, p):
    return [[1.0, 2.0][int(t)] * y[0], y[1]]


def stored(t, y, p):
    dy = np.zeros(2)
    dy[0] = -y[1]
    dy[1] = y[0]
    return dy


def stored_whole(t, y, p):
    dy = np.empty(2)
    dy[:] = -y
    return dy


def written_out(t, y, p):
    dy = np.empty(2)
    np.multiply(y, -1.0, out=dy)
    return dy


def special(t, y, p):
    return -scipy.special.erf(y)


def of_spline(t, y, p):
    return SPLINE(t) * y


def of_linalg(t, y, p):
    return scipy.linalg.expm(np.array([[0.0, 1.0], [-1.0, 0.0]]) * t) @ y


def masked(t, y, p):
    return [y[y > 0.0].sum(), y[1]]


def nonzero(t, y, p):
    return [y[np.nonzero(y)[0]].sum(), y[1]]


def unique(t, y, p):
    return [np.unique(y)[0], y[1]]


def printing(t, y, p):
    print("y is", y)
    return -y


def formatted(t, y, p):
    print(f"y is {y[0]:.3f}")
    return -y


WHY = {
    branch: ("if y[0] > 0.2:", "xp.where", "ev.Event"),
    greater: ("return [max(y[0], 0.0), y[1]]", "xp.maximum"),
    both: ("return -y * (y[0] > 0.0 and y[1] > 0.0)", "xp.logical_and"),
    loop: ("while x > 0.5:", "`for` loop of fixed length"),
    asserted: ("assert y[0] > -100.0", "leave it out"),
    raising: ("if np.any(y < -5.0):", "xp.where"),
    of_math: ("return [-math.sin(y[0]), y[1]]", "xp.sin", "np.sin"),
    of_several_lines: ("math.cos(", "xp.cos"),
    as_float: ("a = float(y[0])", "leave it out"),
    as_place: ("return [[1.0, 2.0][int(t)] * y[0], y[1]]", "xp.take"),
    stored: ("dy[0] = -y[1]", "xp.zeros_like(y)"),
    stored_whole: ("dy[:] = -y", "xp.zeros_like(y)"),
    written_out: ("np.multiply(y, -1.0, out=dy)", "use the result"),
    special: ("return -scipy.special.erf(y)", "erf", "np.interp"),
    of_spline: ("return SPLINE(t) * y", "scipy can't be recorded", "np.interp"),
    of_linalg: ("return scipy.linalg.expm(", "scipy can't be recorded"),
    masked: ("return [y[y > 0.0].sum(), y[1]]", "xp.where(mask, x, 0)"),
    nonzero: ("return [y[np.nonzero(y)[0]].sum(), y[1]]", "shape depends on values"),
    unique: ("return [np.unique(y)[0], y[1]]", "shape depends on values", "xp.sort"),
    printing: ('print("y is", y)', "save="),
    formatted: ('print(f"y is {y[0]:.3f}")', "save="),
}


def problem_of(f, **changes):
    return ev.ODEProblem(f, np.array([0.5, 1.0]), (0.0, 0.5), 1.3, **changes)


@pytest.mark.parametrize("f", WHY, ids=lambda f: f.__name__)
def test_the_line_at_fault_and_what_to_write(f):
    """The note has the user's line and what to write there, and the solution is the eager one."""
    solution = ev.solve(problem_of(f), "Tsit5", saveat=[0.5])
    eager = ev.solve(problem_of(f), "Tsit5", saveat=[0.5], backend="eager")
    note, (line, *advice) = solution.stats.note, WHY[f]
    assert solution.stats.backend == "eager (numpy)"
    assert note.startswith("f can't be staged (test_fallback.py, line ")
    for part in (line, *advice):
        assert part in note
    assert np.array_equal(solution.y, eager.y)
    assert ev.explain(problem_of(f), "Tsit5").endswith(note)


def drawn(t, y, p):
    return -y * (1.0 + 1e-9 * np.random.normal())  # noqa: NPY002


def drawn_by_python(t, y, p):
    noise = random.random()
    return -y + 1e-9 * noise


def drawn_in_bulk(t, y, p, source=np.random.default_rng(1)):  # noqa: B008
    noise = source.normal(size=1000)
    return -y * (1.0 + 1e-12 * np.sum(noise * y[0]))


CALLS: list[float] = []


def counting(t, y, p):
    CALLS.append(1.0)
    return -y * (1.0 + 1e-9 * len(CALLS))


@pytest.mark.parametrize(
    ("f", "line"),
    [
        (drawn, "return -y * (1.0 + 1e-9 * np.random.normal())"),
        (drawn_by_python, "return -y + 1e-9 * noise"),
        (drawn_in_bulk, "return -y * (1.0 + 1e-12 * np.sum(noise * y[0]))"),
        (counting, "return -y * (1.0 + 1e-9 * len(CALLS))"),
    ],
)
def test_what_differs_from_call_to_call_is_never_frozen(f, line):
    """Random numbers and counts are drawn at every call; the note names where they are used."""
    note = ev.solve(problem_of(f), "Tsit5", saveat=[0.5], throw=False, max_steps=50).stats.note
    assert "does not compute the same" in note
    assert line in note
    assert "params" in note


def test_the_same_numbers_at_every_call_are_compiled():
    """A generator that is seeded inside of f gives constants."""

    def f(t, y, p):
        return -y * np.random.default_rng(3).uniform(0.5, 1.0, size=2)

    native = ev.solve(problem_of(f), "Tsit5", saveat=[0.5])
    assert native.stats.backend == "native"
    assert np.allclose(native.y, ev.solve(problem_of(f), "Tsit5", saveat=[0.5], backend="eager").y, rtol=1e-12)


def test_a_value_that_is_kept_is_told_where_it_is_used():
    """A function that uses its last call's y is not compiled, and the recorded y says why it can't be used."""
    kept = {}

    def f(t, y, p):
        before = kept.get("y", y)
        kept["y"] = y
        return -y + 0.0 * before

    with pytest.raises(ev.SolveError, match="did f keep its y or t in a global"):
        ev.solve(problem_of(f), "Tsit5", saveat=[0.5])


WRONG = {
    "shape": lambda t, y, p: y[:1],
    "length": lambda t, y, p: [y[0]],
    "None": lambda t, y, p: None,
    "text": lambda t, y, p: "text",
    "list of texts": lambda t, y, p: ["a", "b"],
    "complex": lambda t, y, p: 1j * y,
    "list of complex": lambda t, y, p: [1j * y[0], 0.0],
    "unknown name": lambda t, y, p: unknown * y,  # noqa: F821
    "index": lambda t, y, p: [y[2], y[0]],
    "division": lambda t, y, p: y / (1 // 0),
    "attribute": lambda t, y, p: y.nothing,
    "types": lambda t, y, p: y + "a",
    "key": lambda t, y, p: {}["k"] * y,
    "library": lambda t, y, p: scipy.linalg.solve(np.eye(3), y),
}


@pytest.mark.parametrize("f", WRONG.values(), ids=WRONG)
def test_mistakes_are_reported_as_by_the_eager_backend(f):
    """What is wrong with a function is the same error, word by word; what f raised is its cause."""
    caught = []
    for backend in (None, "eager"):
        with pytest.raises((ev.InputError, ev.SolveError)) as error:
            ev.solve(problem_of(f), "Tsit5", saveat=[0.5], backend=backend)
        caught.append(error.value)
    native, eager = caught
    assert type(native) is type(eager)
    assert str(native) == str(eager)
    if isinstance(eager, ev.SolveError):
        assert type(native.__cause__) is type(eager.__cause__)


def test_a_backend_that_was_named_is_kept_to():
    """With backend="native" a function that can't be staged is an error, which says why."""
    with pytest.raises(ev.BackendError, match=r"test_fallback.py, line \d+: `if y\[0\] > 0.2:`.*xp.where"):
        ev.solve(problem_of(branch), "Tsit5", backend="native")
    assert ev.solve(problem_of(lambda t, y, p: -y), "Tsit5", backend="native").stats.backend == "native"


def test_events_are_named():
    """The note says which of the problem's functions it is."""
    condition = problem_of(lambda t, y, p: -y, events=[ev.Event(lambda t, y, p: math.log(y[0]))])
    effect = problem_of(lambda t, y, p: -y, events=[ev.Event(lambda t, y, p: y[0] - 0.4, branch)])
    assert ev.solve(condition, "Tsit5").stats.note.startswith("conditions can't be staged (test_fallback.py")
    assert ev.solve(effect, "Tsit5").stats.note.startswith("effect0 can't be staged (test_fallback.py")


def test_ensembles_fall_back():
    """An ensemble whose function can't be staged is solved eagerly, with the note."""
    problem = ev.EnsembleProblem(problem_of(branch), params=np.linspace(1.0, 2.0, 3))
    solution = ev.solve(problem, "Tsit5", saveat=[0.5])
    assert solution.stats.backend.startswith("eager")
    assert "if y[0] > 0.2:" in solution.stats.note


def test_explain_on_the_command_line(tmp_path, capsys):
    """``python -m evolvent explain file.py:problem`` prints the line at fault and what to write."""
    (tmp_path / "model.py").write_text(
        "import math\nimport numpy as np\nimport evolvent as ev\n\n\ndef f(t, y, p):\n    return [math.exp(y[0])]\n\n\n"
        "problem = ev.ODEProblem(f, np.array([1.0]), (0.0, 1.0))\n"
    )
    main(["explain", f"{tmp_path / 'model.py'}:problem"])
    shown = capsys.readouterr().out
    assert "model.py, line 7: `return [math.exp(y[0])]`" in shown
    assert "xp.exp" in shown
