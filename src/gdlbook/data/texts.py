"""Texts in two parts: first names, and a novel."""

import hashlib
from dataclasses import dataclass
from typing import Generic, TypeVar

from gdlbook.data.shipped import read

Content = TypeVar("Content", str, tuple[str, ...])

_STDLIB = "from the stdlib project, database under PDDL-1.0, contents under CC0-1.0"
_NAMES_LICENCE = (
    f"English first names {_STDLIB}: see gdlbook/data/licences/names-PDDL-CC0.txt."
)
_MOBY_DICK_LICENCE = (
    "Moby-Dick by Herman Melville (1851) is in the public domain; this copy is "
    f"{_STDLIB}: see gdlbook/data/licences/moby-dick-PDDL-CC0.txt."
)


@dataclass(frozen=True, repr=False)
class Texts(Generic[Content]):
    """A text to train on, and one to test on.

    Attributes:
        train: a tuple of names, or one long string.
        test: the same, held out.
        licence: whose the texts are, and under which licence.
    """

    train: Content
    test: Content
    licence: str

    def __repr__(self) -> str:
        unit = "characters" if isinstance(self.train, str) else "entries"
        return f"Texts(train={len(self.train)}, test={len(self.test)} {unit})"


def read_names() -> Texts[tuple[str, ...]]:
    """First names, a to z and in that order; about one in ten is held out.

    A name is held out when its sha256, read as a number, is divisible by ten: which
    part a name is in depends on nothing but the name.
    """
    names = read("names.txt").decode("ascii").split()
    held_out = [
        int(hashlib.sha256(n.encode()).hexdigest(), 16) % 10 == 0 for n in names
    ]
    return Texts(
        train=tuple(n for n, out in zip(names, held_out, strict=True) if not out),
        test=tuple(n for n, out in zip(names, held_out, strict=True) if out),
        licence=_NAMES_LICENCE,
    )


def read_moby_dick() -> Texts[str]:
    """The novel: its last tenth, from the first line that begins there, is held out."""
    novel = read("moby_dick.txt").decode("utf-8")
    cut = novel.index("\n", len(novel) * 9 // 10) + 1
    return Texts(train=novel[:cut], test=novel[cut:], licence=_MOBY_DICK_LICENCE)
