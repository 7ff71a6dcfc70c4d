"""Files to tables: one or several of each, in whatever format, one row per patient or instance.

Files go in; tables of text come out, with the role of every other file. A file that cannot be read
is added to the findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from camlif.data.formats.annotated import Annotated
from camlif.data.formats.limits import MAX_BYTES, too_large
from camlif.data.formats.raw import Source, first_bytes
from camlif.data.formats.registry import MatricesReader, conversion, format_of
from camlif.data.formats.slides import Slide, SlideReader, read_slides, slide_group, slide_name
from camlif.data.manifest import MANIFEST, Manifest
from camlif.data.products import OWN_FILE
from camlif.data.reading.checks import FileReport
from camlif.data.reading.cleaning import without_columns
from camlif.data.reading.course import is_timeline
from camlif.data.reading.gathered import Reading
from camlif.data.reading.joined_columns import join_columns
from camlif.data.reading.numerals import settle_numerals
from camlif.data.reading.orientation import (
    gene_flags,
    is_long,
    is_mutations,
    measurement_tool,
    pivot_attributes,
    take_measurements,
)
from camlif.data.reading.outcomes import holds_pair
from camlif.data.reading.patients import FlowStep
from camlif.data.reading.problems import examples
from camlif.data.reading.roles import find_id
from camlif.data.reading.specimens import patient_of
from camlif.data.reading.tables import TextTable, read_table, table_stem
from camlif.data.reading.words import plain
from camlif.exceptions import DataError, SchemaError
from camlif.wording import count

Files = Mapping[str, Source]
MAX_META_BYTES = 2**16
NO_TABLES = ("readme", "license", "licence", "notes", "changelog", "requirements")


_META = re.compile(rb"(?:[A-Za-z_]\w* *:[^\n]*(?:\n|\Z))+\s*")
_NO_FEATURES = {
    "data_gene_panel_matrix": "which genes were looked at",
    "data_sv": "structural variants",
    "data_fusion": "structural variants",
    "data_resource_": "where pictures and pages are",
}
"""Files of a cBioPortal study that describe no patient, by the start of their names."""

_NO_FEATURE_COLUMNS = {
    "structural variants": {"site1_hugo_symbol"},
}
_DOCUMENTS = frozenset(
    {
        *("md", "rst", "png", "jpg", "jpeg", "svg", "gif", "tif", "tiff"),
        *("py", "r", "rmd", "ipynb", "sh", "log", "toml", "yaml", "yml"),
        *("bib", "lock", "cfg", "ini", "license", "sha256", "md5"),
    }
)
"""Endings of files that nobody takes for a table."""
_PAGES = frozenset({"pdf", "doc", "docx", "rtf", "odt", "ppt", "pptx", "odp", "pages"})
"""Endings of documents, in which a table may stand."""


_OF_THE_SYSTEM = re.compile(r"(?:.*/)?(?:\._.*|~\$.*|\.ds_store|thumbs\.db|desktop\.ini)", re.I)
"""What macOS, Windows and Office leave beside a file while or after it is open."""


def read_sources(files: Files, reading: Reading) -> list[TextTable]:
    """Read every file that holds tables, and note the role of the others.

    A file of several matrices gives several tables, named ``file/matrix``; slides give one table
    for each folder.
    """
    tables: list[TextTable] = []
    slides: dict[str, list[tuple[str, Source, SlideReader]]] = {}
    for name, source in files.items():
        form = format_of(name)
        if name in reading.manifest.ignore:
            reading.files[name] = FileReport(name=name, role="ignored")
            reading.found.note("Left out as the mapping says.", file=name)
        elif _OF_THE_SYSTEM.fullmatch(name):
            reading.files[name] = FileReport(name=name, role="ignored")
            reading.found.note("Left by the system or an open program, no table.", file=name)
        elif form is not None and isinstance(form.reader, SlideReader):
            slides.setdefault(slide_group(name), []).append((name, source, form.reader))
        else:
            reading.files[name] = FileReport(
                name=name, role="manifest" if name == MANIFEST else "ignored"
            )
            _refuse(name, reading)
            tables += _tables_of(name, source, reading)
    for group, members in slides.items():
        table = _slides(group, members, reading)
        tables += [] if table is None else [table]
    manifest, found = reading.manifest, reading.found
    kept = [
        without_columns(t, manifest.drop, found) for t in tables if t.file not in manifest.ignore
    ]
    ids = (manifest.id, manifest.clinical.id, *(m.id for m in manifest.modalities.values()))
    settled = (settle_numerals(t, manifest.decimal.get(t.file), found, keep=ids) for t in kept)
    return [join_columns(table, manifest, found) for table in settled]


def with_patients_in_rows(table: TextTable, reading: Reading) -> TextTable | None:
    """Return a table of variants, cells or measurements as one that has patients in rows.

    None (and an error) where that would be too large.
    """
    tool = measurement_tool(table.columns)
    try:
        if is_mutations(table.columns):
            table, step = gene_flags(
                table, lambda sample: patient_of(sample, reading.owners), reading.found
            )
        elif is_long(table.columns):
            table, step = pivot_attributes(table, reading.found)
        else:
            return table if tool is None else take_measurements(table, tool, reading.found)
    except DataError as error:
        reading.found.refuse(error, table.file)
        return None
    reading.steps.append(step)
    return table


def _refuse(name: str, reading: Reading) -> None:
    lines = conversion(name)
    if lines is not None:
        reading.found.warn(
            "This format can run code when it is opened, or is not read; left out.",
            code="E-01",
            file=name,
            fix=f"If you trust it, convert it: {lines[0]} and then {lines[1]}",
        )


def _tables_of(name: str, source: Source, reading: Reading) -> Iterator[TextTable]:
    form = format_of(name)
    if form is not None and isinstance(form.reader, MatricesReader):
        yield from _annotated(name, form.name, form.reader, source, reading)
        return
    stem = plain(table_stem(name))
    if form is None and conversion(name) is None and _may_be_table(name):
        reading.found.note(
            "A document is not read; left out. Save a table that stands in it as CSV."
            if name.lower().rpartition(".")[2] in _PAGES
            else "This is no table that is read; left out.",
            code="E-01",
            file=name,
        )
    if form is None or stem in NO_TABLES:
        return
    if stem.startswith("meta_") and _META.fullmatch(first_bytes(source, MAX_META_BYTES)):
        reading.found.note("Describes a study of cBioPortal, and holds no table.", file=name)
        return
    table = read_table(
        name,
        source,
        reading.found,
        sheet=reading.manifest.sheets.get(name),
        encoding=reading.manifest.encodings.get(name),
        progress=reading.telling(f"reading {name}"),
    )
    if table is None:
        return
    reading.files[name] = _report(table)
    if is_timeline(table.columns) and name not in _named(reading.manifest):
        reading.timelines.append(table)
        reading.set_role(name, "course")
        return
    what = _no_features(stem, table)
    if what is not None and name not in _named(reading.manifest):
        reading.found.note(f"Holds {what}, no features of patients; left out.", file=name)
        return
    yield table


def _may_be_table(name: str) -> bool:
    base, _, ending = name.rpartition(".")
    own = name == MANIFEST or OWN_FILE.fullmatch(name) is not None
    return bool(base) and ending.lower() not in _DOCUMENTS and not own


def _no_features(stem: str, table: TextTable) -> str | None:
    """Return what a table of a study holds instead of features; None for other tables."""
    names = {plain(c) for c in table.columns}
    for what, needed in _NO_FEATURE_COLUMNS.items():
        if needed <= names:
            return what
    return next((what for start, what in _NO_FEATURES.items() if stem.startswith(start)), None)


def _named(manifest: Manifest) -> set[str | None]:
    """Return the files that a manifest names as something."""
    return {manifest.clinical.file, *(s.file for s in manifest.modalities.values())}


def _report(table: TextTable, n_rows: int | None = None) -> FileReport:
    return FileReport(
        name=table.file,
        role="ignored",
        n_rows=len(table) if n_rows is None else n_rows,
        n_columns=len(table.columns) - 1,
        format=table.format,
        encoding=table.encoding,
        delimiter=table.delimiter,
    )


def _annotated(
    name: str, form: str, reader: MatricesReader, source: Source, reading: Reading
) -> Iterator[TextTable]:
    """Yield a table for each matrix, and a clinical one if the observations tell an outcome."""
    try:
        matrices, common = reader.read(source)
        tables = [_matrix(name, form, matrix, common, reading) for matrix in matrices]
        observed = _observed(name, form, common)
        if holds_pair(observed):
            tables.append(observed)
    except DataError as error:
        reading.found.refuse(error, name)
        return
    del reading.files[name]  # its parts stand for it
    for table in tables:
        reading.files[table.file] = _report(table)
        yield table


def _patients(observations: pd.DataFrame, common: pd.DataFrame) -> list[str]:
    """Return the patient of each observation: a column of its own, a common one, or its name."""
    column = find_id(list(observations.columns))
    if column is not None:
        return _texts(observations[column])
    column = find_id(list(common.columns))
    if column is not None and common.index.is_unique:
        return _texts(common[column].reindex(observations.index))
    return _texts(observations.index.to_series())


def _texts(values: pd.Series) -> list[str]:
    """Return cells as text; categories may name one long text often."""
    texts = ["" if pd.isna(v) else str(v) for v in values]
    held = sum(map(len, texts))
    if held > MAX_BYTES:
        raise too_large(held)
    return texts


def _matrix(
    name: str, form: str, matrix: Annotated, common: pd.DataFrame, reading: Reading
) -> TextTable:
    repeated = len(matrix.variables) - len(set(matrix.variables))
    if repeated or "patient_id" in matrix.variables:
        raise SchemaError(
            f"{count(repeated, 'variable has', 'variables have')} the name of another.",
            code="E-01",
            fix="Call adata.var_names_make_unique(), and write the file again.",
        )
    observed = list(matrix.observations.columns)
    if observed:
        reading.found.note(
            f"{count(len(observed), 'column')} of obs are no features: {examples(observed)}.",
            file=name,
        )
    ids = _patients(matrix.observations, common)
    columns = [pa.array(ids, pa.string()), *(pa.array(v) for v in matrix.values.T)]
    return TextTable(
        file=f"{name}/{matrix.name}" if matrix.name else name,
        format=form,
        table=pa.table(columns, names=["patient_id", *matrix.variables]),
        row_numbers=np.arange(2, 2 + len(ids)),
    )


def _observed(name: str, form: str, common: pd.DataFrame) -> TextTable:
    """Return what is the same in all observations of a patient, one row each."""
    ids = np.array(_patients(common, common), dtype=object)
    patients, first = np.unique(ids, return_index=True)
    order = np.sort(first)
    table = {"patient_id": pa.array(ids[order].tolist(), pa.string())}
    for column in common.columns:
        cells = np.array(_texts(common[column]), dtype=object)
        varies = len(set(zip(ids, cells, strict=True))) > len(patients)
        if not varies and find_id([column]) is None:
            table[column] = pa.array(cells[order].tolist(), pa.string())
    return TextTable(
        file=f"{name}/clinical",
        format=form,
        table=pa.table(table),
        row_numbers=order + 2,
    )


def _slides(
    group: str, members: Sequence[tuple[str, Source, SlideReader]], reading: Reading
) -> TextTable | None:
    """Return the patches of a group of slides, each with its slide's name as identifier."""
    readable: list[Slide] = []
    for name, source, reader in members:
        try:
            shape = reader.shape(source)
            if readable and shape[1] != readable[0].shape[1]:
                raise SchemaError(
                    f"The patches have {count(shape[1], 'value')} each, those of "
                    f"{readable[0].name} "
                    f"{readable[0].shape[1]:,}.",
                    fix="Extract all slides of a folder with the same model.",
                )
        except DataError as error:
            reading.found.refuse(error, name)
            continue
        readable.append(Slide(name=name, source=source, reader=reader, shape=shape))
    if not readable:
        return None
    try:
        patches = read_slides(readable)
    except DataError as error:
        reading.found.refuse(error, error.file or group)
        return None
    names = [slide_name(slide.name) for slide in readable]
    width = patches.values.shape[1]
    columns = [pa.array([names[i] for i in patches.slides], pa.string())]
    columns += [pa.array(np.ascontiguousarray(v)) for v in patches.values.T]
    table = TextTable(
        file=group,
        format="slides",
        table=pa.table(columns, names=["patient_id", *(f"e{i}" for i in range(width))]),
        row_numbers=np.arange(2, 2 + len(patches.slides)),
    )
    reading.files[group] = _report(table, patches.n_read)
    reading.found.note(f"Patches of {count(len(readable), 'slide')} were read.", file=group)
    _report_thinned(group, patches.n_read, len(table), reading)
    return table


def _report_thinned(group: str, n_read: int, n_kept: int, reading: Reading) -> None:
    if n_kept == n_read:
        return
    reading.found.warn(
        f"Of {count(n_read, 'patch', 'patches')} {n_kept:,} were kept, spread evenly over each "
        "slide.",
        code="E-02",
        file=group,
        fix="Average the patches of each slide beforehand to use all of them.",
    )
    reading.steps.append(FlowStep(file=group, reason="patch beyond the limit", n=n_read - n_kept))
