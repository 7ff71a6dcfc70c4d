"""The boundary around pages."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from camlif.exceptions import ConfigError, DataError


def _unexpected() -> None:
    from dashboard.shell.guard import page_guard

    with page_guard():
        raise KeyError("patient P-0017 has 4711")


def _expected() -> None:
    from camlif.exceptions import DataError
    from dashboard.shell.guard import page_guard

    with page_guard():
        raise DataError("Two *rows*.", file="a_b.csv", column="<b>c</b>", code="E-06")


def _nested() -> None:
    import streamlit as st

    from camlif.exceptions import ConfigError
    from dashboard.shell.guard import page_guard

    with page_guard():
        with page_guard():
            raise ConfigError("No such thing.")
        st.markdown("the rest of the page")


def _rerun() -> None:
    import streamlit as st

    from dashboard.shell.guard import page_guard

    with page_guard():
        if "again" not in st.session_state:
            st.session_state["again"] = True
            st.rerun()
        st.markdown("second run")
        st.stop()


def run(body: Callable[[], None]) -> AppTest:
    return AppTest.from_function(body, default_timeout=30).run()


def test_an_unexpected_error_is_a_code_that_the_log_explains_without_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, logger="dashboard.shell.guard"):
        app = run(_unexpected)
    assert not app.exception
    shown = app.error[0].value.replace("\\", "")
    code = re.search(r"E-50: .*\(code ([0-9a-f]{8})\)", shown)
    assert code
    assert "4711" not in shown
    logged = [r.getMessage() for r in caplog.records if r.name == "dashboard.shell.guard"]
    assert len(logged) == 1
    assert code[1] in logged[0]
    assert "KeyError" in logged[0]
    assert re.search(r":\d+$", logged[0])
    assert "P-0017" not in logged[0]
    assert "4711" not in logged[0]


def test_an_expected_error_is_shown_as_text_with_its_markup_inert() -> None:
    app = run(_expected)
    assert not app.exception
    assert len(app.error) == 1
    shown = app.error[0].value
    assert re.sub(r"\\(.)", r"\1", shown) == str("E-06: " + str(_data_error()))
    assert r"\*rows\*" in shown
    assert r"\<b\>" in shown


def _data_error() -> DataError:
    return DataError("Two *rows*.", file="a_b.csv", column="<b>c</b>", code="E-06")


def test_what_follows_a_failed_body_is_still_drawn() -> None:
    app = run(_nested)
    assert [m.value for m in app.markdown] == ["the rest of the page"]
    assert str(ConfigError("No such thing.")) == app.error[0].value.replace("\\", "")


def test_reruns_and_stops_pass_through_the_boundary() -> None:
    app = run(_rerun)
    assert not app.error
    assert [m.value for m in app.markdown] == ["second run"]


def _long_table() -> None:
    import pandas as pd
    import streamlit as st

    from dashboard.components.chart import show_numbers
    from dashboard.session.state import COHORT

    st.session_state[COHORT.name] = "glioma"
    show_numbers(pd.DataFrame({"x": range(1500)}), key="long")


def test_of_a_long_table_the_beginning_is_shown_and_that_is_said() -> None:
    app = AppTest.from_function(_long_table).run()
    assert not app.exception
    assert app.dataframe[0].value["x"].tolist() == list(range(1000))
    assert app.caption[0].value == "The first 1,000 of 1,500 rows; the file has them all."


def _charts() -> None:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.components.chart import show_chart
    from dashboard.figures.chart import Chart

    shared = Chart(go.Figure(go.Scatter(y=[1, 2])), "Rises.", pd.DataFrame(), "a line")
    for place in range(2):
        show_chart(shared, key=f"shared_{place}", table=False)
    for place, y in enumerate(([1, 2], [1, 3])):
        one = Chart(go.Figure(go.Scatter(y=y)), "Rises.", pd.DataFrame(), "a line")
        show_chart(one, key=f"own_{place}", table=False)


def test_the_revision_of_a_chart_is_another_only_where_something_in_it_is() -> None:
    app = AppTest.from_function(_charts).run()
    assert not app.exception
    revisions = [
        json.loads(chart.proto.spec)["layout"]["datarevision"] for chart in app.get("plotly_chart")
    ]
    assert len(revisions) == 4
    assert len(set(revisions[:3])) == 1
    assert revisions[3] != revisions[0]


def _remembering() -> None:
    import numpy as np
    import streamlit as st

    from dashboard.session import shared_results

    values = np.arange(100_000.0)
    calls: list[int] = []

    def total(x: np.ndarray) -> float:
        calls.append(1)
        return float(x.sum())

    for _ in range(2):
        shared_results.compute_once(lambda: total(values), "sum", values)
    other = values.copy()
    other[50_000] += 1
    st.write(shared_results.compute_once(lambda: total(other), "sum", other) - total(values))
    shared_results.compute_once(lambda: total(values), "another sum", values)
    st.write(len(calls) - 1)


def test_a_statistic_is_computed_once_for_the_same_whole_arrays() -> None:
    app = AppTest.from_function(_remembering).run()
    assert not app.exception
    assert [m.value for m in app.markdown] == ["`1.0`", "`3`"]


def _drawing() -> None:
    import numpy as np
    import pandas as pd
    import plotly.graph_objects as go
    import streamlit as st

    from dashboard.components import chart
    from dashboard.figures.chart import Chart

    def bars(values: np.ndarray, *, theme: str) -> Chart:
        calls.append(theme)
        return Chart(go.Figure(go.Bar(y=values.tolist())), "bars", pd.DataFrame(), "bars")

    calls: list[str] = []
    for place in range(2):  # equal values, not the same ones
        drawn = chart.draw(bars, np.arange(3.0), theme="light")
        chart.show_chart(drawn, key=f"bars_{place}", table=False)
    chart.show_chart(bars(np.arange(3.0), theme="plain"), key="anew", table=False)
    chart.draw(bars, np.array([0.0, 1.0, 2.5]), theme="light")
    chart.draw(bars, np.arange(3.0), theme="dark")
    chart.forget()
    chart.draw(bars, np.arange(3.0), theme="light")
    st.write(" ".join(calls))


def test_a_chart_is_drawn_once_for_equal_values_and_gone_when_forgotten() -> None:
    app = AppTest.from_function(_drawing).run()
    assert not app.exception
    assert app.markdown[-1].value == "light plain light dark light"
    first, again, anew = (chart.proto.spec for chart in app.get("plotly_chart"))
    assert first == again == anew


def _a_chart_with_numbers() -> None:
    import pandas as pd
    import plotly.graph_objects as go

    from dashboard.components.chart import show_chart
    from dashboard.figures.chart import Chart

    numbers = pd.DataFrame({"x": [1, 2]})
    show_chart(Chart(go.Figure(go.Scatter(y=[1, 2])), "Rises.", numbers, "a line"), key="line")


def test_the_numbers_of_a_chart_are_sent_once_they_are_opened() -> None:
    app = AppTest.from_function(_a_chart_with_numbers)
    app.session_state["cohort"] = "glioma"
    app.run()
    assert not app.dataframe
    assert not app.get("download_button")
    app.session_state["line_table"] = True
    app.run()
    assert app.dataframe[0].value["x"].tolist() == [1, 2]
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["Numbers (CSV)", "Caption (text)"]
