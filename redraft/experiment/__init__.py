"""Statistics of an optimization: the decision rule. Pure functions, no I/O, no clock."""
