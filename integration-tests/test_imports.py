"""What a process loads, and how long that takes: a user of NumPy pays for NumPy alone."""

from __future__ import annotations

import resource
import subprocess
import sys

SOLVE = """
import sys
import evolvent as ev
ev.solve(ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0)))
print(*sorted(name for name in ("torch", "jax", "cupy", "scipy", "matplotlib") if name in sys.modules))
"""


def processor_seconds(code: str) -> float:
    """Processor time of a whole process: other work on the machine makes it wait, but not compute."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_numpy_solve_loads_no_other_library():
    """A solve on NumPy arrays imports no other array library, however many backends are installed."""
    done = subprocess.run([sys.executable, "-c", SOLVE], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_import_is_light():
    """`import evolvent` adds less than 150 ms to `import numpy`, and imports no plugin."""
    turns = [(processor_seconds("import numpy, evolvent"), processor_seconds("import numpy")) for _ in range(5)]
    with_evolvent, alone = map(min, zip(*turns, strict=True))
    assert with_evolvent - alone < 0.15
    listing = "import sys, evolvent; print(*[n for n in sys.modules if n.startswith('evolvent_')])"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
