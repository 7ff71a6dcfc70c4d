"""Every message about files and models: from a folder, from bytes, mended by a click and a flag.

The folders in ``tests/fixtures/messages`` hold one small cohort for each, with one thing wrong.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from camlif.cli.commands import main
from camlif.cli.reading import suitability
from camlif.data.manifest import Change
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.problems import Problem
from camlif.data.reading.readers import folder_files, read_cohort
from camlif.data.reading.repairs import Look, changes_of, options_for

PROJECT = Path(__file__).resolve().parents[3]
ROOT = PROJECT / "tests" / "fixtures" / "messages"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "expected.toml").read_text("utf-8"))
MENDED = sorted(name for name, case in EXPECTED.items() if "mend" in case)
SECTION_7 = (
    *(f"E-{i:02d}" for i in range(1, 20)),
    *("E-20", "E-21", "E-22", "E-30", "E-31", "E-32", "E-33", "E-40", "E-41", "E-42", "E-50"),
)
OTHER = "dashboard/test_other_messages.py"
ELSEWHERE = {
    "E-18": [(OTHER, "test_without_an_import_folder_its_menu")],
    "E-20": [
        (OTHER, "test_groups_too_small_for_a_p_value"),
        ("model/test_evaluation.py", "test_few_patients_give_a_report"),
    ],
    "E-21": [(OTHER, "test_a_group_without_events")],
    "E-22": [
        (OTHER, "test_a_closed_gate_hides_absolute_risk"),
        ("cli/test_commands.py", "test_score_says_why_survival_is_left_empty"),
    ],
    "E-31": [("dashboard/views/test_pages.py", "test_a_link_to_an_unknown_case_is_explained")],
    "E-32": [
        ("dashboard/views/test_upload.py", "test_patients_without_a_modality_the_model_needs"),
        ("cli/test_commands.py", "test_what_the_pages_warn_of_stands_in_the_score_file"),
    ],
    "E-33": [
        (
            "dashboard/views/test_upload.py",
            "test_values_of_another_scale_are_scored_only_on_purpose",
        ),
        ("cli/test_commands.py", "test_what_the_pages_warn_of_stands_in_the_score_file"),
    ],
    "E-40": [
        (OTHER, "test_a_gpu_without_memory"),
        ("cli/test_commands.py", "test_score_goes_on_without_a_gpu_that_is_full"),
    ],
    "E-41": [("dashboard/views/test_runs_page.py", "test_a_failed_run_says_so_shows_its_log")],
    "E-42": [(OTHER, "test_a_new_session_in_the_tab_of_an_upload")],
    "E-50": [
        ("dashboard/views/test_pages.py", "test_a_loader_that_fails_shows_a_code_and_the_banner")
    ],
}
"""Messages that no uploaded file alone brings about, and the tests that show each of them: in the
page, and on the command line where it has the same."""


def code_of(case: str) -> str:
    return case[:4]


def matching(problems: tuple[Problem, ...], case: str) -> list[Problem]:
    expected = EXPECTED[case]
    return [
        p
        for p in problems
        if (p.code, p.severity, p.file)
        == (code_of(case), expected["severity"], expected.get("file"))
    ]


def look_of(case: str) -> Look:
    """What a model says of the tables, where the case names one."""
    model = EXPECTED[case].get("model")
    return suitability(None if model is None else PROJECT / "models" / model)


def read(case: str, *, changes: Sequence[Change] = (), as_bytes: bool = False) -> CheckReport:
    files: dict[str, Path | bytes] = dict(folder_files(ROOT / case))
    if as_bytes:
        files = {name: Path(path).read_bytes() for name, path in folder_files(ROOT / case).items()}
    cohort, report = read_cohort(files, changes=changes, title=case)
    return look_of(case)(cohort, report)


def test_every_message_has_a_folder_or_a_test_of_its_own() -> None:
    used = re.compile(r"[\"'](E-\d\d)(?:[\"']|: )")
    sources = [f for part in ("camlif", "dashboard") for f in (PROJECT / part).rglob("*.py")]
    pages = [f.read_text("utf-8") for f in sources if f.name != "messages.py"]  # only texts there
    written = {code for page in pages for code in used.findall(page)}
    assert {folder.name for folder in ROOT.iterdir() if folder.is_dir()} == set(EXPECTED)
    in_corpus = {code_of(case) for case in EXPECTED}
    assert in_corpus | set(ELSEWHERE) == written == set(SECTION_7)
    assert not in_corpus & set(ELSEWHERE)


@pytest.mark.parametrize("code", ELSEWHERE)
def test_a_message_without_a_folder_is_shown_by_the_tests_named(code: str) -> None:
    for file, test in ELSEWHERE[code]:
        source = (PROJECT / "tests" / file).read_text("utf-8")
        body = source.partition(f"def {test}")[2].partition("\ndef ")[0]
        assert code in body, (code, test)


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_a_message_names_file_column_rows_and_remedy(case: str) -> None:
    expected = EXPECTED[case]

    report = read(case)

    (problem,) = matching(report.problems, case)
    assert problem.column == expected.get("column")
    assert list(problem.rows) == expected.get("rows", [])
    assert all(words in problem.line for words in expected["says"]), problem.line
    assert problem.fix or problem.message.endswith("?") or problem.severity == "note"
    assert not any(words in problem.line for words in expected.get("silent", ()))
    assert report.usable == (expected["severity"] != "error")
    others = {p.code for p in report.errors} - {code_of(case)}
    assert not others


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_uploaded_bytes_give_the_same_report_as_the_folder(case: str) -> None:
    folder, uploaded = read(case), read(case, as_bytes=True)

    assert uploaded.problems == folder.problems
    assert [f.name for f in uploaded.files] == [f.name for f in folder.files]


@pytest.mark.parametrize("case", MENDED)
def test_one_click_of_the_page_mends_it(case: str) -> None:
    report = read(case)
    (problem,) = matching(report.problems, case)
    (option,) = [o for o in options_for(problem, report) if o.flag == EXPECTED[case]["mend"]]

    mended = read(case, changes=changes_of([option]))

    assert mended.usable, mended.errors
    assert not [p for p in matching(mended.problems, case) if p.message == problem.message]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run ``check --as-json`` in this process and return its status and output."""

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr(sys, "argv", ["camlif", "check", "--json", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0), json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_the_command_says_the_same_and_its_flag_mends_it(
    case: str, command: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    folder = str(ROOT / case)
    expected = EXPECTED[case]

    model = ("--model", str(PROJECT / "models" / expected["model"])) if "model" in expected else ()
    status, found = command(folder, *model)

    assert status == (2 if expected["severity"] == "error" else 0)
    problems = [p.to_json() for p in read(case).problems]
    assert found["problems"] == json.loads(json.dumps(problems))
    if "mend" in expected:
        status, mended = command(folder, *model, "--repair", expected["mend"])
        assert status == 0
        assert expected["mend"] in mended["repaired"]
