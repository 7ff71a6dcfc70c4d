"""What happened to patients, and when: the frame of a cohort's course, for people alone to read.

Names go in, kinds of what happens come out. No model reads a course.
"""

from __future__ import annotations

from typing import Literal, get_args

import pandas as pd

CourseKind = Literal[
    "diagnosis", "surgery", "treatment", "recurrence", "last contact", "death", "other"
]
KINDS: tuple[CourseKind, ...] = get_args(CourseKind)
OUTCOMES: tuple[CourseKind, ...] = ("recurrence", "last contact", "death")
"""Kinds that tell how it ended."""

COLUMNS = ("patient_id", "start", "stop", "kind", "label")
"""Of a course: months from time zero, ``stop`` NaN for what has no end; kind and label are text."""


def before_prediction(course: pd.DataFrame) -> pd.DataFrame:
    """Return what was known at time zero: nothing later, and nothing that tells the outcome."""
    known = (course["start"] <= 0) & ~course["kind"].isin(OUTCOMES)
    early = course[known].copy()
    early.loc[early["stop"] > 0, "stop"] = float("nan")
    return early
