"""Commands, refusals and time estimates of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camlif.data.cohort import Cohort
from camlif.data.reading.readers import load_cohort
from camlif.exceptions import ConfigError
from camlif.model.installed import InstalledModel
from camlif.study import StudySummary, VariantSummary
from dashboard.runs import run_requests as runs
from dashboard.runs.run_requests import RunSource, StudyChoice, TrainingChoice
from tests.builders.bundles import tiny_bundle
from tests.builders.cohorts import make_cohort

TRAINING = TrainingChoice(preset="default", splits=5, epochs=None, seed=3, device="cpu")
STUDY = StudyChoice(methods=("camlif", "coxnet"), heads="both", splits=5, epochs=2, seed=0)


def source(sample: str | None = "glioma") -> RunSource:
    return RunSource(cohort=make_cohort(120, clinical=True), digest="d", sample=sample)


def test_a_training_becomes_a_command() -> None:
    request = runs.training_request(source(), TRAINING, "mine")
    assert " ".join(request.arguments) == (
        "train glioma --out ../../models/mine --preset default --splits 5 --seed 3 --device cpu"
    )
    assert request.result == "../../models/mine"
    assert not request.private
    with_epochs = runs.training_request(source(), replace(TRAINING, epochs=7), "mine")
    assert "--epochs 7" in " ".join(with_epochs.arguments)


def test_a_study_becomes_a_command() -> None:
    request = runs.study_request(source(), STUDY)
    assert " ".join(request.arguments) == (
        "study glioma --out study --methods camlif,coxnet --heads both --splits 5 --epochs 2 "
        "--seed 0"
    )
    assert request.result == "study"


def test_another_name_seed_or_cohort_is_another_training() -> None:
    first = runs.training_request(source(), TRAINING, "a").fingerprint
    assert runs.training_request(source(), TRAINING, "a").fingerprint == first
    assert runs.training_request(source(), TRAINING, "b").fingerprint != first
    assert runs.training_request(source(), replace(TRAINING, seed=4), "a").fingerprint != first
    other = replace(source(), digest="e")
    assert runs.training_request(other, TRAINING, "a").fingerprint != first


def test_an_upload_is_written_for_its_run_and_read_from_there(tmp_path: Path) -> None:
    upload = source(sample=None)
    request = runs.training_request(upload, TRAINING, "mine")
    assert request.private
    assert request.arguments[1] == "cohort"
    upload.write(tmp_path)
    read = load_cohort(tmp_path)
    assert read.patient_ids.tolist() == upload.cohort.patient_ids.tolist()
    assert read.schema == upload.cohort.schema


@pytest.mark.parametrize(
    ("n", "event_share", "refused"), [(100, 0.6, False), (99, 0.6, True), (120, 0.1, True)]
)
def test_a_cohort_that_is_too_small_is_refused(n: int, event_share: float, refused: bool) -> None:
    cohort = make_cohort(n, event_share=event_share)
    reason = runs.refusal(cohort)
    assert (reason is not None) == refused
    if reason is not None:
        assert cohort.event is not None
        assert f"has {n} and {int(cohort.event.sum())}." in reason


def test_patients_without_follow_up_do_not_count() -> None:
    cohort = make_cohort(110)
    assert cohort.duration is not None
    duration = np.where(np.arange(110) < 11, np.nan, cohort.duration)
    assert "has 99" in str(runs.refusal(replace(cohort, duration=duration)))
    assert "has 0 and 0" in str(runs.refusal(replace(cohort, duration=None, event=None)))


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "a/b", "x" * 41, "é"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        runs.check_name(name, [])


def test_a_name_in_use_is_refused_and_a_free_one_proposed() -> None:
    with pytest.raises(ConfigError, match="glioma already"):
        runs.check_name("glioma", ["glioma"])
    assert runs.free_name("glioma", []) == "glioma"
    assert runs.free_name("glioma", ["glioma", "glioma_2"]) == "glioma_3"
    assert runs.free_name("../", []) == "model"
    runs.check_name(runs.free_name("A name: too long " * 5, []), [])


# Estimates


def model(cohort: Cohort, *, seconds: float, **training: Any) -> InstalledModel:
    card = tiny_bundle().card
    return InstalledModel(
        path=Path("m"),
        schema=cohort.schema,
        card=card.model_copy(
            update={
                "data": card.data.model_copy(update={"n_patients": 100}),
                "training": card.training.model_copy(
                    update={"splits": 10, "epochs": 20, "seconds": seconds, **training}
                ),
            }
        ),
    )


def test_training_time_grows_with_splits_epochs_and_patients() -> None:
    cohort = make_cohort(200)
    models = [model(cohort, seconds=40.0, preset="default")]
    assert runs.estimate_training(TRAINING, cohort, models) == pytest.approx(60)
    choice = replace(TRAINING, splits=10, epochs=10)
    assert runs.estimate_training(choice, cohort, models) == pytest.approx(60)
    assert runs.estimate_training(TRAINING, cohort.take(range(50)), models) == pytest.approx(15)


def test_a_whole_run_on_this_machine_is_the_better_guide() -> None:
    cohort = make_cohort(100)
    slow = replace(model(cohort, seconds=4.0, preset="default"), path=Path("here").resolve())
    models = [model(cohort, seconds=4.0, preset="default"), slow]
    choice = replace(TRAINING, splits=10)
    assert runs.estimate_training(choice, cohort, models) == pytest.approx(6)
    assert runs.estimate_training(choice, cohort, models, {slow.path: 30.0}) == pytest.approx(30)


def test_the_best_guide_is_a_model_of_the_same_preset_and_columns() -> None:
    cohort = make_cohort(100)
    other = make_cohort(100, {"a": (2,), "b": (2,)})
    models = [
        model(cohort, seconds=1.0, preset="printed"),
        model(other, seconds=2.0, preset="default"),
        model(cohort, seconds=4.0, preset="default"),
    ]
    choice = replace(TRAINING, splits=10)
    assert runs.estimate_training(choice, cohort, models) == pytest.approx(6)
    assert runs.estimate_training(choice, cohort, models[:2]) == pytest.approx(3)
    assert runs.estimate_training(choice, cohort, []) is None
    assert runs.estimate_training(choice, cohort, [InstalledModel(path=Path("m"))]) is None


def summary(variant: str, seconds: float) -> StudySummary:
    row = VariantSummary(
        method="camlif",
        variant=variant,
        head="matched",
        family="camlif",
        title="",
        n_splits=10,
        mean=0.7,
        sd=None,
        low=None,
        high=None,
        half_width=None,
        strict_mean=0.7,
        ipcw_mean=None,
        ibs_mean=None,
        auc_means={},
        p_values=None,
        comparison=None,
        parameters=None,
        seconds=seconds,
    )
    return StudySummary(
        reference="",
        rows=(row,),
        not_applicable=(),
        n_cells=1,
        n_done=1,
        n_failed=0,
        notes=(),
    )


def test_a_study_takes_what_its_rows_took_before_else_what_a_training_takes() -> None:
    cohort = make_cohort(200)
    models = [model(cohort, seconds=40.0, preset="default")]
    choice = replace(STUDY, methods=("camlif:default", "camlif:printed"), splits=10, epochs=None)
    rows = runs.study_variants(choice, cohort)
    assert [r.variant for r in rows] == ["default", "printed"]
    network = 120.0  # twice the patients of the card, half as long again for the checks
    assert runs.estimate_study(choice, cohort, models, []) == pytest.approx(2 * network)
    measured = [(summary("printed", 500.0), 100)]
    assert runs.estimate_study(choice, cohort, models, measured) == pytest.approx(network + 1000)
    assert runs.estimate_study(choice, cohort, [], measured) is None


def test_a_method_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="Unknown method"):
        runs.study_variants(replace(STUDY, methods=("nothing",)), make_cohort(100))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 second"),
        (89, "89 seconds"),
        (90, "2 minutes"),
        (3000, "50 minutes"),
        (12600, "3.5 hours"),
    ],
)
def test_times_are_said_as_people_do(seconds: float, said: str) -> None:
    assert runs.say_seconds(seconds) == said
