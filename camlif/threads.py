"""Work spread over threads: torch lets go of the interpreter while it computes.

A function and items go in, results come out in the order of the items. An error of the function is
raised where its result is asked for.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_THREADS = 8
"""Each holds activations of its own, up to 0.3 GB."""


def free_threads(device: torch.device) -> int:
    """Threads that would keep busy what torch's own leave idle; 1 on a GPU, which has one queue."""
    if device.type != "cpu":
        return 1
    return min(MAX_THREADS, max(1, (os.cpu_count() or 1) // torch.get_num_threads()))


def in_order(
    function: Callable[[Item], Result], items: Sequence[Item], n_threads: int
) -> Iterator[Result]:
    """Yield ``function`` of each item in their order, worked on by several threads.

    One more than there are threads is begun before its result is asked for: results do not pile up,
    and a process that ends waits for few.

    Parameters
    ----------
    function : callable
        Takes an item; must be safe in several threads.
    items : sequence
    n_threads : int
        Most threads; 1 or fewer does the work in the caller's.
    """
    n_threads = min(n_threads, len(items))
    if n_threads <= 1:
        yield from map(function, items)
        return
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > n_threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
