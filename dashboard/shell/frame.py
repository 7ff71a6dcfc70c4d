"""The frame around every page: header, sidebar filters, footer.

The workspace goes in; header, filters and footer stand on the page.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from camlif.data.cohort import MAX_CATEGORIES, Cohort
from camlif.data.samples import SAMPLES
from camlif.model.scoring import OUT_OF_MEMORY
from camlif.statistics import median_follow_up
from camlif.version import package_version
from camlif.wording import count
from dashboard import messages
from dashboard.components import chart, drafts
from dashboard.components.text import plain
from dashboard.known_outcome import outcome_of
from dashboard.session import address, column_filters, resources, state
from dashboard.session.keys import SessionKey
from dashboard.session.state import Workspace
from dashboard.shell import sign_in

BADGES = {"synthetic": ("Synthetic", "orange"), "public": ("Public", "green")}
DIGEST_DIGITS = 8

PICKED_COHORT: SessionKey[str | None] = SessionKey("pick_cohort")
PICKED_MODEL: SessionKey[str | None] = SessionKey("pick_model")


def header(workspace: Workspace) -> None:
    """Say what is in view: cohort, denominators, endpoint, follow-up, model."""
    cohort = workspace.cohort
    label, colour = BADGES.get(cohort.info.badge, ("Uploaded", "blue"))
    parts = [f"**{plain(cohort.info.title)}**", plain(count(len(cohort), "patient"))]
    known = outcome_of(cohort, np.arange(len(cohort)))
    if known is not None:
        events = int(known.event.sum())
        parts.append(plain(f"{count(events, 'event')} ({cohort.info.endpoint.event_noun})"))
        parts.append(plain(cohort.info.endpoint.name))
        follow_up = median_follow_up(known.event, known.duration, known.entry)
        if follow_up is not None:
            parts.append(plain(f"median follow-up {follow_up:.0f} months"))
    else:
        parts.append("no outcome")
    model = "no model"
    if workspace.scoring is not None:
        bundle = workspace.scoring.bundle
        model = f"model {bundle.name}, {bundle.card.date}"
    with st.container(horizontal=True, vertical_alignment="center", key="header"):
        st.badge(label, color=colour)  # type: ignore[arg-type]  # one of its literals
        st.markdown(" · ".join(parts), width="content")
        st.page_link("views/about/model_card.py", label=plain(model))


def notices(workspace: Workspace) -> None:
    """Say where the risks were computed, if that is unexpected."""
    scoring = workspace.scoring
    if scoring is not None and scoring.result.device != str(scoring.bundle.device):
        st.warning(plain(OUT_OF_MEMORY))


def page_title(title: str) -> None:
    """Head the page; on Case, whose panels need the room, for screen readers only."""
    with st.container(key="unseen_title" if title == "Case" else "page_title"):
        st.title(title, anchor=False)


def sidebar(workspace: Workspace) -> None:
    """Pick cohort and model, filter patients."""
    with st.sidebar:
        _cohort_picker()
        _model_picker(workspace)
        st.divider()
        _filters(workspace)
        shown, n = int(workspace.shown.sum()), len(workspace.cohort)
        st.button("Reset filters", key="reset_filters", on_click=state.reset_filters)
        st.markdown(plain(f"n = {shown:,} of {n:,} shown"))
        sign_in.account()


def absent() -> None:
    """Say that the cohort which the address names is not here, and offer others."""
    with st.sidebar:
        _cohort_picker()
        sign_in.account()
    st.warning(plain(messages.text("E-42")))
    st.page_link("views/upload/page.py", label="Open Upload & check")


def _cohort_picker() -> None:
    choices = state.cohort_choices()
    awaited = state.AWAITED.is_set

    def name(key: str) -> str:
        return SAMPLES[key].title if key in SAMPLES else "Uploaded tables"

    def changed() -> None:
        picked = PICKED_COHORT.get()
        if picked is not None:
            state.choose_cohort(picked)

    PICKED_COHORT.set(None if awaited else state.COHORT.require())
    st.selectbox(
        "Cohort",
        choices,
        index=None if awaited else 0,
        format_func=name,
        key=PICKED_COHORT.name,
        on_change=changed,
        placeholder="Pick a cohort",
    )


def _damaged_models() -> None:
    """Name the model folders that cannot be read, or they would just be absent."""
    for entry in resources.catalogue():
        if entry.error is not None:
            st.markdown(
                plain(f"Model folder {entry.name} cannot be read and is left out."),
                help=plain(entry.error),
            )


def _model_picker(workspace: Workspace) -> None:
    _damaged_models()
    names = [m.model.name for m in workspace.matches]
    if not names:
        st.markdown("No installed model shares columns with this cohort.")
        return
    shares = {m.model.name: m.report.share for m in workspace.matches}

    def changed() -> None:
        state.choose_model(PICKED_MODEL.get())

    PICKED_MODEL.set(workspace.scoring.bundle.name if workspace.scoring else None)
    st.selectbox(
        "Model",
        names,
        index=None,
        format_func=lambda name: f"{name} ({100 * shares[name]:.0f}% of columns)",
        key=PICKED_MODEL.name,
        on_change=changed,
        placeholder="Pick a model",
    )


def _filters(workspace: Workspace) -> None:
    cohort, profile = workspace.cohort, workspace.profile
    for key, label, column, words in (
        (state.FILTER_SUBTYPE, profile.subtype_label, cohort.subtype, profile.subtype),
        (state.FILTER_GRADE, profile.grade_label, cohort.grade, profile.grade),
    ):
        levels = _levels(column)
        if levels:
            st.multiselect(
                label, levels, key=key.name, format_func=words, placeholder="All", select_all=False
            )
    if not cohort.presence.all():
        st.checkbox("All modalities present", key=state.FILTER_COMPLETE.name)
    _age_filter(cohort)
    for name, said in column_filters.in_words().items():
        st.button(
            plain(said),
            key=f"drop_filter_{name}",
            icon=":material/close:",
            help="Filter by this column no longer.",
            on_click=column_filters.drop,
            args=(name,),
        )


def _levels(column: pd.Series | None) -> list[str]:
    if column is None:
        return []
    levels = sorted(column.dropna().astype(str).unique())
    return levels if 1 < len(levels) <= MAX_CATEGORIES else []


def _age_filter(cohort: Cohort) -> None:
    limits = state.age_limits(cohort)
    if limits is not None:
        state.FILTER_AGE.start_with(limits)
        st.slider("Age", *limits, key=state.FILTER_AGE.name, help="90 stands for 90 and older.")


def footer(workspace: Workspace | None) -> None:
    """Say what computed the numbers, and offer a link and a way out."""
    parts = [f"camlif {package_version()}"]
    if workspace is not None:
        parts.append(f"data {workspace.loaded.digest[:DIGEST_DIGITS]}")
    if workspace is not None and workspace.scoring is not None:
        bundle, result = workspace.scoring.bundle, workspace.scoring.result
        parts += [
            f"model {workspace.scoring.model.digest[:DIGEST_DIGITS]}",
            f"device {result.device.upper()}",
            f"scored in {result.seconds:.1f} s",
            f"seed {bundle.config.training.seed}",
            f"memory {memory_of(workspace.cohort):.0f} MB",
        ]
    st.divider()
    with st.container(horizontal=True, vertical_alignment="center", key="footer"):
        st.caption(plain(" · ".join(parts)), width="stretch")
        with st.popover("Copy link"):
            st.caption(
                "The link names cohort, model, a case token and view settings, never an identifier."
            )
            st.code(address.link(), language=None, wrap_lines=True)
        st.button("Forget my data", key="forget", on_click=_forget)


def _forget() -> None:
    state.forget()
    chart.forget()
    drafts.forget()


def memory_of(cohort: Cohort) -> float:
    """Megabytes of a cohort's matrices."""
    size = sum(table.nbytes for table in cohort.tables.values())
    size += sum(bag.nbytes for bags in cohort.bags.values() for bag in bags)
    return size / 1e6
