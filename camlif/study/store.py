"""A study's folder: what was asked, the folds, every finished cell, and the tables made of them.

Results go in, files come out, and the other way round. Raises `ArtifactError` where a folder cannot
be read, `ConfigError` where it holds another study.

| File | Holds |
|---|---|
| ``study.json`` | settings, cohort facts, environment, planned cells |
| ``folds.csv`` | train or test, by patient and split; every method reads it |
| ``cells/KEY.parquet``, ``cells/KEY.json`` | a finished unit of work: held-out risks, results |
| ``results.csv`` | tidy, `RESULT_COLUMNS` |
| ``risks.parquet`` | held-out log risks, `RISK_COLUMNS` |
| ``failed.csv`` | `FAILED_COLUMNS`; absent where nothing failed |
| ``summary.json`` | `StudySummary` |

Files appear whole (`camlif.files`). A cell is finished when its
JSON is there. Readers need the files outside ``cells`` only, so a study is shipped without it.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from camlif.data.splits import Splits
from camlif.exceptions import ArtifactError, ConfigError
from camlif.files import place_file, write_text
from camlif.study.records import (
    FAILED_COLUMNS,
    RESULT_COLUMNS,
    RISK_COLUMNS,
    CohortFacts,
    StudySettings,
    StudySummary,
)
from camlif.wording import count

FORMAT = 1
STUDY, FOLDS_FILE, CELLS = "study.json", "folds.csv", "cells"
RESULTS, RISKS, FAILED, SUMMARY = "results.csv", "risks.parquet", "failed.csv", "summary.json"
PACKAGES = ("camlif", "torch", "numpy", "scipy", "pandas", "lifelines", "scikit-survival", "joblib")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """A study as read from its folder, finished or not.

    Attributes
    ----------
    path : Path
    settings : StudySettings
    cohort : CohortFacts
    environment : mapping of str to str
        Versions of Python and packages, machine and processor count.
    splits : Splits
        The folds that every method used.
    results : DataFrame
        `RESULT_COLUMNS`; one row per variant and split.
    risks : DataFrame
        `RISK_COLUMNS`; held-out log risks.
    failed : DataFrame
        `FAILED_COLUMNS`.
    summary : StudySummary
    complete : bool
        Whether all planned cells are finished or failed.
    """

    path: Path
    settings: StudySettings
    cohort: CohortFacts
    environment: Mapping[str, str]
    splits: Splits
    results: pd.DataFrame
    risks: pd.DataFrame
    failed: pd.DataFrame
    summary: StudySummary
    complete: bool

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    def variant_risks(self, method: str, variant: str, head: str = "matched") -> pd.DataFrame:
        """Rows of one variant in `risks`, by split.

        Parameters
        ----------
        method, variant, head
            As in `StudySummary.row`.
        """
        risks = self.risks
        found = (risks["method"] == method) & (risks["variant"] == variant)
        return risks[found & (risks["head"] == head)].sort_values("split", kind="stable")


def is_study(path: str | Path) -> bool:
    """Whether a folder holds a study that can be read."""
    return all(
        (Path(path) / name).is_file() for name in (STUDY, FOLDS_FILE, RESULTS, RISKS, SUMMARY)
    )


def is_begun(path: str | Path) -> bool:
    """Whether a folder holds a study, finished or not."""
    return (Path(path) / STUDY).is_file()


def read_study(path: str | Path) -> Study:
    """Read a study's folder, finished or not.

    Parameters
    ----------
    path : str or Path
        Folder that ``study`` wrote.

    Raises
    ------
    ArtifactError
        If a file is absent, damaged or of a later version.
    """
    home = Path(path)
    if not is_study(home):
        raise ArtifactError(f"{home} holds no study with a finished cell.")
    try:
        header = _header(home)
        settings = StudySettings.from_json(header["settings"])
        summary = StudySummary.from_json(json.loads((home / SUMMARY).read_text("utf-8")))
        return Study(
            path=home,
            settings=settings,
            cohort=CohortFacts.from_json(header["cohort"]),
            environment=header["environment"],
            splits=read_folds(home, settings),
            results=_read_results(home / RESULTS),
            risks=pd.read_parquet(home / RISKS)[list(RISK_COLUMNS)],
            failed=read_failed(home),
            summary=summary,
            complete=summary.complete,
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"The study {home} cannot be read: {error}.") from error


def _header(home: Path) -> dict[str, Any]:
    header: dict[str, Any] = json.loads((home / STUDY).read_text("utf-8"))
    if header["format"] > FORMAT:
        raise ArtifactError(f"{home} was written by a later version (format {header['format']}).")
    return header


def _read_results(path: Path) -> pd.DataFrame:
    text: dict[Hashable, type[str]] = dict.fromkeys(RESULT_COLUMNS[:5], str)
    return pd.read_csv(path, dtype=text, float_precision="round_trip")[list(RESULT_COLUMNS)]


def read_folds(home: Path, settings: StudySettings) -> Splits:
    """Read the folds file of a study."""
    # A split count that is no multiple of 5 is drawn by Monte Carlo whatever was asked for.
    return Splits.read(home / FOLDS_FILE, scheme=settings.scheme, seed=settings.seed)


def read_failed(home: Path) -> pd.DataFrame:
    """Read the failed cells of a study; no rows where none failed."""
    if not (home / FAILED).is_file():
        return pd.DataFrame(columns=list(FAILED_COLUMNS))
    return pd.read_csv(home / FAILED, dtype={"cell": str, "reason": str}, keep_default_na=False)


def open_study(
    home: Path, settings: StudySettings, cohort: CohortFacts, splits: Splits
) -> StudySettings:
    """Start a study's folder, or check that it holds one with the same protocol and cohort.

    Methods and heads may be added to a study; everything else must stay.

    Parameters
    ----------
    home : Path
        Folder of the study, made where there is none.
    settings : StudySettings
        Protocol and methods asked for.
    cohort : CohortFacts
        Counts and digest of the cohort.
    splits : Splits
        Written to a new study's folder.

    Returns
    -------
    StudySettings
        With the methods of earlier calls before the new ones.

    Raises
    ------
    ConfigError
        If the folder holds a study with other settings or of another cohort.
    """
    (home / CELLS).mkdir(parents=True, exist_ok=True)
    if not (home / STUDY).is_file():
        splits.write(home / FOLDS_FILE)
        _write_header(home, settings, cohort, planned=())
        return settings
    header = _header(home)
    earlier = StudySettings.from_json(header["settings"])
    _require_same(home, earlier, settings)
    if header["cohort"]["digest"] != cohort.digest:
        raise ConfigError(
            f"{home} holds a study of other data ({header['cohort']['title']}, "
            f"{count(header['cohort']['n_patients'], 'patient')}; digest "
            f"{header['cohort']['digest'][:12]}, "
            f"now {cohort.digest[:12]}). Choose another --out."
        )
    methods = tuple(dict.fromkeys((*earlier.methods, *settings.methods)))
    heads = settings.heads if settings.heads == earlier.heads else "both"
    return StudySettings(**{**settings.to_json(), "methods": methods, "heads": heads})


def _require_same(home: Path, earlier: StudySettings, settings: StudySettings) -> None:
    changed = [
        f"{name} {was!r}, now {settings.protocol[name]!r}"
        for name, was in earlier.protocol.items()
        if settings.protocol[name] != was
    ]
    if changed:
        raise ConfigError(
            f"{home} holds a study with other settings: {'; '.join(changed)}. Choose another --out."
        )


def planned_cells(home: Path) -> tuple[str, ...]:
    """Keys of the cells that the calls so far asked for, in order."""
    return tuple(_header(home)["planned"])


def plan(
    home: Path,
    settings: StudySettings,
    cohort: CohortFacts,
    cells: Iterable[str],
    *,
    without: Collection[str] = (),
) -> tuple[str, ...]:
    """Record the cells that a call wants, beside those of earlier calls.

    Parameters
    ----------
    home, settings, cohort
        Of the study.
    cells : iterable of str
        Keys that the call wants.
    without : collection of str
        Keys of earlier calls to forget, unless this call wants them.

    Returns
    -------
    tuple of str
        All planned cells, in order.
    """
    earlier = [key for key in planned_cells(home) if key not in without]
    planned = tuple(dict.fromkeys((*earlier, *cells)))
    _write_header(home, settings, cohort, planned=planned)
    return planned


def _write_header(
    home: Path, settings: StudySettings, cohort: CohortFacts, *, planned: Iterable[str]
) -> None:
    write_json(
        home / STUDY,
        {
            "format": FORMAT,
            "settings": settings.to_json(),
            "cohort": cohort.to_json(),
            "environment": environment(),
            "planned": list(planned),
        },
    )


def environment() -> dict[str, str]:
    """Versions and machine that a study's numbers depend on."""
    found = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "source" if package == "camlif" else "absent"
    return found


def write_cell(home: Path, key: str, results: pd.DataFrame, risks: pd.DataFrame) -> None:
    """Write a finished cell: risks first, since the results say that it is finished.

    Parameters
    ----------
    home : Path
        Folder of the study.
    key : str
        Name of the cell, as `Cell.key`.
    results : DataFrame
        Measures, a row per split, with `RESULT_COLUMNS`.
    risks : DataFrame
        Risks of the test patients.
    """
    _write_risks(home / CELLS / f"{key}.parquet", risks)
    rows = results[list(RESULT_COLUMNS)].to_dict("records")
    known = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in rows]
    write_json(home / CELLS / f"{key}.json", known)


def finished_cells(home: Path) -> set[str]:
    """Keys of the cells that need not be computed again."""
    return {path.name.removesuffix(".json") for path in (home / CELLS).glob("*.json")}


def read_cells(home: Path, keys: Iterable[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results and risks of finished cells, in the given order."""
    results, risks = [], []
    for key in keys:
        rows = json.loads((home / CELLS / f"{key}.json").read_text("utf-8"))
        results.append(pd.DataFrame(rows, columns=list(RESULT_COLUMNS)))
        risks.append(pd.read_parquet(home / CELLS / f"{key}.parquet"))
    if not results:
        return pd.DataFrame(columns=list(RESULT_COLUMNS)), pd.DataFrame(columns=list(RISK_COLUMNS))
    # Measures that are undefined in a whole cell come as None: numbers again before joining.
    measures = RESULT_COLUMNS[RESULT_COLUMNS.index("c_index") :]
    numbers = [r.astype(dict.fromkeys(measures, "float64")) for r in results]
    return pd.concat(numbers, ignore_index=True), pd.concat(risks, ignore_index=True)


def write_tables(
    home: Path,
    *,
    results: pd.DataFrame,
    risks: pd.DataFrame,
    failed: pd.DataFrame,
    summary: StudySummary,
) -> None:
    """Write the tables that readers use; the summary last.

    Parameters
    ----------
    home : Path
        Folder of the study.
    results, risks : DataFrame
        Those of all finished cells, as in `write_cell`.
    failed : DataFrame
        Cells that failed or do not apply, with the reason.
    summary : StudySummary
        Of the results.
    """
    write_text(home / RESULTS, results[list(RESULT_COLUMNS)].to_csv(index=False))
    _write_risks(home / RISKS, risks)
    write_failed(home, failed)
    write_json(home / SUMMARY, summary.to_json())


def write_failed(home: Path, failed: pd.DataFrame) -> None:
    """Write the failed cells; no file where there are none."""
    if failed.empty:
        (home / FAILED).unlink(missing_ok=True)
        return
    write_text(home / FAILED, failed[list(FAILED_COLUMNS)].to_csv(index=False))


def write_json(path: Path, data: Any) -> None:
    """Write JSON that is never seen half-written."""
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def _write_risks(path: Path, risks: pd.DataFrame) -> None:
    with place_file(path) as draft:
        risks[list(RISK_COLUMNS)].to_parquet(draft, index=False)
