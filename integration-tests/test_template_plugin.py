"""A third party's plugin, from the template to a solve."""

import os
import subprocess
import sys
import textwrap

import pytest


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Generate the plugin; return its folder."""
    folder = tmp_path_factory.mktemp("plugin") / "outsider-solvers"
    run(sys.executable, "-m", "evolvent_testing", "new-plugin", "outsider-solvers", str(folder))
    return folder


@pytest.fixture(scope="module")
def environment(plugin, tmp_path_factory):
    """Build the plugin's wheel and install it alone; return the environment that sees it."""
    pytest.importorskip("hatchling", reason="the plugin's wheel is built with hatchling")
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("target")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(wheels), str(plugin))
    (wheel,) = wheels.glob("outsider_solvers-*.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return {**os.environ, "PYTHONPATH": str(target)}


@pytest.mark.slow
def test_installed_plugin_is_found_by_name(environment, tmp_path):
    """An installed plugin's algorithm solves a problem by its name, and no import of the plugin is needed."""
    program = """
        import evolvent as ev

        assert "HeunEuler" in ev.algorithms()
        decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
        solution = ev.solve(decay, "HeunEuler", rtol=1e-6, atol=1e-6)
        assert abs(solution.y[-1, 0] - 0.36787944) < 1e-5
        print(type(solution.algorithm).__module__)
    """
    output = run(sys.executable, "-c", textwrap.dedent(program), env=environment, cwd=tmp_path)
    assert output.strip() == "outsider_solvers.heun_euler"


@pytest.mark.slow
def test_plugin_passes_its_own_tests(plugin, environment):
    """The three lines of conformance tests that the template brings pass."""
    output = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", env=environment, cwd=plugin)
    assert " passed" in output
    assert "failed" not in output


@pytest.mark.slow
def test_readme_example_runs(plugin, environment):
    """The example of the generated README runs."""
    code = (plugin / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert "0.367" in run(sys.executable, "-c", code, env=environment, cwd=plugin)
