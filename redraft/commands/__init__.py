"""The groups of the `redraft` command, one module each."""
