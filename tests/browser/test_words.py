"""How much a page says before anything is opened."""

from __future__ import annotations

import pytest

from tests.browser.conftest import NewPage, Server
from tests.browser.steps import settled

pytestmark = pytest.mark.slow

MOST_WORDS = 350
PATHS = (
    *("cohort", "explain", "ablation", "comparison", "validation"),
    *("data", "runs", "records"),
)
_WORDS = r"""() => {
  const main = document.querySelector('[data-testid=stMain]');
  const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  const drawn = 'svg, canvas, style, script, [data-testid=stDataFrame], '
    + '[data-testid=stIconMaterial]';
  let words = 0;
  while (texts.nextNode()) {
    const place = texts.currentNode.parentElement;
    if (place.closest(drawn) || !place.checkVisibility({checkVisibilityCSS: true})) continue;
    words += (texts.currentNode.textContent.match(/\p{L}[\p{L}\p{N}'’-]*/gu) || []).length;
  }
  return words;
}"""


@pytest.mark.xfail(reason="open: not yet run on every page", strict=False)
def test_no_page_says_more_than_is_read(server: Server, new_page: NewPage) -> None:
    page, _ = new_page()
    words = {}
    for path in PATHS:
        page.goto(f"{server.url}/{path}")
        settled(page)
        words[path] = page.evaluate(_WORDS)
    print(words)
    assert {path: n for path, n in words.items() if n > MOST_WORDS} == {}
