"""Optimizations: opened, run as an experiment, concluded, then applied or dismissed by a person."""
