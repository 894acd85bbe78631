"""Plugins: found by entry points, loaded one by one; a broken one harms nobody else."""

import subprocess
import sys
import textwrap

import pytest

import evolvent as ev
from evolvent import _registry
from evolvent.__main__ import main


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with entry points on sys.path, as pip would leave it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    brought = []

    def put(name, entry_points, **modules):
        brought.extend(modules)
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
        for module, code in modules.items():
            (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        _registry._algorithm_entries.cache_clear()
        _registry.plugin_manager.cache_clear()

    yield put
    monkeypatch.undo()
    for module in brought:
        sys.modules.pop(module, None)
    _registry._algorithm_entries.cache_clear()
    _registry.plugin_manager.cache_clear()


@pytest.fixture
def listing(capsys):
    """What ``python -m evolvent`` prints."""

    def lines():
        main()
        return capsys.readouterr().out

    return lines


ALGORITHM = """
    from dataclasses import dataclass
    import evolvent as ev

    @dataclass(frozen=True)
    class Guess(ev.Algorithm):
        problem_types = (ev.ODEProblem,)
        def solve(self, problem, *, backend, **options):
            return ev.Solution(t=[0.0], y=[problem.y0], status=ev.Status.SUCCESS, stats=ev.Stats(), algorithm=self)
"""


@pytest.fixture
def problem():
    return ev.ODEProblem(lambda t, y, p: -y, [1.0], (0.0, 1.0))


def test_a_plugin_is_found_by_its_entry_point(install, problem):
    """One line of data makes an algorithm known by name; nothing is imported until it is used."""
    install("guessing", "[evolvent.algorithms]\nGuess = guessing:Guess\n", guessing=ALGORITHM)
    assert "Guess" in ev.algorithms()
    assert "guessing" not in sys.modules
    assert ev.solve(problem, "Guess").success
    assert _registry.algorithm_home("Guess") == "guessing"


def test_listing_algorithms_imports_none():
    """ev.algorithms() is data alone."""
    code = "import sys, evolvent as ev; ev.algorithms(); print([m for m in sys.modules if m.startswith('evolvent_')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"


def test_two_plugins_with_one_name(install, problem, listing):
    """The error names both packages; other names still work."""
    install("guessing", "[evolvent.algorithms]\nGuess = guessing:Guess\nOther = guessing:Guess\n", guessing=ALGORITHM)
    install("second-guessing", "[evolvent.algorithms]\nGuess = second:Guess\n", second=ALGORITHM)
    with pytest.raises(ev.PluginError, match="two plugins have an algorithm named 'Guess'") as caught:
        ev.solve(problem, "Guess")
    for home in ("guessing (guessing:Guess)", "second-guessing (second:Guess)"):
        assert home in str(caught.value)
    assert ev.solve(problem, "Other").success
    assert "two plugins have an algorithm named 'Guess'" in listing()


def test_an_algorithm_that_cannot_be_imported(install, problem, listing):
    """The error says which package's, and why; the listing says it too and goes on."""
    install("guessing", "[evolvent.algorithms]\nGuess = guessing:Guess\n", guessing="import no_such_module")
    with pytest.raises(
        ev.PluginError, match=r"guessing has 'Guess', but it can't be imported: .*no_such_module"
    ) as caught:
        ev.solve(problem, "Guess")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    out = listing()
    assert "failed to load" in out
    assert "no_such_module" in out
    assert "Tsit5" in out


def test_a_broken_hook_module_is_isolated(install, problem, listing):
    """A plugin whose hooks fail to import is reported by ``python -m evolvent``, and everything else works."""
    install("broken-plugin", "[evolvent]\nbroken = broken_hooks\n", broken_hooks="raise OSError('no licence server')")
    out = listing()
    assert "failed to load\n" in out
    assert "broken (broken-plugin): OSError('no licence server')" in out
    _, failures = _registry.plugin_manager()
    assert [f.plugin for f in failures] == ["broken (broken-plugin)"]
    assert ev.solve(problem, "Tsit5").success
    assert ev.solve(problem).success


def test_a_hook_that_raises_is_isolated(install, problem, listing):
    """A chooser or a backend hook that raises when it is called is reported, and the others are heard."""
    hooks = """
        from evolvent import hookimpl

        @hookimpl
        def evolvent_choose(problem):
            raise ValueError("bad advice")

        @hookimpl
        def evolvent_backends():
            import no_such_array_library
    """
    install("bad-advice", "[evolvent]\nadvice = advice_hooks\n", advice_hooks=hooks)
    assert ev.solve(problem).success
    _, failures = _registry.hook_results("evolvent_choose", problem=problem, options={}, backend=None)
    assert any("bad advice" in failure.reason for failure in failures)
    assert "no_such_array_library" in listing()


def test_the_failure_reaches_whoever_needed_the_plugin(install):
    """Where no plugin is left to choose for a problem, the error says which one failed, and why."""
    install("broken-plugin", "[evolvent]\nbroken = broken_hooks\n", broken_hooks="raise OSError('no licence server')")

    class Riddle(ev.Problem):
        pass

    with pytest.raises(
        ev.PluginError, match=r"no installed plugin solves a Riddle\. The plugin broken .*no licence server"
    ):
        ev.solve(Riddle())


def test_a_chooser_that_raises_is_not_one_that_failed_to_load(install):
    """Where no other plugin proposes anything, the error says which plugin raised what."""
    hooks = """
        from evolvent import hookimpl

        @hookimpl
        def evolvent_choose(problem):
            raise ValueError("bad advice")
    """
    install("bad-advice", "[evolvent]\nadvice = advice_hooks\n", advice_hooks=hooks)

    class Riddle(ev.Problem):
        pass

    with pytest.raises(ev.PluginError, match=r"The plugin advice raised ValueError\('bad advice'\)") as caught:
        ev.solve(Riddle())
    assert "failed to load" not in str(caught.value)


@pytest.mark.parametrize("verb", [ev.solve, ev.init, ev.compile, ev.explain])
@pytest.mark.parametrize("given", [None, lambda t, y, p: y, ev.ODEProblem, 3.0])
def test_what_is_no_problem(verb, given):
    """The error says what was given, with and without an algorithm."""
    with pytest.raises(ev.InputError, match=r"^problem: must be a problem such as ev\.ODEProblem, got "):
        verb(given)
    with pytest.raises(ev.InputError, match=r"^problem: must be a problem such as ev\.ODEProblem, got "):
        verb(given, "Tsit5")


def test_a_problem_type_of_a_plugin(install):
    """What a plugin solves need not be a Problem of the core's: its chooser or its algorithm knows it."""
    hooks = """
        from evolvent import hookimpl

        @hookimpl
        def evolvent_choose(problem):
            from riddles import Riddle, Sphinx
            if isinstance(problem, Riddle):
                return 1.0, Sphinx(), "who else"
    """
    code = """
        import evolvent as ev

        class Riddle:
            pass

        class Sphinx(ev.Algorithm):
            problem_types = (Riddle,)
            def solve(self, problem, *, backend, **options):
                return ev.Solution(t=[0.0], y=[1.0], status=ev.Status.SUCCESS, stats=ev.Stats(), algorithm=self)
    """
    entry_points = "[evolvent]\nriddles = riddle_hooks\n[evolvent.algorithms]\nSphinx = riddles:Sphinx\n"
    install("riddles", entry_points, riddles=code, riddle_hooks=hooks)
    riddle = ev.load_algorithm("Sphinx").problem_types[0]()
    assert ev.solve(riddle).success
    assert ev.solve(riddle, "Sphinx").success
    with pytest.raises(ev.InputError, match=r"^problem: must be a problem such as"):
        ev.solve(riddle, "Tsit5")


def test_an_ensemble_is_not_stepped_by_hand(problem):
    """ev.init says so, and what to do."""
    with pytest.raises(ev.InputError, match=r"^problem: an ensemble is not stepped by hand\. Step its member"):
        ev.init(ev.EnsembleProblem(problem, y0=[[1.0], [2.0]]), "Tsit5")


def test_two_hook_modules_with_one_name(install):
    """The second of two plugins of one name is reported with both packages' names."""
    install("one", "[evolvent]\nhooks = one_hooks\n", one_hooks="")
    install("two", "[evolvent]\nhooks = two_hooks\n", two_hooks="")
    _, failures = _registry.plugin_manager()
    (failure,) = [f for f in failures if f.plugin == "hooks"]
    assert {"one", "two"} <= set(failure.reason.split())


def test_a_chooser_plugin_wins_by_its_score(install, problem, monkeypatch):
    """The highest score is taken; explain says whose reason."""
    monkeypatch.setenv("EVOLVENT_NATIVE", "off")
    hooks = """
        from evolvent import hookimpl

        @hookimpl
        def evolvent_choose(problem):
            from guessing import Guess
            return 99.0, Guess(), "guessing never fails"
    """
    install(
        "guessing",
        "[evolvent]\nguess = guess_hooks\n[evolvent.algorithms]\nGuess = guessing:Guess\n",
        guessing=ALGORITHM,
        guess_hooks=hooks,
    )
    assert ev.explain(problem).splitlines() == ["Guess: guessing never fails", "backend eager (numpy)"]
    assert ev.solve(problem).algorithm.name == "Guess"


def test_an_algorithm_with_defaults_says_what_it_cannot(install, problem):
    """An algorithm that solves at once has no integrator and no compiled form, and says so."""
    install("guessing", "[evolvent.algorithms]\nGuess = guessing:Guess\n", guessing=ALGORITHM)
    with pytest.raises(NotImplementedError, match=r"Guess solves a problem at once.* use ev\.solve"):
        ev.init(problem, "Guess")
    with pytest.raises(NotImplementedError, match=r"Guess has no compiled form: use ev\.solve"):
        ev.compile(problem, "Guess")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Tsit6", "Did you mean 'Tsit5'"),
        ("tsit5", "Did you mean 'Tsit5'"),
        ("dop853", "dop853 is called 'DOP853' here"),
        ("Rodas5P", "evolvent-stiff-ode: pip install evolvent-stiff-ode"),
        ("RadauIIA5", "pip install evolvent-stiff-ode"),
        ("BDF", "BDF is called 'QNDF' here" if "QNDF" in ev.algorithms() else "pip install evolvent-stiff-ode"),
        ("dopri5", "'DP5'"),
        ("xyzzy", "`python -m evolvent` lists those installed"),
    ],
)
def test_unknown_names(name, message):
    """Near names, synonyms from other libraries, and the package that would bring the algorithm."""
    if name in ev.algorithms():
        pytest.skip(f"{name} is installed here")
    with pytest.raises(
        ev.UnknownAlgorithmError, match=r"^algorithm: no installed plugin has an algorithm named"
    ) as caught:
        ev.load_algorithm(name)
    assert message in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_the_listing():
    """``python -m evolvent`` lists packages with versions, algorithms with their traits, backends with devices."""
    out = subprocess.run([sys.executable, "-m", "evolvent"], capture_output=True, text=True, check=True).stdout
    assert f"evolvent-core {ev.__version__}" in out
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["Tsit5"]]
    assert line.split()[1] == "evolvent-ode"
    assert "ODEProblem" in line
    assert "order 5, adaptive" in line
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["eager"]]
    assert "cpu" in line


MODEL = """
import evolvent as ev

decay = ev.ODEProblem(lambda t, y, p: -y, [1.0], (0.0, 1.0))

class Models:
    growth = decay.replace(f=lambda t, y, p: y)

if __name__ == "__main__":
    raise SystemExit("ran")
"""


@pytest.mark.parametrize(
    ("where", "names"), [("", ["decay"]), (":decay", ["decay"]), (":Models.growth", ["Models.growth"])]
)
def test_explaining_the_problems_of_a_script(tmp_path, capsys, where, names):
    """``python -m evolvent explain file.py:name`` prints what explain says of one problem or of all."""
    script = tmp_path / "model.py"
    script.write_text(MODEL)
    chosen = ev.solve(ev.ODEProblem(lambda t, y, p: -y, [1.0], (0.0, 1.0))).stats.algorithm
    main(["explain", f"{script}{where}"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == names
    assert lines[1].startswith(f"  {chosen}: ")
    assert lines[2].startswith("  backend ")


def test_explaining_with_another_algorithm(tmp_path, capsys):
    """The algorithm and the backend may be named."""
    script = tmp_path / "model.py"
    script.write_text(MODEL)
    main(["explain", str(script), "--algorithm", "Vern7", "--backend", "eager"])
    assert capsys.readouterr().out.splitlines() == ["decay", "  Vern7: as asked for", "  backend eager (numpy)"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("model.py:decy", r"nothing named 'decy'.*\['decay'\]"),
        ("nowhere.py:decay", "there is no file"),
        ("nowhere_at_all:decay", "there is no module 'nowhere_at_all'"),
        ("json", "no problem at its top level"),
        ("json:dumps", "must be a problem such as"),
    ],
)
def test_explaining_what_is_not_there(tmp_path, monkeypatch, where, message):
    """The message says what is missing; there is no traceback."""
    (tmp_path / "model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(["explain", where])
