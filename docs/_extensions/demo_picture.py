"""Draws the demonstration's picture before Sphinx looks for images."""

import importlib.util
from pathlib import Path

PICTURE = "_build/hudson_bay.png"


def draw(app):
    """Fit and draw, unless a picture younger than the script is there."""
    script, picture = Path(app.srcdir, "demo", "hudson_bay.py"), Path(app.srcdir, PICTURE)
    if picture.exists() and picture.stat().st_mtime > script.stat().st_mtime:
        return
    spec = importlib.util.spec_from_file_location("hudson_bay", script)
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    demo.draw(demo.fit(start=demo.STAN_MEANS), picture)


def setup(app):
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True}
