"""Batches: everybody once an epoch, events in every batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camlif.training.sampler import PAD, count_batches, draw_batches


@st.composite
def training_parts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Rows of a training part, events of the cohort, and the shape of an epoch."""
    n_train, n_test = draw(st.integers(5, 150)), draw(st.integers(0, 30))
    seed = draw(st.integers(0, 2**31))
    batch_size = draw(st.sampled_from([0, 4, 16, 32]))
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(n_train + n_test)[:n_train])
    event = rng.random(n_train + n_test) < draw(st.floats(0.02, 0.98))
    n_batches = count_batches(n_train, batch_size, "event_stratified")
    return rows, event, n_batches, -(-n_train // n_batches)


# T26
@given(training_parts(), st.integers(0, 1000))
def test_stratified_batches_hold_everyone_once_and_share_events_evenly(
    part: tuple[np.ndarray, np.ndarray, int, int], seed: int
) -> None:
    rows, event, n_batches, width = part
    rng = np.random.default_rng(seed)
    batches = draw_batches(
        rows, event, n_batches=n_batches, width=width, sampler="event_stratified", rng=rng
    )
    assert batches.shape == (n_batches, width)
    assert np.sort(batches[batches != PAD]).tolist() == rows.tolist()
    counts = [int(event[batch[batch != PAD]].sum()) for batch in batches]
    sizes = (batches != PAD).sum(axis=1)
    assert max(counts) - min(counts) <= 1
    assert sizes.max() - sizes.min() <= 1
    if event[rows].sum() >= n_batches:
        assert min(counts) >= 1


# T26
@given(training_parts(), st.integers(0, 1000))
def test_random_batches_hold_nobody_twice(
    part: tuple[np.ndarray, np.ndarray, int, int], seed: int
) -> None:
    rows, event, _, _ = part
    n_batches = count_batches(len(rows), 16, "random")
    batches = draw_batches(
        rows,
        event,
        n_batches=n_batches,
        width=16,
        sampler="random",
        rng=np.random.default_rng(seed),
    )
    drawn = batches[batches != PAD]
    assert len(set(drawn.tolist())) == len(drawn)
    assert set(drawn) <= set(rows)
    left_out = len(rows) - len(drawn)
    assert left_out == (len(rows) % 16 if 0 < len(rows) % 16 < 4 and len(rows) > 16 else 0)


def test_balanced_batches_draw_every_class_of_interval_and_event_as_often() -> None:
    n = 200
    rows = np.arange(0, 2 * n, 2)  # the others are no training rows
    interval = np.zeros(2 * n, dtype=np.int64)
    interval[:80] = 1
    event = np.zeros(2 * n, dtype=bool)
    event[:20] = True  # 10, 30 and 160 training rows by class
    rng = np.random.default_rng(0)
    drawn = np.concatenate(
        [
            draw_batches(
                *(rows, event),
                interval=interval,
                n_batches=7,
                width=32,
                sampler="balanced",
                rng=rng,
            ).ravel()
            for _ in range(50)
        ]
    )
    assert (drawn == PAD).sum() == 50 * (7 * 32 - n)
    drawn = drawn[drawn != PAD]
    assert set(drawn) <= set(rows)
    for own in (event[drawn], ~event[drawn] & (interval[drawn] == 1), interval[drawn] == 0):
        # 4 standard errors of 10,000 draws.
        assert own.mean() == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / len(drawn)))
    without = draw_batches(rows, event, n_batches=1, width=n, sampler="balanced", rng=rng)
    assert event[without].mean() == pytest.approx(0.5, abs=0.15)


def test_epochs_differ() -> None:
    rng = np.random.default_rng(0)
    event = rng.random(64) < 0.5
    first, second = (
        draw_batches(
            np.arange(64), event, n_batches=4, width=16, sampler="event_stratified", rng=rng
        )
        for _ in range(2)
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("n_train", "batch_size", "sampler", "expected"),
    [
        (64, 16, "event_stratified", 4),
        (65, 16, "event_stratified", 5),
        (65, 16, "random", 4),
        (67, 16, "random", 4),
        (68, 16, "random", 5),
        (3, 16, "random", 1),
        (65, 16, "balanced", 5),
        (500, 0, "event_stratified", 1),
        (500, 0, "random", 1),
    ],
)
def test_the_number_of_batches(n_train: int, batch_size: int, sampler: str, expected: int) -> None:
    assert count_batches(n_train, batch_size, sampler) == expected  # type: ignore[arg-type]
