"""Splits: disjoint, event-stratified, seeded, and the same after a round trip through a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from camlif.config import SplitScheme, TrainConfig
from camlif.data.splits import Splits, make_splits
from camlif.exceptions import AlignmentError, ConfigError


def patients(n: int, n_events: int) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    event = np.random.default_rng(0).permutation(np.arange(n) < n_events)
    return np.array([f"P{i}" for i in range(n)]), event


# T24
@given(
    n=st.integers(20, 120),
    share=st.floats(0.3, 0.9),
    scheme=st.sampled_from(["covering", "monte_carlo"]),
)
def test_training_and_test_patients_are_disjoint_and_complete(
    n: int, share: float, scheme: SplitScheme
) -> None:
    ids, event = patients(n, max(5, round(share * n)))
    splits = make_splits(ids, event, scheme=scheme)
    assert len(splits) == 15
    for split in range(15):
        train, test = set(ids[splits.train_rows(split)]), set(ids[splits.test_rows(split)])
        assert not train & test
        assert train | test == set(ids)
        assert event[splits.train_rows(split)].any()


def test_covering_tests_every_patient_equally_often() -> None:
    ids, event = patients(103, 41)
    splits = make_splits(ids, event, n_splits=15, scheme="covering")
    assert (splits.test.sum(axis=0) == 3).all()
    assert splits.n_never_tested == 0
    for start in (0, 5, 10):  # each block of five is a partition
        assert (splits.test[start : start + 5].sum(axis=0) == 1).all()
    assert not np.array_equal(splits.test[:5], splits.test[5:10])


def test_monte_carlo_leaves_some_patients_untested() -> None:
    ids, event = patients(500, 200)
    splits = make_splits(ids, event, scheme="monte_carlo")
    assert splits.n_never_tested == (splits.test.sum(axis=0) == 0).sum()
    assert 5 <= splits.n_never_tested <= 35  # 500 * 0.8**15 = 17.6 expected


@pytest.mark.parametrize("scheme", ["covering", "monte_carlo"])
def test_events_are_spread_evenly(scheme: SplitScheme) -> None:
    ids, event = patients(103, 41)
    splits = make_splits(ids, event, scheme=scheme)
    events = (splits.test & event).sum(axis=1)
    sizes = splits.test.sum(axis=1)
    assert events.max() - events.min() <= 1
    assert sizes.max() - sizes.min() <= 1
    assert sizes.mean() == pytest.approx(103 / 5, abs=1)


@pytest.mark.parametrize(("n_splits", "fraction"), [(3, 0.2), (5, 0.25)])
def test_covering_splits_that_cannot_be_are_refused_and_never_another_scheme(
    n_splits: int, fraction: float
) -> None:
    ids, event = patients(100, 40)
    with pytest.raises(ConfigError, match="monte_carlo"):
        make_splits(ids, event, n_splits=n_splits, test_fraction=fraction)
    with pytest.raises(ConfigError, match="monte_carlo"):
        TrainConfig(splits=n_splits, test_fraction=fraction)
    splits = make_splits(
        ids, event, n_splits=n_splits, scheme="monte_carlo", test_fraction=fraction
    )
    assert splits.scheme == "monte_carlo"
    assert (splits.test.sum(axis=1) == round(100 * fraction)).all()


@pytest.mark.parametrize("scheme", ["covering", "monte_carlo"])
def test_a_seed_fixes_the_splits(scheme: SplitScheme) -> None:
    ids, event = patients(60, 30)
    first, again, other = (make_splits(ids, event, scheme=scheme, seed=s).test for s in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("scheme", ["covering", "monte_carlo"])
def test_a_file_gives_the_same_splits_back(scheme: SplitScheme, tmp_path: Path) -> None:
    ids, event = patients(30, 12)
    ids[3] = "NA"  # must stay text
    splits = make_splits(ids, event, n_splits=5, scheme=scheme, seed=2)
    path = tmp_path / "splits.csv"
    splits.write(path)
    read = Splits.read(path, scheme=scheme, seed=2)
    assert read.patient_ids.tolist() == ids.tolist()
    assert np.array_equal(read.test, splits.test)
    assert (read.scheme, read.seed) == (scheme, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient_id,split_0\na,Train\na,Test\n", "not unique"),
        ("patient_id,split_0\na,Train\nb,Validation\n", "other words than Train and Test"),
        ("case,split_0\na,Train\n", "column patient_id"),
    ],
)
def test_a_wrong_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(AlignmentError, match=message):
        Splits.read(path, scheme="covering", seed=0)


def test_splits_of_another_number_of_patients_are_refused() -> None:
    with pytest.raises(AlignmentError, match="one column per patient"):
        Splits(
            patient_ids=np.array(["a", "b"]),
            test=np.zeros((5, 3), dtype=bool),
            scheme="covering",
            seed=0,
        )


@pytest.mark.parametrize(("n", "n_events"), [(9, 9), (50, 4)])
def test_too_few_patients_or_events_are_refused(n: int, n_events: int) -> None:
    with pytest.raises(ConfigError, match="cannot be split"):
        make_splits(*patients(n, n_events))
