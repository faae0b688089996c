"""Runs and improving from them."""
