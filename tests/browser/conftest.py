"""The built site, served on loopback, and one chromium for all the checks of it.

The checks read `site/`, or the folder that the variable GDLBOOK_SITE names.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("GDLBOOK_SITE") or ROOT / "site").resolve()
NO_SITE = f"There is no built page in {SITE}: `make site` builds the site."
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "path" in metafunc.fixturenames:
        found = [file.parent.relative_to(SITE) for file in SITE.rglob("index.html")]
        paths = sorted("" if str(at) == "." else f"{at.as_posix()}/" for at in found)
        # Without a site, one test of each kind is left, and the fixture `site` fails.
        names = [at.rstrip("/") or "home" for at in paths] or ["none"]
        metafunc.parametrize("path", paths or ["none"], ids=names, scope="module")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a browser that closes hangs up in the middle of an answer."""


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Return the address of the site, with a slash at its end."""
    if not any(SITE.rglob("index.html")):
        pytest.fail(NO_SITE, pytrace=False)
    with Server(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def folder(site: str) -> Path:
    """Return the folder that is served."""
    return SITE


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("There is no chromium on the PATH: install it.", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def opened(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Yield the function that opens a page in a fresh context, and settles it."""
    contexts: list[BrowserContext] = []

    def open_page(path: str, look: str = "light", ready: Any = None) -> Page:
        context = browser.new_context(reduced_motion="reduce", **LOOKS[look])
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        if ready is not None:
            ready(page)
        page.goto(site + path, wait_until="networkidle")
        page.evaluate("document.fonts.ready.then(() => null)")
        return page

    yield open_page
    for context in contexts:
        context.close()


visit = pytest.fixture(opened, name="visit")
visit_once = pytest.fixture(opened, name="visit_once", scope="module")
