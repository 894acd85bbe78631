"""What every package of the house has, so that each can be released alone."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECTS = {
    str(file.parent.relative_to(ROOT)): tomllib.loads(file.read_text())
    for file in sorted([*ROOT.glob("interfaces/*/pyproject.toml"), *ROOT.glob("packages/*/pyproject.toml")])
}
every_package = pytest.mark.parametrize("folder", PROJECTS)


def requirements(folder):
    project = PROJECTS[folder]["project"]
    groups = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    return [need for group in groups for need in group]


@every_package
def test_package_has_readme_changelog_and_tests(folder):
    """A package brings its own README, its changelog for users and its tests."""
    for name in ("README.md", "CHANGELOG.md"):
        assert (ROOT / folder / name).is_file()
    assert any((ROOT / folder / "tests").glob("test_*.py"))


@every_package
def test_changelog_names_the_version(folder):
    """The version that would be released has its section in the changelog."""
    version = re.escape(PROJECTS[folder]["project"]["version"])
    changelog = (ROOT / folder / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {version}\b", changelog, re.MULTILINE)


@every_package
def test_siblings_are_required_by_compatible_ranges(folder):
    """No package pins a sibling: each can be released without the others."""
    siblings = [need for need in requirements(folder) if need.startswith("evolvent")]
    assert all(re.fullmatch(r"[a-z-]+(\[[a-z,]+\])?>=\d+\.\d+,<\d+\.\d+", need) for need in siblings)


@every_package
def test_package_is_typed(folder):
    """Type checkers of users see the annotations of every import package."""
    sources = [path for path in (ROOT / folder / "src").glob("*") if path.is_dir()]
    assert all((source / "py.typed").is_file() for source in sources if not source.name.startswith("_"))


def test_no_two_packages_bring_the_same_import():
    """The metapackage `evolvent` holds no code, so that `import evolvent` always means the core."""
    imports = [source.name for folder in PROJECTS for source in (ROOT / folder / "src").glob("evolvent*")]
    assert "evolvent" in imports
    assert len(imports) == len(set(imports))
    assert not (ROOT / "packages" / "evolvent" / "src").exists()
