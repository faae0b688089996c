"""Search attributes: what a person can filter by in the Temporal Web UI. Ids and states only, never text."""

from __future__ import annotations

from temporalio.common import SearchAttributeKey

CUSTOMER = SearchAttributeKey.for_keyword("RedraftCustomer")
PROMPT = SearchAttributeKey.for_keyword("RedraftPrompt")
STATUS = SearchAttributeKey.for_keyword("RedraftStatus")
ALL = (CUSTOMER, PROMPT, STATUS)
