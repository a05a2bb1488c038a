"""Each page on three screens: what it asks for, how it settles, what it says."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Route

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
# What is wider than its box has been found, a moment after the page was laid out.
REACHED = """() => [...document.querySelectorAll("pre > code")].every(
  (box) => box.scrollWidth <= box.clientWidth || box.tabIndex === 0
)"""
# One window down at a time, as a reader goes, with a frame for each.
DOWN = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => done()))
  for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
    scrollTo(0, y); await frame(); await frame()
  }
}"""
LOADED = """() => [...document.images].every(
  (img) => !img.checkVisibility() || (img.complete && img.naturalWidth > 0))"""

UNFOLD = "document.querySelectorAll('details').forEach((e) => e.open = true)"
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
# Bars that the theme adds to a code block when it comes near the window.
BARS = """() => document.querySelectorAll(".md-code__nav").length
  === document.querySelectorAll("pre[id^=__code] > code").length"""
FAULTS = """async () => (
  await axe.run({ resultTypes: ["violations"] })).violations.flatMap(({ id, nodes }) =>
  nodes.map((node) => `${id} at ${node.target}: ${node.failureSummary}`))"""


class Log:
    """What the browser reported while a page was open."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.faults: list[str] = []
        self.asked: list[str] = []

    def watch(self, page: Page) -> None:
        page.add_init_script(SHIFTS)
        page.on("console", self.message)
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        page.on("request", lambda request: self.request(request.url))
        page.on("requestfailed", lambda r: self.faults.append(f"failed: {r.url}"))
        page.on("response", lambda answer: self.answer(answer.status, answer.url))

    def message(self, message: ConsoleMessage) -> None:
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


@dataclass
class Seen:
    """A page after the reader went down it once, and what the browser reported."""

    page: Page
    log: Log
    bytes_before_figures: dict[str, int]


@pytest.fixture(scope="module")
def seen(
    visit_once: Callable[..., Page], site: str, folder: Path, path: str, look: str
) -> Iterator[Seen]:
    log = Log(site)
    page = visit_once(path, look, ready=log.watch)
    sizes = log.sizes(folder)
    page.evaluate(DOWN)
    page.wait_for_load_state("networkidle")
    yield Seen(page, log, sizes)
    page.context.close()


three_looks = pytest.mark.parametrize("look", list(SCHEMES), scope="module")


@three_looks
def test_a_page_loads_without_a_fault(seen: Seen, look: str) -> None:
    scheme = seen.page.locator("body").get_attribute("data-md-color-scheme")
    assert scheme == SCHEMES[look]
    assert seen.log.faults == []


@pytest.mark.parametrize("look", ["light"], scope="module")
def test_a_page_is_light(seen: Seen, path: str) -> None:
    sizes = seen.bytes_before_figures
    assert path in sizes, "the page itself is counted"
    total = sum(sizes.values())
    assert total <= LIMIT, f"{total} bytes: {list(sizes.items())[:6]}"


@three_looks
def test_a_page_never_scrolls_sideways(seen: Seen) -> None:
    width, window = seen.page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    wide = seen.page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((e) =>
          e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
        ).map((e) => e.outerHTML.slice(0, 80)).slice(0, 5)"""
    )
    assert width <= window, f"{width} px wide in a window of {window}: {wide}"
    assert window <= seen.page.viewport_size["width"]


@three_looks
def test_nothing_jumps_while_a_page_loads(seen: Seen) -> None:
    shifts = seen.page.evaluate("shifts")
    assert sum(value for value, *_ in shifts) <= 0.02, shifts


@three_looks
def test_every_image_says_what_it_shows(seen: Seen) -> None:
    nameless = seen.page.evaluate(
        """() => [
          ...[...document.images].filter((e) => !e.alt.trim()),
          ...[...document.querySelectorAll("svg[role=img]")].filter(
            (e) => !(e.getAttribute("aria-label") ?? "").trim()),
        ].map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []


@three_looks
def test_figures_load_as_the_reader_comes_to_them(seen: Seen, look: str) -> None:
    seen.page.evaluate(UNFOLD)
    seen.page.evaluate(DOWN)
    seen.page.wait_for_function(LOADED)
    shown = seen.page.evaluate(
        """() => [...document.querySelectorAll("figure.drawn")].map((figure) =>
        [...figure.querySelectorAll("img")].filter((e) => e.checkVisibility())
        .map((e) => e.className))"""
    )
    # Each figure shows only the pictures of its scheme.
    assert all(images for images in shown), shown
    scheme = "dark" if look == "dark" else "light"
    assert all(image == f"only-{scheme}" for images in shown for image in images)


@three_looks
def test_axe_finds_no_fault(seen: Seen) -> None:
    seen.page.evaluate(UNFOLD)
    seen.page.wait_for_function(BARS)
    seen.page.wait_for_function(REACHED)
    seen.page.evaluate(AXE)
    faults = seen.page.evaluate(FAULTS)
    assert not faults, "\n".join(faults)


def test_axe_would_find_a_fault(visit: Callable[..., Page]) -> None:
    page = visit("notation/")
    page.evaluate("document.querySelector('.md-search').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('h1').style.color = '#eee'")
    page.evaluate(AXE)
    found = " ".join(page.evaluate(FAULTS))
    assert "aria-dialog-name" in found
    assert "color-contrast" in found


def test_every_face_in_use_is_there_on_the_first_visit(
    visit: Callable[..., Page], path: str
) -> None:
    # A face that is not asked for beforehand comes too late, and its stand-in stays.
    page = visit(path, "phone")
    seen = page.evaluate("""() => [...document.fonts].filter(
      (face) => face.family.includes("Book") && face.status === "loaded"
    ).map((face) => `${face.family} ${face.weight} ${face.style}`.replaceAll('"', ""))
    """)
    asked = page.locator("link[rel=preload][as=font]").count()
    assert len(seen) == asked, f"{asked} faces are preloaded, in use are {seen}"


def test_fonts_that_come_late_move_nothing(visit: Callable[..., Page]) -> None:
    def late(route: Route) -> None:
        time.sleep(0.6)
        route.continue_()

    def ready(page: Page) -> None:
        page.add_init_script(SHIFTS)
        page.route("**/*.woff2", late)

    page = visit("families/gan/", "phone", ready)
    shifts = page.evaluate("shifts")
    assert sum(value for value, *_ in shifts) <= 0.02, shifts
