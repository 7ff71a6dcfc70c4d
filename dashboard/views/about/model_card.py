"""Model card: what the model in use is for, what it was trained on, how well it does.

The card of the model in view is drawn, and its TRIPOD+AI table (Collins et al., BMJ 2024).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from camlif.model.card import Card, render_markdown
from camlif.model.tripod import Status, TripodRow, tripod_markdown, tripod_rows, tripod_table
from camlif.wording import count, to_csv
from dashboard import messages
from dashboard.components.chart import show_chart, theme
from dashboard.components.download import offer_download
from dashboard.components.text import plain
from dashboard.figures.discrimination import c_index_dots
from dashboard.figures.kaplan_meier import case_curve_chart
from dashboard.session import state
from dashboard.session.state import Scoring


def main() -> None:
    """Draw the page."""
    workspace = state.workspace()
    if workspace.scoring is None:
        if workspace.problem is not None:
            st.error(plain(messages.describe(workspace.problem)))
        else:
            st.info("No model is in use. Pick one in the sidebar.")
        return
    card = workspace.scoring.bundle.card
    _purpose(card)
    _discrimination(card)
    _training_curves(workspace.scoring)
    _calibration(card)
    _subsets(card)
    _inputs(card)
    _subgroups(card)
    rows = tripod_rows(workspace.scoring.bundle)
    _tripod(rows)
    _details(card, workspace.scoring, rows)


def _purpose(card: Card) -> None:
    data = card.data
    st.header(plain(card.name), anchor=False)
    st.markdown(f"**Intended use.** {plain(card.intended_use)}")
    st.markdown(f"**Not for.** {plain(card.not_for)}")
    st.markdown(
        plain(
            f"Trained on {data.title} ({data.badge}): {count(data.n_patients, 'patient')}, "
            f"{count(data.n_events, 'event')} ({data.event_noun}); endpoint {data.endpoint}."
        )
    )
    for note in data.notes:
        st.markdown(f"- {plain(note)}")
    with st.expander("Source and licence of the data"):
        for line in filter(None, (data.source, data.licence)):
            st.markdown(f"- {plain(line)}")


def _discrimination(card: Card) -> None:
    st.header("Discrimination on held-out patients", anchor=False)
    d = card.discrimination
    chart = c_index_dots(
        d.per_split,
        d.interval,
        scheme=card.training.split_scheme,
        n=card.data.n_patients,
        events=card.data.n_events,
        heldout=d.heldout,
        oracle=d.oracle,
        theme=theme(),
    )
    show_chart(chart, key="c_index")
    if d.ties == "strict":
        st.caption("Tied risks count 0, as in eq 8 of the paper.")


def _training_curves(scoring: Scoring) -> None:
    st.header("Risk groups in the training cohort", anchor=False)
    chart = case_curve_chart(
        scoring.bundle.reference.curves,
        None,
        None,
        None,
        None,
        None,
        endpoint=scoring.bundle.info.endpoint,
        theme=theme(),
    )
    show_chart(chart, key="training_curves", finding=False)
    st.caption("Every patient placed by models that did not see it.")


def _calibration(card: Card) -> None:
    st.header("Calibration", anchor=False)
    rows = [
        {
            "months": c.horizon,
            "expected / observed": c.ratio,
            "slope after calibration": c.slope_after,
            "patients": c.n_patients,
            "events by then": c.n_events,
            "absolute risk shown": "yes" if c.open else f"no, {c.verdict}: {c.reason}",
        }
        for c in card.calibration
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="card_calibration")


def _subsets(card: Card) -> None:
    if not card.subsets:
        return
    st.header("With some modalities missing", anchor=False)
    rows = [
        {
            "modalities shown": " + ".join(s.modalities),
            "patients": s.n_patients,
            "events": s.n_events,
            "C-index": s.c_index,
            "lower": s.low,
            "upper": s.high,
            "scored": "yes" if s.valid else "no",
            "calibration slope": s.slope,
            "absolute risk shown at": s.shown_at,
        }
        for s in card.subsets
    ]
    st.dataframe(pd.DataFrame(rows).round(3), hide_index=True, key="card_subsets")


def _inputs(card: Card) -> None:
    if not card.inputs:
        return
    st.header(
        "Without some clinical inputs",
        anchor=False,
        help="Held-out patients scored with these taken away. Who lacks them gets an interval that "
        "is wider by the change of log risk, and no score where ranking fails.",
    )
    rows = [
        {
            "taken away": ", ".join(w.inputs),
            "patients": w.n_patients,
            "events": w.n_events,
            "C-index without": w.c_index,
            "lower": w.low,
            "upper": w.high,
            "with": w.c_index_with,
            "change of log risk (RMS)": w.change,
            "scored": "yes" if w.valid else "no",
        }
        for w in card.inputs
    ]
    st.dataframe(pd.DataFrame(rows).round(3), hide_index=True, key="card_inputs")


def _subgroups(card: Card) -> None:
    if not card.subgroups:
        return
    st.header(
        "Within subgroups",
        anchor=False,
        help="A patient is judged by the subtype, or by the age band where that has too few events "
        "or is not given: no risk group is shown where it is not ranked. A sound model has some "
        "withheld by chance, the more the fewer the events.",
    )
    rows = [
        {
            "subgroup": s.name,
            "patients": s.n_patients,
            "events": s.n_events,
            "C-index": s.c_index,
            "lower": s.low,
            "upper": s.high,
            "ranked": s.verdict,
        }
        for s in card.subgroups
    ]
    st.dataframe(pd.DataFrame(rows).round(3), hide_index=True, key="card_subgroups")


def _tripod(rows: Sequence[TripodRow]) -> None:
    counts = Counter(row.status for row in rows)
    said = ", ".join(f"{counts[status]} {status}" for status in Status)
    with st.expander("TRIPOD+AI: items on reporting a prediction model"):
        st.markdown(
            plain(
                f"What the model's files answer of {count(len(rows), 'item')}: {said}. Made from "
                "the files by machine; nothing is typed in."
            )
        )
        st.dataframe(tripod_table(rows), hide_index=True, key="card_tripod")


def _details(card: Card, scoring: Scoring, tripod: Sequence[TripodRow]) -> None:
    st.header("Limits", anchor=False)
    for limit in card.limits:
        st.markdown(f"- {plain(limit)}")
    with st.expander("How to reproduce"):
        st.code(card.reproduce, language="bash")
        st.caption(plain(f"Weights and reference SHA-256: {scoring.model.digest}"))
    with st.container(horizontal=True):
        for label, content, suffix, mime in (
            (
                "Card (Markdown)",
                f"{render_markdown(card)}\n{tripod_markdown(tripod)}",
                "card.md",
                "text/markdown",
            ),
            ("Card (JSON)", card.model_dump_json(indent=1), "card.json", "application/json"),
            ("TRIPOD+AI (CSV)", to_csv(tripod_table(tripod)), "tripod.csv", "text/csv"),
        ):
            offer_download(
                label,
                content,
                file_name=f"{card.name}_{suffix}",
                mime=mime,
                key=f"card_{suffix}",
                export_type=suffix,
                model_digest=scoring.model.digest,
            )


main()
