"""AnnData and MuData files: observations with a matrix each, and what is known of them.

A path or bytes go in; out come tables of text and numbers, one a modality. Needs anndata. Raises
`DataError`: not readable or no matrix (E-01), empty (E-03). The layout is that of
https://anndata.readthedocs.io/en/latest/fileformat-prose.html.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camlif.data.formats.hdf5 import check_size, check_tree, member, open_hdf5
from camlif.data.formats.limits import check_shape
from camlif.exceptions import DataError

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """One matrix of observations.

    Attributes
    ----------
    name : str
        Of the modality; empty for the only one of an AnnData file.
    values : float32, shape (n_observations, n_variables)
    variables : list of str
    observations : DataFrame
        ``obs``, indexed by observation.
    """

    name: str
    values: NDArray[np.float32]
    variables: list[str]
    observations: pd.DataFrame


def read_annotated(source: Path | bytes) -> tuple[list[Annotated], pd.DataFrame]:
    """Read the matrices of a file, and what it says of the observations of all of them.

    Only ``X``, ``obs`` and ``var`` are opened: layers, graphs and unstructured data are not.

    Raises
    ------
    DataError
        E-01 if anndata is not installed, or if the file is damaged, links elsewhere or has no
        ``X``; E-02 if it is too large.
    """
    _need_anndata()
    with open_hdf5(source) as file:
        if "mod" not in file:
            only = _read_one("", file)
            return [only], only.observations
        modalities = member(file, "mod")
        found = [_read_one(name, member(modalities, name)) for name in modalities]
        if not found:
            raise DataError("The file holds no modality.", code="E-03")
        return found, _frame(file, "obs")


def _need_anndata() -> None:
    try:
        import anndata  # noqa: F401
    except ImportError as error:
        raise DataError(
            "AnnData and MuData files need anndata, which is not installed.",
            code="E-01",
            fix="pip install 'camlif[anndata]', or save the matrix as CSV (UTF-8) or Parquet.",
        ) from error


def _read_one(name: str, group: h5py.Group) -> Annotated:
    observations, variables = _frame(group, "obs"), _frame(group, "var")
    shape = (len(observations), len(variables))
    check_shape(*shape)
    if "X" not in group:
        raise DataError("The file has no matrix X.", code="E-01", fix="Save one in adata.X.")
    values = _element(group, "X")
    if hasattr(values, "toarray"):
        values.check_format(full_check=True)  # indices outside the matrix would be followed
        if values.shape != shape:
            raise DataError("The matrix X does not fit obs and var.", code="E-01")
        values = values.toarray()
    values = np.asarray(values)
    if values.shape != shape or values.dtype.kind not in "fiub":
        raise DataError("The matrix X does not fit obs and var.", code="E-01")
    return Annotated(
        name=name,
        values=values.astype(np.float32),
        variables=[str(v) for v in variables.index],
        observations=observations,
    )


def _frame(group: h5py.Group, name: str) -> pd.DataFrame:
    frame = _element(group, name)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{name} is no table.", code="E-01")
    frame.columns = frame.columns.astype(str)
    return frame


def _element(group: h5py.Group, name: str) -> Any:
    """Read one element with anndata once all of it is known to lie in the file and to be small."""
    import h5py
    from anndata.io import read_elem

    value = member(group, name)
    if isinstance(value, h5py.Group):
        check_tree(value)
    else:
        check_size(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata warns of every older way to write an element
        try:
            return read_elem(value)
        except Exception as error:  # anndata's errors have no root of their own
            raise DataError(
                f"{name} can't be read: {type(error).__name__}.", code="E-01", fix="Write it again."
            ) from error
