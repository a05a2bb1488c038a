"""Read a page: the grammar of `contributing.md`, and no third way."""

import ast
import re
from pathlib import Path

from gdlbook._book.page import BookError, Listing, Page, Picture, Snippet

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")
LOOSE_FENCE = re.compile(r"^[\s>*+-]*(?:\d+[.)]\s+)?(`{3,}|~{3,})")
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<target>[^)\s]*)[^)]*\)")
CONT = "<!--pytest-codeblocks:cont-->"
OUTPUT = "<!--pytest-codeblocks:expected-output-->"
SOURCE = re.compile(r"^<!--source: (?P<name>[\w.]+)-->$")
# Fences that nothing runs and that make no claim: what is typed at a shell, or the
# text of a file. Whatever else a fence says of itself is a mistake.
QUIET = {"console", "markdown", "toml", "yaml", "bibtex"}


def read(path: Path, root: Path) -> Page:
    """Parse the page at `path`, named in messages by its place below `root`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return parse(lines, path.relative_to(root).as_posix())


def parse(lines: list[str], path: str, offset: int = 0) -> Page:
    """Parse the lines of a page.

    Args:
        lines: the page, without line ends.
        path: its name, for messages.
        offset: how many lines of the file come before `lines` (its front matter).

    Raises:
        BookError: the page breaks a rule; the message names page and line.
    """
    return _Parser(lines, path, offset).page()


class _Parser:
    """Walks over the lines once; `before` is the block that ended last."""

    def __init__(self, lines: list[str], path: str, offset: int) -> None:
        self.lines, self.offset, self.at = lines, offset, 0
        self.found = Page(path)
        self.before: str = "start"
        self.pending: tuple[str, int] | None = None

    def fail(self, sentence: str, at: int | None = None) -> BookError:
        line = (self.at if at is None else at) + 1 + self.offset
        return BookError(self.found.path, line, sentence)

    def page(self) -> Page:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line.strip():
                self.at += 1
            elif LOOSE_FENCE.match(line):
                self.fence(line)
            else:
                self.prose(line)
        if self.pending:
            directive, at = self.pending
            raise self.fail(f"{directive} has no fence under it.", at)
        return self.found

    def fence(self, line: str) -> None:
        match = FENCE.match(line)
        if not match:
            raise self.fail(
                f"the fence {line.strip()!r} is not run by pytest-codeblocks: use "
                "three backticks at the start of the line (indented by spaces at most)."
            )
        start, info, indent = self.at, match["info"].strip(), len(match["indent"])
        end = self.close(match["ticks"], indent)
        body = [
            text[min(indent, _indent(text)) :] for text in self.lines[start + 1 : end]
        ]
        code = "".join(text + "\n" for text in body)
        self.found.code_lines.update(range(start, end + 1))
        if info == "python":
            self.snippet(code, start, end, indent)
        elif info == "text":
            self.output(code, end)
        elif info in QUIET:
            self.no_pending(f"a fence {info!r}")
            self.before = "quiet fence"
        else:
            raise self.fail(
                f"a fence may say python (it runs), text (an expected output) or "
                f"{', '.join(sorted(QUIET))}, nothing more; this one says {info!r}, "
                "and pytest-codeblocks would skip it in silence."
            )
        self.at = end + 1

    def close(self, ticks: str, indent: int) -> int:
        for at in range(self.at + 1, len(self.lines)):
            text = self.lines[at].strip()
            if text.startswith(ticks) and not text.strip("`"):
                if _indent(self.lines[at]) != indent:
                    raise self.fail("a fence is closed at another indent.", at)
                return at
        raise self.fail("this fence is never closed.")

    def snippet(self, code: str, start: int, end: int, indent: int) -> None:
        number, line = len(self.found.snippets) + 1, start + 1 + self.offset
        first, last, continues = line, end + 1 + self.offset, False
        if self.pending:
            if self.pending[0] != CONT:
                raise self.fail(
                    f"{OUTPUT} wants a fence `text` under it, not `python`."
                )
            first, continues = self.pending[1] + 1 + self.offset, True
        self.pending = None
        self.found.snippets.append(
            Snippet(number, line, first, last, indent, code, continues)
        )
        try:
            ast.parse(code)
        except SyntaxError as error:
            raise self.fail(
                f"this does not parse as Python: {error.msg}.",
                start + (error.lineno or 1),
            ) from None
        self.before = "snippet"

    def output(self, text: str, end: int) -> None:
        if not self.pending or self.pending[0] != OUTPUT:
            raise self.fail(
                f"a fence `text` is an expected output and wants {OUTPUT} above it; "
                "what nothing checks is not shown."
            )
        self.pending = None
        self.found.snippets[-1].expected = text
        self.found.snippets[-1].last = end + 1 + self.offset
        self.before = "output"

    def prose(self, line: str) -> None:
        bare, start = CODE_SPAN.sub("", line), self.at
        if "<!--" in bare or "-->" in bare:
            self.directive(line.strip(), _indent(line))
            self.at += 1
            return
        self.no_pending("prose")
        while self.at < len(self.lines) and self.lines[self.at].strip():
            if LOOSE_FENCE.match(self.lines[self.at]) or "<!--" in CODE_SPAN.sub(
                "", self.lines[self.at]
            ):
                break
            self.at += 1
        text = "\n".join(self.lines[start : self.at])
        self.pictures(CODE_SPAN.sub(lambda m: " " * len(m[0]), text), start)
        if self.before != "start":
            self.before = f"prose after {self.before.removeprefix('prose after ')}"

    def directive(self, text: str, indent: int) -> None:
        self.no_pending(text)
        source = SOURCE.match(text)
        if source:
            line = self.at + 1 + self.offset
            self.found.listings.append(Listing(line, indent, source["name"]))
        elif text == OUTPUT:
            if self.before != "snippet":
                raise self.fail("an expected output with no snippet directly above it.")
            self.pending = (text, self.at)
        elif text == CONT:
            if self.before.removeprefix("prose after ") not in ("snippet", "output"):
                raise self.fail(
                    "`cont` continues the snippet above it, and the fence above is not "
                    "one (pytest-codeblocks would drop the code in silence)."
                )
            self.pending = (text, self.at)
        else:
            raise self.fail(
                f"{text!r} is not a directive of the book; these are: {CONT}, "
                f"{OUTPUT}, <!--source: qualified.name-->. Nothing else is "
                "hidden in a comment."
            )

    def no_pending(self, seen: str) -> None:
        if self.pending:
            directive, at = self.pending
            raise self.fail(
                f"{directive} wants a fence right under it, not {seen}.", at
            )

    def pictures(self, text: str, start: int) -> None:
        for match in IMAGE.finditer(text):
            at = start + text.count("\n", 0, match.start())
            alt = " ".join(match["alt"].split())
            if not alt:
                raise self.fail(f"the image {match['target']!r} has no alt text.", at)
            picture = Picture(at + 1 + self.offset, alt, match["target"])
            if picture.target == "figure":
                if not self.found.snippets:
                    raise self.fail("a figure with no snippet above it.", at)
                self.found.snippets[-1].figures.append(picture)
            elif picture.target.startswith("diagrams/"):
                self.found.diagrams.append(picture)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
