"""The cover of a worklist: the agenda of a meeting, or its minutes; one line a case.

The reports of its cases go in; blocks come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from camlif.typeset.letters import isolate
from camlif.wording import clock, count, of_100, period, range_of_100
from dashboard.report.blocks import Table, Text
from dashboard.report.build import HIDDEN, CaseReport, board_line, board_text
from dashboard.report.content import MAX_NAME, MAX_TITLE, case_name, cut
from dashboard.report.record import CaseRecord

SHARES = (0.5, 2.2, 2.6, 3.0, 2.8, 2.8, 0.6)
SEPARATOR = " · "
CASE = ("No.", "Case", "Patient and data", "Result of the model")
AGENDA = (*CASE, "Warnings", "Last decision of the board")
MINUTES = (*CASE, "Decided in this meeting", "Noted in this meeting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """What a board recorded about cases in a meeting.

    Attributes
    ----------
    began : datetime
    ended : datetime or None
        None while the meeting goes on.
    zone : str
        Time zone of the clocks of its room, as in the IANA database.
    said : mapping of case token to sequence of mapping
        Estimates, decisions and notes as the store gives them, in the order of their recording.
    """

    began: datetime
    ended: datetime | None
    zone: str
    said: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def words(self) -> str:
        """When the meeting was, and about how many cases it recorded something."""
        end = "going on" if self.ended is None else f"to {clock(self.ended, self.zone)}"
        heard = sum(bool(rows) for rows in self.said.values())
        return (
            f"Meeting of {clock(self.began, self.zone)}, {end}. Something was recorded about "
            f"{heard:,} of {count(len(self.said), 'case')}."
        )

    def lines(self, case: str, kinds: Sequence[str]) -> str:
        """Say who recorded what of these kinds about a case, and when."""
        found = [row for row in self.said.get(case, ()) if row["kind"] in kinds]
        return SEPARATOR.join(isolate(self._line(row)) for row in found) or "nothing"

    def _line(self, row: Mapping[str, Any]) -> str:
        when = clock(datetime.fromisoformat(row["recorded"]), self.zone)
        what = "estimate: " if row["kind"] == "estimate" else ""
        return f"{what}{board_text(row)} ({row['author']}, {when})"


def cover_blocks(
    reports: Sequence[CaseReport], title: str, note: str, minutes: Minutes | None = None
) -> list[Text | Table]:
    """Return the title, what the cases are, the note, and the table of the cases.

    Parameters
    ----------
    reports : sequence of CaseReport
        At least one.
    title, note : str
        Of the worklist.
    minutes : Minutes, optional
        Of the meeting; without them the cover is the agenda.
    """
    record = reports[0].record
    about = (
        f"{count(len(reports), 'case')} of {cut(record.cohort.title, MAX_TITLE)} "
        f"({record.cohort.badge}); model {cut(record.model.name, MAX_NAME)} of "
        f"{record.model.date}; {record.model.endpoint}, training cohort n = "
        f"{record.model.n_training:,}. Report of {record.created.isoformat()}."
    )
    last = _agenda if minutes is None else partial(_minutes, minutes)
    rows = tuple((str(i), *_case(report), *last(report)) for i, report in enumerate(reports, 1))
    said = [note] if minutes is None else [minutes.words, note]
    return [
        Text(cut(title, MAX_TITLE), "h1"),
        Text(about),
        *(Text(words) for words in said if words),
        Table(AGENDA if minutes is None else MINUTES, rows, SHARES, cases=True),
    ]


def _case(report: CaseReport) -> tuple[str, str, str]:
    record = report.record
    present = [m.label for m in record.modalities if m.present]
    absent = [m.label for m in record.modalities if not m.present]
    data = ", ".join(cut(label, 30) for label in present)
    if absent:
        data += f"; absent: {', '.join(cut(label, 30) for label in absent)}"
    facts = [*(cut(fact, MAX_NAME) for fact in record.facts), data]
    result = HIDDEN if report.hidden else _result(record)
    return case_name(record), " · ".join(facts), result


def _agenda(report: CaseReport) -> tuple[str, str]:
    decisions = report.record.board.get("decisions") or []
    last = isolate(board_line(decisions[0])) if decisions else "none so far"
    warned = report.record.unlike or "none" if report.hidden else _warnings(report.record)
    return warned, last


def _minutes(minutes: Minutes, report: CaseReport) -> tuple[str, str]:
    case = report.record.case
    return minutes.lines(case, ("estimate", "decision")), minutes.lines(case, ("note",))


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
