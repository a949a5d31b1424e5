"""Policies: gates, decisions, rollbacks and approvals as data.

``schema`` says what a policy is, with its ``checks``, ``gates``, ``rollbacks`` and ``judgment``; ``metrics`` what its
checks may measure, ``merging`` how one extends another, ``rules`` what is refused when it is read, ``strength`` where
it requires less than the playbook.
"""

from fairmend.catalog.policy.checks import PolicyCheck
from fairmend.catalog.policy.gates import GATED_STAGES, Decision, Gate, GatedStage, Route
from fairmend.catalog.policy.identity import PolicyComparison, PolicyRecord
from fairmend.catalog.policy.judgment import Confirmation, Judgment, Margin, Need
from fairmend.catalog.policy.loading import load_policy
from fairmend.catalog.policy.merging import merged, policy_names, raw_policy
from fairmend.catalog.policy.rollbacks import Rollback, RollbackAction, Trigger
from fairmend.catalog.policy.schema import Document, Plan, Policy
from fairmend.catalog.policy.strength import Weakness, not_deployable, weaker_than

__all__ = [
    "GATED_STAGES",
    "Confirmation",
    "Decision",
    "Document",
    "Gate",
    "GatedStage",
    "Judgment",
    "Margin",
    "Need",
    "Plan",
    "Policy",
    "PolicyCheck",
    "PolicyComparison",
    "PolicyRecord",
    "Rollback",
    "RollbackAction",
    "Route",
    "Trigger",
    "Weakness",
    "load_policy",
    "merged",
    "not_deployable",
    "policy_names",
    "raw_policy",
    "weaker_than",
]
