"""The generator writes a plugin under the name that was asked for."""

import pytest

from evolvent_testing.__main__ import main
from evolvent_testing.new_plugin import new_plugin


def test_name_is_everywhere(tmp_path):
    """No file of the generated plugin still has the template's name."""
    made = new_plugin("night-train", tmp_path / "out")
    names = [path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()]
    assert "src/night_train/heun_euler.py" in names
    texts = [(made / name).read_text() for name in names]
    assert not any("evolvent-example" in text or "evolvent_example" in text for text in texts)
    assert 'HeunEuler = "night_train.heun_euler:HeunEuler"' in (made / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", ["Night", "night_train", "-night", "night train", "../night"])
def test_impossible_name_is_refused(name, tmp_path):
    """A name that no package can have is refused before anything is written."""
    with pytest.raises(ValueError, match="name"):
        new_plugin(name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path, capsys):
    """A folder with files in it is left alone, and the command says so."""
    (tmp_path / "mine.txt").write_text("precious")
    assert main(["new-plugin", "night-train", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
