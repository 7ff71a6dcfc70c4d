"""What a page shows while a large cohort is being scored: how far it is, and who is in it."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from camlif.wording import count
from dashboard.components.chart import show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.kaplan_meier import KmGroup, kaplan_meier_chart
from dashboard.resources import LoadedCohort
from dashboard.scoring_job import ScoringJob

AT_ONCE = 1.5
"""Seconds after which there is something to look at."""
LOOK_EVERY = 0.3


def show(loaded: LoadedCohort, job: ScoringJob) -> None:
    """Return when the job has ended; until then, show its progress and the observed survival."""
    if job.ends_within(AT_ONCE):
        return
    place = st.empty()
    with place.container():
        bar = st.progress(0.0)
        _say(bar, job)
        _observed_survival(loaded)
    while not job.ends_within(LOOK_EVERY):
        _say(bar, job)
    place.empty()


def _say(bar: DeltaGenerator, job: ScoringJob) -> None:
    patients = count(job.total, "patient")
    bar.progress(job.done / job.total, text=plain(f"Scoring {patients}: {job.done:,} done."))


def _observed_survival(loaded: LoadedCohort) -> None:
    cohort = loaded.cohort
    if not cohort.has_outcome or not cohort.with_outcome.any():
        return
    known = cohort.with_outcome
    event, duration = cohort.outcome()
    entry = None if cohort.entry is None else cohort.entry[known]
    everybody = KmGroup("All patients", event[known], duration[known], None, entry)
    chart = kaplan_meier_chart([everybody], theme=theme(), endpoint=cohort.info.endpoint)
    st.markdown("Risk groups follow. Meanwhile, survival as it was observed:")
    show_chart(chart, key="observed_survival", finding=False, table=False)
