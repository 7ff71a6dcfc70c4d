"""From what is chosen on the Runs page to a run: commands, refusals, time estimates.

Choices and a cohort go in; a `JobRequest`, a reason why not, or seconds come out. Raises
`ConfigError` for a name that is taken or no folder's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from camlif.config import RunConfig
from camlif.data.cohort import Cohort
from camlif.data.reading.writing import write_cohort
from camlif.exceptions import ConfigError
from camlif.model.installed import InstalledModel
from camlif.study import StudySettings, StudySummary
from camlif.study.methods import ClassicalRun, Variant, select_variants
from camlif.wording import count
from dashboard.runs.run_folder import TABLES, JobRequest

MIN_PATIENTS, MIN_EVENTS = 100, 30
"""Fewer are not trained on: held-out estimates would say nothing."""
DEVICES = ("auto", "cpu", "cuda", "mps")
HEADS = ("matched", "native", "both")
CLASSICAL_SECONDS = 2.0
"""A classical model on one split, where no study has measured it."""
WHOLE_RUN = 1.5
"""A whole run beside the training of its members: calibration, recognition, explanations. 295 of
199 s for the sample glioma, 167 of 114 s for TRANSBIG, in two processes."""
MODELS = "../../models"
STUDY = "study"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSource:
    """The cohort of a run.

    Attributes
    ----------
    cohort : Cohort
    digest : str
    sample : str or None
        Key of a sample cohort; None for an upload.
    """

    cohort: Cohort
    digest: str
    sample: str | None

    @property
    def argument(self) -> str:
        """DATA of the command line."""
        return self.sample or TABLES

    def write(self, folder: Path) -> None:
        """Write an upload's tables for its run."""
        write_cohort(self.cohort, folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingChoice:
    """A training as chosen; ``epochs`` None are the preset's own."""

    preset: str
    splits: int
    epochs: int | None
    seed: int
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyChoice:
    """A study as chosen."""

    methods: tuple[str, ...]
    heads: str
    splits: int
    epochs: int | None
    seed: int


def refusal(cohort: Cohort) -> str | None:
    """Say why a cohort is not trained on; None if it may be."""
    known = cohort.with_outcome
    n = int(known.sum())
    events = 0 if cohort.event is None else int(cohort.event[known].sum())
    if n >= MIN_PATIENTS and events >= MIN_EVENTS:
        return None
    return (
        f"At least {MIN_PATIENTS} patients with an outcome and {MIN_EVENTS} events are needed; "
        f"this cohort has {n:,} and {events:,}."
    )


def check_name(name: str, taken: Iterable[str]) -> None:
    """Require a free name that is safe as a folder's.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError("A name has up to 40 letters, digits, - and _, a letter or digit first.")
    if name in set(taken):
        raise ConfigError(f"There is a model {name} already. Choose another name.")


def free_name(stem: str, taken: Iterable[str]) -> str:
    """Return a stem with the first free number: ``glioma_2``."""
    used = set(taken)
    clean = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")[:30] or "model"
    number = 2
    while f"{clean}_{number}" in used:
        number += 1
    return clean if clean not in used else f"{clean}_{number}"


def training_request(source: RunSource, choice: TrainingChoice, name: str) -> JobRequest:
    """Return the run that trains a model.

    Parameters
    ----------
    source : RunSource
        The cohort, as the command line takes it.
    choice : TrainingChoice
        Settings of the form.
    name : str
        Of the new model's folder.
    """
    arguments = ["train", source.argument, "--out", f"{MODELS}/{name}", "--preset", choice.preset]
    arguments += _options(splits=choice.splits, epochs=choice.epochs, seed=choice.seed)
    return JobRequest(
        kind="train",
        title=source.cohort.info.title,
        cohort_digest=source.digest,
        arguments=(*arguments, "--device", choice.device),
        settings=asdict(choice),
        result=f"{MODELS}/{name}",
        private=source.sample is None,
    )


def study_request(source: RunSource, choice: StudyChoice) -> JobRequest:
    """Return the run that compares methods."""
    arguments = ["study", source.argument, "--out", STUDY]
    arguments += ["--methods", ",".join(choice.methods), "--heads", choice.heads]
    arguments += _options(splits=choice.splits, epochs=choice.epochs, seed=choice.seed)
    return JobRequest(
        kind="study",
        title=source.cohort.info.title,
        cohort_digest=source.digest,
        arguments=tuple(arguments),
        settings={**asdict(choice), "methods": list(choice.methods)},
        result=STUDY,
        private=source.sample is None,
    )


def _options(**values: int | None) -> list[str]:
    return [
        part
        for name, value in values.items()
        if value is not None
        for part in (f"--{name}", str(value))
    ]


def study_variants(choice: StudyChoice, cohort: Cohort) -> tuple[Variant, ...]:
    """Return the rows that a study would have.

    Raises
    ------
    ConfigError
        For a name that stands for nothing, or fewer than two splits.
    """
    settings = StudySettings(
        data="",
        methods=choice.methods,
        heads=choice.heads,  # type: ignore[arg-type]  # checked by the record
        splits=choice.splits,
        seed=choice.seed,
        epochs=choice.epochs,
    )
    return select_variants(settings, cohort.schema)


def estimate_training(
    choice: TrainingChoice,
    cohort: Cohort,
    models: Sequence[InstalledModel],
    here: Mapping[Path, float] = MappingProxyType({}),
) -> float | None:
    """Estimate seconds from trained models; None where there is no card to go by.

    Time grows with splits, epochs and patients. The best guide is a model of the same preset, of
    those one trained here, then one of the same columns. Other machines may be faster by far.

    Parameters
    ----------
    choice : TrainingChoice
        Settings of the form.
    cohort : Cohort
        To train on.
    models : sequence of InstalledModel
        Whose cards say how long their members took.
    here : mapping of model folder to seconds
        What whole runs took on this machine.
    """
    cards = [(m, m.card) for m in models if m.card is not None]
    if not cards:
        return None
    guide, card = max(
        cards,
        key=lambda pair: (
            pair[1].training.preset == choice.preset,
            pair[0].path.resolve() in here,
            pair[0].schema == cohort.schema,
            pair[1].data.n_patients,
        ),
    )
    training = card.training
    same = training.preset == choice.preset
    usual = training.epochs if same else RunConfig.from_preset(choice.preset).training.epochs
    epochs = choice.epochs or usual
    seconds = here.get(guide.path.resolve(), WHOLE_RUN * training.seconds)
    unit = seconds / (training.splits * training.epochs * card.data.n_patients)
    return unit * choice.splits * epochs * int(cohort.with_outcome.sum())


def estimate_study(
    choice: StudyChoice,
    cohort: Cohort,
    models: Sequence[InstalledModel],
    measured: Sequence[tuple[StudySummary, int]],
    here: Mapping[Path, float] = MappingProxyType({}),
) -> float | None:
    """Estimate seconds from finished studies, and from trained models where none has a method.

    Parameters
    ----------
    choice, cohort, models, here
        As in `estimate_training`.
    measured : sequence of (summary, number of patients)
        Of studies on this machine.

    Returns
    -------
    float or None
        None where a network has nothing to go by.

    Raises
    ------
    ConfigError
        As `study_variants`.
    """
    n = int(cohort.with_outcome.sum())
    rates = {
        row.key: row.seconds / (row.n_splits * patients)
        for summary, patients in measured
        for row in summary.rows
        if row.n_splits and patients
    }
    network = estimate_training(
        TrainingChoice(
            preset="default", splits=choice.splits, epochs=choice.epochs, seed=0, device="cpu"
        ),
        cohort,
        models,
        here,
    )
    total = 0.0
    for variant in study_variants(choice, cohort):
        if variant.key in rates:
            total += rates[variant.key] * choice.splits * n
        elif isinstance(variant.run, ClassicalRun):
            total += CLASSICAL_SECONDS * choice.splits
        elif network is None:
            return None
        else:
            total += network
    return total


def say_seconds(seconds: float) -> str:
    """Say a time as people do: ``40 seconds``, ``12 minutes``, ``3.5 hours``."""
    if seconds < 90:
        n = max(1, round(seconds))
        return count(n, "second")
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
