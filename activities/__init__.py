"""Every side effect of a workflow."""
