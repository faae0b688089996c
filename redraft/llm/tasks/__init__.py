"""The tasks that are asked of a language model, in terms of the port alone."""
