"""What a reader's hand does: copy a snippet, search the book, go by the Tab key."""

from collections.abc import Callable, Iterator

import pytest
from built.pages import copied
from lxml import html
from playwright.sync_api import Page, expect

CHAPTER = "networks/convolution/"
BUTTON = ".md-code__button[data-md-type=copy]"
# The element that has the focus, by the name it goes under here, and its outline.
FOCUS = """() => {
  const now = document.activeElement, kinds = {
    "skip link": ".md-skip", "search": ".md-search__input, [for=__search]",
    "palette": "[data-md-component=palette] :is(input, label)",
    "navigation": ".md-nav--primary a", "contents": ".md-nav--secondary a",
    "copy": ".snippet .md-code__button[data-md-type=copy]",
  }
  const kind = Object.keys(kinds).find((name) => now.matches(kinds[name])) ?? ""
  // The palette's inputs are out of sight: what shows them is the label after each.
  const mark = now.matches(".md-option") ? now.nextElementSibling : now
  const { outlineStyle, outlineWidth } = getComputedStyle(mark)
  const box = mark.getBoundingClientRect()
  return {
    kind, html: now.outerHTML.slice(0, 100), start: now === document.body,
    outlined: outlineStyle !== "none" && parseFloat(outlineWidth) > 0,
    inside: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
  }
}"""


@pytest.fixture
def chapter(visit: Callable[..., Page]) -> Iterator[Page]:
    page = visit(CHAPTER)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return page


def test_the_copy_button_hands_over_code_that_runs_alone(
    visit: Callable[..., Page], path: str
) -> None:
    page = visit(path)
    tree = html.fromstring(page.content())
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    blocks = page.locator("[data-copy]").filter(visible=True)
    for block in [blocks.nth(at) for at in range(blocks.count())]:
        number = block.get_attribute("data-snippet")
        wanted = block.get_attribute("data-copy")
        if number:
            (snippet,) = tree.xpath(f"//*[@data-snippet='{number}']")
            wanted = copied(tree, snippet)
        block.scroll_into_view_if_needed()
        page.evaluate("navigator.clipboard.writeText('before')")
        block.locator(BUTTON).click()
        page.wait_for_function(
            "navigator.clipboard.readText().then(t => t != 'before')"
        )
        pasted = page.evaluate("navigator.clipboard.readText()")
        # The theme drops the end of the last line, nothing else.
        assert pasted == wanted.rstrip()
        assert pasted.strip()


def test_a_slash_a_word_and_the_page_is_found(chapter: Page) -> None:
    asked = []
    chapter.on("request", lambda request: asked.append(request.url))
    chapter.goto(chapter.url.replace(CHAPTER, "notation/"), wait_until="networkidle")
    assert not any("search" in url for url in asked), "not before it is wanted"
    chapter.keyboard.press("/")
    expect(chapter.locator(".md-search__input")).to_be_focused()
    chapter.keyboard.type("stride")
    result = chapter.locator(f'.md-search-result__link[href*="/{CHAPTER}"]').first
    expect(result).to_be_visible()
    expect(result).to_contain_text("stride")
    assert any("search_index" in url for url in asked)
    result.click()
    chapter.wait_for_url(f"**/{CHAPTER}**")


def test_a_link_that_carries_a_search_finds_too(chapter: Page) -> None:
    chapter.goto(chapter.url.replace(CHAPTER, "notation/?q=stride"))
    expect(
        chapter.locator(f'.md-search-result__link[href*="/{CHAPTER}"]').first
    ).to_be_visible()


def test_the_tab_key_goes_everywhere_and_shows_where_it_is(chapter: Page) -> None:
    wanted = {"skip link", "search", "palette", "navigation", "copy"}
    seen, hidden = [], []
    for _ in range(200):
        chapter.keyboard.press("Tab")
        focus = chapter.evaluate(FOCUS)
        if focus["kind"]:
            seen.append(focus["kind"])
        if not focus["start"] and not (focus["outlined"] and focus["inside"]):
            hidden.append(focus["html"])
        if wanted <= set(seen):
            break
    assert wanted <= set(seen), f"reached {sorted(set(seen))}"
    assert seen[0] == "skip link"
    assert not hidden, "\n".join(hidden)


def test_the_skip_link_leads_to_the_text(chapter: Page) -> None:
    chapter.keyboard.press("Tab")
    chapter.keyboard.press("Enter")
    chapter.wait_for_function("location.hash.length > 1")
    target = chapter.evaluate(
        "document.getElementById(decodeURIComponent(location.hash.slice(1))).tagName"
    )
    assert target == "H1"


def test_the_palette_toggle_changes_the_scheme_for_good(chapter: Page) -> None:
    body = chapter.locator("body")
    expect(body).to_have_attribute("data-md-color-scheme", "default")
    chapter.locator("[data-md-component=palette] label:visible").click()
    expect(body).to_have_attribute("data-md-color-scheme", "slate")
    chapter.reload()
    expect(body).to_have_attribute("data-md-color-scheme", "slate")


def test_a_table_that_scrolls_is_within_reach_of_the_tab_key(
    visit: Callable[..., Page],
) -> None:
    page = visit("generative/probability/", "phone")
    page.set_viewport_size({"width": 280, "height": 600})
    box = page.locator(".md-typeset__scrollwrap").first
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    expect(box).to_have_attribute("tabindex", "0")
