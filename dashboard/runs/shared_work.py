"""Computations that several sessions ask for: done once, and so many at a time.

A key and a function go in, a future comes out; its result lives as long as somebody holds it.
Errors of the function are those of the future, and the next one who asks has it tried anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from queue import PriorityQueue
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from dashboard.runs.background import at_work

T = TypeVar("T")


def failed(future: Future[Any]) -> bool:
    """Whether a computation has ended with an error."""
    return future.done() and future.exception() is not None


class SharedWork:
    """Computations of one kind, by threads that stay: what they keep for themselves is kept.

    Parameters
    ----------
    at_once : int
        How many run at a time; the others wait their turn.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._order = count()
        self._wanted: PriorityQueue[_Wanted] = PriorityQueue()
        self._lock = threading.Lock()
        self._asked: WeakValueDictionary[str, Future[Any]] = WeakValueDictionary()

    def ask(self, key: str, compute: Callable[[], T]) -> Future[T]:
        """Return the future of a computation, begun unless somebody holds it already.

        Parameters
        ----------
        key : str
            Names everything that the result depends on.
        compute : callable
            Runs in a thread outside of any session.
        """
        with self._lock:
            future, is_new = self._place(key)
            if is_new:
                self._begin(_Wanted((False, next(self._order)), future, compute))
        return future

    def share(self, key: str, compute: Callable[[], T]) -> Future[T]:
        """Return the future of something quick, computed by the thread that asks first.

        Parameters
        ----------
        key, compute
            As in `ask`; a change of thread would take longer than what is computed.
        """
        with self._lock:
            future, is_new = self._place(key)
        if is_new:
            _compute(future, compute)
        return future

    def do_later(self, compute: Callable[[], object]) -> None:
        """Compute something that nobody waits for, after all that somebody asks for."""
        with self._lock:
            self._begin(_Wanted((True, next(self._order)), Future(), compute))

    def _place(self, key: str) -> tuple[Future[Any], bool]:
        """Return the future that somebody holds, or a new one; whether it is new."""
        future = self._asked.get(key)
        if future is not None and not failed(future):
            return future, False
        future = self._asked[key] = Future()
        return future, True

    def _begin(self, wanted: _Wanted) -> None:
        self._wanted.put(wanted)
        if self._free:
            self._free -= 1
            # A daemon: a server that is told to end waits for no more than what is begun.
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            wanted = self._wanted.get()
            with at_work() as begins:
                if begins:
                    _compute(wanted.future, wanted.compute)


@dataclass(order=True, frozen=True, slots=True)
class _Wanted:
    """A computation that waits for a thread; those that come first sort first."""

    turn: tuple[bool, int]
    future: Future[Any] = field(compare=False)
    compute: Callable[[], Any] = field(compare=False)


def _compute(future: Future[T], compute: Callable[[], T]) -> None:
    try:
        future.set_result(compute())
    except BaseException as error:  # raised again where the result is read
        future.set_exception(error)
