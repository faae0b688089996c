"""Proposals: opened from audits or queued from runs, drafted by a model, decided by a person."""
