"""Conversations from files: read, understood, recorded – each one once, however often its file is imported."""
