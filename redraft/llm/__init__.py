"""The language models: one port, its adapters, and the tasks that are asked of them."""
