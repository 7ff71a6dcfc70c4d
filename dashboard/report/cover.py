"""The cover of a worklist, the agenda of a meeting: one line a case.

The reports of its cases go in; blocks come out.
"""

from __future__ import annotations

from collections.abc import Sequence

from camlif.wording import count, of_100, period, range_of_100
from dashboard.report.blocks import Table, Text
from dashboard.report.build import CaseReport, board_line
from dashboard.report.content import MAX_NAME, MAX_TITLE, case_name, cut
from dashboard.report.letters import isolate
from dashboard.report.record import CaseRecord

SHARES = (0.5, 2.2, 2.6, 3.0, 2.8, 2.8, 0.6)
HEADINGS = (
    "No.",
    "Case",
    "Patient and data",
    "Result of the model",
    "Warnings",
    "Last decision of the board",
)


def cover_blocks(reports: Sequence[CaseReport], title: str, note: str) -> list[Text | Table]:
    """Return the title, what the cases are, the note, and the table of the cases.

    Parameters
    ----------
    reports : sequence of CaseReport
        At least one.
    title, note : str
        Of the worklist.
    """
    record = reports[0].record
    about = (
        f"{count(len(reports), 'case')} of {cut(record.cohort.title, MAX_TITLE)} "
        f"({record.cohort.badge}); model {cut(record.model.name, MAX_NAME)} of "
        f"{record.model.date}; {record.model.endpoint}, training cohort n = "
        f"{record.model.n_training:,}. Report of {record.created.isoformat()}."
    )
    rows = tuple(_case(i + 1, report.record) for i, report in enumerate(reports))
    return [
        Text(cut(title, MAX_TITLE), "h1"),
        Text(about),
        *([Text(note)] if note else ()),
        Table(HEADINGS, rows, SHARES, cases=True),
    ]


def _case(number: int, record: CaseRecord) -> tuple[str, ...]:
    present = [m.label for m in record.modalities if m.present]
    absent = [m.label for m in record.modalities if not m.present]
    data = ", ".join(cut(label, 30) for label in present)
    if absent:
        data += f"; absent: {', '.join(cut(label, 30) for label in absent)}"
    facts = [*(cut(fact, MAX_NAME) for fact in record.facts), data]
    decisions = record.board.get("decisions") or []
    return (
        str(number),
        case_name(record),
        " · ".join(facts),
        _result(record),
        _warnings(record),
        isolate(board_line(decisions[0])) if decisions else "none so far",
    )


def _result(record: CaseRecord) -> str:
    """Say the result as the case's page does; no number of a case unlike the training data."""
    result = record.result
    if result is None:
        return "No score"
    label = cut(result.label, MAX_NAME)
    if result.unlike:
        return label
    horizon = record.horizon()
    survival = "absolute risk is hidden"
    if horizon is not None and horizon.survival is not None:
        s = horizon.survival
        survival = (
            f"{of_100(s.value)} of 100 {record.model.event_free} at {period(horizon.months)} "
            f"({range_of_100(s.low, s.high)})"
        )
    sure = f"how sure: {record.certainty.state}"
    return f"{label}; {result.percentile_words}; {sure}; {survival}"


def _warnings(record: CaseRecord) -> str:
    result = record.result
    if result is None:
        return " ".join(record.reasons)
    unsure = record.certainty.state != "consistent" and not result.unlike
    found = (record.unlike, record.certainty.sentence if unsure else "", result.subset_sentence)
    return " ".join(words for words in found if words) or "none"
