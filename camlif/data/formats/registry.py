"""The file formats that are read, and those that are refused with how to convert them.

A format is one entry of `FORMATS`: endings, first bytes, reader, and what the README's table says
of it. The upload page offers what stands here, `camlif.data.reading` reads it; a test compares the
README. Nothing here fails; the readers say in `DataError` what is wrong with a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from camlif.data.formats.annotated import Annotated, read_annotated
from camlif.data.formats.columnar import read_feather_table, read_parquet_table
from camlif.data.formats.raw import RawTable, ReadOptions, Source
from camlif.data.formats.slides import HDF5, NPZ, SlideReader
from camlif.data.formats.spreadsheets import read_workbook
from camlif.data.formats.text import read_text

PACKED = ".gz"


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads a file of one table."""

    read: Callable[[Source, ReadOptions], RawTable]


@dataclass(frozen=True, slots=True)
class MatricesReader:
    """Reads a file of one or several matrices, and the table of what they have in common."""

    read: Callable[[Source], tuple[list[Annotated], pd.DataFrame]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """A format that is read.

    Attributes
    ----------
    name : str
        As reports call it.
    endings : tuple of str
        Of file names, in lower case, with the dot.
    reader : TableReader, MatricesReader or SlideReader
    about : str
        What is read, in the README's words.
    signatures : tuple of bytes
        How such a file may start; none where any bytes may.
    packed : bool
        Whether it may be compressed by gzip, with `PACKED` behind its ending.
    extra : str or None
        The optional dependencies that it needs.
    """

    name: str
    endings: tuple[str, ...]
    reader: TableReader | MatricesReader | SlideReader
    about: str
    signatures: tuple[bytes, ...] = ()
    packed: bool = False
    extra: str | None = None


_ZIP, _HDF5 = (b"PK\x03\x04",), (b"\x89HDF\r\n\x1a\n",)
FORMATS = (
    FileFormat(
        name="text",
        endings=(".csv", ".tsv", ".txt", ".maf"),
        reader=TableReader(read_text),
        about="table; delimiter (comma, tab, semicolon, bar, R's spaces; a first line `sep=;`) and "
        "decimal comma found; unpacked up to a limit",
        packed=True,
    ),
    FileFormat(
        name="xlsx",
        endings=(".xlsx", ".xlsm"),
        reader=TableReader(read_workbook),
        about="one sheet, chosen where several are filled; stored values, no formulas, no macros",
        signatures=_ZIP,
    ),
    FileFormat(
        name="parquet",
        endings=(".parquet",),
        reader=TableReader(read_parquet_table),
        about="typed columns, read some at a time; no lists or records",
        signatures=(b"PAR1",),
    ),
    FileFormat(
        name="feather",
        endings=(".feather",),
        reader=TableReader(read_feather_table),
        about="typed columns, versions 1 and 2; no lists or records",
        signatures=(b"ARROW1", b"FEA1"),
    ),
    FileFormat(
        name="h5ad",
        endings=(".h5ad",),
        reader=MatricesReader(read_annotated),
        about="one modality, clinical columns of `obs`",
        signatures=_HDF5,
        extra="anndata",
    ),
    FileFormat(
        name="h5mu",
        endings=(".h5mu",),
        reader=MatricesReader(read_annotated),
        about="one modality per matrix, clinical columns of `obs`",
        signatures=_HDF5,
        extra="anndata",
    ),
    FileFormat(
        name="h5",
        endings=(".h5", ".hdf5"),
        reader=HDF5,
        about="patch embeddings, one file a slide, a folder a modality",
        signatures=_HDF5,
        extra="anndata",
    ),
    FileFormat(
        name="npz",
        endings=(".npz",),
        reader=NPZ,
        about="patch embeddings, one file a slide, a folder a modality; no objects",
        signatures=_ZIP,
    ),
)

_BAG = "np.savez_compressed('slide.npz', features=x)"
_PARQUET, _CSV = "x.to_parquet('table.parquet')", "write.csv(x, 'table.csv', row.names = FALSE)"
REFUSED = {
    ".pt": ("x = torch.load('slide.pt', weights_only=True)", _BAG),
    ".pth": ("x = torch.load('slide.pth', weights_only=True)", _BAG),
    ".pkl": ("x = pd.read_pickle('table.pkl')", _PARQUET),
    ".pickle": ("x = pd.read_pickle('table.pickle')", _PARQUET),
    ".joblib": ("x = joblib.load('table.joblib')", _PARQUET),
    ".npy": ("x = np.load('slide.npy', allow_pickle=False)", _BAG),
    ".rds": ("x <- readRDS('table.rds')", _CSV),
    ".rdata": ("load('table.RData')", _CSV),
    ".rda": ("load('table.rda')", _CSV),
    ".dta": ("x = pd.read_stata('table.dta')", _PARQUET),
    ".sav": ("x = pd.read_spss('table.sav')", _PARQUET),
    ".xpt": ("x = pd.read_sas('table.xpt', encoding='utf-8')", _PARQUET),
    ".sas7bdat": ("x = pd.read_sas('table.sas7bdat', encoding='utf-8')", _PARQUET),
    ".xls": ("x = pd.read_excel('table.xls', dtype=str)", _PARQUET),
    ".xlsb": ("x = pd.read_excel('table.xlsb', dtype=str)", _PARQUET),
    ".ods": ("x = pd.read_excel('table.ods', dtype=str)", _PARQUET),
    ".mat": ("x = pd.DataFrame(scipy.io.loadmat('table.mat')['x'])", _PARQUET),
    ".gct": ("x = pd.read_csv('table.gct', sep='\\t', skiprows=2, dtype=str)", _PARQUET),
}
"""The two lines that convert a file that can run code or is no table, by its ending; for files
whose origin is trusted."""


def format_of(name: str) -> FileFormat | None:
    """Return the format that a file name promises; None for files that are not read."""
    lowered = name.lower()
    bare = lowered.removesuffix(PACKED)
    for form in FORMATS:
        if bare.endswith(form.endings) and (form.packed or bare == lowered):
            return form
    return None


def without_ending(name: str) -> str:
    """Return a file name without format and compression: ``ct.csv.gz`` gives ``ct``."""
    for ending in (PACKED, *_endings()):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name


def formats_like(start: bytes) -> tuple[FileFormat, ...]:
    """Return the formats whose files may start with these bytes."""
    return tuple(form for form in FORMATS if start.startswith(form.signatures))


def conversion(name: str) -> tuple[str, str] | None:
    """Return the two lines that convert a file of a refused format; None for other files."""
    lowered = name.lower()
    return next((lines for end, lines in REFUSED.items() if lowered.endswith(end)), None)


def offered_types() -> list[str]:
    """Return the endings that the upload page takes, without dots: read or refused with advice."""
    packed = [PACKED] if any(form.packed for form in FORMATS) else []
    return [ending[1:] for ending in (*_endings(), *packed, *REFUSED)]


def offered_words() -> str:
    """Return what is read, in the upload page's words."""
    slides = [form for form in FORMATS if isinstance(form.reader, SlideReader)]
    tables = [form for form in FORMATS if form not in slides]
    return f"Tables ({_words(tables)}), slides ({_words(slides)})"


def _words(forms: list[FileFormat]) -> str:
    names = [end[1:] + f" ({PACKED[1:]})" * form.packed for form in forms for end in form.endings]
    return ", ".join(names)


def _endings() -> Iterator[str]:
    return (ending for form in FORMATS for ending in form.endings)
