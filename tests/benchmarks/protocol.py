"""A visitor of the dashboard without a browser: what a browser sends over the websocket, and reads.

Clicks, choices and pages go in; what has been drawn comes back, and how long it took. Messages are
those of Streamlit 1.67 (`streamlit.proto`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

ACCEPT = "accept_research_use"
WAIT = 300.0
"""Seconds until a run that does not end counts as failed."""
KEPT_RUNS = 2
"""Runs for which a browser keeps large messages (``global.maxCachedMessageAge``)."""


@dataclass(frozen=True)
class Widget:
    """A widget on the page: its identifier, the fragment it is in, and what it was drawn from."""

    id: str
    fragment: str
    element: Element


class Visitor:
    """A session of its own, which has passed the gate and looks at the first page.

    Attributes
    ----------
    widgets : dict of str to Widget
        Those drawn, by the key that the page gave them.
    received, largest : int
        Bytes of the last interaction, and of its largest message.
    """

    def __init__(self, url: str) -> None:
        self.widgets: dict[str, Widget] = {}
        self.received = self.largest = 0
        self._url = url
        self._states: dict[str, WidgetState] = {}
        self._pages: dict[str, str] = {}
        self._page = self._query = ""
        self._kept: dict[str, tuple[int, ForwardMsg]] = {}
        self._runs = 0
        self._socket = connect(
            f"ws://{urlsplit(url).netloc}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
        )
        self._rerun()
        if ACCEPT in self.widgets:
            self.click(ACCEPT)

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def click(self, key: str) -> float:
        """Press a button; return the seconds until the page stands again."""
        widget = self.widgets[key]
        state = WidgetState(id=widget.id, trigger_value=True)
        return self._rerun(state, fragment=widget.fragment)

    def choose(self, key: str, value: str) -> float:
        """Choose of a list or of buttons; return the seconds until the page stands again."""
        widget = self.widgets[key]
        state = WidgetState(id=widget.id)
        if widget.element.WhichOneof("type") == "button_group":
            state.string_array_value.data.append(value)
        else:
            state.string_value = value
        self._states[widget.id] = state
        return self._rerun(fragment=widget.fragment)

    def go(self, page: str) -> float:
        """Turn to the page of an address; return the seconds until it stands."""
        self._page, self._query = self._pages[page], ""
        return self._rerun()

    def _rerun(self, *triggers: WidgetState, fragment: str = "") -> float:
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_script_hash, run.fragment_id = self._query, self._page, fragment
        drawn = {widget.id for widget in self.widgets.values()}
        run.widget_states.widgets.extend(s for i, s in self._states.items() if i in drawn)
        run.widget_states.widgets.extend(triggers)
        run.cached_message_hashes.extend(self._kept)
        run.context_info.url = self._url
        run.context_info.timezone = "UTC"
        begun = time.perf_counter()
        self._socket.send(message.SerializeToString())
        self._read_run(whole=not fragment)
        return time.perf_counter() - begun

    def _read_run(self, *, whole: bool) -> None:
        """Read until the script has ended, and every run that it asked for has."""
        self.received = self.largest = 0
        self._runs += 1
        found: dict[str, Widget] = {}
        while True:
            data = bytes(self._socket.recv(timeout=WAIT))  # type: ignore[arg-type]
            self.received += len(data)
            self.largest = max(self.largest, len(data))
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "script_finished":
                if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    break
                found.clear()
            elif kind == "navigation":
                pages = message.navigation.app_pages
                self._pages = {page.url_pathname: page.page_script_hash for page in pages}
                self._page = message.navigation.page_script_hash
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind in ("delta", "ref_hash"):
                _note(self._whole(message), found)
        self.widgets = found if whole else {**self.widgets, **found}
        oldest = self._runs - KEPT_RUNS
        self._kept = {h: kept for h, kept in self._kept.items() if kept[0] > oldest}

    def _whole(self, message: ForwardMsg) -> ForwardMsg:
        """Return a message, or the one that it refers to, and keep it if it is large."""
        if message.ref_hash:
            message = self._kept[message.ref_hash][1]
        if message.metadata.cacheable:
            self._kept[message.hash] = self._runs, message
        return message


def _note(message: ForwardMsg, found: dict[str, Widget]) -> None:
    """Enter the widget that a message draws, if it draws one with a key."""
    element = message.delta.new_element
    kind = element.WhichOneof("type")
    identifier = getattr(getattr(element, kind), "id", "") if kind else ""
    parts = identifier.split("-", 2)  # $$ID-HASH-KEY
    if len(parts) == 3:
        found[parts[2]] = Widget(identifier, message.delta.fragment_id, element)
