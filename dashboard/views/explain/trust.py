"""Whether the explanations of a model can be trusted: verdicts, curves, the default method.

Verdicts of `camlif.explain.faithfulness` go in and are drawn; a check that cannot be made gives its
reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pandas as pd
import streamlit as st

from camlif.data.cohort import Cohort
from camlif.exceptions import CamlifError
from camlif.explain import METHODS, Faithfulness, OrderTest
from camlif.explain.faithfulness import RANKINGS
from camlif.explain.verdicts import N_PATIENTS, spread_by_risk
from camlif.wording import format_p, with_interval
from dashboard.components.chart import show_chart, theme
from dashboard.components.text import plain
from dashboard.figures.attribution import faithfulness_curves
from dashboard.session.keys import SessionKey
from dashboard.session.shared_results import Request, wait
from dashboard.session.state import Scoring, Workspace
from dashboard.store.explanation_checks import Checks

_CRITERIA = (
    "A method passes if both orders beat random order (95% interval over patients above 0, and "
    f"better than all {RANKINGS} random rankings), its contributions add up to within 5% where it "
    "claims that, and its top features keep their order when the models are resampled (median rank "
    f"correlation at least 0.7). Checked on up to {N_PATIENTS} patients, each by models that did "
    "not see it, against the training median. A method that fails, or whose contributions do not "
    "add up, is shown only where it is picked here."
)

METHOD: SessionKey[str | None] = SessionKey("explain_method")
CHOSEN: SessionKey[str] = SessionKey("explain_method_chosen_for")
"""Model whose method the user picked; the pick holds for that model."""


def method_picker(checks: Checks) -> str | None:
    """Offer the methods, by default one that is not known to fail; None where there is none.

    A method that failed can still be picked; a warning then goes with it.
    """
    if CHOSEN.get() != checks.model_digest:
        METHOD.set(checks.choice().method)

    def chosen() -> None:
        if METHOD.get() is None:  # cleared: the default again
            CHOSEN.pop()
        else:
            CHOSEN.set(checks.model_digest)

    method: str | None = st.selectbox(
        "Method",
        list(METHODS),
        index=None,
        key=METHOD.name,
        format_func=lambda key: METHODS[key].label,
        placeholder="No method passes",
        help="Changing it recomputes the contributions.",
        on_change=chosen,
        width=280,
    )
    return method


def say_default(checks: Checks, method: str | None) -> None:
    """Say what the check found of the method shown, or why none is."""
    choice = checks.choice()
    if method == choice.method:
        if method is None or checks.failed:
            st.info(plain(f"{choice.limit} {choice.sentence}".lstrip()))
        return
    found = None if method is None else checks.verdict(method)
    if found is not None and not found.passes:
        st.warning(
            plain(
                f"{found.label} fails the check on this model: {'; '.join(found.failures)}. "
                "Do not rely on these contributions."
            )
        )


def trust_section(
    workspace: Workspace, scoring: Scoring, checks: Checks, method: str | None
) -> None:
    """Check the method in use, and show what is known of all.

    Parameters
    ----------
    workspace : Workspace
    scoring : Scoring
        Of its cohort.
    checks : Checks
        Verdicts known.
    method : str or None
        The one in use, a key of `METHODS`.
    """
    st.header("Can these explanations be trusted?", anchor=False)
    if method is not None:
        try:
            found = _checked(workspace, scoring, checks, [method])[method]
        except CamlifError as error:
            st.info(plain(f"They could not be checked: {error}"))
            return
        if CHOSEN.get() != checks.model_digest and checks.choice().method != method:
            st.rerun()  # the default has just failed: show the next one
        label = METHODS[method].label
        st.markdown(plain(_verdict(label, found)))
        show_chart(
            faithfulness_curves(found, method=label, theme=theme()), key="faithfulness", wide=True
        )
    if st.button("Check all methods", key="check_all", help="Takes up to a minute, once."):
        _checked(workspace, scoring, checks, METHODS)
    known = [v for v in map(checks.known, METHODS) if v is not None]
    st.dataframe(verdict_table(known), hide_index=True, key="verdicts")
    with st.expander("What a method must pass, and what failed"):
        st.caption(plain(f"{_CRITERIA} {checks.choice().failures}"))


def _verdict(label: str, found: Faithfulness) -> str:
    if found.passes:
        return f"{label} passes the check on this model."
    return f"{label} fails the check on this model: {'; '.join(found.failures)}."


def _checked(
    workspace: Workspace, scoring: Scoring, checks: Checks, methods: Iterable[str]
) -> dict[str, Faithfulness]:
    found = {}
    for method in methods:
        known = checks.known(method)
        if known is None:
            request = check_request(workspace.cohort, scoring, checks, method)
            with st.spinner(f"Checking {METHODS[method].label} ..."):
                known = wait(request.begin())
            checks.remember(known)
        found[method] = known
    return found


def check_request(
    cohort: Cohort, scoring: Scoring, checks: Checks, method: str
) -> Request[Faithfulness]:
    """Ask for the verdict on a method.

    Parameters
    ----------
    cohort : Cohort
    scoring : Scoring
    checks : Checks
        Knows which verdicts are kept.
    method : str
        A key of `METHODS`.
    """
    scored = scoring.result.scored.nonzero()[0]
    rows = spread_by_risk(scoring.result.z, scored, N_PATIENTS)
    compute = partial(checks.compute, method, scoring.bundle, cohort, rows)
    return Request(key=checks.key(method), compute=compute, long=True)


def verdict_table(found: Iterable[Faithfulness]) -> pd.DataFrame:
    """One row per method: what was measured, and whether it passes."""
    return pd.DataFrame(
        [
            {
                "Method": METHODS[v.method].label,
                "Verdict": "passes" if v.passes else "fails",
                "Deletion beats random by": _area(v.deletion),
                "Insertion beats random by": _area(v.insertion),
                "Completeness gap": f"{100 * v.gap:.1f}%"
                + ("" if METHODS[v.method].adds_up else " (does not add up by nature)"),
                "Stability": "not measured"
                if v.stability is None
                else f"{v.stability.median:.2f} (2.5th percentile {v.stability.low:.2f})",
                "Patients": v.n_patients,
            }
            for v in found
        ]
    )


def _area(test: OrderTest) -> str:
    return f"{with_interval(test.gain, test.low, test.high)}, {format_p(test.p_value)}"
