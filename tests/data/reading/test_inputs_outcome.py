"""Event and time: words, codes, units, times of two columns, dates, and what is only offered."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from camlif.data.manifest import read_manifest
from camlif.data.reading.readers import read_cohort
from camlif.data.reading.repairs import mend, options_for
from tests.builders.study import (
    MEDIAN_MONTHS,
    Files,
    Frame,
    Input,
    N,
    assert_same,
    clinical,
    csv,
    examine,
    sound,
    study,
)

DAYS, EVENT = clinical()["survival_days"], clinical()["event"]
DEAD = EVENT == 1
EVEN = DAYS // 2 % 2
BASE = clinical()[["patient_id", "age", "sex"]]
GDC = {"days_to_death": DAYS.where(DEAD), "days_to_last_follow_up": DAYS.where(~DEAD)}


def table(**columns: object) -> Frame:
    """The clinical table with these columns in the place of the outcome's."""
    return BASE.assign(**columns)


def read_as(**columns: object) -> Callable[[], Files]:
    return lambda: study(clinical=table(**columns))


def words(dead: str, alive: str) -> pd.Series:
    return EVENT.map({1: dead, 0: alive})


def status(dead: str, alive: str, name: str = "OS_STATUS") -> Callable[[], Files]:
    return read_as(OS_DAYS=DAYS, **{name: words(dead, alive)})


def day(start: int, after: float) -> datetime.date:
    return datetime.date(2004, 1, 1) + datetime.timedelta(days=start + int(after))


def dates(write: Callable[[datetime.date], str], **names: str) -> Frame:
    """Diagnosis, death, last contact as dates; 97 days between the diagnoses of two patients."""
    called = {"start": "date_of_diagnosis", "death": "date_of_death", "last": "last_contact_date"}
    called |= names
    starts = [7 * i for i in range(len(DAYS))]
    ends = [write(day(s, d)) for s, d in zip(starts, DAYS, strict=True)]
    return table(
        **{
            called["start"]: [write(day(s, 0)) for s in starts],
            called["death"]: [e if dead else "" for e, dead in zip(ends, DEAD, strict=True)],
            called["last"]: ends,
            "vital_status": words("dead", "alive"),
        }
    )


def deaths(living: object, *, of: int = N) -> Callable[[], Files]:
    """Days to death and to the last contact, with something written for some of the living."""
    times = GDC["days_to_death"].astype(object)
    times[times.index[~DEAD][:of]] = living
    return read_as(days_to_death=times, days_to_last_follow_up=DAYS)


def dated_deaths(living: str) -> Callable[[], Files]:
    """Dates, with something written for the living in that of death, and no status."""
    frame = dates(formatted("%Y-%m-%d")).drop(columns=["vital_status"])
    frame["date_of_death"] = frame["date_of_death"].where(DEAD, living)
    return lambda: study(clinical=frame)


def formatted(pattern: str) -> Callable[[datetime.date], str]:
    return lambda date: date.strftime(pattern)


def early(date: datetime.date) -> str:
    """A date on one of the first days of its month, so that nothing tells day from month."""
    return f"{1 + date.day % 12:02d}/{date.month:02d}/{date.year}"


def parquet(frame: Frame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def parted(frame: Frame) -> Frame:
    """The clinical table with a column each for the day, the month and the year of its dates."""
    for column, stem in (
        ("date_of_diagnosis", "diagnosis"), ("date_of_death", "death"),
        ("last_contact_date", "last_contact"),
    ):  # fmt: skip
        day = pd.to_datetime(frame.pop(column), errors="coerce").dt
        parts = {"day": day.day, "month": day.month, "year": day.year}
        frame = frame.assign(**{f"{stem}_{p}": v.astype("Int64") for p, v in parts.items()})
    return frame


WHERE = np.where(DAYS.index > 44, "B", "A")


def in_months(those: object, *, digits: int = 1, days: object = DAYS, **more: object) -> Frame:
    """The clinical table, where some patients' days are months."""
    months = (days / 30.4375).round(digits)
    return clinical().assign(survival_days=np.where(those, months, days), **more)


def months_with(rows: pd.Index, time: float, *, digits: int = 2) -> Frame:
    """The clinical table with follow-up in months, and some times of one length."""
    table = clinical()
    months = (table.pop("survival_days") / 30.4375).round(digits)
    return table.assign(survival_months=months.mask(months.index.isin(rows), time))


INPUTS = {
    # words and codes
    "the words win over the digits": Input(
        files=status("0:DECEASED", "1:LIVING"), names=("0:DECEASED", "not the digits")
    ),
    "codes with words": Input(files=status("1:DECEASED", "0:LIVING")),
    "dead and alive": Input(files=status("Dead", "Alive", "vital_status")),
    "dead of disease and alive with disease": Input(
        files=status("Dead of disease", "Alive with disease", "vital_status")
    ),
    "German words": Input(files=status("verstorben", "lebt", "Vitalstatus")),
    "French words": Input(files=status("Décédé", "Vivant", "statut_vital")),
    "Spanish words": Input(files=status("fallecido", "vivo", "estado_vital")),
    "Italian words": Input(files=status("deceduto", "vivo", "stato_vitale")),
    "Dutch words": Input(files=status("overleden", "levend", "vital_status")),
    "true and false": Input(files=status("TRUE", "FALSE", "death")),
    "a legend in the name": Input(
        files=read_as(OS_DAYS=DAYS, **{"Censor (alive=0; dead=1)": EVENT})
    ),
    "a reversed legend in the name": Input(
        files=read_as(OS_DAYS=DAYS, **{"status (1=alive, 0=dead)": 1 - EVENT}),
        names=("Read as event: 0",),
    ),
    "a legend of ones and twos": Input(
        files=read_as(OS_DAYS=DAYS, **{"vital status [1: alive, 2: dead]": EVENT + 1})
    ),
    "a legend of relapses and deaths": Input(
        files=read_as(
            OS_DAYS=DAYS, **{"status (0=alive, 1=relapse, 2=dead)": 2 * EVENT + (1 - EVENT) * EVEN}
        ),
        asks="E-11", names=("0, 1, 2",), answers=("event=2",),
    ),
    "ones and twos": Input(
        files=read_as(time_days=DAYS, status=EVENT + 1),
        asks="E-11", names=("status", "1, 2"), answers=("event=2",),
    ),
    "event and censored": Input(files=status("Event", "Censored")),
    "died and lost": Input(files=status("Died", "Lost to follow-up", "vital_status")),
    "mors": Input(files=status("1", "0", "mors")),
    "letters beside an endpoint": Input(
        files=read_as(T_OS=DAYS, E_OS=EVENT), asks="E-09", names=("T_OS",), answers=("unit=days",),
    ),
    "letters behind an endpoint": Input(
        files=read_as(OS_T=DAYS, OS_C=1 - EVENT), asks="E-11", names=("OS_C",),
        answers=("event=0", "unit=days"),
    ),
    "a reversed legend without signs": Input(
        files=read_as(OS_DAYS=DAYS, **{"status (1 alive 0 dead)": 1 - EVENT}), names=("event: 0",),
    ),
    "a reversed legend with dashes": Input(
        files=read_as(OS_DAYS=DAYS, **{"OS status (1 - alive, 0 - dead)": 1 - EVENT}),
        names=("Read as event: 0",),
    ),
    "a legend that nobody knows": Input(
        files=read_as(OS_DAYS=DAYS, **{"status (1=A, 0=B)": 1 - EVENT}), asks="E-11",
        names=("status (1=A, 0=B)",), answers=("event=0",),
    ),
    **{
        f"{name} of ones": Input(
            files=read_as(OS_DAYS=DAYS, **{name: 1 - EVENT}), asks="E-11", names=(name,),
            answers=("event=0",),
        )
        for name in ("not_dead", "no_event", "nonevent")
    },
    "deaths of two causes": Input(
        files=read_as(OS_DAYS=DAYS, status=EVENT + (EVENT & (EVENT.index % 2))), asks="E-11",
        names=("0, 1, 2",), answers=("event=1+2",),
    ),
    "a code of unknown": Input(
        files=read_as(OS_DAYS=DAYS, status=EVENT.where(EVENT.index > 3, 9)), asks="E-11",
        names=("0, 1, 9",), answers=("missing=9",),
        events=int(EVENT[4:].sum()), median=None, same=False,
    ),
    "an unknown status": Input(
        files=read_as(
            OS_DAYS=DAYS, status=words("dead", "alive").where(EVENT.index > 3, "Unknown")
        ),
        names=("Unknown for 4 patients",),
        events=int(EVENT[4:].sum()), median=None, same=False,
    ),
    "CDISC's CNSR": Input(
        files=read_as(OS_DAYS=DAYS, CNSR=1 - EVENT),
        asks="E-11", names=("CNSR", "0, 1"), answers=("event=0",),
    ),
    "censored with yes and no": Input(
        files=read_as(OS_DAYS=DAYS, censored=words("no", "yes")),
        asks="E-11", names=("censored",), answers=("event=no",),
    ),
    "alive with ones": Input(
        files=read_as(OS_DAYS=DAYS, alive=1 - EVENT),
        asks="E-11", names=("alive",), answers=("event=0",),
    ),
    "words that nobody knows": Input(
        files=status("DOC", "NED", "vital_status"),
        asks="E-11", names=("vital_status", "DOC, NED"), answers=("event=DOC",),
    ),
    "letters": Input(
        files=status("D", "A", "vital_status"),
        asks="E-11", names=("vital_status", "A, D"), answers=("event=D",),
    ),
    # names that speak of life
    "survival with yes and no": Input(
        files=read_as(OS_DAYS=DAYS, survival=words("no", "yes")),
        asks="E-11", names=("survival", "no, yes"), answers=("event=no",),
    ),
    "a vital status with yes and no": Input(
        files=read_as(OS_DAYS=DAYS, vital_status=words("no", "yes")),
        asks="E-11", names=("vital_status", "no, yes"), answers=("event=no",),
    ),
    "a survival status of ones and noughts": Input(
        files=read_as(OS_DAYS=DAYS, survival_status=1 - EVENT),
        asks="E-11", names=("survival_status", "0, 1"), answers=("event=0",),
    ),
    "a registry's vital status": Input(
        files=read_as(OS_DAYS=DAYS, VitalStatus=1 - EVENT),
        asks="E-11", names=("VitalStatus", "0, 1"), answers=("event=0",),
    ),
    "METABRIC's overall survival": Input(
        files=read_as(overall_survival_months=DAYS / 30.4375, overall_survival=1 - EVENT),
        asks="E-11", names=("overall_survival", "0, 1"), answers=("event=0",),
    ),
    "French survival with yes and no": Input(
        files=read_as(OS_DAYS=DAYS, survie=words("non", "oui")),
        asks="E-11", names=("survie", "non, oui"), answers=("event=non",),
    ),
    "German survival with yes and no": Input(
        files=read_as(OS_DAYS=DAYS, Überleben=words("nein", "ja")),
        asks="E-11", names=("Überleben", "ja, nein"), answers=("event=nein",),
    ),
    "survival in words": Input(files=status("dead", "alive", "overall_survival")),
    "a status of survival that explains itself": Input(
        files=read_as(OS_DAYS=DAYS, **{"survival (0=dead, 1=alive)": 1 - EVENT})
    ),
    "deaths beside a vital status": Input(
        files=read_as(OS_DAYS=DAYS, vital_status=1 - EVENT, death=EVENT)
    ),
    # blank cells
    "ones and blanks": Input(
        files=status("1", "", "event"),
        asks="E-11", names=("event holds 1 or nothing",), answers=("event=filled",),
    ),
    "crosses and blanks": Input(
        files=status("x", "", "died"),
        asks="E-11", names=("died holds x or nothing",), answers=("event=filled",),
    ),
    "TRUE and blanks": Input(
        files=status("TRUE", "", "death"),
        asks="E-11", names=("death holds TRUE or nothing",), answers=("event=filled",),
    ),
    "Y and n/a": Input(
        files=status("Y", "n/a", "death_event"),
        asks="E-11", names=("death_event holds Y or nothing",), answers=("event=filled",),
    ),
    "the living alone are written": Input(
        files=status("", "alive", "vital_status"),
        asks="E-11", names=("vital_status holds alive or nothing",), answers=("event=blank",),
    ),
    "the censored alone are written": Input(
        files=status("", "1", "CNSR"),
        asks="E-11", names=("CNSR holds 1 or nothing",), answers=("event=blank",),
    ),
    # the living in a column of deaths
    "days to death of nought for the living": Input(
        files=deaths(0), asks="E-11", names=("0 in days_to_death", "23 patients"),
        answers=("event=alive",),
    ),
    "days to death of -1 for the living": Input(
        files=deaths(-1), asks="E-11", names=("-1 in days_to_death",), answers=("event=alive",),
    ),
    "days to death of 9999 for the living": Input(
        files=deaths(9999), asks="E-11", names=("9999 in days_to_death",),
        answers=("event=alive",),
    ),
    "days to death of 9999 for one of the living": Input(
        files=deaths(9999, of=1), asks="E-11", names=("9999 in days_to_death", "1 patient"),
        answers=("event=alive",),
    ),
    "days to death in words for the living": Input(
        files=deaths("alive"), names=("not blank or alive",)
    ),
    "days to death that do not apply to the living": Input(
        files=deaths("Not Applicable"), asks="E-11", names=("Not Applicable in days_to_death",),
        answers=("event=alive",),
    ),
    "a date of death in words for the living": Input(
        files=dated_deaths("still alive"), names=("not blank or still alive",)
    ),
    "a date of death of noughts for the living": Input(
        files=dated_deaths("00/00/0000"), asks="E-11", names=("00/00/0000 in date_of_death",),
        answers=("event=alive",),
    ),
    "a date of death in 9999 for the living": Input(
        files=dated_deaths("9999-12-31"), asks="E-11", names=("9999-12-31 in date_of_death",),
        answers=("event=alive",),
    ),
    "a date of death in 1900 for the living": Input(
        files=dated_deaths("1900-01-01"), asks="E-11", names=("1900-01-01 in date_of_death",),
        answers=("event=alive",),
    ),
    "a date of death in 2099 for the living": Input(
        files=dated_deaths("2099-01-01"), asks="E-11", names=("2099-01-01 in date_of_death",),
        answers=("event=alive",),
    ),
    # names and units
    "Xena's names": Input(
        files=read_as(OS=EVENT, **{"OS.time": DAYS}),
        asks="E-09", names=("OS.time",), answers=("unit=days",),
    ),
    "a time called OS": Input(
        files=read_as(OS=DAYS, **{"Censor (alive=0; dead=1)": EVENT}),
        asks="E-09", names=("OS",), answers=("unit=days",),
    ),
    "names of the GDC's tables of today": Input(
        files=lambda: study(
            clinical=pd.DataFrame(
                {
                    "cases.submitter_id": clinical()["patient_id"],
                    "demographic.gender": clinical()["sex"],
                    "demographic.vital_status": words("Dead", "Alive"),
                    "demographic.days_to_death": DAYS.where(DEAD),
                    "diagnoses.days_to_last_follow_up": DAYS,
                    "demographic.age_at_index": clinical()["age"],
                }
            )
        ),
        names=("demographic.gender is read as sex", "demographic.age_at_index is read as age"),
    ),
    "names of GEO": Input(
        files=lambda: study(
            clinical=clinical().rename(
                columns={
                    "age": "age:ch1", "sex": "Sex:ch1",
                    "survival_days": "os_days:ch1", "event": "os_event:ch1",
                }
            )
        ),
        names=("age:ch1 is read as age", "Sex:ch1 is read as sex"),
    ),
    "numbers of days between two dates": Input(
        files=read_as(**{
            "number of days from date of diagnosis to date of last contact": DAYS,
            "number of days from date of diagnosis to date of death": DAYS.where(DEAD),
            "vital_status (at last contact)": words("Deceased", "Living"),
        }),
    ),
    "names of a CT cohort": Input(
        files=read_as(**{"Survival.time": DAYS, "deadstatus.event": EVENT}),
        asks="E-09", names=("Survival.time",), answers=("unit=days",),
    ),
    "names of R": Input(
        files=read_as(futime=DAYS, fustat=EVENT),
        asks="E-09", names=("futime",), answers=("unit=days",),
    ),
    "rotterdam's names": Input(
        files=read_as(rtime=DAYS / 2, recur=EVENT, dtime=DAYS, death=EVENT),
        asks="E-09", names=("dtime",), answers=("unit=days",),
    ),
    "a unit in brackets": Input(files=read_as(**{"OS (days)": DAYS, "OS status": EVENT})),
    "months": Input(files=read_as(OS_MONTHS=DAYS / 30.4375, OS_STATUS=EVENT)),
    "months by a letter": Input(files=read_as(**{"OS [m]": DAYS / 30.4375, "OS_event": EVENT})),
    "years": Input(files=read_as(survival_years=DAYS / 365.25, event=EVENT)),
    "weeks": Input(files=read_as(survival_weeks=DAYS / 7, event=EVENT)),
    "German months": Input(
        files=read_as(**{"Überlebenszeit (Monate)": DAYS / 30.4375, "Tod": EVENT})
    ),
    "Spanish days": Input(files=read_as(supervivencia_dias=DAYS, fallecido=EVENT)),
    "days called months": Input(
        files=read_as(survival_months=DAYS, event=EVENT),
        asks="E-09", names=("survival_months", "Is the unit right?"), answers=("unit=days",),
    ),
    "months since day 0": Input(
        files=read_as(**{"OS time since day 0 in months": DAYS / 30.4375, "OS_event": EVENT})
    ),
    "months from the year of diagnosis": Input(
        files=read_as(
            **{"OS time from year of diagnosis in months": DAYS / 30.4375, "OS_event": EVENT}
        )
    ),
    "months after the day of surgery": Input(
        files=read_as(
            **{"survival after day of surgery, months": DAYS / 30.4375, "OS_event": EVENT}
        ),
        asks="E-09", names=("survival after day of surgery, months",), answers=("unit=months",),
    ),
    "months of a five-year survival": Input(
        files=read_as(survival_months_year_5=DAYS / 30.4375, OS_event=EVENT),
        events=None, names=("survival_months_year_5 (of the outcome)",), same=False,
    ),
    **{
        f"a unit behind all times such as {cell.format(1)}": Input(
            files=read_as(OS=[cell.format(d) for d in DAYS], death=EVENT)
        )
        for cell in ("{} d", "{} days", "{} Tage", "{} jours", "{} days 00:00:00")
    },
    "days in cells of a column called months": Input(
        files=read_as(OS_months=[f"{d} days" for d in DAYS], death=EVENT), asks="E-09",
        names=("OS_months",), answers=("unit=days",),
    ),
    "a typed length of time": Input(
        files=lambda: study(
            clinical=None,
            **{"clinical.parquet": parquet(table(OS=pd.to_timedelta(DAYS, "D"), death=EVENT))},
        )
    ),
    "months called days": Input(
        files=read_as(survival_days=DAYS / 30.4375, event=EVENT),
        asks="E-09", names=("survival_days", "3.76 at most"), answers=("unit=months",),
    ),
    "years called days": Input(
        files=read_as(OS_DAYS=DAYS / 365.25, OS_STATUS=EVENT),
        asks="E-09", names=("OS_DAYS", "0.313 at most"), answers=("unit=years",),
    ),
    "years called months": Input(
        files=read_as(OS_MONTHS=(DAYS / 365.25).clip(upper=2.5), OS_STATUS=EVENT),
        asks="E-09", names=("OS_MONTHS", "2.5 at most"), answers=("unit=years",),
        median=None, same=False,
    ),
    **{
        f"a time that is none any more: {name}": Input(
            files=read_as(OS_STATUS=EVENT, **{name: np.log(DAYS)}),
            events=None, names=(f"{name} (of the outcome)",), same=False,
        )
        for name in ("ln_survival_days", "OS_months_zscore", "log2.OS.time", "scaled_OS_days")
    },
    **{
        f"{code} in {name}": Input(
            files=read_as(OS_STATUS=EVENT, **{name: (DAYS / per).where(DAYS.index > 2, code)}),
            asks="E-09", names=(name, str(code), "rows 2, 3, 4"), answers=(f"missing={name}",),
            events=int(EVENT[3:].sum()), median=None, same=False,
        )
        for code, name, per in (
            (9999, "OS_DAYS", 1), (999, "OS_MONTHS", 30.4375), (99, "survival_years", 365.25),
            (99999, "survival_days", 1),
        )
    },
    "a second site's months": Input(
        files=lambda: study(clinical=in_months(DAYS.index > 44, site=WHERE)),
        asks="E-09",
        names=("survival_days", "site is B", "another unit"),
        answers=("keep=survival_days",),
        median=None,
        same=False,
    ),
    "a second site's whole months": Input(
        files=lambda: study(
            clinical=in_months(DAYS.index > 44, digits=0, site=WHERE, days=DAYS % 400 + 300)
        ),
        asks="E-09",
        names=("survival_days", "site is B"),
        refused=True,
    ),
    "months of nobody knows whom": Input(
        files=lambda: study(clinical=in_months(DAYS.index % 7 == 0)),
        asks="E-09",
        names=("survival_days", "another unit"),
        refused=True,
    ),
    "months of a study that ends after a round time": Input(
        files=lambda: study(clinical=months_with(DAYS.nlargest(4).index, 115.0)),
        median=None,
        same=False,
    ),
    "half a month among whole ones": Input(
        files=lambda: study(clinical=months_with(DAYS.nsmallest(4).index, 0.5, digits=0)),
        median=None,
        same=False,
    ),
    "days among months": Input(
        files=lambda: study(clinical=months_with(DAYS.nlargest(4).index, 3400)),
        asks="E-09",
        names=("survival_months", "another unit"),
        refused=True,
    ),
    "one time in months beside the same in another unit": Input(
        files=lambda: study(
            clinical=in_months(DAYS.index == 9, digits=0).assign(OS_MONTHS=DAYS / 30.4375)
        ),
        asks="E-08",
        names=("survival_days", "OS_MONTHS"),
        answers=("time=OS_MONTHS",),
    ),
    "a site that recruited late": Input(
        files=lambda: study(
            clinical=in_months(DAYS.index < 0, site=np.where(DAYS < 400, "B", "A"))
        ),
    ),
    "the product's own names beside another outcome": Input(
        files=lambda: study(
            clinical=clinical()
            .assign(survival_months=DAYS / 30.4375, OS_MONTHS=DAYS / 60, OS_STATUS=1 - EVENT)
            .drop(columns="survival_days")
        ),
        asks="E-08",
        names=("survival_months, OS_MONTHS", "event, OS_STATUS"),
        answers=("time=survival_months", "status=event"),
    ),
    "the product's own names beside the same outcome": Input(
        files=lambda: study(
            clinical=clinical()
            .assign(survival_months=DAYS / 30.4375, OS_days=DAYS, OS_STATUS=EVENT)
            .drop(columns="survival_days")
        ),
    ),
    "9,999 days that are days": Input(
        files=read_as(OS_STATUS=EVENT, OS_DAYS=DAYS.where(DAYS.index > 0, 9999)),
        asks="E-09", names=("OS_DAYS", "9999", "rows 2"), answers=("keep=OS_DAYS",),
        median=None, same=False,
    ),
    # two columns
    "times of the GDC": Input(
        files=read_as(vital_status=words("Dead", "Alive"), **GDC),
        names=("days_to_death where the event was, else days_to_last_follow_up",),
    ),
    "times of the GDC, also the dead's last contact": Input(
        files=read_as(vital_status=words("Dead", "Alive"), days_to_death=DAYS.where(DEAD),
                      days_to_last_followup=DAYS - 20 * DEAD),
        names=("days_to_death",),
    ),
    "times of the GDC without a status": Input(
        files=read_as(**GDC), names=("every cell of days_to_death",)
    ),
    "the living's times alone, as somebody chose": Input(
        files=lambda: study(
            clinical=table(vital_status=words("Dead", "Alive"), **GDC),
            **{"cohort.toml": b'[clinical]\nduration = "days_to_last_follow_up"\n'},
        ),
        asks="E-08",
        names=("days_to_last_follow_up is blank for 37 of 37 patients", "days_to_death may"),
        answers=("time=days_to_death+days_to_last_follow_up",),
    ),
    "the dead's times alone, as somebody chose": Input(
        files=lambda: study(
            clinical=table(vital_status=words("Dead", "Alive"), **GDC),
            **{"cohort.toml": b'[clinical]\nduration = "days_to_death"\n'},
        ),
        asks="E-08",
        names=("days_to_death is blank for 23 of 23 patients", "days_to_last_follow_up may"),
        answers=("time=days_to_death+days_to_last_follow_up",),
    ),
    # dates
    "dates": Input(
        files=lambda: study(clinical=dates(formatted("%Y-%m-%d"))),
        names=("date_of_death where the event was, else last_contact_date, from date_of_diag",),
    ),
    "German dates": Input(files=lambda: study(clinical=dates(formatted("%d.%m.%Y")))),
    "Buddhist years": Input(
        files=lambda: study(clinical=dates(lambda d: f"{d.year + 543}-{d:%m-%d}")),
        asks="E-09", names=("are no patient's: 25",), refused=True,
    ),
    "Islamic years": Input(
        files=lambda: study(clinical=dates(lambda d: f"{d.year - 579}-{d:%m-%d}")),
        asks="E-09", names=("are no patient's: 14",), refused=True,
    ),
    "dates that are yet to come": Input(
        files=lambda: study(clinical=dates(lambda d: f"{d.year + 60}-{d:%m}-01")),
        names=("in the future",), same=False, median=None,
    ),
    "American dates": Input(files=lambda: study(clinical=dates(formatted("%m/%d/%Y")))),
    "British dates": Input(files=lambda: study(clinical=dates(formatted("%d/%m/%Y")))),
    "dates with names of months": Input(files=lambda: study(clinical=dates(formatted("%d-%b-%Y")))),
    "dates with a time of day": Input(
        files=lambda: study(clinical=dates(formatted("%Y-%m-%d 00:00:00")))
    ),
    "dates without signs": Input(files=lambda: study(clinical=dates(formatted("%Y%m%d")))),
    "dates of surgery": Input(
        files=lambda: study(clinical=dates(formatted("%Y-%m-%d"), start="surgery_date"))
    ),
    "German names of dates": Input(
        files=lambda: study(
            clinical=dates(formatted("%d.%m.%Y"), start="Diagnosedatum", death="Todesdatum",
                           last="Datum_letzter_Kontakt")
        )
    ),
    "dates whose order nothing tells": Input(
        files=lambda: study(clinical=dates(early)),
        asks="E-09", names=("day or the month",), answers=("date=day",),
        median=None, same=False,
    ),
    "American dates with points": Input(
        files=lambda: study(clinical=dates(formatted("%m.%d.%Y")))
    ),
    "a day before its month behind the year": Input(
        files=lambda: study(clinical=dates(formatted("%Y-%d-%m")))
    ),
    "days from 1904 and from 1900": Input(
        files=lambda: study(
            clinical=dates(lambda d: str(d.toordinal() - 693594)).assign(
                date_of_diagnosis=[day(7 * i, 0).toordinal() - 695056 for i in range(60)]
            )
        ),
        names=("date_of_death", "Nobody is followed for less than 50 months"),
        median=MEDIAN_MONTHS + 1462 / 30.4375, same=False,
    ),
    "points and spaces": Input(files=lambda: study(clinical=dates(formatted("%d. %m. %Y")))),
    "a British diagnosis and American ends": Input(
        files=lambda: study(
            clinical=dates(formatted("%m/%d/%Y")).assign(
                date_of_diagnosis=[f"{day(7 * i, 0):%d/%m/%Y}" for i in range(60)]
            )
        )
    ),
    "one American date among British ones": Input(
        files=lambda: study(
            clinical=dates(formatted("%d/%m/%Y")).assign(
                date_of_diagnosis=[
                    f"{day(7 * i, 0):{'%m/%d/%Y' if i == 2 else '%d/%m/%Y'}}" for i in range(60)
                ]
            )
        ),
        asks="E-15", names=("date_of_diagnosis", "01/15/2004", "rows 4"),
        answers=("missing=date_of_diagnosis",),
        events=int(EVENT.sum() - EVENT[2]), median=None, same=False,
    ),
    "American and British dates by turns": Input(
        files=lambda: study(
            clinical=dates(formatted("%d/%m/%Y")).assign(
                date_of_diagnosis=[
                    f"{day(7 * i, 0):{'%m/%d/%Y' if i % 2 else '%d/%m/%Y'}}" for i in range(60)
                ]
            )
        ),
        asks="E-15", names=("date_of_diagnosis", "of another order"), refused=True,
    ),
    "dates without days": Input(
        files=lambda: study(clinical=dates(formatted("%b %Y"))),
        asks="E-15", names=("date_of_diagnosis", "60 cells no day"), refused=True,
    ),
    **{
        f"months' names: {months}": Input(
            files=lambda months=months, way=way: study(  # type: ignore[misc]
                clinical=dates(
                    lambda d: way.format(d=d.day, m=months.split()[d.month - 1], y=d.year)
                )
            )
        )
        for months, way in (
            ("janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
             "{d} {m} {y}"),
            ("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.", "{d}-{m}-{y}"),
            ("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
             "diciembre", "{d} de {m} de {y}"),
            ("Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
             "{d}. {m} {y}"),
            ("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
             "dicembre", "{d} {m} {y}"),
            ("January February March April May June July August September October November "
             "December", "{m} {d}, {y}"),
        )
    },
    "dates in columns of day, month and year": Input(
        files=lambda: study(clinical=parted(dates(formatted("%Y-%m-%d")))),
        names=("date_of_death", "diagnosis_year, diagnosis_month, diagnosis_day"),
    ),
    "dates of diagnosis and of surgery": Input(
        files=lambda: study(
            clinical=dates(formatted("%Y-%m-%d")).assign(
                surgery_date=[str(day(7 * i, 30)) for i in range(60)]
            )
        ),
        asks="E-08", names=("date_of_diagnosis, surgery_date",),
        answers=("from=date_of_diagnosis",),
    ),
    # endpoints
    "another endpoint beside": Input(
        files=read_as(OS_DAYS=DAYS, OS_STATUS=EVENT, PFS_MONTHS=DAYS / 40, PFS_STATUS=1 - EVENT),
        names=("PFS_MONTHS", "PFS_STATUS"),
    ),
    "two times that differ": Input(
        files=read_as(follow_up_days=DAYS, time_days=DAYS[::-1].to_numpy(), status=EVENT),
        asks="E-08", names=("follow_up_days, time_days",), answers=("time=follow_up_days",),
    ),
    "two statuses that differ": Input(
        files=read_as(OS_DAYS=DAYS, status=EVENT, death=EVENT[::-1].to_numpy()),
        asks="E-08", names=("death, status",), answers=("status=status",),
    ),
    "an event that is no death": Input(
        files=read_as(OS_MONTHS=DAYS / 30.4375, OS_STATUS=words("1:DECEASED", "0:LIVING"),
                      event=EVENT[::-1].to_numpy()),
        asks="E-08", names=("event, OS_STATUS",), answers=("status=OS_STATUS",),
    ),
    "an event beside the vital status": Input(
        files=read_as(OS_MONTHS=DAYS / 30.4375, vital_status=words("dead", "alive"),
                      event=EVENT[::-1].to_numpy()),
        asks="E-08", names=("event, vital_status",), answers=("status=vital_status",),
    ),
    "an event that says what deaths say": Input(
        files=read_as(OS_MONTHS=DAYS / 30.4375, vital_status=words("dead", "alive"), event=EVENT)
    ),
    "an event that is a progression": Input(
        files=read_as(OS_MONTHS=DAYS / 30.4375, event=EVENT, PFS_STATUS=EVENT,
                      PFS_MONTHS=DAYS / 60),
        asks="E-08", names=("event says the same as PFS_STATUS",), answers=("status=event",),
    ),
    "an older time beside": Input(
        files=read_as(survival_months=DAYS / 60, OS_MONTHS=DAYS / 30.4375, OS_STATUS=EVENT),
        asks="E-08", names=("survival_months, OS_MONTHS",), answers=("time=OS_MONTHS",),
    ),
    "the same time in two units": Input(
        files=read_as(OS_MONTHS=DAYS / 30.4375, OS_DAYS=DAYS, OS_STATUS=EVENT)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_the_outcome_is_read_asked_about_or_offered(name: str) -> None:
    examine(INPUTS[name])


def test_a_status_of_another_endpoint_is_never_taken_for_death() -> None:
    files = study(clinical=table(OS_MONTHS=DAYS / 30.4375, PFS_STATUS=EVENT))

    cohort, report = read_cohort(files)

    assert cohort is not None
    assert not cohort.has_outcome
    assert "No event status found" in " ".join(p.message for p in report.warnings)


def test_another_endpoint_alone_is_offered_with_its_words() -> None:
    files = study(clinical=table(PFS_MONTHS=DAYS / 30.4375, PFS_STATUS=EVENT))
    _, before = read_cohort(files)

    cohort, _, _ = mend(files, ["endpoint=pfs"], title="t")

    assert before.outcome is None
    assert cohort is not None
    assert cohort.info.endpoint.name == "progression-free survival"
    assert_same(cohort, sound())


def test_words_are_never_offered_the_wrong_way_round() -> None:
    few = EVENT.where(EVENT.index < 3, 1)
    told = few.map({1: "dead", 0: "alive"})
    for column, offered in ((told, False), (few, True)):
        _, report = read_cohort(study(clinical=table(OS_DAYS=DAYS, death=column)))
        flags = [o.flag for p in report.problems for o in options_for(p, report)]
        assert any(p.code == "E-12" for p in report.problems)
        assert ("event=reverse" in flags) is offered


@pytest.mark.parametrize("written", ["1", "x", "TRUE"])
def test_a_status_of_one_value_and_blanks_is_never_offered_the_wrong_way_round(
    written: str,
) -> None:
    files = status(written, "", "event")()
    _, asked = read_cohort(files)
    cohort, told, _ = mend(files, ["event=known"], title="t")
    flags = [
        o.flag for report in (asked, told) for p in report.problems for o in options_for(p, report)
    ]

    assert cohort is not None
    assert told.outcome is not None
    assert told.outcome.to_json()["patients"] == int(DEAD.sum())
    assert {"event=filled", "event=known"} <= set(flags)
    assert not {"event=reverse", "event=blank"} & set(flags)


def test_living_patients_without_times_never_make_the_coding_look_reversed() -> None:
    files = study(
        clinical=table(vital_status=words("Dead", "Alive"), **GDC),
        **{"cohort.toml": b'[clinical]\nduration = "days_to_last_follow_up"\n'},
    )
    _, report = read_cohort(files)

    assert "event=reverse" not in [o.flag for p in report.problems for o in options_for(p, report)]


@pytest.mark.parametrize(
    "clinical_table",
    [table(vital_status=words("Dead", "Alive"), **GDC), dates(formatted("%d.%m.%Y"))],
    ids=["two columns", "dates"],
)
def test_the_rule_is_shown_and_kept_in_the_mapping(clinical_table: Frame) -> None:
    files = study(clinical=clinical_table)

    cohort, report, _ = mend(files, ["time=confirm", "event=confirm"], title="t")
    toml = report.manifest.to_toml()
    again, second = read_cohort({**files, "cohort.toml": toml.encode()})

    assert cohort is not None
    assert again is not None
    assert again.digest == cohort.digest
    assert report.outcome is not None
    assert report.outcome.duration_column.startswith(("days_to_death, else", "date_of_death, else"))
    assert read_manifest(toml).clinical.duration_else is not None
    assert [a.confidence for a in second.mapping if a.role == "time"] == ["given"]


def test_a_living_patient_with_a_time_of_death_is_told_of() -> None:
    times = GDC["days_to_death"].copy()
    living = np.flatnonzero(~DEAD)[:2]
    times[living] = 77

    _, report = read_cohort(
        study(
            clinical=table(
                vital_status=words("Dead", "Alive"),
                days_to_death=times,
                days_to_last_follow_up=GDC["days_to_last_follow_up"],
            )
        )
    )

    (told,) = [p for p in report.warnings if p.column == "days_to_death"]
    assert "2 patients without the event have a time in days_to_death" in told.message
    assert told.rows == tuple(int(i) + 2 for i in living)
    assert report.outcome is not None
    assert report.outcome.median_months == pytest.approx(MEDIAN_MONTHS, rel=1e-5)


def test_every_candidate_of_time_and_status_is_offered() -> None:
    files = study(clinical=table(followed=DAYS, seen=DAYS, outcome_code=EVENT))
    _, report = read_cohort(files)

    flags = [o.flag for p in report.problems for o in options_for(p, report)]

    assert {"time=followed", "time=seen"} <= set(flags)
    assert "time=sex" not in flags


def test_dates_are_never_offered_as_times() -> None:
    frame = dates(formatted("%Y-%m-%d")).drop(columns=["date_of_diagnosis"])
    _, report = read_cohort(study(clinical=frame))

    flags = [o.flag for p in report.problems for o in options_for(p, report)]

    assert not [f for f in flags if f.startswith("time=") and "date" in f]


def test_a_column_is_never_both_time_and_status() -> None:
    files = study(clinical=table(OS=DAYS))
    toml = b'[clinical]\nduration = "OS"\nevent = "OS"\nduration_unit = "days"\n'

    cohort, report = read_cohort({**files, "cohort.toml": toml})

    assert cohort is None
    assert "both the follow-up time and the event status" in report.errors[0].message
    _, chosen = read_cohort({**files, "cohort.toml": b'[clinical]\nduration = "OS"\n'})
    assert [a.chosen for a in chosen.mapping if a.role == "event"] == [()]


def test_a_table_of_tabs_with_four_rows_above_is_read_alike() -> None:
    frame = table(OS_MONTHS=DAYS / 30.4375, OS_STATUS=words("1:DECEASED", "0:LIVING"))
    above = b"#a\tb\n#a\tb\n#STRING\tNUMBER\n#1\t1\n"
    files = study(clinical=None, **{"data_clinical_patient.txt": above + csv(frame, sep="\t")})

    cohort, report = read_cohort(files)

    assert cohort is not None, report.errors
    assert_same(cohort, sound())


def test_most_may_be_alive_in_words_in_a_date_of_death() -> None:
    frame = dates(formatted("%Y-%m-%d")).drop(columns=["vital_status"])
    few = DEAD & (np.cumsum(DEAD) <= 5)
    frame["date_of_death"] = frame["date_of_death"].where(few, "alive")
    cohort, report = read_cohort(study(clinical=frame))
    assert cohort is not None, report.errors
    assert cohort.event is not None
    assert cohort.event.sum() == 5
    assert "calendar" not in " ".join(p.message for p in report.problems)
