"""Finds the stack that runs on this machine, so that commands in another terminal reach it without being told."""

from __future__ import annotations

from redraft.embedded.home import Home
from redraft.embedded.ports import LOOPBACK
from redraft.embedded.postgres import Postgres
from redraft.settings import Settings


def running_stack(settings: Settings) -> dict[str, str]:
    """Return DATABASE_URL and TEMPORAL_ADDRESS of the stack running on `settings.data_dir`; nothing when none does."""
    home = Home(settings.data_dir)
    ports = home.running_ports()
    if "PostgreSQL" not in ports or "Temporal" not in ports:
        return {}
    return {
        "DATABASE_URL": Postgres(home.folder / "postgres", ports["PostgreSQL"]).url(),
        "TEMPORAL_ADDRESS": f"{LOOPBACK}:{ports['Temporal']}",
        "TEMPORAL_NAMESPACE": "default",
    }
