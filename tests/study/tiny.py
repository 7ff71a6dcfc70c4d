"""A small finished study: four variants, 5 splits, 2 epochs, 120 simulated patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from camlif.data.cohort import Cohort
from camlif.study import Study, StudySettings
from camlif.study.run import Where, run_study
from tests.builders.cohorts import make_cohort

TINY = StudySettings(
    data="tiny",
    methods=("default", "no_ca", "unimodal:ct", "cox_clinical"),
    splits=5,
    epochs=2,
    clinical=("age",),
)
SERIAL = Where(jobs=1, device="cpu")


def tiny_cohort(n: int = 120) -> Cohort:
    """Two modalities with groups, age and sex; everyone has both."""
    return make_cohort(n, clinical=True)


def tiny_study(home: Path, **changes: object) -> Study:
    """Run the study in a folder, with changed settings."""
    settings = replace(TINY, **changes)  # type: ignore[arg-type]  # checked by the settings
    return run_study(tiny_cohort(), settings, home, where=SERIAL)
