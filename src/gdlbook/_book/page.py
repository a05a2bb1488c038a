"""A page as it is seen by the tests, both site builders and the census alike.

It holds snippets, what they print and draw, listings and diagrams, and nothing else:
what `parser` cannot put into one of these is an error that names page and line.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


class BookError(ValueError):
    """A page breaks a rule of the book; the message names page, line and rule."""

    def __init__(self, path: str, line: int, sentence: str) -> None:
        super().__init__(f"{path}:{line}: {sentence}")


@dataclass
class Picture:
    """A place on a page where an image stands: line, alt text, target."""

    line: int
    alt: str
    target: str


@dataclass
class Snippet:
    """One runnable fence, with what the page says that it prints and draws.

    `line` is that of the fence; `first` to `last` also take in the directives above it
    and the output under it.
    """

    number: int
    line: int
    first: int
    last: int
    indent: int
    code: str
    continues: bool
    expected: str | None = None
    figures: list[Picture] = field(default_factory=list)


@dataclass
class Listing:
    """A place where the package's own source is to stand, by qualified name."""

    line: int
    indent: int
    name: str


@dataclass
class Page:
    """What `parse` found, in the order of the page; lines count from one."""

    path: str
    snippets: list[Snippet] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)
    diagrams: list[Picture] = field(default_factory=list)
    code_lines: set[int] = field(default_factory=set)

    @property
    def chains(self) -> list[list[Snippet]]:
        """Snippets grouped into chains: each group runs in a process of its own."""
        chains: list[list[Snippet]] = []
        for snippet in self.snippets:
            if snippet.continues:
                chains[-1].append(snippet)
            else:
                chains.append([snippet])
        return chains


def outside_code(
    lines: list[str], code_lines: set[int], change: Callable[[str, int], str]
) -> list[str]:
    """Apply `change(text, first line)` to each run of lines outside the fences."""
    done: list[str] = []
    run: list[str] = []
    for at, line in enumerate([*lines, None]):
        if line is not None and at not in code_lines:
            run.append(line)
            continue
        if run:
            done += change("\n".join(run), at - len(run)).split("\n")
        run = []
        if line is not None:
            done.append(line)
    return done
