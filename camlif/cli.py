"""Command line: ``python -m camlif`` with check, train, score, evaluate, explain and simulate.

Names, options and output columns are a contract: other programs call them. Bad input gives one line
on standard error and exit status 2.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from typer.exceptions import TyperException

from camlif.config import PRESETS, NetworkConfig, RunConfig, TrainConfig
from camlif.data.checks import CheckReport
from camlif.data.cohort import Cohort
from camlif.data.manifest import Manifest, read_manifest
from camlif.data.readers import check_folder, load_cohort
from camlif.data.samples import SAMPLES, load_sample
from camlif.exceptions import CamlifError, ConfigError, DataError
from camlif.exports import to_csv

EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130
DEFAULT_CLINICAL = ("age", "sex")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="CA-MLIF: multimodal survival models. Research use only, not a medical device.",
)
output = Console()
errors = Console(stderr=True)


class Scheme(StrEnum):
    """Split schemes by their command-line names."""

    COVERING = "covering"
    MONTE_CARLO = "monte-carlo"


class Scenario(StrEnum):
    """Simulated cohorts."""

    GLIOMA = "glioma"
    LUAD = "luad"


DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help=f"Cohort folder, or a sample: {', '.join(SAMPLES)}.")
]
ModelOption = Annotated[Path, typer.Option("--model", help="Model folder.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
ManifestOption = Annotated[
    Path | None, typer.Option(help="cohort.toml to use instead of the folder's own.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def main() -> None:
    """Run the command line; what the user can mend becomes one line and exit status 2."""
    # Before a command imports torch: its networks run slower on two threads than on one.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        status = app(standalone_mode=False)
    except typer.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does: not an error to report.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_INTERRUPTED)
    except CamlifError as error:
        _fail(str(error))
    except TyperException as error:
        _fail(error.format_message() if isinstance(error, typer.BadParameter) else str(error))
    except OSError as error:
        _fail(f"{error.filename or 'A file'}: {error.strerror or error}.")
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    line = " ".join(message.split())
    if line:
        errors.print(line, markup=False, highlight=False, soft_wrap=True)
    sys.exit(EXIT_UNUSABLE)


def _manifest(path: Path | None) -> Manifest | None:
    return None if path is None else read_manifest(path)


def _cohort(data: str, manifest: Path | None = None) -> Cohort:
    """Read a cohort folder, or a sample by its name where no folder has that name."""
    path = Path(data)
    if data in SAMPLES and not path.exists():
        return load_sample(data)
    return load_cohort(path, manifest=_manifest(manifest))


@contextmanager
def _progress(description: str, *, quiet: bool = False) -> Iterator[Any]:
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
            bar.update(task, completed=done, total=total, description=f"{description} {note}")

        yield update


@app.command()
def check(data: DataArgument, manifest: ManifestOption = None, as_json: JsonOption = False) -> None:
    """Say what is in a cohort folder, its problems and how to mend them. Exit 0 usable, 2 not."""
    report = check_folder(Path(data), manifest=_manifest(manifest))
    if as_json:
        output.print_json(json.dumps(report.to_json()))
    else:
        _print_report(report)
    raise typer.Exit(0 if report.usable else EXIT_UNUSABLE)


def _print_report(report: CheckReport) -> None:
    table = Table("file", "read as", "rows", "columns")
    for file in report.files:
        role = f"{file.role}: {file.modality}" if file.modality else file.role
        table.add_row(file.name, role, f"{file.n_rows:,}", f"{file.n_columns:,}")
    output.print(table)
    for problem in report.problems:
        _say(" ".join(filter(None, (problem.severity, problem.code, problem.line))))
    if report.flow is not None:
        have = ", ".join(f"{name} {n:,}" for name, n in report.flow.patients.items())
        _say(f"{report.flow.n_patients:,} patients ({have}); {report.flow.n_complete:,} have all.")
    if report.outcome is not None:
        outcome = report.outcome.to_json()
        _say(f"{outcome['events']:,} events in {outcome['patients']:,} patients with follow-up.")
    _say("usable" if report.usable else "not usable")


def _say(text: str) -> None:
    """Print a line as it is: no markup from a file's names, no wrapping in a pipe."""
    output.print(text, markup=False, highlight=False, soft_wrap=True)


def _clinical_inputs(wanted: str, cohort: Cohort) -> tuple[str, ...]:
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


@app.command()
def train(
    data: DataArgument,
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = "default",
    splits: Annotated[int, typer.Option(min=2, help="Members of the ensemble.")] = 15,
    split_scheme: Annotated[Scheme, typer.Option()] = Scheme.COVERING,
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    batch_size: Annotated[int, typer.Option(min=0, help="0: the whole training part.")] = 16,
    width: Annotated[int | None, typer.Option(help="Token width d; default: the preset's.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: DeviceOption = "auto",
    modalities: Annotated[str, typer.Option(help="all, or names separated by commas.")] = "all",
    clinical: Annotated[str, typer.Option(help="Names, all or none.")] = "age,sex",
    select_top: Annotated[
        int | None, typer.Option(min=1, help="Keep the strongest columns of each modality.")
    ] = None,
    manifest: ManifestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the ensemble by Monte Carlo cross-validation and write a model folder."""
    from camlif.bundle import train as train_bundle

    cohort = _cohort(data, manifest)
    cohort = cohort.select(
        modalities=None if modalities == "all" else [m.strip() for m in modalities.split(",")],
        clinical=_clinical_inputs(clinical, cohort),
    )
    network = {} if width is None else {"width": width}
    config = RunConfig(
        network=NetworkConfig.from_preset(preset, **network),
        training=TrainConfig(
            splits=splits,
            split_scheme="covering" if split_scheme is Scheme.COVERING else "monte_carlo",
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            select_top=select_top,
        ),
    )
    _require_writable(out, folder=True)
    command = f"python -m camlif {shlex.join(sys.argv[1:])}"
    with _progress(f"{splits} members", quiet=as_json) as update:
        bundle = train_bundle(
            cohort,
            config,
            name=out.resolve().name,
            device=device,
            progress=lambda p: update(p.epoch, p.epochs, f"loss {p.loss:.3f}"),
            reproduce=command,
        )
    bundle.save(out)
    card = bundle.card
    if as_json:
        output.print_json(card.model_dump_json())
        return
    d = card.discrimination
    _say(
        f"{out}: C-index {d.mean:.3f}, SD {d.sd:.3f}, 95 % interval {d.interval.low:.3f} to "
        f"{d.interval.high:.3f} over {card.training.splits} {card.training.split_scheme} splits; "
        f"{card.training.parameters_per_member:,} parameters a member; "
        f"{card.training.seconds:.0f} s on {card.training.device}"
    )


@app.command()
def score(
    data: DataArgument,
    model: ModelOption,
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    missing: Annotated[str, typer.Option(help="Modalities to treat as missing.")] = "",
    device: DeviceOption = "auto",
    manifest: ManifestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score patients; those that cannot be scored stay in the file with the reason."""
    from camlif.bundle import load_bundle

    _require_writable(out)
    bundle = load_bundle(model, device=device)
    cohort = _cohort(data, manifest)
    absent = tuple(name.strip() for name in missing.split(",") if name.strip())
    with _progress("scoring", quiet=as_json) as update:
        result = bundle.score(cohort, missing=absent, embed=False, progress=update)
    _write(out, to_csv(result.table))
    summary = {
        "patients": len(cohort),
        "scored": int(result.scored.sum()),
        "heldout": int((result.is_training & result.scored).sum()),
        "device": result.device,
        "seconds": round(result.seconds, 2),
        "out": str(out),
    }
    if as_json:
        output.print_json(json.dumps(summary))
        return
    _say(
        f"{out}: {summary['scored']} of {summary['patients']} patients scored on {result.device} "
        f"in {result.seconds:.1f} s; {summary['heldout']} were in the training cohort and have "
        "held-out risks"
    )


@app.command()
def evaluate(
    data: DataArgument,
    model: ModelOption,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    device: DeviceOption = "auto",
    manifest: ManifestOption = None,
) -> None:
    """Report C-index, log-rank and calibration on a cohort with outcome, as JSON."""
    from camlif.bundle import load_bundle
    from camlif.evaluation import evaluate as evaluate_bundle

    if out is not None:
        _require_writable(out)
    report = evaluate_bundle(load_bundle(model, device=device), _cohort(data, manifest))
    text = json.dumps(report, indent=1)
    if out is None:
        output.print_json(text)
    else:
        _write(out, text + "\n")


@app.command()
def explain(
    data: DataArgument,
    model: ModelOption,
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    method: Annotated[str, typer.Option(help="ig, deeplift, gradient_shap, ...")] = "ig",
    patient: Annotated[list[str] | None, typer.Option(help="Patient; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: DeviceOption = "auto",
    manifest: ManifestOption = None,
) -> None:
    """Write contributions of modalities, feature groups and features to each log risk."""
    from camlif.attribution import explain_features, explain_modalities
    from camlif.bundle import load_bundle

    _require_writable(out)
    bundle = load_bundle(model, device=device)
    cohort = _cohort(data, manifest)
    rows = _rows(cohort, patient)
    with _progress("explaining") as update:
        modalities = explain_modalities(bundle, cohort, rows)
        features = explain_features(bundle, cohort, rows, method=method, seed=seed, progress=update)
    ids = cohort.patient_ids[rows]
    # Joined as text: frames of all-empty columns beside numbers have no common type.
    text = to_csv(modalities.to_frame(ids)), to_csv(features.to_frame(ids))
    _write(out, text[0] + text[1].split("\n", 1)[1])
    _say(f"{out}: {len(rows)} patients")


def _rows(cohort: Cohort, patients: list[str] | None) -> Any:
    import numpy as np

    if not patients:
        return np.arange(len(cohort))
    position = {patient: row for row, patient in enumerate(cohort.patient_ids.tolist())}
    unknown = [p for p in patients if p not in position]
    if unknown:
        raise DataError(
            f"No patient {', '.join(unknown)} in the cohort.",
            column="patient_id",
            fix="Give identifiers as they stand in the first column.",
        )
    return np.array([position[p] for p in patients])


@app.command()
def simulate(
    scenario: Annotated[Scenario, typer.Argument()],
    out: Annotated[Path, typer.Option(help="Cohort folder to write.")],
    patients: Annotated[int, typer.Option(min=50)] = 480,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Write a simulated cohort with known truth; the oracle C-index stands beside the tables."""
    from camlif.data.simulator import simulate as draw
    from camlif.data.simulator import write_simulated

    _require_writable(out, folder=True)
    simulated = draw(scenario.value, n_patients=patients, seed=seed)
    write_simulated(simulated, out)
    c_index = simulated.truth.oracle_c_index
    _say(f"{out}: {patients} simulated patients, oracle C-index {c_index:.3f}")


def _require_writable(path: Path, *, folder: bool = False) -> None:
    """Fail before the work, not after it, where the result could not be written."""
    home = path if folder else path.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    if path.is_dir() != folder and path.exists():
        raise ConfigError(f"{path} cannot be written: it is {'no' if folder else 'a'} folder.")
    if not os.access(home, os.W_OK):
        raise ConfigError(f"{path} cannot be written: permission denied.")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
