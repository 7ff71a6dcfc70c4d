"""Letters of any language on paper: printed, joined, in order, or said to be lacking."""

from __future__ import annotations

import re
from dataclasses import replace

import pypdfium2
import pytest

from camlif.typeset import families as fonts
from camlif.typeset.letters import FSI, PDI, breakable, isolate, printable
from dashboard.report.pdf import TEMPLATE, case_pdf, worklist_pdf
from tests.dashboard.report.cases import changed, fonts_of, report, text_of

SCRIPTS = {
    "Ελένη Жуков Đặng Łuczak Ñandú": "DejaVuSans",
    "Արամ გიორგი": "DejaVuSans",
    "السيد أحمد، ٥٧ سنة; گزارش; ڈاکٹر ہے": "NotoSansArabic-Regular",
    "המטופל יוסף כהן": "NotoSansHebrew-Regular",
    "श्रीमती प्रिया क्षत्रिय": "NotoSansDevanagari-Regular",
    "রোগী সুভাষ চন্দ্র": "NotoSansBengali-Regular",
    "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ": "NotoSansGurmukhi-Regular",
    "ગાંધી ક્ષ": "NotoSansGujarati-Regular",
    "ଓଡ଼ିଆ ରୋଗୀ": "NotoSansOriya-Regular",
    "ஸ்ரீ கிருஷ்ணன்": "NotoSansTamil-Regular",
    "కృష్ణమూర్తి స్త్రీ": "NotoSansTelugu-Regular",
    "ಶ್ರೀ ಕೃಷ್ಣ": "NotoSansKannada-Regular",
    "ശ്രീകുമാർ": "NotoSansMalayalam-Regular",
    "ශ්‍රී ලංකා": "NotoSansSinhala-Regular",
    "ผู้ป่วยชื่อ สมชาย": "NotoSansThai-Regular",
    "ຄົນເຈັບ ສົມພອນ": "NotoSansLao-Regular",
    "អ្នកជំងឺ សុខ": "NotoSansKhmer-Regular",
    "လူနာ အောင်ဆန်းစုကြည်": "NotoSansMyanmar-Regular",
    "ታካሚ አበበ": "NotoSansEthiopic-Regular",
    "ދިވެހި": "NotoSansThaana-Regular",
    "患者张伟 繁體 山田太郎さん 김철수 𠮷": "NotoSansCJKjp-Regular",
}
TIBETAN = "བོད"


@pytest.fixture(scope="module")
def scripts_pdf() -> bytes:
    """A case with a note and a heading of each script, which Typst writes as PDF/UA.

    It refuses a letter that its font lacks.
    """
    base = report()
    result = base.record.result
    assert result is not None
    return case_pdf(
        changed(
            base,
            notes=list(SCRIPTS),
            result=replace(result, label=" ".join(SCRIPTS)),
            patient_id=" ".join(SCRIPTS),
        )
    )


@pytest.mark.parametrize("words", SCRIPTS)
def test_letters_of_a_script_are_printed_by_a_font_that_has_them(
    words: str, scripts_pdf: bytes
) -> None:
    lacking: set[str] = set()
    assert printable(words, lacking) == words
    assert not lacking
    assert SCRIPTS[words] in fonts_of(scripts_pdf)


def test_a_page_says_which_letters_it_lacks(scripts_pdf: bytes) -> None:
    assert "[U+" not in text_of(scripts_pdf)
    found = changed(report(), notes=[f"Tashi {TIBETAN}"], patient_id="\0\ud800")
    text = text_of(case_pdf(found))
    codes = "".join(f"[U+{ord(letter):04X}]" for letter in TIBETAN)
    assert f"Tashi {codes}" in text
    assert "(patient [U+0000][U+D800])" in text
    every = ", ".join(f"[U+{code:04X}]" for code in sorted({0, 0xD800, *map(ord, TIBETAN[:-1])}))
    assert "printed in place of letters that no font of this report has" in text
    assert all(code in text.split("printed in place")[0] for code in every.split(", "))
    cover = worklist_pdf([report()], title=f"\0{TIBETAN}", note="\ufeff\ufffe")
    assert "[U+0000][U+0F56]" in text_of(cover)
    assert "[U+FFFE]" in text_of(cover)


def test_a_mark_is_printed_only_where_one_font_has_it_with_its_letter() -> None:
    lacking: set[str] = set()
    assert printable("é e\u0301 क्", lacking) == "é e\u0301 क्"
    assert not lacking
    assert printable("क\u0308", lacking) == "क[U+0308]"
    assert lacking == {"[U+0308]"}


def test_letters_from_right_to_left_turn_nothing_around() -> None:
    assert isolate("age 57") == "age 57"
    assert isolate("גיל\u202e 57") == f"{FSI}גיל\u202e 57{PDI}"
    assert printable("exe\u202egnp \u200f57\ufeff", set()) == "exegnp 57"
    assert printable("only רנטגן 5 of 12", set(), ["רנטגן"]) == f"only {FSI}רנטגן{PDI} 5 of 12"


def test_a_number_after_a_name_from_right_to_left_stays_right_of_it() -> None:
    base = report()
    label = "רנטגן"
    checks = [replace(m, label=label) for m in base.record.modalities]
    pdf = case_pdf(changed(base, modalities=checks, caveats=[f"{label} 77777 of 88888"]))
    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0].get_textpage()
        text = page.get_text_range()
        places = [page.get_charbox(text.index(part))[0] for part in ("77777", "88888")]
        line = page.get_charbox(text.index("77777"))[1]
        boxes = [page.get_charbox(i) for i, letter in enumerate(text) if letter in label]
        name = [box[0] for box in boxes if abs(box[1] - line) < 4]
        page.close()
    assert len(name) == len(label)
    assert max(name) < places[0] < places[1]


def test_long_words_may_break_and_short_ones_stay() -> None:
    assert breakable("a  word of\nintermediate-low") == "a word of intermediate-low"
    parts = breakable("W" * 25 + " low-intermediate, gene_expression_of_tp53").split("\u200b")
    assert parts == [
        "W" * 10,
        "W" * 10,
        "W" * 5 + " low-intermediate, gene_",
        "expression_",
        "of_",
        "tp53",
    ]
    assert breakable("Müller" * 3 + "e\u0301" * 9).split("\u200b")[-1].startswith("erMüller")


def test_a_machine_without_the_package_of_fonts_prints_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(fonts.PACKAGES, "noto_cjk_sans_jp_regular", "")
    for cached in (fonts.load_fonts, fonts.families):
        cached.cache_clear()
    monkeypatch.delitem(fonts.PACKAGES, "noto_cjk_sans_jp_regular")
    try:
        assert "[U+5F20]" in text_of(case_pdf(changed(report(), notes=["张"])))
    finally:
        monkeypatch.undo()
        for cached in (fonts.load_fonts, fonts.families):
            cached.cache_clear()


def test_the_template_reads_nothing_but_itself_and_its_json() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATE.parent.iterdir()}
    assert set(files) == {"report.typ", "figures.typ"}
    source = "\n".join(files.values())
    assert re.findall(r"#?(?:import|include) (.*?):", source) == ['"figures.typ"']
    readers = r"\b(read|image|plugin|csv|xml|yaml|toml|cbor|eval|bibliography)\("
    assert not re.search(readers, source)
    assert source.count("json(") == source.count("json(bytes(sys.inputs.")
