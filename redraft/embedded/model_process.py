"""The process of the model server: llama.cpp's own HTTP server, OpenAI-compatible. Started by `model_server`."""

from __future__ import annotations

import argparse
import signal
import sys

import xllamacpp


def main() -> None:
    """Serve the model until a signal ends the process."""
    parser = argparse.ArgumentParser(prog="redraft.embedded.model_process")
    parser.add_argument("--model", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--host", required=True)
    for number in ("port", "context", "slots", "threads"):
        parser.add_argument(f"--{number}", type=int, required=True)
    options = parser.parse_args()

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.name}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.slots
    params.n_ctx = options.context * options.slots
    params.cpuparams.n_threads = options.threads
    params.cache_ram_mib = 256  # kept prompts; the default is 8 GiB
    params.offline = True
    # Nothing but the API: no page, no view of what is being worked on, and no leave for web pages to call it.
    params.ui = False
    params.endpoint_slots = False
    params.cors_origins = f"http://{options.host}"
    try:
        server = xllamacpp.Server(params)
    except Exception as error:
        sys.exit(f"The model {options.model} could not be served: {error}")
    sys.stderr.write(f"Serving {options.name} at {server.listening_address}.\n")
    signal.pause()


if __name__ == "__main__":
    main()
