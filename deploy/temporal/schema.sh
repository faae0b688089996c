#!/bin/sh
# Bring Temporal's two schemas up to the version of these tools. Harmless to repeat. The server, the user and the password
# are in SQL_HOST, SQL_USER, SQL_PASSWORD, …
set -eu
for SQL_DATABASE in temporal temporal_visibility; do
    export SQL_DATABASE
    temporal-sql-tool setup-schema -v 0.0
    temporal-sql-tool update-schema -d "/etc/temporal/schema/postgresql/v12/${SQL_DATABASE#temporal_}/versioned"
done
