"""Tokens, filters and caches behind the pages."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

import dashboard
from camlif.data.cohort import Cohort
from camlif.data.samples import load_sample
from dashboard.session import resources, settings, state
from tests.dashboard.conftest import PointAt


@pytest.fixture(scope="module")
def uploaded() -> Cohort:
    return load_sample("luad").take(np.arange(40))


def with_cell(cohort: Cohort, row: int, quantile: float) -> Cohort:
    """The cohort with one cell at a quantile of its column, where a model does not clip it."""
    name = cohort.schema.names[0]
    table = cohort.tables[name].copy()
    table[row, 200] = np.quantile(table[:, 200], quantile)
    return replace(cohort, tables={**cohort.tables, name: table})


# Tokens


def test_a_token_tells_nothing_and_is_the_same_again(models: Path, point_at: PointAt) -> None:
    point_at(models)
    tokens = resources.case_tokens("A", ["P-1", "P-2"])
    assert tokens == resources.case_tokens("A", ["P-1", "P-2"])
    assert len(set(tokens)) == 2
    assert all(len(t) == resources.TOKEN_DIGITS and int(t, 16) >= 0 for t in tokens)


def test_the_same_identifier_in_another_cohort_has_another_token(
    models: Path, point_at: PointAt
) -> None:
    point_at(models)
    assert resources.case_tokens("A", ["P-1"]) != resources.case_tokens("B", ["P-1"])


def test_tokens_depend_on_a_key_that_only_its_owner_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    try:
        for name in ("one", "two"):
            monkeypatch.setenv("CAMLIF_HOME", str(tmp_path / name))
            settings.settings.cache_clear()
            settings.install_key.cache_clear()
            found.append(resources.case_tokens("A", ["P-1"]))
            key = tmp_path / name / "token.key"
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
            settings.install_key.cache_clear()
            assert resources.case_tokens("A", ["P-1"]) == found[-1]
    finally:
        settings.settings.cache_clear()
        settings.install_key.cache_clear()
    assert found[0] != found[1]


# Caches


def test_one_changed_cell_gives_another_digest_and_another_result(
    uploaded: Cohort, models: Path, point_at: PointAt
) -> None:
    point_at(models)
    model = resources.model("luad")
    before, changed = with_cell(uploaded, 17, 0.3), with_cell(uploaded, 17, 0.7)
    assert changed.digest != before.digest
    scores = [
        resources.sample_scores(cohort.digest, model.digest, cohort, model.bundle).result()
        for cohort in (before, changed)
    ]
    differs = scores[0].log_risk != scores[1].log_risk
    assert np.flatnonzero(differs).tolist() == [17]


def test_the_same_cohort_is_scored_once(uploaded: Cohort, models: Path, point_at: PointAt) -> None:
    point_at(models)
    model = resources.model("luad")
    key = (uploaded.digest, model.digest, uploaded, model.bundle)
    assert resources.sample_scores(*key) is resources.sample_scores(*key)


def test_models_differ_in_their_digests(models: Path, point_at: PointAt) -> None:
    point_at(models)
    assert resources.model("luad").digest != resources.model("glioma").digest
    assert {m.name for m in resources.catalogue()} == {"glioma", "luad", "transbig"}


# Filters


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    values: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", values)
    return values


def test_without_a_filter_everyone_is_shown(session: dict[str, object]) -> None:
    assert state.shown_rows(load_sample("glioma")).all()


def test_filters_are_combined(session: dict[str, object]) -> None:
    cohort = load_sample("glioma")
    clinical = cohort.clinical
    session |= {
        state.FILTER_GRADE.name: ["2", "3"],
        state.FILTER_SUBTYPE.name: ["oligodendroglioma"],
        state.FILTER_AGE.name: (40, 50),
        state.FILTER_COMPLETE.name: True,
    }
    expected = (
        clinical["grade"].astype(str).isin(["2", "3"]).to_numpy()
        & (clinical["subtype"] == "oligodendroglioma").to_numpy()
        & clinical["age"].between(40, 50).to_numpy()
        & cohort.presence.all(axis=1)
    )
    assert 0 < expected.sum() < len(cohort)
    np.testing.assert_array_equal(state.shown_rows(cohort), expected)


def test_a_patient_of_unknown_age_passes_the_age_filter(session: dict[str, object]) -> None:
    cohort = load_sample("glioma")
    clinical = cohort.clinical.copy()
    clinical["age"] = clinical["age"].astype(float)
    clinical.iloc[3, clinical.columns.get_loc("age")] = np.nan
    session[state.FILTER_AGE.name] = (200, 300)
    assert np.flatnonzero(state.shown_rows(replace(cohort, clinical=clinical))).tolist() == [3]


def test_another_cohort_starts_filters_case_and_model_anew(session: dict[str, object]) -> None:
    state.initialise()
    state.choose_model("glioma", ("genomics",))
    session |= {
        state.FILTER_GRADE.name: ["4"],
        state.CASE.name: 3,
        state.SELECTION.name: ("a", "b"),
    }
    state.choose_cohort("luad")
    state.initialise()
    assert state.shown_rows(load_sample("luad")).all()
    assert not {state.CASE.name, state.SELECTION.name} & set(session)
    assert (session[state.COHORT.name], session[state.MODEL.name]) == ("luad", None)
    assert session[state.MISSING.name] == ()


def test_uploaded_tables_are_a_choice_only_once_there_are_any(
    session: dict[str, object], uploaded: Cohort, models: Path, point_at: PointAt
) -> None:
    point_at(models)
    assert state.UPLOADED not in state.cohort_choices()
    state.choose_cohort(state.UPLOADED, resources.loaded(state.UPLOADED, uploaded))
    assert state.UPLOADED in state.cohort_choices()
    assert state.current_cohort().cohort is uploaded


def test_only_the_session_room_touches_session_state() -> None:
    # Reads and writes go through `SessionKey`, so that a value can be traced by its key's name.
    root = Path(dashboard.__file__).parent
    touching = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "session_state" in path.read_text(encoding="utf-8")
    }
    assert touching == {"session/keys.py"}


def test_no_two_session_keys_share_a_name() -> None:
    root = Path(dashboard.__file__).parent
    named = [
        name
        for path in root.rglob("*.py")
        for name in re.findall(r'SessionKey\("(\w+)"\)', path.read_text(encoding="utf-8"))
    ]
    assert len(named) > 30
    assert sorted(named) == sorted(set(named))
