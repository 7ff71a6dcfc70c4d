"""Results that several sessions ask for: computed once, held by those who look at them.

What a result depends on and a function that computes it go in, the result comes out. Explanations
of shipped cohorts are read from disk where they are kept; others live in memory as long as a
session holds them. Errors of the function pass through and are not kept.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Generic, TypeVar, cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.runs.shared_work import SharedWork, failed
from dashboard.store.kept_explanations import Explanation, KeptExplanations

SESSION_TTL = "2h"
LOOK_EVERY = 0.5
"""Seconds after which a page that waits lets a click end it."""
T = TypeVar("T")


@cache
def _work(*, long: bool) -> SharedWork:
    """The server's computations: long ones leave half of its processors to what is quick."""
    processors = os.cpu_count() or 1
    return SharedWork(max(1, processors // 2) if long else processors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """A result that is wanted, by one session or beforehand.

    Attributes
    ----------
    key : str
        Names everything that the result depends on.
    compute : callable
        Runs in a thread of its own, outside of the session.
    long : bool
        Whether it takes seconds: those take turns with each other only.
    kept : KeptExplanations, optional
        Where the result may be on disk, and is put.
    """

    key: str
    compute: Callable[[], T]
    long: bool
    kept: KeptExplanations | None = None

    def begin(self) -> Future[T]:
        """Return the result under way, begun unless somebody holds it."""
        return _work(long=self.long).ask(self.key, self._read_or_compute)

    def prepare(self) -> None:
        """Put the result on disk for later, when nothing is asked for; none is kept otherwise."""
        if self.kept is not None:
            _work(long=True).do_later(self._keep)

    def result(self) -> T:
        """Wait for the result and hold it for this session."""
        future: Future[T] = _held(self.key, self.begin)
        return wait(future)

    def _keep(self) -> None:
        if self.kept is not None and not self.kept.has(self.key):
            begun = time.perf_counter()
            self.kept.write(self.key, cast(Explanation, self.compute()))
            time.sleep(time.perf_counter() - begun)  # half of a processor is for who is here

    def _read_or_compute(self) -> T:
        found: Any = None if self.kept is None else self.kept.read(self.key)
        if found is None:
            found = self.compute()
            if self.kept is not None:
                self.kept.write(self.key, found)
        return cast(T, found)


def did_not_fail(future: Future[Any]) -> bool:
    """Whether a session may go on holding a result."""
    return not failed(future)


def share(key: str, compute: Callable[[], T]) -> Future[T]:
    """Return something quick that another session may hold, else computed here and now.

    Parameters
    ----------
    key : str
        Names everything that the result depends on.
    compute : callable
        Draws nothing on the page.
    """
    return _work(long=False).share(key, compute)


@st.cache_resource(
    scope="session", max_entries=128, ttl=SESSION_TTL, show_spinner=False, validate=did_not_fail
)
def _held(key: str, _begin: Callable[[], Future[Any]]) -> Future[Any]:  # noqa: ARG001  # cache key
    """Hold a result for this session: what nobody holds is gone."""
    return _begin()


@st.cache_resource(
    scope="session", max_entries=2, ttl=SESSION_TTL, show_spinner=False, validate=did_not_fail
)
def _held_last(key: str, _begin: Callable[[], Future[Any]]) -> Future[Any]:  # noqa: ARG001
    return _begin()


def wait(future: Future[T]) -> T:
    """Return the result of a computation under way; the page's next click may end the waiting."""
    place = None
    while True:
        try:
            return future.result(LOOK_EVERY)
        except TimeoutError:
            if future.done():  # its own error
                raise
            place = place or st.empty()
            place.empty()  # gives Streamlit the chance to end this run; the computation goes on


def compute_once(
    compute: Callable[[], T], what: str, *of: NDArray[Any], objects: bool = False
) -> T:
    """Return what a computation gave before, to any session that holds it, for the same arrays.

    Parameters
    ----------
    compute : callable
        Its result is shared; an exception is not kept.
    what : str
        Names the computation and its settings.
    of : array
        Everything else that it depends on; numbers, bools or fixed-width texts, whole.
    objects : bool
        The result is many small objects: only the last two are held, since garbage is looked for
        among all objects of all sessions.
    """
    digest = hashlib.sha256(what.encode())
    for values in of:
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    key, hold = digest.hexdigest(), _held_last if objects else _held
    future: Future[T] = hold(key, partial(share, key, compute))
    return wait(future)


def forget() -> None:
    """Let go of what this session holds."""
    for cached in (_held, _held_last):
        cached.clear()
