"""`python -m bench [NAME …]`: run all benchmarks, or those named, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

BENCHES = {
    "decision_rule": "the decision rule beside its peers: false winners, power, trials, lift",
    "proposals": "proposals per second from create to accept, beside a bare workflow with as many steps",
    "reads": "latency of reading proposals, beside bare FastAPI routes with the same queries",
    "waiting": "memory of API and worker while thousands of proposals wait",
    "trials": "trials per second beside bare activities, history per trial, time from stop to stopped",
    "traces": "ingestion of traces beside bare INSERTs and MLflow, compare at 10 k to 10 M traces, memory",
    "console": "first paint and time to interactive of two heavy pages in a real browser",
    "optimization": "the sample AI optimized with the local model, from start to verdict",
    "airline": "forty real conversations end to end with the local model",
    "runs": "three failed airline conversations as runs, a prompt improved from them with the local model",
}


def main(names: list[str]) -> int:
    """Run the benchmarks one after another; return 1 when one failed or is unknown."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"No benchmark is called {', '.join(unknown)}. There are:")
        for name, what in BENCHES.items():
            print(f"  {name:<14} {what}")
        return 1
    codes = []
    for name in names or BENCHES:
        print(f"== {name}: {BENCHES[name]}", flush=True)
        codes.append(subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
