"""PostgreSQL, Temporal and a model server for one machine, without setup."""
