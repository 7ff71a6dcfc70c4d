"""The files of a meeting: nothing that waits for an estimate, and who recorded what, when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.report.build import HIDDEN, CaseReport, withhold
from dashboard.report.content import rows
from dashboard.report.cover import Minutes
from dashboard.report.pdf import worklist_pdf
from tests.dashboard.report.cases import case_of, note, read, squeezed

BEGAN = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
CASE = "0" * 16


def pages_of(pdf: bytes) -> list[str]:
    return [squeezed(page.extract_text()) for page in read(pdf).pages]


@pytest.mark.parametrize("kind", ["whole", "closed gate", "missing modality", "training patient"])
def test_a_withheld_report_tells_nothing_of_the_result(kind: str) -> None:
    report = case_of(kind)
    result = report.record.result
    assert result is not None
    cover, page = pages_of(worklist_pdf([withhold(report)], title="Monday"))
    for printed in (cover, page):
        assert HIDDEN in printed
        told = (
            result.label,
            result.percentile_words,
            result.agreement_sentence,
            result.spread_words,
            report.record.certainty.reason,
            *(horizon.sentence for horizon in result.horizons),
            "Borderline",
            "Where this case sits",
            "Why",
        )
        assert [words for words in told if words in printed] == []
        assert report.record.facts[0] in printed


def test_a_withheld_report_keeps_what_was_decided_before() -> None:
    kept = {"decisions": [note("Biopsy first", "decision")], "notes": [note("Old scan")]}
    base = case_of("whole")
    record = base.record.model_copy(update={"board": kept, "notes": ("Biopsy first",)})
    cover, page = pages_of(
        worklist_pdf([withhold(CaseReport(record=record, curves=base.curves))], title="Monday")
    )
    assert "decision: Biopsy first" in cover
    assert "Biopsy first" in page


def minutes(
    *said: dict[str, str], zone: str = "UTC", ended: datetime | None = None, others: int = 0
) -> Minutes:
    nothing: dict[str, list[dict[str, str]]] = {f"{i + 1:016x}": [] for i in range(others)}
    return Minutes(began=BEGAN, ended=ended, zone=zone, said={CASE: list(said)} | nothing)


def test_minutes_say_who_decided_and_noted_what_and_when() -> None:
    report = case_of("whole")
    case = report.record.case
    found = Minutes(
        began=BEGAN,
        ended=BEGAN + timedelta(hours=1),
        zone="Europe/Berlin",
        said={
            case: [
                note("", "estimate", risk_group="low"),
                note("Biopsy first", "decision", risk_group="high"),
                note("下次复查核磁共振"),
                note("مراجعة بعد شهر"),
            ]
        },
    )
    cover = pages_of(worklist_pdf([report], title="Minutes: Monday", minutes=found))[0]
    for words in (
        "Minutes: Monday",
        "Meeting of 01 Mar 2026, 09:30 CET, to 01 Mar 2026, 10:30 CET.",
        "Something was recorded about 1 of 1 case.",
        "Decided in this meeting",
    ):
        assert words in cover
    assert "Last decision" not in cover
    lines = found.lines(case, ("estimate", "decision"))
    assert lines == (
        "estimate: low risk (chair, 01 Mar 2026, 10:30 CET) · "
        "high risk: Biopsy first (chair, 01 Mar 2026, 10:30 CET)"
    )
    bare = cover.replace(" ", "")
    assert "highrisk:Biopsyfirst(chair,01Mar2026,10:30CET)" in bare
    assert "下次复查核磁共振" in bare
    assert "مراجعة" in cover


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (minutes(), "Something was recorded about 0 of 1 case."),
        (minutes(note("Seen"), note("Again")), "Something was recorded about 1 of 1 case."),
        (minutes(note("Seen"), others=9), "Something was recorded about 1 of 10 cases."),
        (minutes(zone="Mars/Crater"), "Meeting of 01 Mar 2026, 08:30 UTC, going on."),
        (
            minutes(ended=BEGAN + timedelta(minutes=5)),
            "Meeting of 01 Mar 2026, 08:30 UTC, to 01 Mar 2026, 08:35 UTC.",
        ),
    ],
)
def test_minutes_count_what_they_hold(found: Minutes, words: str) -> None:
    assert words in found.words


def test_a_case_that_nothing_was_said_of_says_so() -> None:
    assert minutes().lines(CASE, ("note",)) == "nothing"
    assert minutes().lines("f" * 16, ("decision",)) == "nothing"


def test_a_withheld_case_is_called_hidden_not_unscored() -> None:
    report = withhold(case_of("whole"))
    words = [
        getattr(block, "words", "") for row in rows(report) for part in row.blocks for block in part
    ]
    assert "Hidden" in words
    assert "No score" not in words
