"""The records: tables, queries, migrations."""
