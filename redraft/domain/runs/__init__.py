"""Runs: conversations with the evaluation that came with them. A run is a trace; improving from it is a proposal."""
