"""The rules: evidence, proposals, commit and drift, budgets. Neither HTTP nor Temporal."""
