"""The printed case: what it says, that it fits, and that it is a proper PDF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pypdf
import pypdfium2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from camlif.data.reading.readers import load_cohort
from camlif.model.bundle import load_bundle
from dashboard import messages
from dashboard.figures.attribution import fold
from dashboard.figures.chart import signed
from dashboard.profiles import load_profile
from dashboard.report.build import case_report
from dashboard.report.content import N_FEATURES, shown_words
from dashboard.report.pdf import PAPERS, Paper, case_pdf, worklist_pdf
from dashboard.report.record import CaseRecord
from tests.dashboard.report.cases import (
    DAY,
    KINDS,
    LONG,
    case_of,
    changed,
    fonts_of,
    note,
    read,
    report,
    source,
    squeezed,
    summary_of,
    text_of,
)

MARGIN = 34.0
SIZES: dict[Paper, tuple[float, float]] = {"A4": (595.28, 841.89), "Letter": (612, 792)}


@pytest.mark.parametrize("paper", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_case_is_one_page_of_the_paper_with_banner_and_versions(
    kind: str, paper: Paper
) -> None:
    record = case_of(kind).record
    pdf = case_pdf(case_of(kind), paper)
    pages = read(pdf).pages
    assert len(pages) == 1 or kind == "notes"
    for page in pages:
        assert (page.mediabox.width, page.mediabox.height) == pytest.approx(SIZES[paper], abs=0.1)
        assert messages.BANNER in squeezed(page.extract_text())
    text = text_of(pdf)
    for wanted in (
        f"Case {record.case}",
        record.cohort.title,
        f"training cohort n = {record.model.n_training}, {record.model.n_events} events",
        record.model.endpoint,
        record.model.date,
        record.model.digest,
        record.cohort.digest,
        record.model.config_digest,
        "2026-03-01",
        f"Page 1 of {len(pages)}",
    ):
        assert wanted in text, wanted


@pytest.mark.parametrize("kind", ["whole", "missing modality", "closed gate", "training patient"])
def test_numbers_are_those_of_the_result(kind: str) -> None:
    record = case_of(kind).record
    result, why = record.result, record.explanation
    assert result is not None
    assert why is not None
    assert why.features is not None
    text = text_of(case_pdf(case_of(kind)))
    horizon = record.horizon()
    for wanted in (
        result.label,
        result.percentile_words,
        result.spread_words,
        result.agreement_sentence,
        *([horizon.sentence] if horizon else []),
        *(h.sentence for h in result.horizons if not h.survival),
        *(f"{f.name}" for f in why.features.largest[:N_FEATURES]),
        *(signed(f.contribution) for f in why.features.largest[:N_FEATURES]),
        why.features.sentence,
        *(signed(g.contribution) for g in fold(why.features.groups)),
        record.certainty.sentence,
        *(signed(value) for value in why.modalities.values()),
        *([result.borderline_sentence] if result.borderline_sentence else []),
        result.subgroup_sentence,
        *(f"{gate.ratio:.2f}" for gate in record.gates if gate.open),
        *(f"{gate.n_events:,}" for gate in record.gates if gate.open),
        *record.caveats,
        *(f"{m.label}: {m.status}" for m in record.modalities),
        why.verdict,
        "not causes of disease",
    ):
        assert squeezed(wanted) in text, wanted


def test_where_no_method_passes_only_modalities_and_the_reason_are_printed() -> None:
    found = case_of("whole")
    why = found.record.explanation
    assert why is not None
    assert why.features is not None
    verdict = "Modalities only: no method for features or groups passes the check."
    bare = why.model_copy(update={"features": None, "verdict": verdict})
    text = text_of(case_pdf(changed(found, explanation=bare.model_dump())))
    assert verdict in text
    assert "Why: features" not in text
    assert "completeness gap" not in text
    for name in why.modalities:
        assert name in text
    groups = why.features.model_copy(update={"level": "group"})
    grouped = bare.model_copy(update={"features": groups})
    assert "Why: feature groups" in text_of(
        case_pdf(changed(found, explanation=grouped.model_dump()))
    )


def test_open_gates_are_said_in_one_sentence_with_their_denominators() -> None:
    first, *others = case_of("whole").record.gates
    gates = [
        replace(first, horizon=m, ratio=r, n_patients=763, n_events=n)
        for m, r, n in ((12, 1.04, 53), (36, 1.06, 139), (60, 1.1, 1173))
    ]
    assert shown_words(gates) == (
        "Absolute risk at 1 year, 3 years and 5 years: recalibrated within this cohort; not an "
        "external check. Expected over observed events 1.04, 1.06 and 1.10 (n = 763; events by "
        "then: 53, 139 and 1,173)."
    )
    assert shown_words(gates[:1]) == (
        "Absolute risk at 1 year: recalibrated within this cohort; not an external check. "
        "Expected over observed events 1.04 (n = 763; events by then: 53)."
    )
    assert shown_words([first, *others]) in text_of(case_pdf(case_of("whole")))


def test_a_long_name_of_a_modality_is_whole() -> None:
    found = case_of("whole")
    why = found.record.explanation
    assert why is not None
    name = "Pathology (H&E texture)"
    explained = why.model_dump() | {"modalities": {name: 0.3, "Blood": -0.1}}
    for paper in PAPERS:
        text = text_of(case_pdf(changed(found, explanation=explained), paper))
        assert text.count(name) >= 1


def test_open_horizons_show_survival_with_its_interval_and_closed_ones_the_reason() -> None:
    shown = case_of("whole").record.result
    assert shown is not None
    text = text_of(case_pdf(case_of("whole")))
    for horizon in shown.horizons:
        s = horizon.survival
        assert s is not None
        assert f"{100 * s.value:.0f} ({100 * s.low:.0f} to {100 * s.high:.0f})" in text
    closed = text_of(case_pdf(case_of("closed gate")))
    assert closed.count("only 3 events; 50 needed") == 3
    assert "Absolute risk is hidden" in closed
    assert "of 100 with a score like this" not in closed
    assert "Blue figure" not in closed


def test_the_icon_array_takes_the_horizon_of_the_page() -> None:
    found = case_of("whole")
    assert found.record.result is not None
    first = found.record.result.horizons[0]
    assert first.months == 12
    assert "Of 100 patients, at 3 years" in text_of(case_pdf(found))
    text = text_of(case_pdf(replace(found, horizon=12)))
    assert "Of 100 patients, at 1 year" in text
    assert first.sentence in text


def test_a_case_without_score_says_why_and_shows_no_number_of_risk() -> None:
    text = text_of(case_pdf(case_of("abstained")))
    assert "No score" in text
    assert "E-32: CT is missing for this case." in text
    for unwanted in ("hazard ratio", "percentile", "Where this case sits", "Why:"):
        assert unwanted not in text


def test_the_identifier_is_printed_only_on_demand() -> None:
    patient = str(source().cohort.patient_ids[0])
    assert patient not in text_of(case_pdf(report()))
    assert report().record.patient_id is None
    assert f"(patient {patient})" in text_of(case_pdf(report(show_id=True)))


def test_identifiers_that_differ_at_their_ends_are_printed_whole() -> None:
    ids = [f"{'TCGA-AB-1234-01A-11R-' * 8}{end}" for end in ("X", "Y")]
    cases = [changed(case_of("whole"), case=f"{i:016x}", patient_id=p) for i, p in enumerate(ids)]
    pages = [_bare(page.extract_text()) for page in read(worklist_pdf(cases, title="Two")).pages]
    for patient, page in zip(ids, pages[1:], strict=True):
        assert patient in page
        assert patient in pages[0]


def test_everything_that_the_board_wrote_is_printed_on_as_many_pages_as_it_takes() -> None:
    kept = {
        "decisions": [note(f"Decision {LONG * 6}to its end.", "decision", risk_group="high")],
        "notes": [note(f"Note {i} {LONG}to its end.") for i in range(12)]
        + [note("Discuss <b>again</b> & rescan")],
    }
    pdf = case_pdf(report(board=kept))
    text = _bare(text_of(pdf).replace(messages.BANNER, ""))
    text = re.sub(r"Page\dof\d", "", text)
    assert len(read(pdf).pages) > 1
    for row in (*kept["decisions"], *kept["notes"]):
        assert _bare(row["text"]) in text


def test_document_names_title_author_language_and_day() -> None:
    reader = read(case_pdf(case_of("whole")))
    info = reader.metadata
    assert info is not None
    assert info.title == f"Case report {case_of('whole').record.case}"
    assert info.author == "camlif"
    assert info.subject == messages.BANNER
    assert info.creation_date is not None
    assert info.creation_date.date().isoformat() == "2026-03-01"
    root = reader.root_object
    assert root["/Lang"] == "en-GB"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]


def test_all_fonts_are_embedded() -> None:
    found = fonts_of(case_pdf(case_of("whole")))
    assert {"DejaVuSans", "DejaVuSans-Bold"} <= set(found)
    for name, descriptor in found.items():
        assert {"/FontFile2", "/FontFile3"} & set(descriptor), name


def _structure(pdf: bytes) -> list[pypdf.generic.DictionaryObject]:
    """All structure elements in reading order."""

    def walk(part: Any) -> Iterator[pypdf.generic.DictionaryObject]:
        part = part.get_object()
        if isinstance(part, pypdf.generic.ArrayObject):
            for child in part:
                yield from walk(child)
        elif isinstance(part, pypdf.generic.DictionaryObject) and "/S" in part:
            yield part
            yield from walk(part.get("/K", pypdf.generic.NullObject()))

    return list(walk(read(pdf).root_object["/StructTreeRoot"]["/K"]))


def test_file_claims_pdf_ua_and_is_tagged() -> None:
    reader = read(case_pdf(case_of("whole")))
    assert reader.root_object["/MarkInfo"]["/Marked"]
    assert reader.xmp_metadata is not None
    assert "<pdfuaid:part>1</pdfuaid:part>" in reader.xmp_metadata.rdf_root.toxml()


def test_structure_is_tagged_in_reading_order_and_figures_say_what_they_show() -> None:
    record = case_of("whole").record
    assert record.result is not None
    assert record.curve is not None
    elements = _structure(case_pdf(case_of("whole")))
    kinds = [str(e["/S"]) for e in elements]
    assert kinds.count("/H1") == 1
    assert kinds.count("/H2") == 8
    assert kinds.count("/Table") == kinds.count("/THead") == 4
    assert kinds.count("/LI") == len(record.modalities) + 1 + len(record.caveats)
    alts = [str(e["/Alt"]) for e in elements if e["/S"] == "/Figure"]
    assert len(alts) == kinds.count("/Figure") == 3
    assert record.curve.finding in alts
    assert any(record.result.agreement_sentence in alt for alt in alts)


def test_a_worklist_leads_from_its_table_and_its_outline_to_the_cases() -> None:
    pdf = worklist_pdf([case_of("whole"), case_of("abstained")], title="Worklist")
    elements = [str(e["/S"]) for e in _structure(pdf)]
    assert elements.count("/H1") == 3
    assert elements.count("/Link") == 2
    reader = read(pdf)
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert titles == [
        "Worklist",
        *(f"Case {case_of(k).record.case}" for k in ("whole", "abstained")),
    ]
    links = [link.get_object()["/Dest"].get_object() for link in reader.pages[0]["/Annots"]]  # type: ignore[union-attr]
    assert [reader.get_page_number(dest[0].get_object()) for dest in links] == [1, 2]


def test_same_record_gives_the_same_bytes_and_another_day_other_ones() -> None:
    found = case_of("whole")
    assert case_pdf(found) == case_pdf(found)
    covers = [worklist_pdf([found, case_of("notes")], title="Worklist") for _ in range(2)]
    assert covers[0] == covers[1]
    later = changed(found, created="2026-03-02")
    assert case_pdf(later) != case_pdf(found)


words = st.text(st.characters(), min_size=0, max_size=400) | st.sampled_from(
    [LONG, "W" * 500, "<para>&amp;</b>", "", "µ−≥ Ω ж"]
)


@given(
    words,
    words,
    st.lists(words, max_size=12),
    st.lists(words, max_size=30),
    words,
    st.sampled_from(["A4", "Letter"]),
)
@settings(max_examples=3, deadline=None)
@example(LONG, LONG, [LONG] * 12, [LONG] * 30, LONG, "Letter")
@example("W" * 500, "W" * 500, ["W" * 500] * 12, ["W" * 500] * 30, "W" * 500, "Letter")
def test_no_text_leaves_the_page_or_stops_the_report(
    title: str, note: str, facts: list[str], caveats: list[str], label: str, paper: Paper
) -> None:
    base = case_of("whole")
    record = base.record
    long = changed(
        base,
        cohort=record.cohort.model_dump() | {"title": title},
        facts=facts,
        caveats=caveats,
        notes=[note] * 7,
        modalities=[replace(m, label=label, range="outside") for m in record.modalities] * 6,
        clinical={f"{label}{i}": note if i % 2 else None for i in range(40)},
        patient_id=label,
        unlike=note,
    )
    pdf = case_pdf(long, paper)
    width, height = SIZES[paper]
    for page, (left, bottom, right, top) in zip(read(pdf).pages, _extents(pdf), strict=True):
        assert messages.BANNER in squeezed(page.extract_text())
        assert left >= MARGIN - 1
        assert right <= width - MARGIN + 3  # a space at the end of a line hangs
        assert bottom >= MARGIN - 20
        assert top <= height - MARGIN + 20


def _extents(pdf: bytes) -> list[tuple[float, float, float, float]]:
    """Box around all text of each page, points."""
    extents = []
    with pypdfium2.PdfDocument(pdf) as document:
        for sheet in document:
            page = sheet.get_textpage()
            boxes = np.array([page.get_rect(i) for i in range(page.count_rects())])
            page.close()
            low, high = boxes.min(axis=0), boxes.max(axis=0)
            extents.append((float(low[0]), float(low[1]), float(high[2]), float(high[3])))
    return extents


HOSTILE = (
    r'#eval("1") $x^2$ *bold* _it_ `raw` \n \u{41} @ref <label> <b>&amp;</b> = head // c /* d */ '
    '#image("/etc/passwd") #import "@preview/cetz:0.3.0" [x] ~ -- ... "quoted"'
)


def _bare(text: str) -> str:
    """A text without the places where it may break."""
    return re.sub(r"[\s\u200b]", "", text)


def test_markup_in_a_text_is_printed_as_it_is() -> None:
    base = case_of("whole")
    record = base.record
    label = HOSTILE[:50].strip()
    assert record.explanation is not None
    found = changed(
        base,
        notes=[HOSTILE],
        caveats=[HOSTILE],
        patient_id=label,
        cohort=record.cohort.model_dump() | {"title": HOSTILE[:100].strip()},
        modalities=[replace(m, label=label) for m in record.modalities],
        explanation=record.explanation.model_dump() | {"modalities": {label: 0.5}},
    )
    pdf = worklist_pdf([found], title=HOSTILE[:100].strip(), note=HOSTILE)
    text = _bare(text_of(pdf))
    assert text.count(_bare(HOSTILE)) == 3
    assert text.count(_bare(label)) >= 8
    info = read(pdf).metadata
    assert info is not None
    assert info.title == HOSTILE[:100].strip()


def test_a_worklist_has_a_cover_of_all_cases_and_a_page_for_each() -> None:
    reports = [case_of("whole"), case_of("closed gate"), case_of("abstained")]
    pdf = worklist_pdf(reports, "Letter", title="Board of Monday", note="One case waits.")
    pages = [squeezed(page.extract_text()) for page in read(pdf).pages]
    assert len(pages) == 4
    cover = pages[0]
    for wanted in ("Board of Monday", "3 cases of", "One case waits.", messages.BANNER):
        assert wanted in cover
    for found, page in zip(reports, pages[1:], strict=True):
        assert found.record.case in cover
        assert f"Case {found.record.case}" in page
        assert messages.BANNER in page
    assert "E-32: CT is missing for this case." in cover
    assert "hidden" in cover
    assert [f"Page {i + 1} of 4" in page for i, page in enumerate(pages)] == [True] * 4


def test_the_cover_is_the_agenda_and_gives_no_number_of_a_case_unlike_the_training_data() -> None:
    base = case_of("whole")
    result = base.record.result
    assert result is not None
    words = "E-33: This case is unlike the training data (age 12)."
    kept = {"decisions": [note("Biopsy first", "decision"), note("Old", "decision")]}
    unlike = changed(
        base, case="f" * 16, result=replace(result, unlike=True), unlike=words, board=kept
    )
    pdf = worklist_pdf([base, unlike], title="Monday")
    cover = squeezed(read(pdf).pages[0].extract_text())
    assert result.percentile_words in cover
    assert "none so far" in cover
    own = _bare(cover[cover.index("f" * 10) :])
    for wanted in (words, "Biopsyfirst", _bare(result.label)):
        assert _bare(wanted) in own
    for withheld in (result.percentile_words, "ensembles", "of100", "Old"):
        assert _bare(withheld) not in own


def test_a_long_worklist_continues_its_table_on_more_pages() -> None:
    case = case_of("abstained")
    reports = [changed(case, case=f"{i:016x}", facts=[LONG]) for i in range(45)]
    pages = [page.extract_text() for page in read(worklist_pdf(reports, title="Long")).pages]
    covers = len(pages) - len(reports)
    assert covers > 1
    table = " ".join(pages[:covers])
    for i in range(45):
        assert table.count(f"{i:016x}") == 1
    assert all("Patient and data" in page for page in pages[:covers])


def test_a_worklist_without_cases_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one case"):
        worklist_pdf([], title="Empty")


def test_a_record_survives_json_and_names_its_schema() -> None:
    for found in map(case_of, KINDS):
        again = CaseRecord.model_validate_json(found.record.to_json())
        assert again == found.record
        assert again.schema_version == "2.2"
        assert again.notice == messages.BANNER
        assert "NaN" not in found.record.to_json()


def test_a_real_case_is_one_page_with_its_curve() -> None:
    root = Path(__file__).resolve().parents[3]
    folder, model = root.parent / "shared" / "data" / "hancock", root / "models" / "hancock"
    if not folder.is_dir() or not model.is_dir():
        pytest.skip("the real cohort hancock or its model is not on this machine")
    bundle = load_bundle(model, device="cpu")
    cohort = load_cohort(folder, manifest=model / "cohort.toml").take(np.arange(12))
    result = bundle.score(cohort, embed=False)
    found = replace(
        source(),
        cohort=cohort,
        bundle=bundle,
        result=result,
        profile=load_profile(cohort.info.profile),
    )
    for row, paper in zip(np.flatnonzero(result.scored), cycle(SIZES), strict=False):
        report_ = case_report(found, int(row), summary_of(found, int(row)), created=DAY)
        assert report_.record.curve is not None
        pdf = case_pdf(report_, paper)
        assert len(read(pdf).pages) == 1
        assert report_.record.curve.finding in text_of(pdf)


def test_a_word_that_the_model_does_not_know_is_missing_in_the_report() -> None:
    found = source()
    row = int(np.flatnonzero(found.cohort.presence.all(axis=1))[0])
    ranks = tuple(replace(worth, low=0.6) for worth in found.bundle.reference.inputs)
    bundle = replace(found.bundle, reference=replace(found.bundle.reference, inputs=ranks))
    cohort = replace(found.cohort, clinical=found.cohort.clinical.assign(age=50.0, sex="diverse"))
    found = replace(found, bundle=bundle, cohort=cohort, result=bundle.score(cohort))
    printed = text_of(case_pdf(report(row, found)))
    assert "Clinical inputs: 1 of 2 given (age 50 years); missing: sex" in printed
    assert "Sex: diverse is not known to the model, treated as missing" in printed
    assert "Scored without sex, with a wider interval" in printed
