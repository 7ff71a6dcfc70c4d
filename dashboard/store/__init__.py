"""What a board keeps: worklists, groups, notes, estimates, decisions, and a trail of what was done.

Everything is keyed by case token and digests. Each action is one transaction, its audit event
included, in an SQLite file that its owner alone can read, or in PostgreSQL.
"""

from dashboard.store.audit import AuditReport
from dashboard.store.database import StoreError, default_url
from dashboard.store.export import CohortRecords, CohortSummary
from dashboard.store.keys import CaseKey, CohortKey
from dashboard.store.meetings import Meeting
from dashboard.store.models import AuditEvent, Decision, Estimate, Note, RiskGroup, SettingName
from dashboard.store.patient_groups import PatientGroup
from dashboard.store.records import Store
from dashboard.store.worklists import Worklist

__all__ = [
    "AuditEvent",
    "AuditReport",
    "CaseKey",
    "CohortKey",
    "CohortRecords",
    "CohortSummary",
    "Decision",
    "Estimate",
    "Meeting",
    "Note",
    "PatientGroup",
    "RiskGroup",
    "SettingName",
    "Store",
    "StoreError",
    "Worklist",
    "default_url",
]
