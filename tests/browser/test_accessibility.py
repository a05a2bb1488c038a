"""axe-core finds nothing to object to, with every solution unfolded."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
# Bars that the theme adds to a code block when it comes near the window.
BARS = """() => document.querySelectorAll(".md-code__nav").length
  === document.querySelectorAll("pre[id^=__code] > code").length"""
FAULTS = """async () => (await axe.run()).violations.flatMap(({ id, nodes }) =>
  nodes.map((node) => `${id} at ${node.target}: ${node.failureSummary}`))"""


@pytest.mark.parametrize("look", ["light", "dark"])
def test_axe_finds_no_fault(visit: Callable[..., Page], path: str, look: str) -> None:
    page = visit(path, look)
    page.evaluate("document.querySelectorAll('details').forEach((e) => e.open = true)")
    page.wait_for_function(BARS)
    page.evaluate(AXE.read_text("utf-8"))
    faults = page.evaluate(FAULTS)
    assert not faults, "\n".join(faults)


def test_axe_would_find_a_fault(visit: Callable[..., Page]) -> None:
    page = visit("notation/")
    page.evaluate("document.querySelector('.md-search').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('h1').style.color = '#eee'")
    page.evaluate(AXE.read_text("utf-8"))
    found = " ".join(page.evaluate(FAULTS))
    assert "aria-dialog-name" in found
    assert "color-contrast" in found
