import dataclasses
import hashlib
import re

import pytest

from gdlbook.data import load, shipped


def test_names_are_sorted_letters_and_split_without_overlap() -> None:
    names = load("names")
    for part in (names.train, names.test):
        assert isinstance(part, tuple)
        assert list(part) == sorted(set(part))
        assert all(re.fullmatch("[a-z]+", name) for name in part)
    assert not set(names.train) & set(names.test)
    assert (len(names.train), len(names.test)) == (7542, 861)


def test_names_lose_none() -> None:
    names = load("names")
    whole = shipped.read("names.txt").decode().splitlines()
    assert sorted(names.train + names.test) == whole


def test_the_part_of_a_name_depends_on_the_name_alone() -> None:
    names = load("names")
    for name in names.train[:50] + names.test[:50]:
        number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
        assert (name in names.test) == (number % 10 == 0)


def test_moby_dick_is_cut_at_a_line() -> None:
    novel = load("moby_dick")
    whole = novel.train + novel.test
    assert whole.encode() == shipped.read("moby_dick.txt")
    assert novel.train.startswith("CHAPTER 1. Loomings.\n\nCall me Ishmael.")
    assert novel.train.endswith("\n")
    line = novel.train.rstrip("\n").rfind("\n") + 1
    assert line <= 0.9 * len(whole) <= len(novel.train)
    assert novel.test.rstrip().endswith("as it rolled five thousand years ago.")


@pytest.mark.parametrize("name", ["names", "moby_dick"])
def test_texts_are_frozen_and_licensed(name: str) -> None:
    texts = load(name)  # type: ignore[call-overload]
    with pytest.raises(dataclasses.FrozenInstanceError):
        texts.train = ""
    assert "PDDL-1.0" in texts.licence
    assert "CC0-1.0" in texts.licence
    assert "stdlib" in texts.licence
    assert texts.licence.endswith(".")


def test_printed_they_say_how_long_they_are() -> None:
    assert repr(load("names")) == "Texts(train=7542, test=861 entries)"
    assert re.fullmatch(
        r"Texts\(train=\d+, test=\d+ characters\)", repr(load("moby_dick"))
    )
