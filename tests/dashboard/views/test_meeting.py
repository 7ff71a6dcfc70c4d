"""A board's meeting on its page: lobby, walking the list, last time, commit first, files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.access.access import Role
from dashboard.report.build import HIDDEN
from dashboard.session import user as user_
from dashboard.store import CaseKey, RiskGroup, Store, Worklist
from dashboard.views.case import case_exports
from tests.dashboard.conftest import OpenApp
from tests.dashboard.report.cases import read, squeezed
from tests.dashboard.views.test_board import (
    ADMINISTRATOR,
    actions,
    cohort_key,
    parameter,
    token_of,
    tokens,
    write_note,
)
from tests.dashboard.views.test_pages import problems_of, text_of

ROWS = (30, 4, 200)
WAITS = "hidden until the board has recorded its own estimate"


@pytest.fixture
def board(open_app: OpenApp, store: Store) -> Worklist:
    listed = [tokens()[row] for row in ROWS]
    return store.create_worklist(ADMINISTRATOR, cohort_key(), "Monday", listed)


def key(row: int) -> CaseKey:
    return CaseKey(cohort=cohort_key(), token=tokens()[row])


def decide(app: AppTest, text: str) -> None:
    next(a for a in app.text_area if a.label == "What was decided").input(text)
    app.button(key="decision_add").click().run()


def begin(open_app: OpenApp, board: Worklist, **session: Any) -> AppTest:
    app = open_app("meeting", worklist=board.id, **session)
    app.button(key="meeting_begin").click().run()
    assert problems_of(app) == []
    return app


def test_without_a_worklist_the_page_says_what_to_do(open_app: OpenApp, store: Store) -> None:
    app = open_app("meeting")
    assert problems_of(app) == []
    assert "No worklist has a case of this cohort." in text_of(app)
    store.create_worklist(ADMINISTRATOR, cohort_key(), "Monday", tokens()[:2])
    app.run()
    assert app.button(key="meeting_begin").label == "Begin the meeting"
    store.create_worklist(ADMINISTRATOR, cohort_key(), "Tuesday", tokens()[:2])
    again = open_app("meeting")
    assert "Choose the worklist that the board walks." in text_of(again)


def test_a_meeting_walks_the_list_and_says_what_was_said_last_time(
    open_app: OpenApp, store: Store, board: Worklist
) -> None:
    store.record_decision(ADMINISTRATOR, key(ROWS[0]), RiskGroup.LOW, "Biopsy first.")
    for number in range(3):
        store.add_note(ADMINISTRATOR, key(ROWS[0]), f"Prepared {number}.")
    app = begin(open_app, board)
    shown = text_of(app)
    assert "1 of 3" in shown
    assert shown.index("Last time") < shown.index("Biopsy first.") < shown.index("Prepared 2.")
    assert shown.index("Prepared 0.") < shown.index("In this meeting")
    assert "1 earlier entry" in shown
    assert "Alt+J: next case." in shown
    write_note(app, "Said now.")
    decide(app, "Operate.")
    assert problems_of(app) == []
    shown = text_of(app)
    assert shown.index("In this meeting") < shown.index("Operate.") < shown.index("Said now.")
    walked = [token_of(app)]
    for _ in range(3):
        app.button(key="case_1").click().run()
        walked.append(token_of(app))
    assert walked == [*board.tokens, board.tokens[0]]
    app.button(key="case_1").click().run()
    assert "Nothing was recorded about this case before this meeting." in text_of(app)
    assert actions(store).count("meeting begun") == 1


def test_a_reload_goes_on_with_the_meeting_and_leaving_opens_the_same_case(
    open_app: OpenApp, store: Store, board: Worklist
) -> None:
    app = begin(open_app, board)
    app.button(key="case_1").click().run()
    opened = token_of(app)
    query = {name: parameter(app, name) for name in ("worklist", "meeting", "case")}
    again = open_app("meeting", query=query)
    assert "2 of 3" in text_of(again)
    assert token_of(again) == opened
    app.button(key="meeting_agenda").click().run()
    assert "Go on with the meeting of" in app.button(key="meeting_begin").label
    assert "meeting" not in app.query_params
    app.button(key="meeting_end").click().run()
    assert app.button(key="meeting_begin").label == "Begin the meeting"
    assert "Begin the meeting" in text_of(open_app("meeting", query=query))


def test_a_meeting_honours_commit_first(open_app: OpenApp, store: Store, board: Worklist) -> None:
    app = begin(open_app, board, commits_first=True)
    hidden = text_of(app)
    assert WAITS in hidden
    assert "higher than" not in hidden
    assert len(app.get("plotly_chart")) == 0
    assert "result shown" not in actions(store)[actions(store).index("meeting begun") :]
    app.segmented_control(key=f"estimate_group_{token_of(app)}").select(RiskGroup.HIGH)
    app.button(key="commit").click().run()
    assert problems_of(app) == []
    shown = text_of(app)
    assert "higher than" in shown
    assert "before the result was shown" in shown


def test_a_viewer_joins_a_meeting_and_begins_none(
    open_app: OpenApp, store: Store, board: Worklist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_, "WITHOUT_SIGN_IN", Role.VIEWER)
    app = open_app("meeting", worklist=board.id)
    assert "Meetings are begun by reviewers." in text_of(app)
    store.meetings.begin(ADMINISTRATOR, board.id)
    app.run()
    app.button(key="meeting_begin").click().run()
    assert problems_of(app) == []
    assert "1 of 3" in text_of(app)
    assert not list(app.text_area)


def test_cases_that_are_not_loaded_are_said_in_lobby_meeting_and_packet(
    open_app: OpenApp, store: Store, offered: dict[str, Callable[[], bytes]]
) -> None:
    listed = [tokens()[0], "0123456789abcdef"]
    board = store.create_worklist(ADMINISTRATOR, cohort_key(), "Monday", listed)
    missing = "Not in the loaded tables: 1 case of this list."
    app = open_app("meeting", worklist=board.id)
    assert missing in text_of(app)
    assert missing in cover_of(offered["Packet before the meeting (PDF)"])
    app.button(key="meeting_begin").click().run()
    assert missing in text_of(app)


# Files


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], bytes]]:
    """What the page last offered as files, by label."""
    files: dict[str, Callable[[], bytes]] = {}
    monkeypatch.setattr(
        case_exports, "offer_download", lambda label, data, **_: files.update({label: data})
    )
    monkeypatch.setattr(case_exports, "_explanations", lambda *_: {})  # what takes long
    return files


def cover_of(made: Callable[[], bytes]) -> str:
    return squeezed(read(made()).pages[0].extract_text())


def test_the_packet_is_the_agenda_and_the_minutes_hold_this_meeting_alone(
    open_app: OpenApp, store: Store, board: Worklist, offered: dict[str, Callable[[], bytes]]
) -> None:
    before = store.record_decision(ADMINISTRATOR, key(ROWS[1]), None, "Biopsy first.")
    app = begin(open_app, board)
    decide(app, "Operate in May.")
    write_note(app, "Scan is old.")
    app.button(key="meeting_agenda").click().run()
    assert problems_of(app) == []
    packet = cover_of(offered["Packet before the meeting (PDF)"])
    assert "Agenda: Monday" in packet
    assert f"{before.author}, decision: Biopsy first." in packet
    minutes = cover_of(offered["Minutes with decisions (PDF)"])
    decision = store.decisions(tokens()[ROWS[0]])[0]
    for words in ("Minutes: Monday", "about 1 of 3 cases", "Operate in May.", "Scan is old."):
        assert words in minutes
    assert f"({decision.author}, {decision.recorded:%d %b %Y}".replace(" ", "") in (
        minutes.replace(" ", "")
    )
    assert "Biopsy first." not in minutes


def test_the_packet_hides_results_that_wait_for_the_estimate(
    open_app: OpenApp, store: Store, board: Worklist, offered: dict[str, Callable[[], bytes]]
) -> None:
    app = open_app("meeting", worklist=board.id, commits_first=True)
    assert "Hidden until the board's estimate: 3 results." in text_of(app)
    cover = cover_of(offered["Packet before the meeting (PDF)"])
    assert cover.count(HIDDEN) == len(ROWS)
    assert "higher than" not in cover


def test_the_minutes_of_an_earlier_meeting_can_be_had_again(
    open_app: OpenApp, store: Store, board: Worklist, offered: dict[str, Callable[[], bytes]]
) -> None:
    first = store.meetings.begin(ADMINISTRATOR, board.id)
    store.add_note(ADMINISTRATOR, key(ROWS[0]), "Said in the first.")
    store.meetings.end(ADMINISTRATOR, first.id)
    store.meetings.begin(ADMINISTRATOR, board.id)
    store.add_note(ADMINISTRATOR, key(ROWS[0]), "Said in the second.")
    app = open_app("meeting", worklist=board.id)
    label = "Minutes with decisions (PDF)"
    latest = cover_of(offered[label])
    assert ("Said in the second." in latest, "Said in the first." in latest) == (True, False)
    app.selectbox(key="minutes_of").select(first.id).run()
    earlier = cover_of(offered[label])
    assert ("Said in the second." in earlier, "Said in the first." in earlier) == (False, True)


def test_case_opens_its_worklist_in_meeting_mode(
    open_app: OpenApp, store: Store, board: Worklist
) -> None:
    app = open_app(worklist=board.id)
    app.button(key="worklist_meeting").click().run()
    assert problems_of(app) == []
    assert "Begin the meeting" in text_of(app)
    assert parameter(app, "worklist") == str(board.id)
