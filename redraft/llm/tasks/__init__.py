"""The tasks that are asked of a language model, in terms of the port alone."""

from __future__ import annotations

from redraft.llm.tasks.drafts import Change, Draft, ProposalBrief
from redraft.llm.tasks.evidence import AuditEvidence, Evidence, Finding
from redraft.llm.tasks.propose import propose

__all__ = ["AuditEvidence", "Change", "Draft", "Evidence", "Finding", "ProposalBrief", "propose"]
