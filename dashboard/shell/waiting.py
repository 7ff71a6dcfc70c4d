"""What a page shows while a large cohort is being scored: how far it is, and who is in it.

A cohort and its `ScoringJob` go in; the page says how far it is until it ends.
"""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from camlif.data.cohort import Cohort
from camlif.wording import count
from dashboard.components.chart import show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.kaplan_meier import KmGroup, kaplan_meier_chart
from dashboard.known_outcome import EVERYBODY, outcome_of
from dashboard.runs.scoring_job import ScoringJob

AT_ONCE = 1.5
"""Seconds after which there is something to look at."""
LOOK_EVERY = 0.3


def show(cohort: Cohort, job: ScoringJob) -> None:
    """Return when the job has ended; until then, show its progress and the observed survival."""
    if job.ends_within(AT_ONCE):
        return
    place = st.empty()
    with place.container():
        bar = st.progress(0.0)
        _say(bar, job)
        _observed_survival(cohort)
    while not job.ends_within(LOOK_EVERY):
        _say(bar, job)
    place.empty()


def _say(bar: DeltaGenerator, job: ScoringJob) -> None:
    patients = count(job.total, "patient")
    bar.progress(job.done / job.total, text=plain(f"Scoring {patients}: {job.done:,} done."))


def _observed_survival(cohort: Cohort) -> None:
    known = outcome_of(cohort, np.arange(len(cohort)))
    if known is None or not len(known.rows):
        return
    everybody = KmGroup(EVERYBODY, known.event, known.duration, None, known.entry)
    chart = kaplan_meier_chart([everybody], theme=theme(), endpoint=cohort.info.endpoint)
    st.markdown("Risk groups follow. Meanwhile, survival as it was observed:")
    show_chart(chart, key="observed_survival", finding=False, table=False)
