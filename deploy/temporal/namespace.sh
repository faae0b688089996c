#!/bin/sh
# Make the namespace when it is absent, and wait until it can be used. Closed workflows stay readable for 30 days; open
# ones have no limit. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say where.
set -eu

there() {
    # `operator namespace` wants the name said; the variable alone would mean `default`.
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" > /dev/null 2>&1 ||
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 720h
}

attempts=60
until there && temporal workflow list --limit 1 > /dev/null; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || exit 1
    sleep 2
done
