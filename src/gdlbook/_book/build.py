"""Build the site with either builder: `python -m gdlbook._book.build mkdocs|zensical`.

What changed on the pages runs first, with a progress bar, so that every figure lies in
its place before a builder looks for it. The finished site takes the place of the old
one in one step: a build that fails leaves the old one whole.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from gdlbook._book import run
from gdlbook._book.figures import draw
from gdlbook._book.page import BookError, Page
from gdlbook._book.parser import read
from gdlbook._book.slim import slim

FINISHED = {"mkdocs": "site", "zensical": "site-zensical"}
WATCHED = ("docs", "overrides", "src", "mkdocs.yml", "constraints.txt")


def pages() -> list[Page]:
    """Read all pages of the book.

    Raises:
        BookError: a page breaks a rule.
    """
    files = sorted((run.ROOT / "docs").rglob("*.md"))
    return [read(file, run.ROOT) for file in files]


def prepare() -> None:
    """Run what changed, and lay the figures where the builders look for them."""
    try:
        book = pages()
        wrong = run.run_all(book)
        if wrong:
            sys.exit("\n\n".join(wrong))
        wanted = {name for page in book for name in draw(page)}
    except BookError as error:
        sys.exit(str(error))
    for file in (run.ROOT / "docs/assets/figures").glob("*.svg"):
        if file.name not in wanted:
            file.unlink()


def state() -> str:
    """Return a sum over all that the built site depends on."""
    total = hashlib.sha256()
    for name in WATCHED:
        place = run.ROOT / name
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(file.relative_to(run.ROOT).as_posix().encode())
                total.update(file.read_bytes())
    return total.hexdigest()


def build(builder: str, strict: bool) -> int:
    """Build the site, unless it stands as it should; return the builder's exit code."""
    prepare()
    site, mark = run.ROOT / FINISHED[builder], run.ROOT / ".cache" / f"{builder}.state"
    wanted = f"{state()} {strict}"
    if (
        site.is_dir()
        and mark.is_file()
        and mark.read_text() in (wanted, f"{state()} True")
    ):
        return 0
    command = [sys.executable, "-m", builder, "build"]
    if builder == "mkdocs":
        fresh = run.ROOT / ".cache" / "site"
        command += [
            "--quiet",
            "--site-dir",
            str(fresh),
            *(["--strict"] if strict else []),
        ]
    else:
        fresh = run.ROOT / ".cache" / "zensical" / "site"
        command += ["--config-file", str(_zensical_config(fresh))]
    shutil.rmtree(fresh, ignore_errors=True)
    code = subprocess.run(
        command, cwd=run.ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    ).returncode
    if code == 0:
        slim(fresh)
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(fresh, site)
        mark.write_text(wanted)
    return code


def _zensical_config(fresh: Path) -> Path:
    """Write mkdocs.yml with another place for the site: Zensical has no option."""
    place = run.ROOT / "mkdocs.zensical.yml"
    text = (run.ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    place.write_text(f"{text}\nsite_dir: {fresh}\n", encoding="utf-8")
    return place


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("builder", choices=sorted(FINISHED))
    parser.add_argument("--strict", action="store_true", help="warnings are errors")
    options = parser.parse_args()
    sys.exit(build(options.builder, options.strict))
