"""What a new process waits for: imports, and the first solve on top of them."""

from __future__ import annotations


def timeraw_import_numpy():
    """The part of the next one that is not ours."""
    return "import numpy"


def timeraw_import_evolvent():
    return "import evolvent"


def timeraw_first_solve():
    """Plugins, the chooser and one short solve on NumPy arrays."""
    return """
        import evolvent as ev
        ev.solve(ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0)))
    """
