"""The cover of a worklist: one line a case."""

from __future__ import annotations

from collections.abc import Sequence

from camlif.wording import count, of_100, period, range_of_100
from dashboard.figures.palette import LIGHT
from dashboard.report.build import CaseReport
from dashboard.report.content import MAX_NAME, MAX_TITLE, cut
from dashboard.report.layout import Row, Text, measure_row
from dashboard.report.record import CaseRecord

SHARES = (0.5, 2.6, 3.4, 2.6, 1.6, 2.4)
HEADINGS = (
    "No.",
    "Case",
    "Patient and data",
    "Risk group of the model",
    "Models agreeing",
    "Survival",
)
LINE_GAP = 5.0
WIDTH = 520.0
"""Narrower than any paper's text, so that a cover measured with it fits."""


def cover_pages(
    reports: Sequence[CaseReport], title: str, note: str, height: float
) -> list[list[Row]]:
    """Break the table of cases into pages of a height in points, headings on each.

    Parameters
    ----------
    reports : sequence of CaseReport
        At least one.
    title, note : str
        Of the worklist.
    height : float
        Points.
    """
    record = reports[0].record
    head = [
        Row(
            (
                (
                    Text(cut(title, MAX_TITLE), "h1"),
                    Text(
                        f"{len(reports)} cases of {cut(record.cohort.title, MAX_TITLE)} "
                        f"({record.cohort.badge}); model {cut(record.model.name, MAX_NAME)} of "
                        f"{record.model.date}; {record.model.endpoint}, training cohort n = "
                        f"{record.model.n_training:,}. Report of {record.created.isoformat()}."
                    ),
                    *([Text(note)] if note else ()),
                ),
            )
        ),
        _line([Text(words, "small", lead=" ", color=LIGHT.muted) for words in HEADINGS]),
    ]
    pages = [list(head)]
    room = height - _height(head)
    for i, report in enumerate(reports):
        line = _case(i + 1, report.record)
        if _height([line]) > room:
            pages.append(list(head))
            room = height - _height(head)
        pages[-1].append(line)
        room -= _height([line])
    return pages


def _height(rows: Sequence[Row]) -> float:
    return sum(measure_row(row, WIDTH, 1.0) + LINE_GAP for row in rows)


def _line(cells: Sequence[Text]) -> Row:
    return Row(tuple((cell,) for cell in cells), SHARES)


def _case(number: int, record: CaseRecord) -> Row:
    name = record.case
    if record.patient_id is not None:
        name += f" (patient {cut(record.patient_id, MAX_NAME)})"
    present = [m.label for m in record.modalities if m.present]
    absent = [m.label for m in record.modalities if not m.present]
    data = ", ".join(cut(label, 30) for label in present)
    if absent:
        data += f"; absent: {', '.join(cut(label, 30) for label in absent)}"
    facts = [*(cut(fact, MAX_NAME) for fact in record.facts), cut(data, 120)]
    return _line(
        [Text(str(number)), Text(name), Text(" · ".join(facts)), *_score(record)],
    )


def _score(record: CaseRecord) -> list[Text]:
    result = record.result
    if result is None:
        return [Text(cut(" ".join(record.reasons), 160)), Text("-"), Text("-")]
    horizon = record.horizon()
    survival = "hidden"
    if horizon is not None and horizon.survival is not None:
        s = horizon.survival
        survival = (
            f"{of_100(s.value)} of 100 {record.model.event_free} at {period(horizon.months)} "
            f"({range_of_100(s.low, s.high)})"
        )
    return [
        Text(f"{cut(result.label, MAX_NAME)}; {result.percentile_words}"),
        Text(f"{100 * result.agreement:.0f}%, {count(result.members_used, 'model')}"),
        Text(survival),
    ]
