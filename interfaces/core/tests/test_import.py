"""What `import evolvent` costs and needs."""

import re
import subprocess
import sys
import textwrap
from importlib.metadata import requires

import pytest

import evolvent as ev


def run(code, *options):
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )


def test_import_adds_little_to_numpys_own():
    """`import evolvent`, and the use of its problems, add less than 150 ms to `import numpy`."""

    def milliseconds():
        trace = run("import numpy, evolvent; evolvent.ODEProblem; evolvent.solve", "-X", "importtime").stderr
        total = 0
        depth = None
        for line in reversed(trace.splitlines()):
            cumulative, name = line.split("|")[1:]
            level = len(name) - len(name.lstrip())
            if depth is not None and level > depth:
                continue
            depth = None
            if name.strip().split(".")[0] == "evolvent":
                total, depth = total + int(cumulative), level
        return total / 1000.0

    assert min(milliseconds() for _ in range(3)) < 150.0


def test_import_brings_no_plugin_and_no_array_library():
    """Neither plugins nor torch, JAX, CuPy, SciPy, Matplotlib are imported before they are needed."""
    out = run("import sys, evolvent; evolvent.solve; print(*sorted({m.split('.')[0] for m in sys.modules}))").stdout
    loaded = set(out.split())
    assert not loaded & {"torch", "jax", "cupy", "scipy", "matplotlib", "tqdm", "array_api_strict", "dask"}
    assert not {name for name in loaded if name.startswith("evolvent_")}


def test_solving_with_numpy_imports_no_other_array_library():
    """A solve of NumPy arrays leaves torch, JAX and CuPy alone."""
    code = """
        import sys, evolvent as ev
        ev.solve(ev.ODEProblem(lambda t, y, p: -y, [1.0], (0.0, 1.0)))
        print(*sorted({m.split('.')[0] for m in sys.modules}))
    """
    assert not set(run(code).stdout.split()) & {"torch", "jax", "cupy", "scipy", "matplotlib", "tqdm"}


def test_the_core_runs_with_its_dependencies_alone():
    """Every module of the core imports, and its values work, where nothing is installed but what it declares."""
    declared = [line for line in requires("evolvent-core") if "extra ==" not in line]
    modules = [re.split(r"[^A-Za-z0-9_.-]", line)[0].replace("-", "_") for line in declared]
    code = f"""
        import sys
        from importlib.abc import MetaPathFinder

        allowed = {{*sys.stdlib_module_names, "evolvent", "typing_extensions", *{modules!r}}}

        class OnlyDeclared(MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0].lstrip("_") not in allowed and name.split(".")[0] not in allowed:
                    raise ModuleNotFoundError(f"{{name}} is not declared")

        sys.meta_path.insert(0, OnlyDeclared())
        import pkgutil, importlib
        import evolvent as ev
        for module in pkgutil.walk_packages(ev.__path__, "evolvent."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        for name in ev.__all__:
            getattr(ev, name)
        import numpy as np
        problem = ev.ODEProblem(lambda t, y, p: -y, np.ones(2), (0.0, 1.0), events=[ev.Event(lambda t, y, p: y[0])])
        assert problem.replace(t_span=(0.0, 2.0)).t_span == (0.0, 2.0)
        b = ev.choose_backend(None, problem.y0)
        assert b.combine(problem.y0, 0.5, (1.0, 2.0), (problem.y0, problem.y0)).tolist() == [2.5, 2.5]
        try:
            ev.solve(problem)
        except ev.PluginError as error:
            print(error)
    """
    assert "pip install evolvent-ode" in run(code).stdout


def test_the_public_face():
    """Every name of __all__ resolves and is shown by dir; an unknown one is an AttributeError."""
    for name in ev.__all__:
        assert getattr(ev, name) is not None
        assert name in dir(ev)
    with pytest.raises(AttributeError, match="has no attribute 'sovle'"):
        ev.sovle  # noqa: B018
