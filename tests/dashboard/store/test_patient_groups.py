"""Named groups of patients: kept with the cohort of one digest, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import pytest

from dashboard.access.access import AccessError, Action
from dashboard.store import CohortKey, PatientGroup, SettingName, Store, StoreError
from tests.dashboard.store.records import ADMINISTRATOR, COHORT, OTHER, REVIEWER, VIEWER, token


def made(store: Store, name: str = "Young", *numbers: int) -> PatientGroup:
    tokens = [token(number) for number in numbers or (1, 2)]
    return store.groups.create(REVIEWER, COHORT, name, rule="age up to 40", tokens=tokens)


def test_a_group_is_read_back_with_rule_and_patients(store: Store) -> None:
    young = made(store, "  Young   ones ", 2, 1, 2)
    assert young.name == "Young ones"
    assert young.rule == "age up to 40"
    assert young.tokens == {token(1), token(2)}
    assert store.groups.of(COHORT) == (young,)
    assert store.audit_events()[0].action == Action.GROUP_CHANGED


def test_groups_overlap_and_come_in_the_order_of_their_making(store: Store) -> None:
    young, old = made(store, "Young", 1, 2), made(store, "Old", 2, 3)
    assert store.groups.of(COHORT) == (young, old)
    store.groups.delete(REVIEWER, young.id)
    assert store.groups.of(COHORT) == (old,)
    with pytest.raises(StoreError, match="deleted in the meantime"):
        store.groups.delete(REVIEWER, young.id)


def test_groups_belong_to_a_cohort_s_digest(store: Store) -> None:
    made(store)
    corrected = CohortKey(digest="d" * 64, title=COHORT.title)
    assert store.groups.of(corrected) == store.groups.of(OTHER) == ()
    store.groups.create(REVIEWER, corrected, "Young", rule="age", tokens=[token(1)])


@pytest.mark.parametrize(
    ("name", "reason"), [(" ", "name of up to"), ("x" * 61, "up to 60"), ("Young", "name already")]
)
def test_a_group_needs_a_name_of_its_own(store: Store, name: str, reason: str) -> None:
    made(store)
    with pytest.raises(StoreError, match=reason):
        made(store, name)


def test_a_group_has_patients_by_their_tokens(store: Store) -> None:
    with pytest.raises(StoreError, match="Nobody"):
        store.groups.create(REVIEWER, COHORT, "None", rule="age", tokens=[])
    with pytest.raises(StoreError, match="no case token"):
        store.groups.create(REVIEWER, COHORT, "Ids", rule="age", tokens=["TCGA-02-0047-01A"])
    assert store.cohorts() == ()


def test_a_cohort_has_so_many_groups(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.store.patient_groups.GROUP_LIMIT", 2)
    made(store, "One")
    made(store, "Two")
    with pytest.raises(StoreError, match="up to 2 groups"):
        made(store, "Three")


def test_a_viewer_makes_no_group_and_nobody_does_while_storage_is_off(store: Store) -> None:
    with pytest.raises(AccessError):
        store.groups.create(VIEWER, COHORT, "Young", rule="age", tokens=[token(1)])
    store.switch(ADMINISTRATOR, SettingName.KEEP_RECORDS, on=False)
    with pytest.raises(StoreError, match="switched off"):
        made(store)
    assert store.groups.of(COHORT) == ()


def test_groups_are_counted_exported_and_erased_with_the_cohort(store: Store) -> None:
    made(store)
    assert store.cohorts()[0].groups == 1
    records = store.export(ADMINISTRATOR, COHORT.digest)
    assert [(r["kind"], r["group"], r["case_token"], r["text"]) for r in records.rows] == [
        ("group member", "Young", token(n), "age up to 40") for n in (1, 2)
    ]
    assert "Young" in records.to_csv()
    store.erase(ADMINISTRATOR, COHORT.digest)
    assert store.groups.of(COHORT) == ()
