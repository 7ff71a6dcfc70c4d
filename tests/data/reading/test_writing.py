"""A cohort written to a folder is read back as the same cohort."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camlif.data.cohort import Cohort
from camlif.data.reading.readers import load_cohort
from camlif.data.reading.writing import write_cohort
from camlif.data.samples import load_sample
from tests.builders.cohorts import make_cohort


def round_trip(cohort: Cohort, folder: Path) -> Cohort:
    write_cohort(cohort, folder)
    return load_cohort(folder)


@pytest.mark.parametrize("key", ["glioma", "luad"])
def test_a_sample_comes_back_with_the_same_digest_and_words(key: str, tmp_path: Path) -> None:
    cohort = load_sample(key)
    read = round_trip(cohort, tmp_path)
    assert read.digest == cohort.digest
    assert read.schema == cohort.schema
    assert read.info == cohort.info


def test_gaps_and_missing_values_come_back(tmp_path: Path) -> None:
    cohort = make_cohort(60, gaps=0.2, missing_values=0.02, clinical=True, seed=1)
    assert not cohort.presence.all()
    read = round_trip(cohort, tmp_path)
    np.testing.assert_array_equal(read.presence, cohort.presence)
    for name, table in cohort.tables.items():
        np.testing.assert_array_equal(read.tables[name], table)


def test_a_bag_comes_back_instance_by_instance(tmp_path: Path) -> None:
    cohort = make_cohort(40, bags={"regions": 3}, clinical=True, seed=2)
    read = round_trip(cohort, tmp_path)
    assert read.schema["regions"].bag == cohort.schema["regions"].bag
    for found, bag in zip(read.bags["regions"], cohort.bags["regions"], strict=True):
        np.testing.assert_array_equal(found, bag)


def test_a_patient_without_follow_up_stays_without(tmp_path: Path) -> None:
    cohort = make_cohort(40, clinical=True, seed=3)
    assert cohort.duration is not None
    assert cohort.event is not None
    duration, event = cohort.duration.copy(), cohort.event.copy()
    duration[:4], event[:4] = np.nan, False
    read = round_trip(replace(cohort, duration=duration, event=event), tmp_path)
    np.testing.assert_array_equal(read.with_outcome, np.isfinite(duration))
    np.testing.assert_array_equal(read.event, event)


def test_a_cohort_without_outcome_stays_without(tmp_path: Path) -> None:
    cohort = replace(make_cohort(40, clinical=True, seed=4), duration=None, event=None)
    assert not round_trip(cohort, tmp_path).has_outcome
