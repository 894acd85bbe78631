"""The examples of every README, as a newcomer would copy them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", *sorted(ROOT.glob("*/*/README.md"))]
EXAMPLE = re.compile(r"(<!-- needs: gpu -->\n)?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples():
    for file in READMES:
        name = str(file.relative_to(ROOT))
        for number, (needs_gpu, code) in enumerate(EXAMPLE.findall(file.read_text()), 1):
            marks = [pytest.mark.gpu] if needs_gpu else []
            yield pytest.param(code, name, id=f"{name}-{number}", marks=marks)


@pytest.mark.parametrize(("code", "name"), list(examples()))
def test_example_runs(code, name):
    """An example runs as it stands: nothing has to be imported, defined or downloaded before."""
    assert "evolvent" in code
    if "import cupy" in code:
        pytest.importorskip("cupy", reason="cupy is not installed")
    exec(compile(code, name, "exec"), {"__name__": "__main__"})


def test_every_package_shows_an_example():
    """Each README has at least one example in Python."""
    without = [str(file.relative_to(ROOT)) for file in READMES if not EXAMPLE.search(file.read_text())]
    assert not without
