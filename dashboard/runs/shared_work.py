"""Computations that several sessions ask for: done once, and so many at a time.

A key and a function go in, a future comes out; its result lives as long as somebody holds it.
Errors of the function are those of the future, and the next one who asks has it tried anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


def failed(future: Future[Any]) -> bool:
    """Whether a computation has ended with an error."""
    return future.done() and future.exception() is not None


class SharedWork:
    """Computations of one kind.

    Parameters
    ----------
    at_once : int
        How many run at a time; the others wait their turn.
    """

    def __init__(self, at_once: int) -> None:
        self._turns = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._asked: WeakValueDictionary[str, Future[Any]] = WeakValueDictionary()

    def ask(self, key: str, compute: Callable[[], T]) -> Future[T]:
        """Return the future of a computation, begun unless somebody holds it already.

        Parameters
        ----------
        key : str
            Names everything that the result depends on.
        compute : callable
            Runs in a thread of its own, outside of any session.
        """
        with self._lock:
            future = self._asked.get(key)
            if future is None or failed(future):
                future = self._asked[key] = Future()
                # A daemon: a server that is told to end does not wait for it.
                threading.Thread(target=self._run, args=(future, compute), daemon=True).start()
            return future

    def _run(self, future: Future[T], compute: Callable[[], T]) -> None:
        with self._turns:
            try:
                future.set_result(compute())
            except BaseException as error:  # raised again where the result is read
                future.set_exception(error)
