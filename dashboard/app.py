"""Entry point: ``streamlit run dashboard/app.py``.

Draws the frame and the page that the address names. Errors of a page become messages
(`dashboard.shell.guard`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

# `streamlit run` puts this folder on the path, not the repository root.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard.shell import warmup
from dashboard.shell.banner import banner

st.set_page_config(page_title="CA-MLIF case review", page_icon="📈", layout="wide")
banner()
if not warmup.is_ready():
    placeholder = st.empty()
    with placeholder.container():
        st.markdown("Starting: loading the model libraries ...")
        # An empty chart makes the browser fetch the chart library while the server imports torch.
        st.plotly_chart(go.Figure(), height=1, key="starting", alt="Loading")
        st.skeleton(400)
    warmup.ensure()
    placeholder.empty()

from dashboard.access.access import Action  # noqa: E402
from dashboard.components import drafts, pictures, trail  # noqa: E402
from dashboard.session import address, state  # noqa: E402
from dashboard.session.user import shown_to  # noqa: E402
from dashboard.shell import frame, gate, sign_in, waiting  # noqa: E402
from dashboard.shell.guard import page_guard  # noqa: E402
from dashboard.views.explain import beforehand  # noqa: E402

may_enter = sign_in.is_done() and gate.is_passed()

PAGES = {
    "Review": [
        st.Page("views/case/page.py", title="Case", icon=":material/person:", default=True),
        st.Page(
            "views/meeting/page.py",
            title="Meeting",
            icon=":material/co_present:",
            url_path="meeting",
        ),
        st.Page(
            "views/cohort/page.py", title="Cohort", icon=":material/groups:", url_path="cohort"
        ),
    ],
    "Understand": [
        st.Page(
            "views/explain/page.py",
            title="Explain",
            icon=":material/search_insights:",
            url_path="explain",
        ),
        st.Page(
            "views/study/ablation.py",
            title="Ablation",
            icon=":material/content_cut:",
            url_path="ablation",
        ),
        st.Page(
            "views/study/comparison.py",
            title="Comparison",
            icon=":material/compare_arrows:",
            url_path="comparison",
        ),
        st.Page(
            "views/validation/page.py",
            title="Validation",
            icon=":material/straighten:",
            url_path="validation",
        ),
    ],
    "Data": [
        st.Page(
            "views/upload/page.py",
            title="Upload & check",
            icon=":material/upload_file:",
            url_path="data",
        ),
        st.Page(
            "views/runs/page.py",
            title="Runs",
            icon=":material/play_circle:",
            url_path="runs",
            visibility=shown_to(Action.TRAINING_STARTED),
        ),
    ],
    "About": [
        st.Page(
            "views/about/model_card.py",
            title="Model card",
            icon=":material/description:",
            url_path="model",
        ),
        st.Page(
            "views/about/records.py",
            title="Records",
            icon=":material/history:",
            url_path="records",
            visibility=shown_to(Action.RECORDS_VIEWED),
        ),
        st.Page("views/about/help.py", title="Help", icon=":material/help:", url_path="help"),
    ],
}

WITHOUT_COHORT = {"data", "runs", "records", "help"}  # addresses of pages that need none

# Before sign-in and gate the pages are known, so that a link to one is not called wrong, and not
# shown.
page = st.navigation(PAGES, position="sidebar" if may_enter else "hidden")
if not may_enter:
    st.stop()
address.begin()
st.set_page_config(page_title=f"{page.title} · CA-MLIF case review")
workspace = None
with page_guard():
    if state.AWAITED.is_set:
        frame.absent()
    else:
        workspace = state.workspace(waiting.show)
        address.follow(workspace)
        frame.header(workspace)
        frame.notices(workspace)
        frame.sidebar(workspace)
        trail.follow(workspace.loaded)
    frame.page_title(page.title)
    if workspace is not None or page.url_path in WITHOUT_COHORT:
        with page_guard():
            page.run()
    frame.footer(workspace)
    drafts.mount()
    pictures.mount()
warmup.import_the_rest(then=beforehand.plan(workspace))
