"""What every process shares on Temporal: the client, payload encryption, the relay and the reconciler."""
