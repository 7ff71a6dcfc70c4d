"""The ways to mend a problem of files and of patients: which table is what, who is who.

As in `camlif.data.reading.offers`, each function gets a problem and the report that it stands in,
and returns offers, the likeliest first.
"""

from __future__ import annotations

import re

from camlif.data.manifest import Change
from camlif.data.reading.checks import CheckReport
from camlif.data.reading.offers import Offer, declare_modalities, in_table
from camlif.data.reading.problems import Problem, shorten
from camlif.data.reading.roles import is_clinical_name, modality_name
from camlif.data.reading.tokens import new_key
from camlif.wording import count


def offer_identifier(problem: Problem, report: CheckReport) -> list[Offer]:
    """Take another column for the identifiers."""
    first, path = in_table(report, problem.file or "", "id")
    return [
        (c, f"{shorten(c)} names the patient", (*first, Change(path, c))) for c in problem.columns
    ]


def offer_tokens(_: Problem, __: CheckReport) -> list[Offer]:
    """Put tokens in the place of identifiers."""
    return [("tokens", "Replace ids by tokens", (Change(("token_key",), new_key()),))]


def offer_trim(problem: Problem, _: CheckReport) -> list[Offer]:
    """Cut identifiers to some length."""
    return [
        (n, f"Trim ids to {count(int(n), 'character')}", (Change(("id_length",), int(n)),))
        for n in problem.values
    ]


def offer_same(_: Problem, __: CheckReport) -> list[Offer]:
    """Say whether identifiers that are spelt alike are one patient's."""
    return [
        ("yes", "They are the same patients", (Change(("ids",), "alike"),)),
        ("no", "They are different patients", (Change(("ids",), "exact"),)),
    ]


def offer_same_within(_: Problem, __: CheckReport) -> list[Offer]:
    """Say whether identifiers with something before or behind are those of the clinical table."""
    return [
        ("yes", "They are the same patients", (Change(("ids",), "within"),)),
        ("no", "They are different patients", (Change(("ids",), "exact"),)),
    ]


def offer_pieces(problem: Problem, report: CheckReport) -> list[Offer]:
    """Read several files as one table, or each as a modality of its own."""
    (name,) = problem.columns
    offers: list[Offer] = [
        (name, f"They are one table, {name}", (Change(("parts", name), list(problem.values)),))
    ]
    if changes := declare_modalities(report):
        offers.append(("apart", "They are modalities of their own", changes))
    return offers


def offer_samples(_: Problem, __: CheckReport) -> list[Offer]:
    """Read other samples than primary tumours, too."""
    return [
        ("tumour", "Read all tumours", (Change(("samples",), "tumour"),)),
        ("all", "Read normal tissue, too", (Change(("samples",), "all"),)),
    ]


def offer_sheet(problem: Problem, report: CheckReport) -> list[Offer]:
    """Choose a sheet of a workbook."""
    file = problem.file or ""
    more = () if is_clinical_name(file) else _also_named(file, report)
    return [(s, f"Read sheet {s}", (*more, Change(("sheets", file), s))) for s in problem.values]


def offer_encoding(problem: Problem, _: CheckReport) -> list[Offer]:
    """Read a text file in another encoding."""
    path = ("encodings", problem.file or "")
    return [(e, f"Read as {e}", (Change(path, e),)) for e in problem.values]


def offer_decimal(problem: Problem, _: CheckReport) -> list[Offer]:
    """Say which mark is the decimal one."""
    path = ("decimal", problem.file or "")
    offers: list[Offer] = []
    for name, mark in (("point", "."), ("comma", ",")):
        cell = problem.values[0] if problem.values else "1,735"
        thousands = ("," if mark == "." else ".") in cell
        meaning = re.sub(r"[^\d+-]", "" if thousands else ".", cell)
        offers.append((name, f"{cell} means {meaning}", (Change(path, mark),)))
    return offers


def offer_orientation(problem: Problem, _: CheckReport) -> list[Offer]:
    """Take back that a table was turned, or turn one in which no identifier was found."""
    file = problem.file or ""
    place = "rows" if problem.topic == "turned" else "columns"
    change = Change(("patients_in", file), place)
    return [(file, f"Patients of {file} are in {place}", (change,))]


def _also_named(file: str, report: CheckReport) -> tuple[Change, ...]:
    """Name a table as a modality where the manifest names others, so that it is not left out."""
    if not report.manifest.modalities:
        return ()
    return (Change(("modalities", modality_name(file), "file"), file),)


def offer_clinical_file(problem: Problem, report: CheckReport) -> list[Offer]:
    """Say which file is the clinical table."""
    offers: list[Offer] = []
    declared = report.manifest.modalities
    for file in problem.values:
        modality = next((f.modality for f in report.files if f.name == file), None) or ""
        gone = (Change(("modalities", modality), None),) if modality in declared else ()
        offers.append(
            (file, f"{file} is the clinical table", (*gone, Change(("clinical", "file"), file)))
        )
    return offers


def offer_outcome_file(problem: Problem, report: CheckReport) -> list[Offer]:
    """Say which of several tables of features tells the outcome, too."""
    modalities = declare_modalities(report)
    return [
        (
            file,
            f"The outcome of {file} counts",
            (*modalities, Change(("clinical", "file"), file)),
        )
        for file in problem.values
    ]


def offer_modality(problem: Problem, _: CheckReport) -> list[Offer]:
    """Read a file as a modality."""
    return [
        (
            file,
            f"Read {file} as a modality",
            (Change(("modalities", modality_name(file), "file"), file),),
        )
        for file in problem.values
    ]


def offer_forget_modality(problem: Problem, _: CheckReport) -> list[Offer]:
    """Take a modality out of the manifest."""
    return [
        (name, f"Go on without {name}", (Change(("modalities", name), None),))
        for name in problem.values
    ]


def offer_forget_manifest(problem: Problem, _: CheckReport) -> list[Offer]:
    """Go on as if there were no manifest."""
    file = problem.file or ""
    return [("ignore", f"Go on without {file}", (Change(("ignore",), [file], add=True),))]


def offer_leave_out(problem: Problem, _: CheckReport) -> list[Offer]:
    """Leave a file out."""
    if problem.file is None:
        return []
    change = Change(("ignore",), [problem.file], add=True)
    return [(problem.file, f"Leave out {problem.file}", (change,))]
