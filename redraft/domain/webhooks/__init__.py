"""Webhooks: events sent to the customer's own programs, signed as Standard Webhooks says."""
