"""Approvals: what a person has allowed, until the client comes for its tokens.

flow     what waits for a person, and what its client is answered meanwhile: rules without I/O
redeem   an approval for tokens, at /token: what the code, device and backchannel flows end with
store    the columns and verbs of a table whose rows wait for a decision
"""

from auth_svc.approvals.flow import INTERVAL, SLOWER, Answer, Approval, Status, answer, approval_by
from auth_svc.approvals.redeem import authorized, poll
from auth_svc.approvals.store import Decisions, approval_of, decision_columns

__all__ = [
    "INTERVAL",
    "SLOWER",
    "Answer",
    "Approval",
    "Decisions",
    "Status",
    "answer",
    "approval_by",
    "approval_of",
    "authorized",
    "decision_columns",
    "poll",
]
