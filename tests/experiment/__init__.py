"""Tests of the decision rule."""
