"""Computations that several sessions ask for at once."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from dashboard.runs.shared_work import SharedWork

SECONDS = 20


class Result:
    """What a computation gives: one that can be told from another."""


def test_two_who_ask_at_once_get_one_computation() -> None:
    work, go, calls = SharedWork(4), threading.Event(), []

    def compute() -> Result:
        calls.append(1)
        assert go.wait(SECONDS)
        return Result()

    with ThreadPoolExecutor(5) as sessions:
        futures = list(sessions.map(lambda _: work.ask("a", compute), range(5)))
    go.set()
    assert len({future.result(SECONDS) for future in futures}) == 1
    assert len(calls) == 1


def test_another_key_is_another_computation() -> None:
    work = SharedWork(1)
    first, second = (work.ask(key, Result) for key in "ab")
    assert first.result(SECONDS) is not second.result(SECONDS)


def test_no_more_run_at_a_time_than_allowed() -> None:
    work, lock, running, most = SharedWork(2), threading.Lock(), [], []
    meet = threading.Barrier(2)

    def compute() -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        meet.wait(SECONDS)
        with lock:
            running.pop()

    futures = [work.ask(str(i), compute) for i in range(6)]
    for future in futures:
        future.result(SECONDS)
    assert max(most) == 2


def test_an_error_reaches_everybody_and_is_tried_anew() -> None:
    work = SharedWork(1)

    def refuse() -> int:
        raise ValueError("no")

    failed: Future[int] = work.ask("a", refuse)
    with pytest.raises(ValueError, match="no"):
        failed.result(SECONDS)
    assert work.ask("a", lambda: 3).result(SECONDS) == 3


def test_what_nobody_holds_is_computed_anew() -> None:
    work = SharedWork(1)
    held = work.ask("a", Result)
    found = held.result(SECONDS)
    assert work.ask("a", Result).result(SECONDS) is found
    work.ask("b", Result).result(SECONDS)  # its thread has let go of "a"
    del held
    gc.collect()
    assert work.ask("a", Result).result(SECONDS) is not found


def test_what_somebody_waits_for_comes_before_what_nobody_does() -> None:
    work, go, order = SharedWork(1), threading.Event(), []
    work.ask("first", lambda: go.wait(SECONDS))
    for name in "abc":
        work.do_later(lambda name=name: order.append(name))
    wanted = [work.ask(name, lambda name=name: order.append(name)) for name in "xy"]
    go.set()
    for future in wanted:
        future.result(SECONDS)
    work.ask("last", lambda: None).result(SECONDS)
    while len(order) < 5:
        work.ask("again", lambda: None).result(SECONDS)
    assert order == ["x", "y", "a", "b", "c"]


def test_computations_of_one_thread_follow_each_other_in_it() -> None:
    work = SharedWork(1)
    first, second = (work.ask(key, threading.get_ident).result(SECONDS) for key in "ab")
    assert first == second != threading.get_ident()


def test_what_is_quick_is_computed_where_it_is_asked_first_and_shared_while_held() -> None:
    work, places = SharedWork(1), []

    def compute() -> Result:
        places.append(threading.current_thread())
        return Result()

    with ThreadPoolExecutor(1) as session:
        first = session.submit(work.share, "a", compute).result(SECONDS)
        other = session.submit(threading.current_thread).result(SECONDS)
    assert work.share("a", compute) is first
    assert work.ask("a", compute) is first
    assert places == [other]
    del first
    gc.collect()
    work.share("a", compute)
    assert places == [other, threading.current_thread()]


def test_something_quick_that_failed_is_tried_anew() -> None:
    work = SharedWork(1)
    first = work.share("a", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        first.result(SECONDS)
    assert work.share("a", lambda: 7).result(SECONDS) == 7
