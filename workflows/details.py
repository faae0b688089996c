"""What a person reads in the Temporal Web UI beside a run."""

from __future__ import annotations

from temporalio import workflow


def show(text: str, console_url: str) -> None:
    """Set the current details: Markdown, and below it the way to the record's page in the console."""
    link = f"\n\n[Open in the console]({console_url})" if console_url else ""
    workflow.set_current_details(f"{text}{link}")
