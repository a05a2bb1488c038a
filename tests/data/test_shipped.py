import hashlib
import re
import runpy
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from gdlbook.data import load, shipped

DATA = Path(str(files("gdlbook.data")))
MAKE_DATA = Path(__file__).parents[2] / "scripts/make_data.py"


def test_provenance_lists_every_file_with_its_sum() -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \|.*\| ([0-9a-f]{64}) \|$",
        (DATA / "PROVENANCE.md").read_text(),
        re.MULTILINE,
    )
    assert dict(rows) == shipped.SHA256
    for name, expected in rows:
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == expected


def test_no_data_file_lies_there_unlisted() -> None:
    found = {p.name for p in DATA.iterdir() if p.suffix in {".npz", ".txt"}}
    assert found == set(shipped.SHA256)


def test_every_licence_that_is_named_lies_there() -> None:
    named = set()
    for page in ("PROVENANCE.md", "licences/NOTICE.md"):
        named |= set(re.findall(r"[\w.-]+-[\w.-]+\.txt", (DATA / page).read_text()))
    there = {path.name for path in (DATA / "licences").glob("*.txt")}
    assert named == there
    assert len(there) == 6


@pytest.mark.parametrize("name", sorted(shipped.SHA256))
def test_a_damaged_file_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray(shipped.read(name))
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="is damaged") as error:
        shipped.read(name)
    for part in (name, shipped.SHA256[name], hashlib.sha256(content).hexdigest()):
        assert part in str(error.value)


def test_a_missing_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="is missing") as error:
        shipped.read("names.txt")
    assert str(tmp_path / "names.txt") in str(error.value)
    assert shipped.SHA256["names.txt"] in str(error.value)


def test_provenance_tells_the_truth_about_the_emoji() -> None:
    emoji = load("emoji")
    for part, held_out in ((emoji.train, False), (emoji.test, True)):
        assert part.code is not None
        for code in set(part.code.tolist()):
            number = int(hashlib.sha256(code.encode()).hexdigest(), 16)
            assert (number % 5 == 0) == held_out
    largest = np.bincount(emoji.test.y).max() / len(emoji.test)
    assert f"{largest:.1%}" == "23.7%"
    assert "the largest is 23.7 %" in (DATA / "PROVENANCE.md").read_text()


def test_the_generator_knows_the_kinds_and_the_sources() -> None:
    make = runpy.run_path(str(MAKE_DATA))
    assert tuple(make["FASHION_KINDS"]) == load("fashion").class_names
    assert tuple(make["EMOJI_KINDS"]) == load("emoji").class_names
    source = load("emoji").train.source
    assert source is not None
    assert set(make["EMOJI_SETS"]) == set(source.tolist())


def test_the_generator_writes_the_same_bytes_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = runpy.run_path(str(MAKE_DATA))["save"]
    arrays = {"b": np.arange(6).reshape(2, 3), "a": np.array(["x", "yz"])}
    save(tmp_path / "one.npz", **arrays)
    monkeypatch.setattr("time.time", lambda: 2e9)
    save(tmp_path / "two.npz", **dict(reversed(arrays.items())))
    first = (tmp_path / "one.npz").read_bytes()
    assert first == (tmp_path / "two.npz").read_bytes()
    assert hashlib.sha256(first).hexdigest() in capsys.readouterr().out
    with np.load(tmp_path / "one.npz", allow_pickle=False) as back:
        np.testing.assert_array_equal(back["b"], arrays["b"])
        np.testing.assert_array_equal(back["a"], arrays["a"])
