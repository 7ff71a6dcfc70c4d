"""What happened to a patient, and when: for people alone to read. No model reads a course.

Rows of a cohort's course go in; `CourseEvent`s and a sentence about them come out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import pandas as pd

from camlif.wording import count

CourseKind = Literal[
    "diagnosis", "surgery", "treatment", "recurrence", "last contact", "death", "other"
]
OUTCOMES: tuple[CourseKind, ...] = ("recurrence", "last contact", "death")
"""Kinds that tell how it ended."""

COLUMNS = ("patient_id", "start", "stop", "kind", "label")
"""Of a cohort's course: months from time zero, ``stop`` NaN for what has no end; texts."""


@dataclass(frozen=True, slots=True)
class CourseEvent:
    """Something that happened; months from time zero, ``stop`` None for what has no end."""

    start: float
    stop: float | None
    kind: CourseKind
    label: str

    @property
    def when(self) -> str:
        """Its months: ``2.0`` or ``2.0 to 4.5``."""
        return f"{self.start:.1f}" if self.stop is None else f"{self.start:.1f} to {self.stop:.1f}"


def course_events(rows: pd.DataFrame) -> tuple[CourseEvent, ...]:
    """Return rows with the columns `COLUMNS` as events, in their order."""
    values = rows[list(COLUMNS[1:])].itertuples(index=False, name=None)
    return tuple(
        CourseEvent(
            float(start),
            None if math.isnan(stop) else float(stop),
            cast(CourseKind, str(kind)),
            str(label),
        )
        for start, stop, kind, label in values
    )


def before_prediction(events: Sequence[CourseEvent]) -> tuple[CourseEvent, ...]:
    """Return what was known at time zero: nothing later, and nothing that tells the outcome."""
    known = (e for e in events if e.start <= 0 and e.kind not in OUTCOMES)
    return tuple(e if e.stop is None or e.stop <= 0 else replace(e, stop=None) for e in known)


def chief_events(events: Sequence[CourseEvent], n: int) -> tuple[CourseEvent, ...]:
    """Return up to n events in their order; those of no kind give way first, then the latest."""
    ranked = sorted(range(len(events)), key=lambda i: (events[i].kind == "other", i))
    return tuple(events[i] for i in sorted(ranked[:n]))


def course_line(events: Sequence[CourseEvent], n: int = 6) -> str:
    """Say up to n chief events with their months: ``Surgery 0, Chemotherapy 1 to 4, Death 14``."""
    said = []
    for event in chief_events(events, n):
        ends = (event.start,) if event.stop is None else (event.start, event.stop)
        months = dict.fromkeys(f"{round(end) + 0:d}" for end in ends)
        said.append(f"{event.label} {' to '.join(months)}")
    more = len(events) - len(said)
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")


def course_sentence(events: Sequence[CourseEvent]) -> str:
    """Say how much happened, over which time; months count from time zero."""
    first, last = events[0], events[-1]
    if len(events) == 1:
        return f"1 event: {first.label} at {first.when} months."
    over = max(e.start if e.stop is None else e.stop for e in events) - first.start
    return f"{count(len(events), 'event')} over {over:.1f} months, {first.label} to {last.label}."
