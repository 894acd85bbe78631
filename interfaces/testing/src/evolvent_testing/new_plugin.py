"""Generate a plugin of one's own from the template."""

from __future__ import annotations

import re
from importlib.resources import as_file, files
from pathlib import Path

TEMPLATE_NAME = "evolvent-example"


def new_plugin(name: str, directory: str | Path) -> Path:
    """Write a plugin that works: one algorithm, its entry point, its tests, README and changelog.

    Parameters
    ----------
    name : str
        The name of the distribution, as ``my-solvers``; the package to import is ``my_solvers``.
    directory : str or Path
        Where to write; it must not exist, or be empty.

    Returns
    -------
    Path
        The directory.

    Raises
    ------
    ValueError
        If the name is not one that a package can have.
    FileExistsError
        If the directory has files in it.

    Examples
    --------
    >>> import tempfile
    >>> made = new_plugin("my-solvers", tempfile.mkdtemp())
    >>> sorted(path.name for path in made.iterdir())
    ['CHANGELOG.md', 'README.md', 'pyproject.toml', 'src', 'tests']
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(f"name: must be small letters, digits and single hyphens, as in my-solvers, got {name!r}")
    directory = Path(directory)
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"directory: {directory} is not empty")

    def renamed(text: str) -> str:
        return text.replace(TEMPLATE_NAME, name).replace(TEMPLATE_NAME.replace("-", "_"), name.replace("-", "_"))

    with as_file(files("evolvent_testing").joinpath("_template")) as template:
        for source in sorted(template.rglob("*")):
            if source.is_dir() or "__pycache__" in source.parts:
                continue
            target = directory / renamed(str(source.relative_to(template)))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(renamed(source.read_text(encoding="utf-8")), encoding="utf-8")
    return directory
