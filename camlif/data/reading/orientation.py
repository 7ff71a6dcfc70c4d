"""Tables with features in rows and patients in columns, as genomic matrices often come.

A table goes in; one with patients in rows comes out, or the same. Tables of long form, mutations
(MAF) and measurements of single cells are recognised by their columns. Nothing fails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from camlif.data.formats.limits import check_shape
from camlif.data.reading.patients import FlowStep
from camlif.data.reading.problems import Findings, examples
from camlif.data.reading.roles import ID_NAMES, find_id, find_named
from camlif.data.reading.spelling import alike
from camlif.data.reading.tables import TextTable
from camlif.data.reading.values import TCGA_SAMPLE, to_numbers
from camlif.data.reading.words import plain
from camlif.wording import count, verb

MIN_SHARE = 0.5
"""Share of the headers (or of the known patients, if fewer) that must be patients."""

GENE_SYMBOLS = ("hugo_symbol", "gene_symbol", "gene_name", "gene", "genes", "symbol", "gene_id")
_ANNOTATION = re.compile(
    r"(hugo|gene|hgnc|entrez|ensembl|refseq|uniprot|probe|transcript)(_?(gene|symbol|name|id|ids"
    r"|type|biotype|length|description|alias|accession|set|version|status))*|symbol|biotype|strand"
    r"|chr|chrom|chromosome|cytoband|description|locus|locus_id|start|end|position|length|width|band"
)
"""Names of columns beside the feature names that describe the feature, not a patient."""

_COUNTERS = re.compile(r"N_(unmapped|multimapping|noFeature|ambiguous)|__\w+")
"""Rows of STAR and HTSeq that count reads of no gene."""

_DATED_GENE = re.compile(
    r"\d{1,2}-(Mar|Sep|Sept|Dec|Apr|Oct|Nov)|(Mar|Sep|Dec)-\d{1,2}|\d{4}-\d\d-\d\d.*", re.I
)
_DIGIT = re.compile(r"\d")
_RENAMED_GENE = re.compile(r"(SEPT|MARCH|MARC|DEC)\d{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A table whose rows and columns were exchanged.

    Attributes
    ----------
    table : TextTable
    n_lost : int
        Features with an empty or repeated name.
    annotations : tuple of str
        Columns that described features.
    counters : tuple of str
        Rows that counted what belongs to no feature.
    """

    table: TextTable
    n_lost: int
    annotations: tuple[str, ...]
    counters: tuple[str, ...]


def upright(
    table: TextTable, patients: set[str], found: Findings, *, declared: str | None = None
) -> TextTable:
    """Return the table with patients in rows, turned if its headers are patients.

    Parameters
    ----------
    table : TextTable
    patients : set of str
        Identifiers of the clinical table and its samples.
    found : Findings
        Gets a warning when the table was turned.
    declared : {"rows", "columns"}, optional
        Where patients are, as somebody said; else known patients among the headers tell, or a first
        column of gene symbols beside no identifier.
    """
    if len(table.columns) < 2:
        return table
    hits = _known(table, patients)
    named = (
        plain(table.columns[0]) in GENE_SYMBOLS
        and find_id(table.columns) is None
        and not _shares(table, patients)
    )
    if declared == "rows" or (declared is None and not hits and not named):
        return table
    turned = turned_table(table, patients)
    why = f"{hits} headers are patients" if hits else f"the first column is {table.columns[0]}"
    left_out = "".join(
        f" {text}"
        for text, there in (
            (f"Left out: {examples(turned.annotations)}, which describe features.",
             turned.annotations),
            (f"Left out: {examples(turned.counters)}, which belong to no feature.",
             turned.counters),
            (f"{count(turned.n_lost, 'feature')} with an empty or repeated name left out.",
             turned.n_lost),
        )
        if there
    )  # fmt: skip
    found.warn(
        f"Patients are in columns ({'chosen' if declared else why}); rows and columns were "
        f"exchanged.{left_out}",
        file=table.file,
        fix=None if declared else "Save the table with one row per patient to avoid this.",
        topic="" if declared else "turned",
    )
    return turned.table


def report_gene_names(names: Sequence[str], file: str, found: Findings) -> None:
    """Tell of names of features that a spreadsheet has made dates of, and of renamed genes.

    Parameters
    ----------
    names : sequence of str
        Of features.
    file : str
    found : Findings
    """
    dated = [n for n in names if _DATED_GENE.fullmatch(n)]
    if dated:
        found.warn(
            f"{count(len(dated), 'feature is', 'features are')} called like a date "
            f"({examples(dated)}): a spreadsheet makes them of genes such as MARCH1 and SEPT2.",
            code="E-15",
            file=file,
            column=dated[0] if len(dated) == 1 else None,
            fix="Export the table again without opening it in a spreadsheet.",
        )
    renamed = [n for n in names if _RENAMED_GENE.fullmatch(n)]
    if renamed:
        found.note(
            f"{examples(renamed)} {verb(len(renamed), 'is', 'are')} called SEPTIN, MARCHF or "
            "MTARC today, so that models may know them by another name.",
            file=file,
        )


def _known(table: TextTable, patients: set[str]) -> int:
    """Number of headers that are patients; 0 where too few are, or the first column has some."""
    if _shares(table, patients):
        return 0  # before many patients' spellings are made, which takes longest
    headers = table.columns[1:]
    spelt = {alike(p) for p in patients}
    hits = sum(TCGA_SAMPLE.sub(r"\1", h) in patients or alike(h) in spelt for h in headers)
    return 0 if hits < MIN_SHARE * min(len(headers), len(patients)) else hits


def turned_table(table: TextTable, patients: Collection[str] | None = None) -> Turned:
    """Exchange rows and columns.

    Parameters
    ----------
    table : TextTable
        Features by their names in the first column.
    patients : collection of str, optional
        Known patients. A column of texts that is none of them describes features. Without this
        every column is a patient's.
    """
    names = table.text(table.columns[0]).to_pylist()
    annotations = [] if patients is None else _annotations(table, patients)
    columns = [h for h in table.columns[1:] if h not in annotations]
    cells = [table.text(c).to_pylist() for c in columns]
    features = {"patient_id": columns}
    counters = []
    for i, name in enumerate(names):
        if name and patients is not None and _COUNTERS.fullmatch(name):
            counters.append(name)
        elif name and name not in features:
            features[name] = [column[i] for column in cells]
    turned = pa.table({name: pa.array(v, pa.string()) for name, v in features.items()})
    numbers = np.arange(2, 2 + len(columns))
    return Turned(
        table=replace(table, table=turned, row_numbers=numbers),
        n_lost=len(names) - (len(features) - 1) - len(counters),
        annotations=tuple(annotations),
        counters=tuple(counters),
    )


def _annotations(table: TextTable, patients: Collection[str]) -> list[str]:
    """Return the columns that describe features: by their name, or because they hold texts.

    So does a word among patients who all have a number.
    """
    known = {alike(p) for p in patients}
    are_numbered = all(map(_DIGIT.search, known))
    found = []
    for header in table.columns[1:]:
        if alike(header) in known:
            continue
        numbers = to_numbers(table.table[header])
        is_text = len(numbers.bad_rows) > numbers.n_values
        is_word = are_numbered and not _DIGIT.search(header)
        if is_text or is_word or _ANNOTATION.fullmatch(plain(header)):
            found.append(header)
    return found


def _shares(table: TextTable, patients: set[str]) -> bool:
    """Whether any text column in front already holds patients."""
    return bool(patients & set(table.text(table.columns[0]).to_pylist()))


ATTRIBUTES = (
    *("clinicalattributeid", "clinical_attribute_id", "attribute_id", "attribute", "feature"),
    *("feature_name", "variable", "hugo_symbol", "gene", "marker"),
)
VALUES = ("value", "measurement")
SAMPLES = ("sampleid", "sample_id", "slide_id")
MAX_LONG_COLUMNS = 12
"""A table with more columns holds something beside its cells."""


def is_long(columns: Sequence[str]) -> bool:
    """Whether each row is one cell of a table: an identifier, a name and a value."""
    return len(columns) <= MAX_LONG_COLUMNS and None not in (
        find_id(columns),
        find_named(columns, ATTRIBUTES),
        find_named(columns, VALUES),
    )


def pivot_attributes(table: TextTable, found: Findings) -> tuple[TextTable, FlowStep]:
    """Return one row per patient (and sample) and one column per attribute.

    A second, different value of the same attribute opens a second row of the patient, so that it
    is settled as every repeated patient is.

    Parameters
    ----------
    table : TextTable
        See `is_long`.
    found : Findings

    Returns
    -------
    wide : TextTable
    step : FlowStep
        The rows that did not become one of their own.
    """
    patient = find_id(table.columns) or ""
    name = find_named(table.columns, ATTRIBUTES) or ""
    value = find_named(table.columns, VALUES) or ""
    sample = find_named([c for c in table.columns if c != patient], SAMPLES)
    read = [table.text(c).fill_null("").to_pylist() for c in (patient, name, value)]
    samples = table.text(sample).fill_null("").to_pylist() if sample else [""] * len(table)
    seen: Counter[tuple[str, str, str]] = Counter()
    known: set[tuple[str, str, str, str]] = set()
    rows: dict[tuple[str, str, int], dict[str, str]] = {}
    first: list[int] = []
    attributes: dict[str, None] = {}
    for at, (who, which, what, of) in enumerate(zip(*read, samples, strict=True)):
        if (who, of, which, what) in known or not which:
            continue
        known.add((who, of, which, what))
        attributes[which] = None
        key = (who, of, seen[who, of, which])
        seen[who, of, which] += 1
        if key not in rows:
            rows[key] = {}
            first.append(at)
        rows[key][which] = what
    check_shape(len(rows), len(attributes))
    columns = {patient: pa.array([who for who, _, _ in rows], pa.string())}
    for which in attributes:
        if which != patient:
            columns[which] = pa.array([row.get(which) for row in rows.values()], pa.string())
    found.note(
        f"{count(len(table), 'row')} with one value each were read as "
        f"{count(len(attributes), 'column')} of {count(len(rows), 'row')}.",
        file=table.file,
    )
    step = FlowStep(file=table.file, reason="cell of a long table", n=len(table) - len(rows))
    numbers = table.row_numbers[np.array(first, dtype=int)]
    return replace(table, table=pa.table(columns), row_numbers=numbers), step


SILENT = frozenset(
    {
        *("silent", "intron", "3'utr", "5'utr", "3'flank", "5'flank", "igr", "rna", "lincrna"),
        *("targeted_region", "splice_region"),
    }
)
"""Classes of variants that leave the protein as it is; cBioPortal hides them, too."""

_NO_GENE = frozenset({"", "unknown", "."})


def is_mutations(columns: Sequence[str]) -> bool:
    """Whether the columns are those of a MAF."""
    needed = ("hugo_symbol", "tumor_sample_barcode", "variant_classification")
    return all(find_named(columns, (name,)) for name in needed)


def gene_flags(
    table: TextTable, patient_of: Callable[[str], str], found: Findings
) -> tuple[TextTable, FlowStep]:
    """Return 1 for each patient and gene with a variant that changes the protein, else 0.

    Parameters
    ----------
    table : TextTable
        A MAF (see `is_mutations`).
    patient_of : function of str to str
        Patient of a sample. Two samples of a patient count together.
    found : Findings

    Returns
    -------
    flags : TextTable
        ``patient_id`` and one column per gene, in alphabetical order. A patient whose variants are
        all silent was sequenced, and has zeros; one without any row is not known to have been.
    step : FlowStep
        The rows that are no patient's own.

    References
    ----------
    GDC MAF Format v1.0.0, columns 1, 9 and 16.
    """
    gene, sample, kind = (
        find_named(table.columns, (n,)) or ""
        for n in ("hugo_symbol", "tumor_sample_barcode", "variant_classification")
    )
    patients: dict[str, int] = {}
    mutated: dict[str, set[int]] = {}
    first_rows, n_silent, n_nobody = [], 0, 0
    cells = (table.text(c).fill_null("").to_pylist() for c in (sample, gene, kind))
    for at, (barcode, symbol, variant) in enumerate(zip(*cells, strict=True)):
        patient = patient_of(barcode)
        if not patient:
            n_nobody += 1
            continue
        if patient not in patients:
            patients[patient] = len(patients)
            first_rows.append(at)
        if variant.lower() in SILENT or symbol.lower() in _NO_GENE:
            n_silent += 1
        else:
            mutated.setdefault(symbol, set()).add(patients[patient])
    found.warn(
        f"Mutations of {count(len(patients), 'patient')} were read as flags of "
        f"{count(len(mutated), 'gene')}; {count(n_silent, 'variant')} that change no protein are "
        "not counted. A patient without any row counts as not sequenced.",
        file=table.file,
        fix="Add a table of zeros for patients who were sequenced and have no mutation.",
    )
    step = FlowStep(
        file=table.file,
        reason="variant, counted in its patient's row" if not n_nobody else "variant",
        n=len(table) - len(patients),
    )
    numbers = table.row_numbers[np.array(first_rows, dtype=int)]
    return replace(table, table=_flags(list(patients), mutated), row_numbers=numbers), step


def _flags(patients: list[str], mutated: dict[str, set[int]]) -> pa.Table:
    """Return one row per patient and one column per gene."""
    check_shape(len(patients), len(mutated))
    columns = {"patient_id": pa.array(patients, pa.string())}
    for symbol in sorted(mutated):
        flags = np.zeros(len(patients), dtype=np.int8)
        flags[list(mutated[symbol])] = 1
        columns[symbol] = pa.array(flags)
    return pa.table(columns)


_QUPATH = re.compile(
    r"image|object_(id|type)|name|parent|roi|centroid_[xy].*|tma_core|missing|project", re.I
)
_CELLPROFILER = re.compile(
    r"(image|object)number|(metadata|filename|pathname|url|md5digest|executiontime|group|series"
    r"|frame|moduleerror|scaling|height|width|parent|number|channel)_.*|processingstatus"
    r"|(.*_)?location_center_.*|(.*_)?areashape_(center|boundingbox).*"
)
_SERIES = re.compile(r" - .*$")
_IMAGE = re.compile(
    r"\.(svs|ndpi|mrxs|scn|vsi|czi|bif|qptiff|ome\.tiff?|tiff?|png|jpe?g|bmp|dcm)$", re.I
)
_PATIENT_NAMES = ("patient", "patientid", "case", "caseid", "sample", "sampleid", "slide")


def measurement_tool(columns: Sequence[str]) -> str | None:
    """Return the program whose export has such columns; None for other tables."""
    names = {plain(c) for c in columns}
    if "image" in names and (names & {"object_id", "object_type"} or {"parent", "roi"} <= names):
        return "QuPath"
    return "CellProfiler" if "imagenumber" in names else None


def take_measurements(table: TextTable, tool: str, found: Findings) -> TextTable:
    """Return the measurements alone, the patient of each row first.

    Parameters
    ----------
    table : TextTable
    tool : {"QuPath", "CellProfiler"}
    found : Findings
        Learns which column the patients were read from, and what was left out.

    Returns
    -------
    TextTable
        Unchanged if no column tells the patient.
    """
    column = find_id(table.columns) or _image_column(table.columns, tool)
    if column is None:
        return table
    rule = _QUPATH if tool == "QuPath" else _CELLPROFILER
    dropped = [c for c in table.columns if rule.fullmatch(plain(c)) and c != column]
    named = plain(column) in ID_NAMES or plain(column).startswith("metadata_")
    ids = table.text(column)
    if not named:
        ids = pa.chunked_array([pa.array([_slide_of(v) for v in ids.to_pylist()], pa.string())])
    rest = table.table.drop_columns([column, *dropped])
    found.warn(
        f"Read as measurements of {tool}: patients from column {column}"
        + ("" if named else " (file name without ending)")
        + f"; {count(len(dropped), 'column')} about position and origin left out"
        + (f" ({examples(dropped)})." if dropped else "."),
        file=table.file,
        column=column,
    )
    patient = "patient_id" if "patient_id" not in rest.column_names else column
    return replace(table, table=rest.add_column(0, patient, ids))


def _image_column(columns: Sequence[str], tool: str) -> str | None:
    if tool == "QuPath":
        return find_named(columns, ("image",))
    metadata = (*(f"metadata_{n}" for n in (*ID_NAMES, *_PATIENT_NAMES)),)
    files = [c for c in columns if plain(c).startswith("filename_")]
    return find_named(columns, metadata) or (files[0] if files else None)


def _slide_of(image: str | None) -> str:
    """Return the name of an image without folder, ending and series."""
    base = re.split(r"[/\\]", image or "")[-1]
    return _IMAGE.sub("", _SERIES.sub("", base))
