"""The model card: numbers of held-out patients by the stored weights, and its text."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from camlif.config import RunConfig
from camlif.data.preprocessing import encode
from camlif.data.splits import make_splits
from camlif.model.card import Card, _discrimination, render_markdown, ties_of
from camlif.statistics import concordance_index, split_p_values
from tests.builders.bundles import N_SPLITS, tiny_bundle, tiny_cohort


def _heldout() -> tuple[
    NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]
]:
    """Members' risks and test parts, recomputed from the public parts."""
    bundle, cohort = tiny_bundle(), tiny_cohort()
    raw = encode(cohort, bundle.schema)
    test = ~bundle.reference.seen.T
    return bundle.ensemble.predict(raw).log_risk, test, *cohort.outcome()


def test_per_split_c_indices_are_of_each_members_test_part() -> None:
    risk, test, event, duration = _heldout()
    expected = [
        concordance_index(risk[rows, e], event[rows], duration[rows]) for e, rows in enumerate(test)
    ]
    found = tiny_bundle().card.discrimination
    assert found.per_split == pytest.approx(expected, abs=5e-5)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.sd == pytest.approx(np.std(expected, ddof=1))


def test_the_paper_as_printed_leads_with_its_own_rule_for_ties() -> None:
    assert ties_of(RunConfig.from_preset("printed")) == "strict"
    assert ties_of(RunConfig.from_preset("default")) == "half"
    risk, test, event, duration = _heldout()
    tied, cohort = np.round(risk, 1), tiny_cohort()
    splits = make_splits(
        cohort.patient_ids,
        event,
        n_splits=N_SPLITS,
        scheme="covering",
        seed=tiny_bundle().config.training.seed,
    )
    expected = [
        concordance_index(tied[rows, e], event[rows], duration[rows], ties="strict")
        for e, rows in enumerate(test)
    ]
    found = _discrimination(tied, cohort, splits, ties="strict")
    assert found.mean == found.strict_mean == pytest.approx(np.mean(expected))
    assert found.mean < _discrimination(tied, cohort, splits, ties="half").mean
    card = tiny_bundle().card
    assert "tied risks count 0" not in render_markdown(card)
    card = card.model_copy(update={"discrimination": found})
    assert "tied risks count 0, as in eq 8" in render_markdown(card)


def test_test_parts_are_those_of_the_configured_splits() -> None:
    cohort, training = tiny_cohort(), tiny_bundle().config.training
    assert cohort.event is not None
    splits = make_splits(
        cohort.patient_ids, cohort.event, n_splits=N_SPLITS, scheme="covering", seed=training.seed
    )
    np.testing.assert_array_equal(~tiny_bundle().reference.seen.T, splits.test)


def test_card_holds_three_named_p_values() -> None:
    risk, test, event, duration = _heldout()
    expected = split_p_values(risk, event, duration, test=test)
    found = tiny_bundle().card.p_values
    assert found is not None
    assert found.unique == pytest.approx(expected.unique)
    assert found.over_splits == pytest.approx(expected.over_splits)
    assert found.pooled == pytest.approx(expected.pooled)
    assert found.n_splits == expected.n_splits


def test_markdown_names_the_p_values_and_their_reading() -> None:
    card = tiny_bundle().card
    assert card.p_values is not None
    values = replace(card.p_values, unique=0.0213, over_splits=None, pooled=0.0)
    text = render_markdown(card.model_copy(update={"p_values": values}))
    assert "| unique | 0.021 | one row per patient" in text
    assert "| over splits | not given |" in text
    assert "| pooled | < 0.001 |" in text
    assert "over splits" not in render_markdown(card.model_copy(update={"p_values": None}))


def test_markdown_states_use_data_spread_and_limits() -> None:
    card = tiny_bundle().card
    text = render_markdown(card)
    for wanted in (
        "Not a medical device",
        card.not_for,
        f"{card.data.n_patients} patients, {card.data.n_events} events",
        f"SD {card.discrimination.sd:.3f}",
        f"Quick look: {N_SPLITS} splits instead of 15.",
        "stored as float16",
        *card.limits,
    ):
        assert wanted in text


def test_markdown_tables_have_no_broken_rows() -> None:
    lines = render_markdown(tiny_bundle().card).splitlines()
    for before, line in pairwise(lines):
        if line.startswith("|") and before.startswith("|"):
            assert line.count("|") == before.count("|")
        if line.startswith("|---"):
            assert before.startswith("|")


def test_card_survives_json() -> None:
    card = tiny_bundle().card
    assert Card.model_validate_json(card.model_dump_json()) == card
