"""A training that was interrupted goes on where it stopped, and comes to the same bytes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.cohort import Cohort
from camlif.data.splits import Splits, make_splits
from camlif.exceptions import ModelError
from camlif.training.engine import TrainingResult, _at_once, train_ensemble
from camlif.training.kept import KeptMembers, TrainedPart, drop_kept, kept_beside
from camlif.training.loop import TrainingProgress
from camlif.training.spread import MIN_MEMBERS, Part, plan_waves
from tests.builders.cohorts import make_cohort

COHORT = make_cohort(60, {"ct": (3, 4), "rna": (5,)}, gaps=0.1, clinical=True)
MEMBERS = 2 * MIN_MEMBERS + 1
WAVES = [Part(0, 5, MEMBERS), Part(5, MEMBERS, MEMBERS)]
EPOCHS = 2


def splits_of(cohort: Cohort) -> Splits:
    assert cohort.event is not None
    return make_splits(
        cohort.patient_ids, cohort.event, n_splits=MEMBERS, scheme="monte_carlo", seed=1
    )


class Watch:
    """Counts epochs, and interrupts the training at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.told: list[TrainingProgress] = []

    def __call__(self, now: TrainingProgress) -> None:
        self.told.append(now)
        if now.epoch == self.stop_at:
            raise KeyboardInterrupt


def train(
    keep: Path | None = None,
    *,
    watch: Watch | None = None,
    cohort: Cohort = COHORT,
    seed: int = 0,
    processes: int = 1,
) -> TrainingResult:
    config = RunConfig(
        network=NetworkConfig(width=16, dropout=0.3),
        training=TrainConfig(epochs=EPOCHS, seed=seed, modality_dropout=0.2),
    )
    return train_ensemble(
        cohort,
        config,
        splits_of(cohort),
        device=torch.device("cpu"),
        progress=watch,
        processes=processes,
        keep=keep,
    )


def assert_same(one: TrainingResult, two: TrainingResult) -> None:
    assert list(one.ensemble.parameters) == list(two.ensemble.parameters)
    for name, p in one.ensemble.parameters.items():
        assert torch.equal(p, two.ensemble.parameters[name]), name
    assert torch.equal(one.ensemble.offset, two.ensemble.offset)
    for name, columns in one.ensemble.columns.items():
        assert list(columns) == list(two.ensemble.columns[name])
        for key, values in columns.items():
            torch.testing.assert_close(
                values, two.ensemble.columns[name][key], rtol=0, atol=0, equal_nan=True
            )
    assert list(one.history) == list(two.history)
    for term, history in one.history.items():
        np.testing.assert_array_equal(history, two.history[term])


@pytest.fixture(scope="module")
def whole() -> TrainingResult:
    return train()


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """Members of a training that was interrupted in its second wave."""
    with pytest.raises(KeyboardInterrupt) as stop:
        train(tmp_path / "kept", watch=Watch(EPOCHS + 1))
    assert stop.value.__notes__ == [
        "Members 0 to 4 of 9 are kept (counted from 0): the same command goes on from there."
    ]
    return tmp_path / "kept"


@pytest.mark.parametrize("processes", [1, 2])
def test_a_resumed_training_equals_the_uninterrupted_one_to_the_byte(
    stopped: Path, whole: TrainingResult, processes: int
) -> None:
    watch = Watch()
    resumed = train(stopped, watch=watch, processes=processes)
    assert_same(resumed, whole)
    assert {now.epochs for now in watch.told} == {EPOCHS}  # of the one wave that was left
    watch = Watch()
    assert_same(train(stopped, watch=watch), whole)
    assert watch.told == []


def test_members_trained_one_wave_after_another_tell_their_progress_as_one(
    tmp_path: Path, whole: TrainingResult
) -> None:
    watch = Watch()
    assert_same(train(tmp_path / "kept", watch=watch), whole)
    assert [(now.epoch, now.epochs) for now in watch.told] == [(i, 4) for i in range(1, 5)]


def test_members_of_other_settings_or_data_are_not_taken(stopped: Path) -> None:
    assert COHORT.duration is not None
    later = replace(COHORT, duration=COHORT.duration * np.float64(1.5))
    for watch, change in ((Watch(), {"seed": 1}), (Watch(), {"cohort": later})):
        train(stopped, watch=watch, **change)  # type: ignore[arg-type]
        assert {now.epochs for now in watch.told} == {2 * EPOCHS}


def test_a_damaged_file_counts_as_none(stopped: Path, whole: TrainingResult) -> None:
    (file,) = stopped.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    watch = Watch()
    assert_same(train(stopped, watch=watch), whole)
    assert {now.epochs for now in watch.told} == {2 * EPOCHS}


def part_of(part: Part) -> TrainedPart:
    values = torch.arange(len(part), dtype=torch.float32) + part.first
    return TrainedPart(
        part=part,
        parameters={"weight": values},
        columns={"ct": {"mean": values}},
        offset=values,
        history={"cox": values.numpy()[None]},
        seconds=1.5,
    )


def test_a_process_that_ends_is_named_and_what_the_others_finish_is_kept(tmp_path: Path) -> None:
    kept = KeptMembers(folder=tmp_path, total=15, digest="0" * 64)
    queues = [[Part(4, 8, 15), Part(12, 15, 15)], [Part(8, 12, 15)]]

    def die() -> NoReturn:
        kept.add(part_of(Part(4, 8, 15)))
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def finish() -> list[TrainedPart]:
        time.sleep(1)  # until the other has ended
        kept.add(part_of(Part(8, 12, 15)))
        return []

    with pytest.raises(ModelError, match="members 12 to 14 was ended") as error:
        _at_once(list, [die, finish], queues, kept=kept)
    assert "Members 4 to 7 and 8 to 11 of 15 are kept" in str(error.value)
    assert [p.part for p in kept.found()] == [Part(4, 8, 15), Part(8, 12, 15)]
    assert kept.found()[0].seconds == 1.5


def test_none_kept_is_said() -> None:
    kept = KeptMembers(folder=Path("nowhere"), total=15, digest="0" * 64)
    assert kept.words() == "No member was finished, so that none is kept."


def test_the_folder_lies_hidden_beside_the_model_and_goes_whole(tmp_path: Path) -> None:
    folder = kept_beside(tmp_path / "model")
    assert folder == tmp_path.resolve() / ".model.members"
    KeptMembers(folder=folder, total=4, digest="0" * 64).add(part_of(Part(0, 4, 4)))
    drop_kept(folder)
    drop_kept(folder)
    assert list(tmp_path.iterdir()) == []


@given(total=st.integers(1, 40), processes=st.integers(1, 8), gone=st.sets(st.integers(0, 39)))
def test_waves_hold_every_member_that_is_left_once(
    total: int, processes: int, gone: set[int]
) -> None:
    left = [e for e in range(total) if e not in gone]
    queues = plan_waves(left, total, processes) if left else []
    found = [e for queue in queues for part in queue for e in range(part.first, part.stop)]
    assert sorted(found) == left
    assert len(queues) <= processes


def test_waves_of_a_whole_ensemble_are_even() -> None:
    assert plan_waves(range(MEMBERS), MEMBERS, 1) == [WAVES]
    two = plan_waves(range(15), 15, 2)
    assert [[len(part) for part in queue] for queue in two] == [[4, 4], [4, 3]]
