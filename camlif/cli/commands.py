"""Command line: ``python -m camlif`` with check, train, study, score, evaluate, validate, watch,
explain and simulate.

Folders and options go in; files, a report or JSON come out, with exit status 0. Names, options and
output columns are a contract: other programs call them. Bad input gives one line on standard error
and exit status 2.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from camlif.cli.console import (
    ClinicalOption,
    DataArgument,
    DeviceOption,
    ForceOption,
    JsonOption,
    ManifestOption,
    ModalitiesOption,
    ProgressOption,
    Scheme,
    choose_clinical,
    choose_modalities,
    errors,
    made_parent,
    output,
    progress_bar,
    read_manifest_option,
    require_placeable,
    require_writable,
    say,
    written_by_one,
)
from camlif.cli.reading import (
    RepairOption,
    cohort_folder,
    keep_problems,
    print_report,
    read_cohort,
    suitability,
    tell_problems,
)
from camlif.cli.study import study
from camlif.cli.validate import validate
from camlif.cli.watch import watch
from camlif.config import PRESETS, PRODUCT_PRESET, RunConfig
from camlif.data.cohort import Cohort
from camlif.data.reading.readers import folder_files
from camlif.data.reading.repairs import mend, options_for
from camlif.exceptions import CamlifError, ConfigError, DataError
from camlif.files import write_text
from camlif.progress import Progress, kept_in
from camlif.wording import count, to_csv

if TYPE_CHECKING:
    from camlif.training.loop import TrainingProgress

EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="CA-MLIF: multimodal survival models. Research use only, not a medical device.",
)
app.command()(study)
app.command()(validate)
app.command()(watch)


class Scenario(StrEnum):
    """Simulated cohorts."""

    GLIOMA = "glioma"
    LUAD = "luad"


ModelOption = Annotated[Path, typer.Option("--model", help="Model folder.")]


def main() -> None:
    """Run the command line; what the user can mend becomes one line and exit status 2."""
    # Before a command imports torch: its networks run slower on two threads than on one.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # mimalloc can crash in threads
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


@app.command()
def check(
    data: DataArgument,
    manifest: ManifestOption = None,
    repair: RepairOption = None,
    model: Annotated[
        Path | None, typer.Option(help="Also check whether this model folder suits the tables.")
    ] = None,
    write_manifest: Annotated[
        Path | None, typer.Option(help="Save the mapping, with the repairs, as cohort.toml.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is in a cohort folder, its problems and how to mend them. Exit 0 usable, 2 not."""
    with cohort_folder(data) as folder, progress_bar(quiet=as_json) as update:
        _, report, applied = mend(
            folder_files(folder),
            repair or (),
            manifest=read_manifest_option(manifest),
            title=Path(data).resolve().name,
            look=suitability(model),
            progress=update,
        )
    if write_manifest is not None:
        require_writable(write_manifest, force=force)
        _write(write_manifest, report.manifest.to_toml())
    if as_json:
        repaired = [option.flag for option in applied]
        offers = [[o.flag for o in options_for(p, report)] for p in report.problems]
        found = report.to_json() | {"repaired": repaired, "repairs": offers}
        output.print_json(json.dumps(found))
    else:
        print_report(report, applied)
    raise typer.Exit(0 if report.usable else EXIT_UNUSABLE)


@app.command()
def train(
    data: DataArgument,
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = PRODUCT_PRESET,
    splits: Annotated[int, typer.Option(min=2, help="Members of the ensemble.")] = 15,
    split_scheme: Annotated[Scheme, typer.Option()] = Scheme.COVERING,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Default of this and the next: the preset's.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=0, help="0: the whole training part.")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Token width d; default: the preset's.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Train members in so many; default: one a core.")
    ] = None,
    device: DeviceOption = "auto",
    modalities: ModalitiesOption = "all",
    clinical: ClinicalOption = "age,sex",
    select_top: Annotated[
        int | None, typer.Option(min=1, help="Keep the strongest columns of each modality.")
    ] = None,
    manifest: ManifestOption = None,
    repair: RepairOption = None,
    keep_tokens: Annotated[
        bool,
        typer.Option(
            "--keep-tokens",
            help="Keep keyed digests of the identifiers, to recognise training patients by.",
        ),
    ] = False,
    progress: ProgressOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the ensemble by cross-validation and write a model folder.

    Interrupted, the same command again goes on with the members that are not finished.
    """
    from camlif.explain.verdicts import check_model
    from camlif.model.fit import train as train_bundle

    wanted = {"epochs": epochs, "batch_size": batch_size, "select_top": select_top}
    config = RunConfig.from_preset(
        preset,
        network={} if width is None else {"width": width},
        splits=splits,
        split_scheme="covering" if split_scheme is Scheme.COVERING else "monte_carlo",
        seed=seed,
        **{name: value for name, value in wanted.items() if value is not None},
    )
    require_placeable(out, force=force)
    with written_by_one(out) as kept, kept_in(progress) as keep:
        checked = read_cohort(data, manifest, repair=repair or (), quiet=as_json)
        cohort = checked.cohort
        if not as_json:
            tell_problems(checked)
        cohort = cohort.select(
            modalities=choose_modalities(modalities), clinical=choose_clinical(clinical, cohort)
        )
        with progress_bar(count(splits, "member"), quiet=as_json) as update:

            def tell(now: TrainingProgress) -> None:
                message = f"loss {now.loss:.3f}"
                left = now.seconds * (now.epochs - now.epoch) / now.epoch
                keep(Progress.running(now.epoch, now.epochs, left, message))
                update(now.epoch, now.epochs, message)

            bundle = train_bundle(
                cohort,
                config,
                name=out.resolve().name,
                device=device,
                progress=tell,
                processes=processes,
                keep_tokens=keep_tokens,
                keep=kept,
                reproduce=f"python -m camlif {shlex.join(_reproducing(sys.argv[1:]))}",
            )
        bundle = check_model(bundle, cohort)
        bundle.save(out)
    if not as_json:
        keep_problems(checked, beside=out)
    card = bundle.card
    if as_json:
        output.print_json(data=card.model_dump(mode="json") | {"problems": checked.problems})
        return
    d = card.discrimination
    say(
        f"{out}: C-index {d.mean:.3f}, SD {d.sd:.3f}, 95 % interval {d.interval.low:.3f} to "
        f"{d.interval.high:.3f} over {card.training.splits} {card.training.split_scheme} splits; "
        f"{card.training.parameters_per_member:,} parameters a member; "
        f"{card.training.seconds:.0f} s on {card.training.device}"
    )


def _reproducing(arguments: list[str]) -> list[str]:
    """Arguments that determine a result: where its progress is kept does not."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and not argument.startswith("--progress="):
            kept.append(argument)
        skip = argument == "--progress"
    return [argument for argument in kept if argument != "--progress"]


@app.command()
def score(
    data: DataArgument,
    model: ModelOption,
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    missing: Annotated[str, typer.Option(help="Modalities to treat as missing.")] = "",
    device: DeviceOption = "auto",
    manifest: ManifestOption = None,
    repair: RepairOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score patients; those that cannot be scored stay in the file with the reason.

    Interrupted, the same command again goes on where it stopped.
    """
    from camlif.model.bundle import load_bundle
    from camlif.model.score_file import write_scores
    from camlif.model.scoring import OUT_OF_MEMORY
    from camlif.model.sentences import closed_words, hidden_sentence

    require_writable(out, force=force)
    bundle = load_bundle(model, device=device)
    absent = tuple(name.strip() for name in missing.split(",") if name.strip())
    look = suitability(model, missing=absent)
    checked = read_cohort(data, manifest, repair=repair or (), look=look, quiet=as_json)
    start = time.perf_counter()
    with made_parent(out), progress_bar("scoring", quiet=as_json) as update:
        if not as_json:
            tell_problems(checked)
        written = write_scores(bundle, checked.cohort, out, missing=absent, progress=update)
    if not as_json:
        keep_problems(checked, beside=out)
    summary = {
        "patients": written.patients,
        "scored": written.scored,
        "heldout": written.heldout,
        "unclear": written.unclear,
        "unlike": written.unlike,
        "contradicted": list(written.contradicted),
        "device": written.device,
        "seconds": round(time.perf_counter() - start, 2),
        "out": str(out),
        "time_unit": "months",
        "problems": checked.problems,
    }
    if as_json:
        output.print_json(json.dumps(summary))
        return
    say(
        f"{out}: {written.scored} of {count(written.patients, 'patient')} scored on "
        f"{written.device} in {summary['seconds']:.1f} s; {written.heldout} were in the training "
        "cohort and have held-out risks"
    )
    if written.unclear:
        patients = count(written.unclear, "patient")
        say(f"Of {patients} it cannot be told whether they were; the column warnings says why.")
    unscored = written.patients - written.scored
    if unscored:
        patients = count(unscored, "patient has", "patients have")
        say(f"E-32: {patients} no score; the column warnings says why.")
    if written.unlike:
        patients = count(written.unlike, "patient is", "patients are")
        say(
            f"E-33: {patients} unlike the training data; the column warnings says in what. "
            "Treat these scores as unreliable."
        )
    if written.device != str(bundle.device):
        say(OUT_OF_MEMORY)
    for gate in bundle.reference.whole.gates:
        if not gate.open:
            say(hidden_sentence(gate.horizon, closed_words(gate)))
    for sentence in written.contradicted:
        say(sentence)


@app.command()
def evaluate(
    data: DataArgument,
    model: ModelOption,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    device: DeviceOption = "auto",
    manifest: ManifestOption = None,
    repair: RepairOption = None,
    force: ForceOption = False,
) -> None:
    """Report C-index, log-rank and calibration on a cohort with outcome, as JSON."""
    from camlif.model.bundle import load_bundle
    from camlif.model.evaluation import evaluate as evaluate_bundle

    if out is not None:
        require_writable(out, force=force)
    bundle = load_bundle(model, device=device)
    checked = read_cohort(data, manifest, repair=repair or (), look=suitability(model))
    tell_problems(checked)
    report = evaluate_bundle(bundle, checked.cohort) | {"problems": checked.problems}
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
    repair: RepairOption = None,
    force: ForceOption = False,
) -> None:
    """Write contributions of modalities, feature groups and features to each log risk."""
    from camlif.explain import explain_features, explain_modalities
    from camlif.model.bundle import load_bundle

    require_writable(out, force=force)
    bundle = load_bundle(model, device=device)
    checked = read_cohort(data, manifest, repair=repair or (), look=suitability(model))
    cohort = checked.cohort
    rows = _rows(cohort, patient)
    tell_problems(checked)
    with progress_bar("explaining") as update:
        modalities = explain_modalities(bundle, cohort, rows)
        features = explain_features(bundle, cohort, rows, method=method, seed=seed, progress=update)
    ids = cohort.patient_ids[rows]
    # Joined as text: frames of all-empty columns beside numbers have no common type.
    text = to_csv(modalities.to_frame(ids)), to_csv(features.to_frame(ids))
    _write(out, text[0] + text[1].split("\n", 1)[1])
    keep_problems(checked, beside=out)
    say(f"{out}: {count(len(rows), 'patient')}")


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
    force: ForceOption = False,
) -> None:
    """Write a simulated cohort with known truth; the oracle C-index stands beside the tables."""
    from camlif.data.simulator import simulate as draw
    from camlif.data.simulator import write_simulated

    require_placeable(out, force=force)
    simulated = draw(scenario.value, n_patients=patients, seed=seed)
    write_simulated(simulated, out)
    c_index = simulated.truth.oracle_c_index
    say(f"{out}: {count(patients, 'simulated patient')}, oracle C-index {c_index:.3f}")


def _write(path: Path, text: str) -> None:
    try:
        with made_parent(path):
            write_text(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
