"""Redraft improves the prompt of an AI in production and proves that it did."""
