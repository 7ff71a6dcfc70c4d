"""Subtypes and age bands: how patients are ranked within them, and who is not scored for it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import camlif.model.fit
from camlif.data.cohort import Cohort
from camlif.data.schema import CohortInfo, FeatureSchema
from camlif.model.bundle import Bundle, load_bundle
from camlif.model.card import render_markdown
from camlif.model.case import summarise_case
from camlif.model.score_file import write_scores
from camlif.model.sentences import subgroup_sentence
from camlif.model.subgroups import (
    SubgroupValidation,
    find_deciding,
    find_members,
    validate_subgroups,
)
from camlif.statistics import bootstrap_c_index
from camlif.statistics.over_time import MIN_EVENTS
from tests.builders.bundles import tiny_config
from tests.builders.cohorts import simulate

NOISE, SIGNAL = "negative", "positive"
AGES = {"under 50": 40.0, "50 to 64": 60.0, "65 and over": 70.0}


def _cohort(n: int, seed: int) -> Cohort:
    """A cohort with a subtype whose outcome has nothing to do with what is measured."""
    found = simulate(n, seed=seed, clinical=True, strength=3.0)
    cohort, rng = found.cohort, np.random.default_rng([seed, 1])
    noise = rng.random(n) < 0.4
    # Outcomes of the noisy subtype are dealt anew among its patients.
    order = np.arange(n)
    order[noise] = rng.permutation(order[noise])
    event, duration = cohort.outcome()
    return replace(
        cohort,
        info=replace(cohort.info, subtype_column="er_status"),
        clinical=cohort.clinical.assign(er_status=np.where(noise, NOISE, SIGNAL)),
        event=event[order],
        duration=duration[order],
    )


@cache
def _bundle() -> Bundle:
    return camlif.model.fit.train(_cohort(300, seed=4), tiny_config(), name="er", device="cpu")


def _is(cohort: Cohort, subtype: str) -> NDArray[np.bool_]:
    return np.asarray(cohort.clinical["er_status"] == subtype)


def _subgroup(**changes: object) -> SubgroupValidation:
    numbers: dict[str, object] = {"kind": "subtype", "column": "er_status", "level": SIGNAL}
    numbers |= {"n_patients": 134, "n_events": 28, "c_index": 0.72, "low": 0.63, "high": 0.81}
    return SubgroupValidation(**(numbers | changes))  # type: ignore[arg-type]


def test_patients_of_a_subtype_that_is_noise_are_not_scored_and_the_others_are() -> None:
    bundle, new = _bundle(), _cohort(60, seed=5)
    by_level = {s.level: s for s in bundle.reference.subgroups or () if s.kind == "subtype"}
    noise, signal = by_level[NOISE], by_level[SIGNAL]
    assert noise.low is not None
    assert signal.low is not None
    assert noise.low <= 0.5 < signal.low
    result = bundle.score(new)

    np.testing.assert_array_equal(result.scored, _is(new, SIGNAL))
    table = result.table
    assert table.loc[~result.scored, "risk_group"].isna().all()
    assert table.loc[~result.scored, "survival_36m"].isna().all()
    assert set(table.loc[~result.scored, "warnings"]) == {f"not scored: the model {noise.fault}"}
    assert f"did not rank patients of er_status {NOISE} in validation" in noise.fault
    assert f"n = {noise.n_patients}, {noise.n_events} events" in noise.fault


def test_training_patients_of_it_are_withheld_too() -> None:
    bundle, cohort = _bundle(), _cohort(300, seed=4)
    np.testing.assert_array_equal(bundle.score(cohort).scored, _is(cohort, SIGNAL))


def test_the_score_file_says_why(tmp_path: Path) -> None:
    new = _cohort(40, seed=6)
    write_scores(_bundle(), new, tmp_path / "scores.csv")
    file = pd.read_csv(tmp_path / "scores.csv")
    withheld = _is(new, NOISE)
    assert file.loc[withheld, ["risk_group", "log_risk", "z", "percentile"]].isna().all(axis=None)
    said = file.loc[withheld, "warnings"].str
    assert said.startswith(
        f"not scored: the model did not rank patients of er_status {NOISE}"
    ).all()
    assert file.loc[~withheld, "risk_group"].notna().all()


def test_a_case_quotes_its_own_subgroups_and_one_without_group_says_which() -> None:
    bundle, new = _bundle(), _cohort(60, seed=5)
    result = bundle.score(new)
    row = int(np.flatnonzero(result.scored)[0])
    summary = summarise_case(bundle, result, row)
    assert summary.score is not None
    own = summary.subgroups[0]
    assert (own.kind, own.level) == ("subtype", SIGNAL)
    sentence = f"Among patients of er_status {SIGNAL}: held-out C-index {own.c_index:.2f} ("
    assert summary.score.subgroup_sentence.startswith(sentence)
    assert summary.score.subgroup_sentence in summary.caveats
    assert not summary.withheld
    assert subgroup_sentence(own, reduced=True).endswith(
        "events, with the modalities that they have."
    )

    other = summarise_case(bundle, result, int(np.flatnonzero(~result.scored)[0]))
    assert other.score is None
    assert other.withheld
    assert other.no_score.startswith(f"The model did not rank patients of er_status {NOISE}")
    assert other.no_score.endswith("events). No score is shown.")


def test_who_may_be_of_a_subtype_that_is_not_ranked_is_scored_with_a_warning() -> None:
    bundle, new = _bundle(), _cohort(30, seed=7)
    unknown = replace(new, clinical=new.clinical.drop(columns="er_status"))
    result = bundle.score(unknown)
    assert result.scored.any()
    said = result.table.loc[result.scored, "warnings"].str
    assert said.contains("er_status not given or not known, and the model did not rank").all()


def test_subgroups_come_back_from_disk_and_the_card_tells_them(tmp_path: Path) -> None:
    bundle = _bundle()
    bundle.save(tmp_path / "er")
    again = load_bundle(tmp_path / "er", device="cpu")
    assert again.reference.subgroups == bundle.reference.subgroups
    assert again.card.subgroups == bundle.reference.subgroups
    text = render_markdown(bundle.card)
    for found in bundle.reference.subgroups or ():
        assert f"| {found.name} | {found.n_patients} | {found.n_events} |" in text
    assert any(
        f"Patients of er_status {NOISE} are not scored" in limit for limit in again.card.limits
    )


def test_a_model_without_subgroups_is_scored_as_a_whole(tmp_path: Path) -> None:
    bundle = replace(_bundle(), reference=replace(_bundle().reference, subgroups=()))
    bundle.save(tmp_path / "old")
    again = load_bundle(tmp_path / "old", device="cpu")
    assert again.reference.subgroups == ()
    result = again.score(_cohort(20, seed=8))
    assert result.scored.all()
    summary = summarise_case(again, result, 0)
    assert summary.score is not None
    assert (summary.subgroups, summary.score.subgroup_sentence) == ((), "")


def _drawn(
    rng: np.random.Generator, n_events: int, spread: float
) -> tuple[NDArray[np.float64], Cohort]:
    """True log hazards, and a cohort whose subtypes and ages have no effect."""
    n = 4 * n_events
    risk = rng.normal(0, spread, n)
    until, leaving = rng.exponential(np.exp(-risk)), rng.exponential(1.5, n)
    n = int(np.flatnonzero(np.cumsum(until <= leaving) == n_events)[0]) + 1
    ids = np.array([f"P{i}" for i in range(n)])
    clinical = pd.DataFrame(
        {
            "subtype": rng.choice(["a", "b", "c"], n, p=(0.5, 0.3, 0.2)),
            "age": rng.choice(list(AGES.values()), n, p=(0.3, 0.4, 0.3)),
        },
        index=ids,
    )
    cohort = Cohort(
        info=CohortInfo(title="Simulated", badge="synthetic", subtype_column="subtype"),
        schema=FeatureSchema((), ()),
        patient_ids=ids,
        tables={},
        presence=np.zeros((n, 0), dtype=bool),
        clinical=clinical,
        duration=np.minimum(until, leaving)[:n],
        event=(until <= leaving)[:n],
    )
    return risk[:n], cohort


def test_figures_are_those_of_the_patients_of_each_subgroup_with_a_heldout_risk() -> None:
    risk, cohort = _drawn(np.random.default_rng(1), 120, 0.9)
    risk[:10] = np.nan
    found = validate_subgroups(cohort, risk)
    assert [s.name for s in found[3:]] == [f"age {name}" for name in AGES]
    assert {s.name for s in found[:3]} == {"subtype a", "subtype b", "subtype c"}
    members = find_members(found, cohort)
    assert (members.sum(axis=1) == 2).all()
    for subgroup, rows in zip(found, members.T & np.isfinite(risk), strict=True):
        assert cohort.event is not None
        assert (subgroup.n_patients, subgroup.n_events) == (rows.sum(), cohort.event[rows].sum())
        assert subgroup.known == (subgroup.n_events >= MIN_EVENTS)
        if subgroup.known:
            own = cohort.follow_up(rows)
            expected = bootstrap_c_index(risk[rows], own.event, own.duration)
            assert (subgroup.c_index, subgroup.low, subgroup.high) == (
                expected.value,
                expected.low,
                expected.high,
            )


def test_a_single_level_is_no_subgroup() -> None:
    risk, cohort = _drawn(np.random.default_rng(1), 60, 0.9)
    same = replace(cohort, clinical=cohort.clinical.assign(subtype="a", age=40.0))
    assert validate_subgroups(same, risk) == ()


def test_the_subtype_decides_and_the_age_band_where_the_subtype_cannot_tell() -> None:
    few = {"c_index": None, "low": None, "high": None, "n_events": MIN_EVENTS - 1}
    subgroups = (
        _subgroup(),
        _subgroup(level=NOISE, **few),
        _subgroup(kind="age", column="age", level="under 50", low=0.4),
    )
    members = np.array([[True, False, True], [False, True, True], [False, False, False]])
    assert find_deciding(subgroups, members) == [subgroups[0], subgroups[2], None]
    assert subgroups[0].fault == ""
    assert subgroups[1].fault == ""
    assert "age under 50" in subgroups[2].fault


def test_a_subtype_is_read_in_other_spelling_and_from_the_column_named_by_the_cohort() -> None:
    _, cohort = _drawn(np.random.default_rng(1), 30, 0.9)
    cohort = cohort.take([0, 1, 2])
    written = cohort.clinical.assign(subtype=["Positive ", "NEGATIVE", None])
    subgroups = (_subgroup(column="subtype"), _subgroup(column="subtype", level=NOISE))
    expected = [[True, False], [False, True], [False, False]]
    own = find_members(subgroups, replace(cohort, clinical=written))
    assert own.tolist() == expected
    elsewhere = replace(
        cohort,
        clinical=written.rename(columns={"subtype": "er"}),
        info=replace(cohort.info, subtype_column="er"),
    )
    assert find_members(subgroups, elsewhere).tolist() == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_events", "spread", "most", "either"), [(100, 0.9, 0.05, 0.09), (200, 0.6, 0.08, 0.12)]
)
def test_a_sound_model_has_few_patients_withheld(
    n_events: int, spread: float, most: float, either: float
) -> None:
    rng = np.random.default_rng(11)
    withheld, by_either = [], []
    for _ in range(200):
        risk, cohort = _drawn(rng, n_events, spread)
        found = validate_subgroups(cohort, risk)
        members = find_members(found, cohort)
        deciding = find_deciding(found, members)
        withheld.append(np.mean([own is not None and bool(own.fault) for own in deciding]))
        faulty = np.array([bool(subgroup.fault) for subgroup in found])
        by_either.append((members & faulty).any(axis=1).mean())
    assert np.mean(withheld) <= most
    assert np.mean(withheld) < np.mean(by_either) <= either
