"""Durable workflows: deterministic orchestration, nothing else."""
