"""MLflow's tracking server, in an environment of its own: how many traces a second it records.

It keeps them in the same PostgreSQL server as Redraft; the traces have as many spans, and as many clients send them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PACKAGES = ("mlflow", "psycopg[binary]")
CLIENT = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
import mlflow
number, clients, spans = map(int, sys.argv[2:5])
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("bench")
def one(n):
    with mlflow.start_span("agent step", span_type="AGENT") as root:
        root.set_inputs({"inquiry": n})
        for step in range(spans - 1):
            with mlflow.start_span(f"step {step}", span_type="LLM") as span:
                span.set_attributes({"gen_ai.operation.name": "chat", "model": "a-model"})
        root.set_outputs({"said": "done"})
for n in range(5):
    one(n)
mlflow.flush_trace_async_logging()
begun = time.perf_counter()
with ThreadPoolExecutor(clients) as pool:
    list(pool.map(one, range(number)))
mlflow.flush_trace_async_logging()
print(json.dumps({"seconds": time.perf_counter() - begun}))
"""


def install(folder: Path) -> Path:
    """Make the environment and return its Python. Raises CalledProcessError when it can't be had."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    subprocess.run(pip, check=True)
    return python


def server_command(python: Path, database_url: str, port: int, folder: Path) -> tuple[str, ...]:
    """Return what starts the server."""
    options = ("--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", database_url)
    return (str(python), "-m", "mlflow", "server", *options, "--artifacts-destination", str(folder / "artifacts"))


def environment() -> dict[str, str]:
    """Return the environment of its processes."""
    return {
        **os.environ,
        "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "DO_NOT_TRACK": "1",
    }


def traces_per_second(python: Path, url: str, number: int, clients: int, spans: int) -> float:
    """Log traces with MLflow's own client, until the server has them, and return how many a second."""
    command = [str(python), "-c", CLIENT, url, str(number), str(clients), str(spans)]
    done = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True)
    return number / float(json.loads(done.stdout.strip().splitlines()[-1])["seconds"])
