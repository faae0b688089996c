"""Codes of the core in plain words."""

from __future__ import annotations

STATUS = {
    "progressing": "Being written",
    "completed": "Waiting for a decision",
    "failed": "Failed",
    "accepted": "Accepted",
    "rejected": "Rejected",
    "expired": "Expired",
    "queued": "Queued",
    "running": "Running",
    "stopped": "Stopped",
    "decided": "Decided",
    "applied": "Applied",
    "dismissed": "Dismissed",
    "drifted": "Prompt moved",
}
TONE = {
    "progressing": "busy",
    "running": "busy",
    "queued": "busy",
    "completed": "wait",
    "accepted": "good",
    "applied": "good",
    "failed": "bad",
    "expired": "bad",
    "drifted": "bad",
}
ERROR = {
    "": "",
    "invalid_audit_set": "What it stands on was deleted, is not complete, or gives no reason to change anything.",
    "audit_prompt_version_mismatch": "Its audits are of an older version of the prompt.",
    "prompt_version_drifted": "The prompt moved to another version, so this draft no longer fits it.",
    "evaluator_unavailable": "The language model could not be reached, or its budget was spent.",
    "invalid_evaluator_response": "The language model's answer could not be used.",
    "cancelled": "Somebody cancelled it.",
    "drifted": "The prompt moved to another version.",
}
SOURCE = {
    "create": "created",
    "update": "edited",
    "restore": "restored",
    "proposal": "accepted proposal",
    "optimization": "applied variant",
    "version": "posted with its number",
    "watch": "restored by the watch",
}
CHECK = {
    "template_variables": "Template variables",
    "private_data": "Private data",
    "new_variables": "New variables",
    "length": "Length",
    "changed": "Changed",
    "language": "Language",
}
DIMENSION = {
    "helpfulness": "Helpfulness",
    "accuracy": "Accuracy",
    "tone": "Tone",
    "goal_completion": "Goal completion",
    "tool_usage": "Tool usage",
}
ROLE = {"read": "viewer", "write": "manager", "admin": "administrator"}
SPEAKER = {
    "user": "Caller",
    "assistant": "Assistant",
    "tool": "Tool",
    "system": "System",
    "persona": "Persona",
    "agent": "Assistant",
}
DROPPED = {
    "outpaced": "Another variant was so far ahead that this one had no fair chance left.",
    "futile": "It had no fair chance left to show a lift that matters.",
    "missing": "It has no score in a cell that it should have met.",
}
METRIC = {"taskCompletion": "Task completion", "sentiment": "Sentiment", "quality": "Quality"}
PURPOSE = {"proposal": "Proposals", "audit": "Audits", "optimization": "Optimizations"}
ACTION = {"proposal": "Propose", "optimization": "Optimize", "audit": "Audit"}
ACTION_TOLD = {
    "proposal": "have a better prompt written from the worst audits",
    "optimization": "try several rewrites in simulated conversations",
    "audit": "have recent conversations judged, nothing more",
}
RUN = {
    "running": "Looking",
    "started": "Started something",
    "completed": "Done",
    "skipped": "Skipped",
    "failed": "Failed",
}
RUN_TONE = {"running": "busy", "started": "good", "completed": "good", "failed": "bad"}
CAUSE = {"schedule": "on time", "manual": "asked for", "backfill": "backfill"}
WATCH = {"watching": "Watching", "better": "Better", "worse": "Worse", "ended": "No verdict"}
WATCH_TONE = {"watching": "busy", "better": "good", "worse": "bad"}
WATCH_REASON = {
    "moved": "the prompt moved on",
    "deleted": "the prompt was deleted",
    "switched_off": "the watch was switched off",
    "time_over": "no difference was found in time",
}
DELIVERY = {"pending": "On its way", "delivered": "Delivered", "failed": "Given up", "cancelled": "Cancelled"}
DELIVERY_TONE = {"pending": "busy", "delivered": "good", "failed": "bad"}
WEBHOOK_OFF = {
    "person": "Disabled",
    "failing": "Disabled: nothing could be delivered",
    "gone": "Disabled: the receiver said it is gone",
}
FIELD = {
    "monthly_budget_usd": "budget",
    "max_cost_usd": "hard stop",
    "username": "user name",
    "audit_ids": "audits",
    "every": "interval",
    "url": "address",
    "interval.everySeconds": "interval",
    "timeZone": "time zone",
    "jitterSeconds": "spread",
    "catchupWindowSeconds": "catching up",
    "settings.sampleSize": "conversations to audit",
    "settings.personaIds": "who talks to it",
    "persona_ids": "who talks to it",
    "target_improvements": "what should get better",
    "sample_size": "conversations to audit",
    "variant_count": "variants",
    "min_new_audits": "new audits",
    "mean_score_below": "mean score",
    "promptId": "prompt",
    "budget_usd": "budget",
    "startAt": "from",
    "endAt": "to",
    "since": "from",
    "until": "to",
    "cron.0": "cron",
}

SENT = {
    "accept": "accept the proposal",
    "reject": "reject the proposal",
    "cancel": "cancel the proposal",
    "edit": "save what was edited",
    "apply": "apply a variant",
    "stop": "stop the optimization",
    "dismiss": "dismiss the optimization",
    "restore": "restore a version",
    "proposals": "have a proposal written",
    "optimizations": "start an optimization",
    "watch": "change the watch",
    "schedules": "create a schedule",
    "trigger": "run the schedule now",
    "pause": "pause the schedule",
    "resume": "resume the schedule",
    "backfill": "run due times of the past",
    "delete": "delete it",
    "keys": "create an access key",
    "revoke": "revoke the access key",
    "users": "create a user",
    "budget": "set the budget",
    "webhooks": "create a webhook",
    "enable": "enable the webhook",
    "disable": "disable the webhook",
    "rotate-secret": "make a new secret",
    "test": "send a test event",
    "redeliver": "send the event again",
}
"""What a form does, by the last part of the address that it is sent to."""
UNREAD = frozenset({"draft", "next", "current", "variant", "prompt", "revision", "id"})
"""Fields of forms that only programs read."""

WORDS = {
    "field": FIELD,
    "sent": SENT,
    "unread": UNREAD,
    "status": STATUS,
    "tone": TONE,
    "error": ERROR,
    "source": SOURCE,
    "check": CHECK,
    "dimension": DIMENSION,
    "role": ROLE,
    "speaker": SPEAKER,
    "dropped": DROPPED,
    "metric": METRIC,
    "purpose": PURPOSE,
    "action": ACTION,
    "action_told": ACTION_TOLD,
    "run": RUN,
    "run_tone": RUN_TONE,
    "cause": CAUSE,
    "delivery": DELIVERY,
    "delivery_tone": DELIVERY_TONE,
    "webhook_off": WEBHOOK_OFF,
    "watch": WATCH,
    "watch_tone": WATCH_TONE,
    "watch_reason": WATCH_REASON,
}
