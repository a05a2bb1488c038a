"""`python -m gdlbook._book`: run what changed, before the site is built."""

import sys

from gdlbook._book import run
from gdlbook._book.page import BookError, read

if __name__ == "__main__":
    try:
        pages = [
            read(file, run.ROOT) for file in sorted((run.ROOT / "docs").rglob("*.md"))
        ]
    except BookError as error:
        sys.exit(str(error))
    sys.exit("\n\n".join(run.run_all(pages)) or 0)
