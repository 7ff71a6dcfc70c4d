"""What the outcomes of a scored cohort say of the absolute risks that its patients are shown."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from camlif.config import HORIZONS
from camlif.data.cohort import Cohort
from camlif.explain import ExploredCase
from camlif.model.bundle import Bundle
from camlif.model.case import summarise_case
from camlif.model.outcome_check import MAX_JUDGED, MIN_JUDGED, hide_contradicted, judge_table
from camlif.model.recognition import Membership
from camlif.model.score_file import write_scores
from camlif.model.scoring import OUTLIVED
from tests.builders.bundles import tiny_bundle, tiny_cohort
from tests.builders.cohorts import make_cohort
from tests.builders.validated import with_gates

N_NEW = 240
SURVIVAL = [f"survival_{h}m" for h in HORIZONS]


@cache
def opened() -> Bundle:
    bundle = tiny_bundle()
    reference = with_gates(bundle.reference, lambda g: replace(g, verdict="open", reason=""))
    return replace(bundle, reference=reference)


@cache
def site(*, slower: float) -> Cohort:
    """New patients whose events come as the model predicts, or so many times later."""
    cohort = make_cohort(N_NEW, seed=5, clinical=True, strength=2.5)
    bare = replace(cohort, event=None, duration=None)
    risk = opened().score(bare).log_risk
    calibration = opened().calibration
    grid = np.arange(1.0, np.floor(calibration.time[-1]))
    survival = calibration.survival(risk, grid)
    draw = np.random.default_rng(0).uniform(size=N_NEW)
    place = (survival > draw[:, None]).sum(axis=1)
    event = place < len(grid)
    months = np.append(grid, grid[-1])[place] * slower
    return replace(cohort, event=event.astype(float), duration=months)


def shown(bundle: Bundle, cohort: Cohort) -> pd.DataFrame:
    result = bundle.score(cohort)
    return result.table.loc[~result.unlike, SURVIVAL]


def test_outcomes_that_bear_out_the_predictions_leave_them() -> None:
    result = opened().score(site(slower=1.0))
    assert {gate.verdict for gate in result.judged.values()} == {"open"}
    assert shown(opened(), site(slower=1.0)).notna().all(axis=None)


def test_outcomes_that_contradict_the_predictions_hide_them_and_are_quoted() -> None:
    cohort = site(slower=4.0)
    result = opened().score(cohort)
    bare = opened().score(replace(cohort, event=None, duration=None))
    assert bare.judged == {}
    closed = [h for h, gate in result.judged.items() if gate.verdict == "closed"]
    assert 36 in closed
    new = result.table["in_training"] == "no"
    assert new.sum() > N_NEW / 2
    assert result.table.loc[new, [f"survival_{h}m" for h in closed]].isna().all(axis=None)
    assert result.table.loc[new, OUTLIVED].isna().all()
    assert result.table.loc[new, "risk_group"].equals(bare.table.loc[new, "risk_group"])
    np.testing.assert_array_equal(result.survival[~new], bare.survival[~new])

    row = int(np.flatnonzero(new & ~result.unlike)[0])
    summary = summarise_case(opened(), result, row)
    assert summary.score is not None
    (horizon,) = (h for h in summary.score.horizons if h.months == 36)
    gate = result.judged[36]
    assert horizon.survival is None
    assert horizon.reason == (
        f"among {gate.n_patients} patients of this cohort with an outcome ({gate.n_events} events "
        f"by 3 years), expected / observed events {gate.ratio:.2f}, outside 0.8 to 1.25"
    )
    assert horizon.reason in horizon.sentence
    assert "patients of this cohort with an outcome" in summary.score.outlived.reason


def test_whoever_may_be_of_the_training_cohort_is_judged_as_others(tmp_path: Path) -> None:
    cohort = site(slower=4.0)
    table = opened().score(replace(cohort, event=None, duration=None)).table
    unclear = table.assign(in_training=str(Membership.UNCLEAR))
    judged = judge_table(unclear, cohort)
    assert judged[36].verdict == "closed"
    assert hide_contradicted(unclear, judged)["survival_36m"].isna().all()


def test_exploring_a_case_shows_no_absolute_risk_that_outcomes_contradict() -> None:
    cohort = site(slower=4.0)
    result = opened().score(cohort)
    row = int(np.flatnonzero((result.membership == Membership.NEW) & ~result.unlike)[0])
    for judged, hidden in (({}, False), (result.judged, True)):
        answer = ExploredCase.open(opened(), cohort, row, judged=judged).ask()
        assert answer.summary.score is not None
        survival = {h.months: h.survival for h in answer.summary.score.horizons}
        assert (survival[36] is None) == hidden
        assert np.isnan(answer.result.survival[0, -1]) == hidden


def test_few_outcomes_say_nothing() -> None:
    cohort = site(slower=4.0)
    table = opened().score(replace(cohort, event=None, duration=None)).table
    few = np.arange(MIN_JUDGED - 1)
    assert judge_table(table.iloc[few], cohort.take(few)) == {}


def test_patients_of_the_training_cohort_are_not_judged_as_new() -> None:
    cohort = tiny_cohort()
    late = replace(cohort, duration=cohort.outcome()[1] * 4)
    result = opened().score(late)
    judged = result.judged.get(36)
    assert judged is None or judged.n_patients <= (~result.is_training).sum()
    known = result.is_training & result.scored & ~result.unlike
    assert known.any()
    assert result.table.loc[known, SURVIVAL].notna().all(axis=None)


def test_the_score_file_leaves_out_what_a_page_leaves_out(tmp_path: Path) -> None:
    for slower, n in ((1.0, 0), (4.0, 1)):
        cohort, out = site(slower=slower), tmp_path / f"{slower}.csv"
        written = write_scores(opened(), cohort, out)
        table = opened().score(cohort, embed=False).table
        found = pd.read_csv(out)
        for column in ("log_risk", "z", *SURVIVAL, OUTLIVED):
            np.testing.assert_allclose(found[column], table[column].astype(float))
        assert found["risk_group"].tolist() == table["risk_group"].tolist()
        assert (len(written.contradicted) > 0) == bool(n)
        assert all(s.startswith("E-22: Absolute risk at ") for s in written.contradicted)


@pytest.mark.parametrize("slower", [1.0, 4.0])
def test_a_large_cohort_is_judged_by_a_sample(
    slower: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("camlif.model.outcome_check.MAX_JUDGED", 150)
    assert MAX_JUDGED > 150
    judged = opened().score(site(slower=slower)).judged
    assert judged[36].n_patients == 150
    assert (judged[36].verdict == "closed") == (slower > 1)
