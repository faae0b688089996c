"""A walk through the whole loop in the terminal, over the HTTP API as any client uses it."""
