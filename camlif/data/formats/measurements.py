"""Measurements of cells and regions as QuPath and CellProfiler export them, many per patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from camlif.data.problems import Findings, examples
from camlif.data.roles import ID_NAMES, find_id, find_named, plain
from camlif.data.tables import TextTable
from camlif.wording import count

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


def measured(table: TextTable, tool: str, found: Findings) -> TextTable:
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
