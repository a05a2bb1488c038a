"""The built pages, as their readers get them."""

import pytest
from built.pages import PAGES, built
from lxml import html


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    """Return the name of each page in turn."""
    return request.param


@pytest.fixture
def tree(page: str) -> html.HtmlElement:
    """Return the built page."""
    file = built(page)
    assert file.is_file(), f"{file} is not there: run `make site` first"
    return html.fromstring(file.read_text("utf-8"))
