"""One function makes every client: API, worker, tests and replayer speak the same converter, codec and interceptors."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LoggingConfig, LoggingFormat, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RetryConfig, RPCError

from redraft.settings import Settings
from redraft.telemetry import tracing_wanted
from runtime.codec import EncryptionCodec, parse_keys
from workflows import attributes


def data_converter(settings: Settings) -> DataConverter:
    """Return the converter: Pydantic, and encryption of payloads and failures when REDRAFT_CODEC_KEYS is set."""
    if settings.codec_keys is None:
        return pydantic_data_converter
    codec = EncryptionCodec(parse_keys(settings.codec_keys.get_secret_value()))
    return replace(
        pydantic_data_converter,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def interceptors() -> list[Interceptor]:
    """Return what carries a trace from the request through the workflow to the model call, if tracing is wanted."""
    if not tracing_wanted():
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return [TracingInterceptor()]


@cache
def core_runtime() -> Runtime:
    """Return this process's runtime of Temporal's library. What it has to say is JSON too, a line each on stdout."""
    told = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), format=LoggingFormat.JSON)
    return Runtime(telemetry=TelemetryConfig(logging=told))


class TemporalAway(RuntimeError):
    """Temporal can't be reached."""


async def connect(settings: Settings, *, lazy: bool = False, **overrides: Any) -> Client:
    """Return a client for TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, … (temporalio.envconfig).

    `lazy` connects at the first call, so that a process can start while Temporal is away. Calls are retried for
    3 s at most: whoever waits for the API gets an answer in bounded time. Raises TemporalAway.
    """
    config: dict[str, Any] = {"target_host": "localhost:7233", **ClientConfig.load_client_connect_config()}
    config = {"runtime": core_runtime(), **config, **overrides}
    converter = data_converter(settings)
    try:
        return await Client.connect(
            **config,
            data_converter=converter,
            interceptors=interceptors(),
            retry_config=RetryConfig(max_elapsed_time_millis=3_000),
            lazy=lazy,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0].removeprefix("Failed client connect: ")
        raise TemporalAway(f"Temporal can't be reached at {config['target_host']}: {reason}") from error


async def register_search_attributes(client: Client) -> list[str]:
    """Register the search attributes that are missing and return their names."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = [key.name for key in attributes.ALL if key.name not in known.custom_attributes]
    if missing:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        request = AddSearchAttributesRequest(
            namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
        )
        try:
            await client.operator_service.add_search_attributes(request)
        except RPCError as error:
            if "already exist" not in str(error):  # another process was faster
                raise
    return missing
