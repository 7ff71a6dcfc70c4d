"""Kaplan-Meier view of the Cohort page.

The workspace goes in; outcomes by group are drawn. Without an outcome, the page says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from camlif.data.schema import Endpoint
from camlif.exceptions import EstimationError
from camlif.statistics import (
    disjoint,
    group_hazard_ratios,
    pairwise_log_rank,
    restricted_means,
    too_few,
)
from camlif.statistics.outcome import FollowUp
from camlif.statistics.split_p_values import WITHHELD, WITHHELD_SENTENCE
from camlif.wording import count, format_p, with_interval
from dashboard.components.chart import draw, show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.chart import Chart
from dashboard.figures.forest import forest_chart
from dashboard.figures.kaplan_meier import (
    Grouping,
    KmGroup,
    compare_groupings_chart,
    kaplan_meier_chart,
)
from dashboard.figures.layout import TimeUnit
from dashboard.known_outcome import KnownOutcome
from dashboard.session import shared_results
from dashboard.session.state import Workspace
from dashboard.views.cohort.groups import (
    GROUP_BY,
    HIDDEN,
    RISK,
    groupings_of,
    log_rank_words,
    need_outcome,
    ordered_groups,
    rests_on_held_out,
    say_late_entry,
)
from dashboard.views.cohort.patient_groups import GROUPS, groups_to_compare, members_of

LANDMARKS = (12, 24, 36, 60)
NOTHING = "nothing"
SHORTEST_ZOOM = 6.0  # months
UNITS: tuple[TimeUnit, ...] = ("months", "years")


def _km_groups(
    workspace: Workspace, label: str, outcome: KnownOutcome
) -> tuple[list[KmGroup], NDArray[np.object_]]:
    values = groupings_of(workspace)[label].to_numpy(dtype=object)[outcome.rows]
    if label == GROUPS:  # they may overlap: each is drawn whole
        whole = members_of(workspace, groups_to_compare(workspace))
        members = {name: mask[outcome.rows] for name, mask in whole.items()}
    else:
        members = {name: values == name for name in ordered_groups(workspace, label, values)}
    groups = []
    for name, member in members.items():
        role = name if label == RISK else None
        part = outcome.take(member)
        groups.append(KmGroup(name, part.event, part.duration, role, part.entry))
    return groups, values


@dataclass(frozen=True, slots=True)
class CurveOptions:
    """How the curves are drawn; ``zoom_to`` and ``censor_at`` in months."""

    unit: TimeUnit
    interval: bool
    full_tail: bool
    landmarks: list[int]
    zoom_to: float | None
    censor_at: float | None


def _curve_options(unit: TimeUnit, longest: float) -> CurveOptions:
    limit = max(float(np.ceil(longest)), SHORTEST_ZOOM + 1)
    with st.popover("Curve options"):
        interval = st.checkbox("95% bands", value=True, key="km_bands")
        tail = st.checkbox("Show full tail", key="km_tail")
        landmarks = st.multiselect(
            "Landmarks (months)", LANDMARKS, key="km_landmarks", select_all=False
        )
        zoom = st.slider("Zoom to (months)", SHORTEST_ZOOM, limit, limit, key="km_zoom")
        cut = st.checkbox("Censor at the zoom limit (changes the estimates)", key="km_censor")
    return CurveOptions(
        unit=unit,
        interval=interval,
        full_tail=tail,
        landmarks=landmarks,
        zoom_to=zoom if zoom < limit else None,
        censor_at=zoom if cut else None,
    )


def kaplan_meier_view(workspace: Workspace) -> None:
    """Survival curves by any grouping, with tests and hazard ratios."""
    outcome = need_outcome(workspace, np.flatnonzero(workspace.shown))
    if outcome is None:
        return
    groupings = groupings_of(workspace)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox("Group by", list(groupings), key=GROUP_BY.name, width=240)
        second = st.selectbox(
            "Compare with",
            [NOTHING, *[g for g in groupings if g != label]],
            key="compare_with",
            width=240,
        )
        unit: TimeUnit = st.segmented_control(
            "Time axis",
            UNITS,
            default="months",
            key="time_unit",
            required=True,
            bind="query-params",
        )
    options = _curve_options(unit, outcome.duration.max())
    groups, values = _km_groups(workspace, label, outcome)
    if not groups:
        st.info("No patient has a value in this grouping.")
        return
    others, other_values = (
        ([], None) if second == NOTHING else _km_groups(workspace, second, outcome)
    )
    settings = {
        "group_by": label,
        "compare_with": second,
        **asdict(options),
        "data": workspace.loaded.digest,
        "model": workspace.scoring.model.digest if workspace.scoring else None,
    }
    kinds = (Grouping(label, groups), Grouping(second, others))
    chart = _chart(*kinds, options, workspace.cohort.info.endpoint)
    show_chart(chart, key="kaplan_meier", settings=settings)
    for kind, of_each in ((label, values), (second, other_values)):
        if of_each is not None:
            _km_caption(workspace, kind, outcome, of_each)
            _comparisons(workspace, kind, outcome, of_each)
    say_late_entry(workspace.cohort)


def _chart(first: Grouping, second: Grouping, options: CurveOptions, endpoint: Endpoint) -> Chart:
    settings: dict[str, Any] = {
        "theme": theme(),
        "endpoint": endpoint,
        "months_or_years": options.unit,
        "show_interval": options.interval,
        "landmarks": options.landmarks,
        "zoom_to": options.zoom_to,
        "censor_at": options.censor_at,
        "full_tail": options.full_tail,
    }
    if second.groups:
        return draw(compare_groupings_chart, first, second, **settings)
    return draw(kaplan_meier_chart, first.groups, **settings)


def _km_caption(
    workspace: Workspace, label: str, outcome: KnownOutcome, values: NDArray[np.object_]
) -> None:
    given = np.array([pd.notna(v) for v in values])
    parts = [
        f"{label}: {workspace.cohort.info.endpoint.name}",
        f"n = {int(given.sum()):,}",
        f"{count(int(outcome.event[given].sum()), 'event')}",
    ]
    if given.any():
        group = values[given].astype(str)
        held_out = rests_on_held_out(workspace, label, outcome.rows)
        tested = "" if held_out else log_rank_words(outcome.take(given), group)
        parts.append(WITHHELD if held_out else f"log-rank {tested}")
    if label == RISK and workspace.scoring is not None:
        cutoffs = ", ".join(f"{c:+.2f}" for c in workspace.scoring.bundle.strata.cutoffs)
        parts.append(f"cut-offs z = {cutoffs}, frozen from held-out training risks")
    left_out = int((~given).sum())
    if label == GROUPS:
        _, n_shared = disjoint(members_of(workspace, groups_to_compare(workspace)))
        if n_shared:
            parts.append(f"{n_shared:,} in several groups: in each curve, in no test")
            left_out = 0
    no_outcome = int(workspace.shown.sum()) - len(outcome.rows)
    if left_out:
        parts.append(f"{left_out:,} without a value in {label} left out")
    if no_outcome:
        parts.append(f"{no_outcome:,} without outcome left out")
    st.caption(plain("; ".join(parts)))


def _comparisons(
    workspace: Workspace, label: str, outcome: KnownOutcome, values: NDArray[np.object_]
) -> None:
    """Pairwise log-rank tests and hazard ratios against a reference group."""
    given = np.array([pd.notna(v) for v in values])
    names = ordered_groups(workspace, label, values)
    if len(names) < 2:
        return
    outcome = outcome.take(given)
    group = values[given].astype(str)
    left, right = st.columns(2)
    with left:
        st.markdown(f"**{plain(label)}: pairwise log-rank (Holm)**")
        if rests_on_held_out(workspace, label, outcome.rows):
            st.markdown(plain(WITHHELD_SENTENCE))
        else:
            table, hidden = _pairwise_table(outcome, group, names)
            st.dataframe(table, hide_index=True)
            if hidden:
                st.caption(plain(" ".join(hidden)))
            with st.expander("Where hazards cross: restricted mean time", key=f"means_{label}"):
                _restricted_means(outcome, group, names)
    with right:
        st.markdown(f"**{plain(label)}: hazard ratios**")
        reference = st.selectbox("Reference group", names, key=f"ref_{label}")
        try:
            ratios = shared_results.compute_once(
                lambda: group_hazard_ratios(
                    outcome.event,
                    outcome.duration,
                    group,
                    reference=reference,
                    names=names,
                    entry=outcome.entry,
                ),
                f"hazard ratios to {reference} of {names}",
                *outcome.arrays,
                group,
            )
        except EstimationError as error:
            st.info(plain(str(error)))
            return
        rows = [replace(r, name=f"{r.name} vs {reference}") for r in ratios]
        held_out = rests_on_held_out(workspace, label, outcome.rows)
        chart = draw(
            forest_chart,
            rows,
            n=len(group),
            events=int(outcome.event.sum()),
            theme=theme(),
            untested=[
                row.name
                for row, ratio in zip(rows, ratios, strict=True)
                if held_out or _too_few_of(outcome, group, (ratio.name, reference))
            ],
        )
        show_chart(chart, key=f"ratios_{label}", wide=True)


def _restricted_means(outcome: KnownOutcome, group: NDArray[np.str_], names: Sequence[str]) -> None:
    """Mean months free of the event by pair, and a test that sees crossing hazards."""
    if outcome.entry is not None and (outcome.entry > 0).any():
        st.caption("Not given: some patients enter after time zero.")
        return
    followed = {
        name: FollowUp.check(outcome.event[group == name], outcome.duration[group == name], None)
        for name in names
    }
    rows = []
    for first, second in combinations(names, 2):
        if _too_few_of(outcome, group, (first, second)):
            rows.append({"pair": f"{first} vs {second}", "difference": HIDDEN})
            continue
        found = restricted_means(followed[first], followed[second])
        rows.append(
            {
                "pair": f"{first} vs {second}",
                "difference": with_interval(found.difference, found.low, found.high, digits=1),
                "means": f"{found.first:.1f} vs {found.second:.1f}",
                "within (months)": f"{found.until:.0f}",
                "combined weights": format_p(found.combined_p),
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        "Mean months free of the event within the shorter follow-up, difference with 95% "
        "interval; p of four weighted log-rank tests, by Bonferroni."
    )


def _too_few_of(
    outcome: KnownOutcome, group: NDArray[np.str_], pair: tuple[str, str]
) -> str | None:
    rows = np.isin(group, pair)
    return too_few(outcome.event[rows], group[rows])


def _pairwise_table(
    outcome: KnownOutcome, group: NDArray[np.str_], names: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Tests of each pair, and why some have no p-value."""
    pairs = shared_results.compute_once(
        lambda: pairwise_log_rank(
            outcome.event, outcome.duration, group, names=names, entry=outcome.entry
        ),
        f"log-rank of pairs of {names}",
        *outcome.arrays,
        group,
    )
    table = pd.DataFrame(
        {
            "pair": [f"{p.first} vs {p.second}" for p in pairs],
            "chi-squared": ["" if p.statistic is None else f"{p.statistic:.4f}" for p in pairs],
            "p (Holm)": [HIDDEN if p.adjusted is None else format_p(p.adjusted) for p in pairs],
        }
    )
    return table, list(dict.fromkeys(p.reason for p in pairs if p.adjusted is None))
