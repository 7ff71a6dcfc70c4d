"""What the commands share: the terminal, choices, checking targets, telling progress.

Texts of the command line go in; choices and open files come out. Raises `ConfigError` where a
target must not be written.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from camlif.data.cohort import DEFAULT_CLINICAL, Cohort
from camlif.data.manifest import Manifest, read_manifest
from camlif.data.products import product_of
from camlif.data.samples import SAMPLES
from camlif.exceptions import ConfigError
from camlif.files import obstacle, only_writer

MAX_HEADER = 1_000_000
"""Bytes of a first line: a table of thousands of columns."""

output = Console()
errors = Console(stderr=True)


class Scheme(StrEnum):
    """Split schemes by their command-line names."""

    COVERING = "covering"
    MONTE_CARLO = "monte-carlo"


DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help=f"Cohort folder, or a sample: {', '.join(SAMPLES)}.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
ManifestOption = Annotated[
    Path | None, typer.Option(help="cohort.toml to use instead of the folder's own.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
ModalitiesOption = Annotated[str, typer.Option(help="all, or names separated by commas.")]
ClinicalOption = Annotated[str, typer.Option(help="Names, all or none.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]
ProgressOption = Annotated[
    Path | None, typer.Option("--progress", help="JSON file to keep the progress in.")
]


def read_manifest_option(path: Path | None) -> Manifest | None:
    """Read the manifest of ``--manifest``, if given."""
    return None if path is None else read_manifest(path)


def choose_modalities(wanted: str) -> list[str] | None:
    """Resolve ``--modalities``; None stands for all."""
    return None if wanted == "all" else [name.strip() for name in wanted.split(",")]


def choose_clinical(wanted: str, cohort: Cohort) -> tuple[str, ...]:
    """Resolve ``--clinical``: names, ``all`` or ``none``; the default takes what exists."""
    available = tuple(column.name for column in cohort.schema.clinical)
    if wanted == "all":
        return available
    if wanted == "none":
        return ()
    names = tuple(name.strip() for name in wanted.split(",") if name.strip())
    if names == DEFAULT_CLINICAL:
        return tuple(name for name in names if name in available)
    return names


def say(text: str) -> None:
    """Print a line as it is: no markup from a file's names, no wrapping in a pipe."""
    output.print(text, markup=False, highlight=False, soft_wrap=True)


def require_placeable(folder: Path, *, force: bool) -> None:
    """Fail before the work where a folder cannot be written whole, or holds something already."""
    reason = obstacle(folder)
    if reason is not None:
        raise ConfigError(f"{folder} cannot be written: {reason}.")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty. Name another folder, or replace it by --force.")


def require_writable(path: Path, *, force: bool) -> None:
    """Fail before the work where a file cannot be written, or would replace what is no result.

    A result of this program is replaced; an input, another table, a manifest only by ``--force``.
    """
    if path.is_dir():
        raise ConfigError(f"{path} cannot be written: it is a folder.")
    parent = next(folder for folder in path.resolve().parents if folder.exists())
    if not parent.is_dir():
        raise ConfigError(f"{path} cannot be written: {parent} is no folder.")
    if not os.access(parent, os.W_OK):
        raise ConfigError(f"{path} cannot be written: permission denied.")
    if path.exists() and not force and not _is_result(path):
        raise ConfigError(
            f"{path} exists and is no result of this program. Name another file, or replace it by "
            "--force."
        )


def _is_result(path: Path) -> bool:
    """Whether a file is a table or report that this program wrote."""
    if path.suffix.lower() == ".json":
        try:
            return {"c_index", "calibration"} <= set(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return False
    with path.open("rb") as file:
        first = file.readline(MAX_HEADER).decode("utf-8", "replace")
    return not first.strip() or product_of(first.split(",")) is not None


@contextmanager
def made_parent(path: Path) -> Iterator[None]:
    """Make the folder of a file; what is still empty after a failure is removed again."""
    missing = [folder for folder in path.resolve().parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def progress_bar(description: str = "", *, quiet: bool = False) -> Iterator[Any]:
    """Show a bar on a terminal's standard error; yields a function of (done, total, note)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=errors, transient=True, disable=quiet or not errors.is_terminal
    ) as bar:
        task = bar.add_task(description, total=None)

        def update(done: int, total: int, note: str = "") -> None:
            said = escape(f"{description} {note}".strip())
            bar.update(task, completed=done, total=total, description=said)

        yield update


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a request to end, as a dashboard sends it, end a command like Ctrl-C does."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def written_by_one(model: Path) -> Iterator[Path]:
    """Let nobody else write a model folder; yield the folder of its finished members.

    It is gone when the model is whole. Interrupted, say what is kept there.
    """
    from camlif.training.kept import drop_kept, kept_beside

    folder = kept_beside(model)
    with made_parent(model), only_writer(model), interruptible():
        try:
            yield folder
        except KeyboardInterrupt as stop:
            for note in getattr(stop, "__notes__", ()):
                errors.print(note, markup=False, highlight=False, soft_wrap=True)
            raise
        drop_kept(folder)
