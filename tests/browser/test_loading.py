"""What a page asks for, how it settles, and whether it fits, on three screens."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Page

LIMIT = 600 * 1024
SCHEMES = {"light": "default", "dark": "slate", "phone": "default"}
SHIFTS = """
window.shifts = []
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) {
    const moved = shift.sources.map(({ node, previousRect, currentRect }) => [
      (node?.outerHTML ?? node?.textContent ?? "").slice(0, 80),
      JSON.stringify(previousRect), JSON.stringify(currentRect)])
    window.shifts.push([shift.value, moved])
  }
}).observe({ type: "layout-shift", buffered: true })
"""
# One window down at a time, as a reader goes, with a frame for each.
DOWN = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => done()))
  for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
    scrollTo(0, y); await frame(); await frame()
  }
}"""
LOADED = """() => [...document.images].every(
  (img) => !img.checkVisibility() || (img.complete && img.naturalWidth > 0))"""


class Log:
    """What the browser reported while a page was open."""

    def __init__(self, site: str) -> None:
        self.site, self.faults, self.asked = site, [], []

    def watch(self, page: Page) -> None:
        page.add_init_script(SHIFTS)
        page.on("console", self.message)
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        page.on("request", lambda request: self.request(request.url))
        page.on("requestfailed", lambda r: self.faults.append(f"failed: {r.url}"))
        page.on("response", lambda answer: self.answer(answer.status, answer.url))

    def message(self, message) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    def request(self, url: str) -> None:
        if url.startswith(self.site):
            self.asked.append(url)
        elif not url.startswith(("data:", "blob:")):
            self.faults.append(f"another host: {url}")

    def answer(self, status: int, url: str) -> None:
        if status >= 400:
            self.faults.append(f"status {status}: {url}")

    def sizes(self, folder: Path) -> dict[str, int]:
        """Return the bytes of the answers, without the figures, largest first."""
        sizes = {}
        for url in set(self.asked):
            name = unquote(urlsplit(url).path).lstrip("/")
            file = folder / name
            file = file / "index.html" if file.is_dir() else file
            if not name.startswith("assets/figures/") and file.is_file():
                sizes[name] = file.stat().st_size
        return dict(sorted(sizes.items(), key=lambda item: -item[1]))


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_a_page_loads_quietly_and_fits(
    visit: Callable[..., Page], site: str, folder: Path, path: str, look: str
) -> None:
    log = Log(site)
    page = visit(path, look, ready=log.watch)
    assert page.locator("body").get_attribute("data-md-color-scheme") == SCHEMES[look]
    sizes = log.sizes(folder)
    assert path in sizes, "the page itself is counted"
    assert sum(sizes.values()) <= LIMIT, f"{sum(sizes.values())} bytes: {sizes}"

    page.evaluate(DOWN)
    page.wait_for_load_state("networkidle")
    width, window = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    wide = page.evaluate(
        """() => [...document.querySelectorAll("main *")]
        .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map((e) => e.outerHTML.slice(0, 80)).slice(0, 5)"""
    )
    assert width <= window, f"{width} px wide in a window of {window}: {wide}"
    assert window <= page.viewport_size["width"]
    shifts = page.evaluate("shifts")
    assert sum(value for value, _ in shifts) <= 0.02, shifts
    assert log.faults == []


def test_every_image_says_what_it_shows(visit: Callable[..., Page], path: str) -> None:
    page = visit(path)
    nameless = page.evaluate(
        """() => [
          ...[...document.images].filter((e) => !e.alt.trim()),
          ...[...document.querySelectorAll("svg[role=img]")].filter(
            (e) => !(e.getAttribute("aria-label") ?? "").trim()),
        ].map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


@pytest.mark.parametrize("look", ["light", "dark"])
def test_figures_load_as_the_reader_comes_to_them(
    visit: Callable[..., Page], path: str, look: str
) -> None:
    page = visit(path, look)
    page.evaluate("document.querySelectorAll('details').forEach((e) => e.open = true)")
    page.evaluate(DOWN)
    page.wait_for_function(LOADED)
    shown = page.evaluate(
        """() => [...document.querySelectorAll("figure.drawn")].map((figure) =>
        [...figure.querySelectorAll("img")].filter((e) => e.checkVisibility())
        .map((e) => [e.className, e.naturalWidth > 0]))"""
    )
    # Each figure shows only the pictures of its scheme.
    assert all(images for images in shown), shown
    assert all(image == [f"only-{look}", True] for images in shown for image in images)
