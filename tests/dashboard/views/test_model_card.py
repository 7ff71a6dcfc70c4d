"""The Model card page: what the model's files answer of TRIPOD+AI."""

from __future__ import annotations

from camlif.model.tripod import tripod_rows, tripod_table
from dashboard.session import resources
from tests.dashboard.conftest import OpenApp
from tests.dashboard.views.test_pages import problems_of, text_of


def test_page_shows_the_table_of_the_bundle_in_use_and_offers_it(open_app: OpenApp) -> None:
    app = open_app("model_card")
    assert problems_of(app) == []
    rows = tripod_rows(resources.model("glioma").bundle)
    (table,) = [t.value for t in app.dataframe if "topic" in t.value.columns]
    assert table.equals(tripod_table(rows))
    shown = text_of(app)
    missing = sum(row.status == "not reported" for row in rows)
    assert f"of {len(rows)} items" in shown
    assert f"{missing} not reported" in shown
    labels = [button.proto.label for button in app.get("download_button")]
    assert {"Card (Markdown)", "Card (JSON)", "TRIPOD+AI (CSV)"} <= set(labels)
