"""Tests of the watch: verdicts, restoring, and that it outlives its processes."""
