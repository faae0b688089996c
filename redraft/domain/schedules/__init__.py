"""Schedules: when a prompt is looked at again by itself, under which conditions something is started, and the runs."""
