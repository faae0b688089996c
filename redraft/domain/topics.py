"""Every topic of the event log, with what it means and what its events carry: `emit` writes no others.

docs/api/events.md has this table for people (tests/events/test_topics.py compares the two). A field that does not apply
to an event is null in it. Fields carry ids, numbers, names and codes, never text of prompts or conversations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Subject = Literal["prompt", "proposal", "optimization", "audit", "schedule", "budget", "watch", "webhook"]
ANY = "*"
TESTED = "webhook.tested"


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of event. `subject` is the kind of record that `subject_id` names."""

    name: str
    subject: Subject
    fields: tuple[str, ...]
    meaning: str

    @property
    def family(self) -> str:
        """The part before the dot."""
        return self.name.partition(".")[0]


_CHANGE = ("actor", "revision")
_RUN = ("run_id", "cause", "reason", "audits", "proposal_id", "optimization_id", "cost_usd")
_WATCH = ("version_id", "previous_version_id", "reason", "looks")
_ALL = (
    Topic(
        "prompt.version_committed",
        "prompt",
        (
            *("version_id", "version", "source", "actor", "previous_version_id"),
            *("proposal_id", "optimization_id", "restored_from"),
        ),
        "A version became the current one: made with the prompt, by a change, an accept, an apply or a restore.",
    ),
    Topic(
        "prompt.version_stored",
        "prompt",
        ("version_id", "version", "source", "actor"),
        "A version with a lower number than the highest was stored; the current one stays.",
    ),
    Topic("prompt.deleted", "prompt", ("actor",), "The prompt was deleted."),
    Topic(
        "prompt.drifted",
        "prompt",
        ("basis_version_id", "current_version_id", "proposal_id", "optimization_id"),
        "The prompt was found to have left the version that an open proposal or optimization was made for.",
    ),
    Topic(
        "proposal.created",
        "proposal",
        ("actor", "basis_version_id", "audits", "runs"),
        "A proposal is in progress, or in the queue for a slot; `audits` and `runs` count its evidence.",
    ),
    Topic(
        "proposal.completed",
        "proposal",
        ("model", "prompt_tokens", "output_tokens", "cost_usd", "failed_checks"),
        "The draft is written, with the blocking checks it failed, and waits for a person.",
    ),
    Topic("proposal.edited", "proposal", ("actor", "failed_checks"), "A person changed the draft."),
    Topic(
        "proposal.accepted",
        "proposal",
        ("actor", "version_id", "version", "override", "edited"),
        "A person accepted the draft, and it is the prompt's version.",
    ),
    Topic("proposal.rejected", "proposal", ("actor",), "A person rejected it."),
    Topic("proposal.cancelled", "proposal", ("actor",), "A person cancelled it in progress (`failed`, `cancelled`)."),
    Topic("proposal.failed", "proposal", ("error", "cost_usd"), "It could not be drafted."),
    Topic("proposal.expired", "proposal", ("error",), "Its basis or its evidence is gone."),
    Topic("proposal.deleted", "proposal", ("actor",), "A person deleted the record."),
    Topic(
        "optimization.created",
        "optimization",
        ("actor", "mode", "variant_count", "basis_version_id"),
        "An optimization was asked for and waits in the queue.",
    ),
    Topic("optimization.started", "optimization", (), "It left the queue."),
    Topic(
        "optimization.completed",
        "optimization",
        ("reason", "winning_variant_id", "lift", "confidence", "trials", "cost_usd"),
        "The experiment has ended with a verdict, or honestly without one.",
    ),
    Topic("optimization.failed", "optimization", ("error", "cost_usd"), "The experiment could not be run."),
    Topic(
        "optimization.stopped",
        "optimization",
        ("reason", "actor", "cost_usd"),
        "A person stopped it, or its prompt moved or was deleted while it ran; then `actor` is empty.",
    ),
    Topic(
        "optimization.applied",
        "optimization",
        ("actor", "variant_id", "winner", "version_id", "version"),
        "A person applied a variant, and it is the prompt's version; `winner` says whether it was the winner.",
    ),
    Topic("optimization.dismissed", "optimization", ("actor",), "A person closed it without applying anything."),
    Topic(
        "optimization.drifted",
        "optimization",
        (),
        "Completed and undecided, its basis is gone: nothing of it can be applied any more.",
    ),
    Topic(
        "audit.completed",
        "audit",
        ("trace_id", "version_id", "overall_score", "cost_usd"),
        "The model has judged a conversation. Audits recorded from elsewhere have no event.",
    ),
    Topic("audit.failed", "audit", ("trace_id", "version_id", "error"), "The model could not judge a conversation."),
    Topic("schedule.created", "schedule", _CHANGE, "A schedule was made."),
    Topic("schedule.updated", "schedule", _CHANGE, "It was changed."),
    Topic("schedule.paused", "schedule", _CHANGE, "It was paused; `actor` is empty when its prompt was deleted."),
    Topic("schedule.resumed", "schedule", _CHANGE, "It goes on."),
    Topic("schedule.deleted", "schedule", _CHANGE, "It was deleted."),
    Topic("schedule.run_started", "schedule", _RUN, "A due time has started a proposal or an optimization."),
    Topic("schedule.run_completed", "schedule", _RUN, "The audits that a due time was for are made."),
    Topic("schedule.run_skipped", "schedule", _RUN, "At a due time nothing was to be done; `reason` says why."),
    Topic("schedule.run_failed", "schedule", _RUN, "A due time could not do what it should."),
    Topic(
        "budget.threshold_reached",
        "budget",
        ("account", "month", "percent", "budget_usd", "committed_usd"),
        "Four fifths of a month's budget are spent or reserved, of a customer or of a schedule (`account`).",
    ),
    Topic(
        "budget.spent",
        "budget",
        ("account", "month", "percent", "budget_usd", "committed_usd"),
        "A model call did not fit into what is left of a month's budget, and did not start; told once a budget.",
    ),
    Topic("watch.started", "watch", _WATCH, "An accepted change is compared live with the version it replaced."),
    Topic("watch.better", "watch", _WATCH, "It does better, with confidence; the watch has ended."),
    Topic(
        "watch.worse",
        "watch",
        _WATCH,
        "It does worse, with confidence; where the prompt says so, the previous version is restored.",
    ),
    Topic("watch.ended", "watch", _WATCH, "The watch has ended undecided; `reason` says why."),
    Topic("webhook.created", "webhook", ("actor",), "A webhook was made."),
    Topic("webhook.updated", "webhook", ("actor",), "Its URL, its events or its description was changed."),
    Topic("webhook.secret_rotated", "webhook", ("actor",), "It has a new secret."),
    Topic(
        "webhook.disabled",
        "webhook",
        ("actor", "reason", "delivery_id"),
        "It was disabled: by a person, because nothing arrives (`failing`), or because it answered 410 (`gone`).",
    ),
    Topic("webhook.enabled", "webhook", ("actor",), "It was enabled again."),
    Topic("webhook.deleted", "webhook", ("actor",), "It was deleted."),
    Topic(TESTED, "webhook", ("actor",), "A person asked for this test event; it goes to the tested webhook alone."),
)
TOPICS = {topic.name: topic for topic in _ALL}
FAMILIES = tuple(dict.fromkeys(topic.family for topic in _ALL))


class UnknownTopic(Exception):
    """Something emitted an event that `redraft.domain.topics` does not describe: add it there and in the docs."""


def topic_named(name: str) -> Topic:
    """Return the topic of this name. Raises UnknownTopic."""
    try:
        return TOPICS[name]
    except KeyError:
        raise UnknownTopic(f"there is no topic {name!r}: describe it in redraft/domain/topics.py") from None


def is_pattern(text: str) -> bool:
    """Return whether this names a topic, all topics of a family (`proposal.*`), or all (`*`)."""
    return text == ANY or text in TOPICS or (text.endswith(".*") and text.removesuffix(".*") in FAMILIES)


def matches(pattern: str, topic: str) -> bool:
    """Return whether a pattern, as `is_pattern` knows it, covers a topic."""
    return pattern in (ANY, topic) or (pattern.endswith(".*") and topic.startswith(pattern.removesuffix("*")))
