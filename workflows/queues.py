"""Task queues. Model calls have one of their own, because the provider's quota is a property of that queue.

Webhooks have one, because slow endpoints must not take the places of short transactions.
"""

from __future__ import annotations


def workflow_queue(prefix: str) -> str:
    """Return the queue of workflows and of activities that only touch the database."""
    return prefix


def webhook_queue(prefix: str) -> str:
    """Return the queue of activities that send webhooks, from the prefix or from the workflow queue's name."""
    return f"{prefix}-webhooks"


def model_queue(prefix: str) -> str:
    """Return the queue of activities that call a model, from the prefix or from the workflow queue's name."""
    return f"{prefix}-llm"
