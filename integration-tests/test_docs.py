"""The documentation, as its readers follow it: every block runs, and prints what the page says."""

import contextlib
import doctest
import io
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

import evolvent
import evolvent_stepping

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<language>\S*)[^\n]*\n(?P<body>.*?)^(?P=ticks)$", re.MULTILINE | re.DOTALL)
# What a page may hold beside Python: commands, files, output, and Sphinx' directives.
OTHER = {"sh", "toml", "text"}
NEEDS = re.compile(r"\A---\nneeds: (.*)\n---\n")


def needs(page):
    """The modules that a page says it needs, beside those that every environment has."""
    found = NEEDS.match(page.read_text())
    return found[1].split() if found else []


def blocks(page):
    """Each block of Python: the line before it, its code, and the output claimed by a `text` block."""
    text = page.read_text()
    fences = list(FENCE.finditer(text))
    for fence, following in pairwise([*fences, None]):
        if fence["language"] == "python":
            claimed = None
            if following and following["language"] == "text" and not text[fence.end() : following.start()].strip():
                claimed = following["body"]
            yield text.count("\n", 0, fence.start("body")), fence["body"], claimed


def pages():
    """Every page, as a parameter; JAX compiles for longer than a quick test may take."""
    for page in PAGES:
        marks = [pytest.mark.slow] if "jax" in needs(page) else []
        yield pytest.param(page, id=str(page.relative_to(DOCS)), marks=marks)


@pytest.mark.parametrize("page", list(pages()))
def test_page_runs(page, tmp_path, monkeypatch):
    """The blocks of a page run one after the other, in one namespace, and print what the page shows."""
    missing = [module for module in needs(page) if find_spec(module) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for line, code, claimed in blocks(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + code, str(page), "exec"), namespace)
        if claimed is not None:
            example = doctest.Example(code, claimed, lineno=line)
            checker = doctest.OutputChecker()
            assert checker.check_output(claimed, printed.getvalue(), options), (
                f"{page}:{line}\n" + checker.output_difference(example, printed.getvalue(), options)
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_block_is_of_a_known_kind(page):
    """No block escapes the tests by a language that they do not know."""
    languages = {fence["language"] for fence in FENCE.finditer(page.read_text())}
    assert {word for word in languages if not word.startswith("{")} <= {"python", *OTHER}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_somewhere(page):
    """Every file that a page links to, shows or includes is there, but for what the build itself draws."""
    text = page.read_text()
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)|\{literalinclude\} (\S+)", text)
    files = {link or included for link, included in targets}
    assert not [name for name in files if not name.startswith("_build/") and not (page.parent / name).exists()]


@pytest.mark.parametrize("module", [evolvent, evolvent_stepping], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module):
    """What a package makes public has its place on the package's page of the reference."""
    page = (DOCS / "reference" / f"{module.__name__.replace('_', '-')}.md").read_text()
    assert not [name for name in module.__all__ if not re.search(rf"\b{name}\b", page)]
