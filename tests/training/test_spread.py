"""Members spread over processes are the members of one stack."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import NoReturn

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import vmap

from camlif.config import NetworkConfig, RunConfig, TrainConfig
from camlif.data.splits import make_splits
from camlif.exceptions import EstimationError, ModelError
from camlif.networks.registry import AnyNetworkConfig
from camlif.networks.rivals.mcat import McatConfig
from camlif.training.engine import TrainingResult, _at_once, train_ensemble
from camlif.training.loop import TrainingProgress
from camlif.training.spread import MIN_MEMBERS, Part, share_masks, split_members
from tests.builders.cohorts import make_cohort

COHORT = make_cohort(60, {"ct": (3, 4), "rna": (5,)}, gaps=0.1, clinical=True)
MEMBERS = 2 * MIN_MEMBERS + 1


@given(total=st.integers(1, 60), processes=st.integers(1, 20))
def test_parts_cover_every_member_once_and_are_no_smaller_than_worth_it(
    total: int, processes: int
) -> None:
    parts = split_members(total, processes)

    assert [e for part in parts for e in range(part.first, part.stop)] == list(range(total))
    assert len(parts) <= processes
    sizes = [len(part) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert len(parts) == 1 or min(sizes) >= MIN_MEMBERS


def train(network: AnyNetworkConfig, processes: int, **training: object) -> TrainingResult:
    config = RunConfig(network=network, training=TrainConfig(**{"epochs": 2, **training}))
    splits = make_splits(
        COHORT.patient_ids, COHORT.event, n_splits=MEMBERS, scheme="monte_carlo", seed=1
    )
    return train_ensemble(COHORT, config, splits, device=torch.device("cpu"), processes=processes)


@pytest.mark.parametrize(
    ("network", "training"),
    [
        pytest.param(NetworkConfig(width=16, dropout=0.3), {}, id="paper"),
        pytest.param(
            NetworkConfig.from_preset("robust", width=16),
            {"batch_size": 0, "optimiser": "sgd"},
            id="robust",
            marks=pytest.mark.slow,
        ),
        pytest.param(McatConfig(), {}, id="rival", marks=pytest.mark.slow),
    ],
)
def test_two_processes_give_the_bytes_of_one(
    network: AnyNetworkConfig, training: dict[str, object]
) -> None:
    one, two = (train(network, processes, **training) for processes in (1, 2))

    for name, p in one.ensemble.parameters.items():
        assert torch.equal(p, two.ensemble.parameters[name]), name
    assert torch.equal(one.ensemble.offset, two.ensemble.offset)
    for name, columns in one.ensemble.columns.items():
        for key, values in columns.items():
            torch.testing.assert_close(
                values, two.ensemble.columns[name][key], rtol=0, atol=0, equal_nan=True
            )
    for term, values in one.history.items():
        np.testing.assert_array_equal(values, two.history[term])


def test_an_error_in_the_middle_is_told_and_leaves_no_process() -> None:
    def stop(_: TrainingProgress) -> None:
        raise KeyboardInterrupt

    config = RunConfig(network=NetworkConfig(width=16), training=TrainConfig(epochs=2))
    splits = make_splits(
        COHORT.patient_ids, COHORT.event, n_splits=MEMBERS, scheme="monte_carlo", seed=1
    )
    with pytest.raises(KeyboardInterrupt):
        train_ensemble(
            COHORT, config, splits, device=torch.device("cpu"), processes=2, progress=stop
        )


@pytest.mark.parametrize("kind", [nn.Dropout, nn.AlphaDropout])
@pytest.mark.parametrize("layout", [(2, 0, 1), (0, 1, 2)])
def test_the_masks_of_a_part_are_those_of_the_whole_with_their_gradients(
    kind: type[nn.Module], layout: tuple[int, ...]
) -> None:
    def run(part: Part) -> tuple[Tensor, Tensor]:
        network = nn.Sequential(kind(0.4))
        if not part.whole:
            share_masks(network, part)
        x = torch.linspace(-1, 1, 210).reshape(7, 5, 6).permute(layout).contiguous()
        x = x.permute(tuple(np.argsort(layout)))[part.first : part.stop].requires_grad_()
        torch.manual_seed(3)
        y = vmap(network, randomness="different")(x)
        (gradient,) = torch.autograd.grad((y * y).sum(), x)
        return y, gradient

    whole, part = run(Part(0, 7, 7)), run(Part(2, 6, 7))

    for all_members, some in zip(whole, part, strict=True):
        assert torch.equal(all_members[2:6], some)
    assert 0 < int((part[0] == 0).sum()) < part[0].numel() or kind is nn.AlphaDropout


def test_a_network_in_evaluation_drops_nothing() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    share_masks(network, Part(0, 2, 4))
    x = torch.ones(2, 3)

    assert torch.equal(network.eval()(x), network[1](x))


def test_part_sizes_do_not_change_the_batches() -> None:
    """Splits of unequal size: the part without the largest one draws as many batches."""
    splits = make_splits(
        COHORT.patient_ids, COHORT.event, n_splits=MEMBERS, scheme="monte_carlo", seed=1
    )
    fewer = splits.test.copy()
    fewer[-MIN_MEMBERS:, :14] = True
    splits = replace(splits, test=fewer)
    config = RunConfig(network=NetworkConfig(width=16), training=TrainConfig(epochs=1))
    one, two = (
        train_ensemble(COHORT, config, splits, device=torch.device("cpu"), processes=n).ensemble
        for n in (1, 2)
    )

    for name, p in one.parameters.items():
        assert torch.equal(p, two.parameters[name]), name


def test_a_process_that_the_system_ends_is_named_by_its_members() -> None:
    def die() -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    parts = split_members(2 * MIN_MEMBERS, 2)
    with pytest.raises(ModelError, match=f"members {MIN_MEMBERS} to {2 * MIN_MEMBERS - 1} was"):
        _at_once(list, [die], [parts[1:]])


def test_a_loss_that_is_not_finite_ends_the_training_and_is_named() -> None:
    config = RunConfig(
        network=NetworkConfig(width=16), training=TrainConfig(epochs=3, learning_rate=1e18)
    )
    splits = make_splits(COHORT.patient_ids, COHORT.event, n_splits=2, scheme="monte_carlo", seed=1)
    with pytest.raises(EstimationError, match=r"Member \d: the loss is not finite at epoch \d"):
        train_ensemble(COHORT, config, splits, device=torch.device("cpu"))
