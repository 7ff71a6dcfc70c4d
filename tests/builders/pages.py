"""Files of the dashboard's pages, by the names that tests call them."""

from __future__ import annotations

_ENTRIES = {
    "ablation": "study/ablation",
    "comparison": "study/comparison",
    "model_card": "about/model_card",
    "records": "about/records",
    "help": "about/help",
    "data": "upload/page",
}


def page_file(page: str) -> str:
    """Path of a page as `AppTest.switch_page` takes it; most are the ``page.py`` of a folder."""
    return f"views/{_ENTRIES.get(page, f'{page}/page')}.py"
