"""Threads: what they return, how much they begin, and how many there are."""

from __future__ import annotations

import os
import threading

import pytest
import torch

from camlif.threads import MAX_THREADS, free_threads, in_order


@pytest.mark.parametrize("n_threads", [0, 1, 2, 5])
@pytest.mark.parametrize("n_items", [0, 1, 20])
def test_results_come_in_the_order_of_the_items(n_items: int, n_threads: int) -> None:
    found = list(in_order(lambda item: item * 2, range(n_items), n_threads))
    assert found == [item * 2 for item in range(n_items)]


def test_as_many_items_as_threads_are_worked_on_at_once() -> None:
    together = threading.Barrier(3, timeout=10)  # is passed by three at once only
    assert len(list(in_order(lambda _: together.wait(), range(6), 3))) == 6


def test_only_a_few_items_are_begun_before_a_result_is_taken() -> None:
    begun: list[int] = []
    results = in_order(begun.append, range(10), 2)
    next(results)
    assert len(begun) <= 3
    list(results)
    assert sorted(begun) == list(range(10))


def test_an_error_arrives_at_its_place_and_ends_the_work() -> None:
    begun: list[int] = []

    def fail_at_two(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise ValueError("two")
        return item

    results = in_order(fail_at_two, range(100), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    assert len(begun) < 10


@pytest.mark.parametrize(
    ("cores", "of_torch", "expected"), [(8, 1, 8), (8, 3, 2), (2, 4, 1), (None, 1, 1), (64, 1, 8)]
)
def test_threads_use_the_cores_that_torch_leaves_idle(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, of_torch: int, expected: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: of_torch)
    assert free_threads(torch.device("cpu")) == expected <= MAX_THREADS


def test_a_gpu_is_given_one_thing_after_another() -> None:
    assert free_threads(torch.device("cuda")) == 1
