"""The day of each patient is read, and a cell that is no clear day is asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from camlif.data.reading.days import find_days
from camlif.data.reading.readers import read_cohort


def _read(dates: list[str], others: list[str] | None = None) -> Any:
    n = len(dates)
    clinical = pd.DataFrame({"patient_id": [f"P{i}" for i in range(n)], "scored_on": dates})
    clinical["survival_months"], clinical["event"] = np.arange(n) + 3.5, np.arange(n) % 2
    if others is not None:
        clinical["born_on_day"] = others
    table = pd.DataFrame({"patient_id": clinical["patient_id"]})
    rng = np.random.default_rng(0)
    for j in range(4):
        table[f"f{j}"] = rng.normal(size=n)
    files = {"clinical.csv": clinical, "ct.csv": table}
    cohort, report = read_cohort({k: v.to_csv(index=False).encode() for k, v in files.items()})
    assert cohort is not None, report.errors
    return find_days(cohort, report, "scored_on")


def test_days_are_read_as_written() -> None:
    days, problems = _read(["2025-01-31", "1 Feb 2025", "2025-03-01", "20250302"])
    assert not problems
    assert days.astype("datetime64[D]").astype(str).tolist() == [
        *("2025-01-31", "2025-02-01", "2025-03-01", "2025-03-02"),
    ]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("03/04/2025", "one of two days"),
        ("", "no date"),
        ("2025-02-30", "no day of the calendar"),
        ("2568-02-03", "no patient's"),
    ],
)
def test_a_cell_that_is_no_clear_day_is_an_error_with_its_place(cell: str, message: str) -> None:
    _, problems = _read(["2025-01-31", "2025-02-11", cell, "2025-03-02", "2025-03-05"])
    (problem,) = (p for p in problems if p.severity == "error")
    assert message in problem.message
    assert (problem.file, problem.column, problem.rows) == ("clinical.csv", "scored_on", (4,))
    assert problem.fix
