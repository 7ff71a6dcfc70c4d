"""Who was in the training cohort: what is recognised, what is not, and what cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from camlif.data.cohort import Cohort
from camlif.data.preprocessing import encode
from camlif.exceptions import ArtifactError
from camlif.model.digests import cells_of, significant
from camlif.model.recognition import (
    Membership,
    Recognised,
    TrainingDigests,
    agreeing,
    fit_digests,
)
from tests.builders.cohorts import make_cohort

SALT = b"of this test"
Resave = Callable[[float], str]


def _fit(cohort: Cohort, *, tokens: bool = False) -> TrainingDigests:
    return fit_digests(
        encode(cohort, cohort.schema),
        cohort.schema,
        salt=SALT,
        patient_ids=cohort.patient_ids if tokens else None,
    )


def _recognise(
    training: TrainingDigests, cohort: Cohort, seen: NDArray[np.bool_] | None = None
) -> Recognised:
    """Recognise a cohort; by default member i saw training patient i only."""
    raw = encode(cohort, cohort.schema)
    digests = training.digest(raw, cohort.schema, cohort.patient_ids)
    return training.recognise(digests, np.eye(len(training), dtype=bool) if seen is None else seen)


def _showing(cohort: Cohort, *names: str) -> Cohort:
    """The cohort with only some modalities present."""
    shown = np.isin(cohort.schema.names, names)
    tables = {m: np.where(m in names, t, np.float32(np.nan)) for m, t in cohort.tables.items()}
    return replace(cohort, presence=cohort.presence & shown, tables=tables)


def _resaved(cohort: Cohort, text: Resave) -> Cohort:
    """The cohort after its numbers went through a text file."""

    def through(x: NDArray[np.float32]) -> NDArray[np.float32]:
        numbers = [float(text(float(str(value)))) for value in x.ravel()]
        return np.array(numbers, dtype=np.float32).reshape(x.shape)

    return replace(cohort, tables={m: through(table) for m, table in cohort.tables.items()})


def _half_up(value: float) -> str:
    """Three significant digits as a spreadsheet gives them: halves away from zero."""
    number = Decimal(str(value))
    last = Decimal(1).scaleb(number.adjusted() - 2)
    return str(number.quantize(last, rounding=ROUND_HALF_UP))


def _flags(n: int, seed: int, *, width: int = 60, rate: float = 0.03) -> Cohort:
    """Mutations of one modality: a share of patients has none, some have many."""
    rng = np.random.default_rng(seed)
    cohort = make_cohort(n, {"mutations": (width,)}, seed=seed, clinical=True)
    burden = rate * rng.gamma(0.5, 2.0, size=(n, 1))
    flags = (rng.random((n, width)) < burden).astype(np.float32)
    return replace(cohort, tables={"mutations": flags})


def _mixed(n: int, seed: int) -> Cohort:
    """Mutations and measurements."""
    cohort = make_cohort(n, {"mutations": (60,), "rna": (80,)}, seed=seed, clinical=True)
    flags = _flags(n, seed).tables["mutations"]
    return replace(cohort, tables={**cohort.tables, "mutations": flags})


@given(st.decimals(min_value=-10_000, max_value=10_000, places=4, allow_nan=False))
def test_rounding_is_that_of_a_text_file(number: Decimal) -> None:
    value = np.array([float(number)], dtype=np.float32)
    expected = float(f"{float(str(value[0])):.3g}")
    assert significant(value)[0] == pytest.approx(expected, rel=1e-12)
    again = np.array([expected], dtype=np.float32)
    np.testing.assert_array_equal(cells_of(again), cells_of(value))


def test_digests_depend_on_values_and_presence_alone() -> None:
    cohort = make_cohort(120, {"ct": (40,), "rna": (80,)}, gaps=0.2, clinical=True)
    training = _fit(cohort)
    order = np.random.default_rng(0).permutation(len(cohort))
    moved = cohort.take(order)
    found = training.digest(encode(moved, moved.schema), moved.schema)
    for name, blocks in training.digests.blocks.items():
        np.testing.assert_array_equal(found.blocks[name], blocks[order])
        absent = ~cohort.presence[:, cohort.schema.names.index(name)]
        assert not blocks[absent].any()
        assert blocks[~absent].all()
    np.testing.assert_array_equal(found.clinical, training.digests.clinical[order])


@pytest.mark.parametrize("width", [1, 3, 7, 16, 300])
def test_a_digest_leaves_at_most_eight_bits_of_a_block_and_four_of_a_value(width: int) -> None:
    training = _fit(make_cohort(80, {"ct": (width,)}, clinical=True))
    blocks, columns = training.digests.blocks["ct"], training.columns["ct"]
    for digests, block in zip(blocks.T, columns, strict=True):
        assert digests.max() < 2 ** min(8, 4 * (block >= 0).sum())
    used = columns[columns >= 0]
    assert len(np.unique(used)) == len(used)  # no column in two blocks, which would leave more
    assert training.digests.clinical.max() < 16


@pytest.mark.parametrize(
    "text",
    ["{:.3g}".format, _half_up, "{:.4g}".format, "{:.5g}".format, "{:.7g}".format],
    ids=["3", "3, halves up", "4", "5", "7"],
)
def test_training_patients_are_recognised_in_a_table_with_fewer_digits(text: Resave) -> None:
    cohort = make_cohort(200, {"ct": (40, 30), "rna": (80,)}, gaps=0.15)
    stored = _resaved(cohort, "{:.4f}".format)  # as tables come: many values end on a half
    found = _recognise(_fit(stored), _resaved(stored, text))
    assert (found.membership == Membership.TRAINING).all()
    np.testing.assert_array_equal(found.seen, np.eye(200, dtype=bool))


def test_a_training_patient_is_recognised_by_one_modality() -> None:
    cohort = make_cohort(60, {"ct": (40,), "rna": (80,)})
    found = _recognise(_fit(cohort), _showing(cohort, "rna"))
    np.testing.assert_array_equal(found.seen, np.eye(60, dtype=bool))


def test_a_bag_is_recognised_whatever_the_order_and_digits_of_its_instances() -> None:
    cohort = make_cohort(80, {}, bags={"slide": 40})
    rounded = tuple(
        np.array([[float(f"{v:.3g}") for v in row] for row in bag[::-1]], dtype=np.float32)
        for bag in cohort.bags["slide"]
    )
    found = _recognise(_fit(cohort), replace(cohort, bags={"slide": rounded}))
    np.testing.assert_array_equal(found.seen, np.eye(80, dtype=bool))


def test_new_patients_are_not_taken_for_training_patients() -> None:
    cohort = make_cohort(300, {"ct": (40,), "rna": (80,)}, gaps=0.2, clinical=True)
    found = _recognise(_fit(cohort.take(np.arange(200))), cohort.take(np.arange(200, 300)))
    assert (found.membership == Membership.NEW).all()
    assert not found.seen.any()
    assert not found.candidates.any()
    assert found.held_out.all()


@pytest.mark.parametrize("seed", range(5))
def test_flags_alone_never_name_a_new_patient_nor_overlook_a_training_patient(seed: int) -> None:
    cohort = _flags(600, seed)
    training, new = cohort.take(np.arange(400)), cohort.take(np.arange(400, 600))
    digests = _fit(training)
    met = _recognise(digests, new).membership
    assert not (met == Membership.TRAINING).any()
    assert (met == Membership.UNCLEAR).any()
    again = _recognise(digests, training)
    assert not (again.membership == Membership.NEW).any()
    assert (again.membership == Membership.UNCLEAR).mean() > 0.5
    named = again.membership == Membership.TRAINING
    np.testing.assert_array_equal(again.seen[named], np.eye(400, dtype=bool)[named])


@pytest.mark.parametrize("seed", range(3))
def test_flags_beside_measurements_leave_nothing_unclear(seed: int) -> None:
    cohort = _mixed(300, seed)
    digests = _fit(cohort.take(np.arange(200)))
    known = _recognise(digests, cohort.take(np.arange(200))).membership
    met = _recognise(digests, cohort.take(np.arange(200, 300))).membership
    assert (known == Membership.TRAINING).all()
    assert (met == Membership.NEW).all()


def test_who_equals_two_training_patients_is_left_unclear_and_unseen_by_both_their_members() -> (
    None
):
    cohort = make_cohort(60, {"ct": (40,)})
    table = cohort.tables["ct"].copy()
    table[1] = table[0]
    twins = replace(cohort, tables={"ct": table})
    found = _recognise(_fit(twins), twins)
    assert found.membership[0] == found.membership[1] == Membership.UNCLEAR
    assert found.candidates[:3].tolist() == [2, 2, 1]
    assert np.flatnonzero(found.seen[0]).tolist() == [0, 1]
    assert found.held_out[0]


def test_the_values_of_a_training_patient_with_another_age_are_left_unclear() -> None:
    cohort = make_cohort(200, {"ct": (40,)}, clinical=True)
    digests = _fit(cohort)
    older = cohort.clinical.assign(age=cohort.clinical["age"] + 7)
    found = _recognise(digests, replace(cohort, clinical=older))
    changed = found.membership == Membership.UNCLEAR
    assert 0.85 <= changed.mean() < 1.0  # four bits of age and sex agree by chance in 1 of 15
    np.testing.assert_array_equal(found.seen, np.eye(200, dtype=bool))  # the safe side all the same
    unknown = cohort.clinical.assign(age=np.nan)
    found = _recognise(digests, replace(cohort, clinical=unknown))
    assert (found.membership == Membership.TRAINING).all()


def test_another_modality_of_other_values_leaves_a_match_unclear() -> None:
    cohort = make_cohort(100, {"ct": (40,), "rna": (80,)})
    remeasured = {**cohort.tables, "ct": cohort.tables["ct"][::-1].copy()}
    found = _recognise(_fit(cohort), replace(cohort, tables=remeasured))
    assert (found.membership == Membership.UNCLEAR).all()


def test_an_unclear_patient_keeps_the_members_that_saw_none_else_the_fewest() -> None:
    cohort = _flags(400, 3)
    plain = np.flatnonzero(~cohort.tables["mutations"].any(axis=1))
    digests = _fit(cohort)
    patient = cohort.take(plain[:1])
    like = _recognise(digests, patient)
    assert like.membership[0] == Membership.UNCLEAR
    seen = np.ones((400, 4), dtype=bool)
    seen[like.seen[0], 2] = False  # only member 2 saw none of those it may be
    found = _recognise(digests, patient, seen)
    assert found.seen[0].tolist() == [True, True, False, True]
    assert found.held_out[0]
    seen[np.flatnonzero(like.seen[0])[0], 2] = True  # now it saw one of them
    seen[~like.seen[0], 3] = False
    found = _recognise(digests, patient, seen)
    assert found.seen[0].tolist() == [True, True, False, True]
    assert not found.held_out[0]


def test_tokens_name_a_training_patient_that_flags_leave_unclear() -> None:
    cohort = _flags(300, 1)
    without, kept = _fit(cohort), _fit(cohort, tokens=True)
    assert not without.digests.tokens.any()
    assert (_recognise(without, cohort).membership == Membership.UNCLEAR).any()
    found = _recognise(kept, cohort)
    assert (found.membership == Membership.TRAINING).all()
    np.testing.assert_array_equal(found.seen, np.eye(300, dtype=bool))
    others = _flags(300, 2)  # the same identifiers, other patients
    assert not (_recognise(kept, others).membership == Membership.TRAINING).all()


def test_identifiers_and_values_are_not_stored() -> None:
    cohort = make_cohort(50, {"ct": (40,)}, clinical=True)
    kept = _fit(cohort, tokens=True)
    stored = b"".join(np.ascontiguousarray(a).tobytes() for a in kept.to_arrays().values())
    stored += str(kept.to_json()).encode()
    for row, patient in enumerate(cohort.patient_ids.tolist()):
        assert patient.encode() not in stored
        assert cohort.tables["ct"][row, 0].tobytes() not in stored


def test_what_is_stored_gives_the_same_digests_back() -> None:
    cohort = make_cohort(50, {"ct": (40,)}, clinical=True)
    digests = _fit(cohort, tokens=True)
    again = TrainingDigests.from_stored(digests.to_json(), digests.to_arrays())
    again.check(cohort.schema, 50)
    assert (_recognise(again, cohort).membership == Membership.TRAINING).all()


@pytest.mark.parametrize(
    "change",
    [
        {"floors": {"ct": 0}},
        {"floors": {"ct": 17}},
        {"shared": {"ct": 51}},
        {"columns": {"ct": np.full((16, 2), 40, dtype=np.int32)}},
        {"columns": {"ct": np.zeros((3, 2), dtype=np.int32)}},
    ],
    ids=["no floor", "high floor", "shared by more than there are", "no such column", "few blocks"],
)
def test_digests_that_do_not_fit_their_columns_are_refused(change: dict[str, object]) -> None:
    cohort = make_cohort(50, {"ct": (40,)})
    with pytest.raises(ArtifactError, match="ct"):
        replace(_fit(cohort), **change).check(cohort.schema, 50)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError):
        _fit(cohort).check(cohort.schema, 51)


def test_agreement_counts_blocks_of_equal_digests() -> None:
    patients, others = np.array([[1, 2, 3]], dtype="u1"), np.array([[1, 2, 4], [9, 9, 9]], "u1")
    assert agreeing(patients, others).tolist() == [[2, 0]]
