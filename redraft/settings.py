"""Every setting, once: read from the environment, with defaults that start on one machine."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path

from pydantic import AliasChoices, Field, PositiveFloat, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

KIB = 1024
MIB = 1024 * KIB


LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Settings(BaseSettings):
    """Settings of every process. The variable is `REDRAFT_` + the name, unless an alias is given.

    `TEMPORAL_*` variables are not here: `temporalio.envconfig` reads them.
    """

    model_config = SettingsConfigDict(
        env_prefix="REDRAFT_", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    # Where things are
    data_dir: Path = Field(default=Path(".redraft"), description="Folder of the embedded stack's data.")
    database_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL"), description="PostgreSQL 15 or newer."
    )
    database_pool_size: int = Field(default=10, ge=1, description="Connections per process.")
    database_pool_wait_s: float = Field(
        default=15.0, gt=0, description="How long a transaction waits for one of them before it is refused."
    )
    public_temporal_ui: str = Field(
        default="http://127.0.0.1:8233", description="Address of the Temporal Web UI, as people reach it."
    )
    public_url: str = Field(default="http://127.0.0.1:8080", description="Address of the API, as people reach it.")

    # Language models
    gemini_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        description="Key of the Gemini API.",
    )
    gemini_base_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("GOOGLE_GEMINI_BASE_URL"),
        description="Address of the Gemini API, when it is not Google's.",
    )
    gemini_vertex: bool = Field(
        default=False,
        validation_alias=AliasChoices("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"),
        description="Use Vertex AI with Google's own variables.",
    )
    gemini_model: str = Field(default="gemini-2.5-pro", description="Model that writes and judges.")
    llm_url: str | None = Field(default=None, description="OpenAI-compatible server (Ollama, vLLM, llama.cpp).")
    llm_model: str | None = Field(default=None, description="Model name at `REDRAFT_LLM_URL`.")
    llm_api_key: SecretStr | None = Field(default=None, description="Bearer key of `REDRAFT_LLM_URL`.")
    llm_small: bool = Field(
        default=False,
        description="The model is small: propose rule by rule, judge by checks that code can make.",
    )
    local_model: Path | None = Field(default=None, description="A GGUF file for the embedded model server.")
    llm_rate: float = Field(default=10.0, gt=0, description="Audits, drafts and trials that start a second.")
    llm_timeout_s: float = Field(default=50.0, gt=0, description="Seconds one model call may take.")
    llm_attempts: int = Field(default=4, ge=1, description="Attempts per model call, the first included.")
    llm_prices: Path | None = Field(default=None, description="JSON file with USD per million tokens per model.")
    llm_max_output_tokens: int = Field(default=16_384, ge=256, description="Greatest answer, thinking included.")
    llm_context_tokens: int = Field(
        default=200_000,
        ge=1_000,
        description="Tokens of evidence in one request; more is cut from the middle.",
    )

    # Credentials
    secret_key: SecretStr | None = Field(default=None, description="Signing key; default: made by `migrate`.")
    token_days: int = Field(default=7, ge=1, description="Days a login token is valid.")
    codec_keys: SecretStr | None = Field(
        default=None, description="AES-256 keys `id:base64,…` for Temporal payloads; the first one encrypts."
    )
    codec_token: SecretStr | None = Field(
        default=None, description="What the codec endpoint wants as bearer token; needed beyond loopback."
    )

    # Limits
    rate_limit_per_minute: int = Field(default=300, ge=0, description="Requests per customer; 0 = none.")
    login_limit_per_minute: int = Field(default=30, ge=0, description="Logins per address; 0 = none.")
    max_body_bytes: int = Field(default=MIB, ge=1, description="Greatest request body.")
    max_batch_bytes: int = Field(default=10 * MIB, ge=1, description="Greatest body of a batch.")
    max_prompt_bytes: int = Field(default=64 * KIB, ge=1, description="Greatest prompt, UTF-8.")
    max_message_bytes: int = Field(default=32 * KIB, ge=1, description="Greatest message of a call, UTF-8.")
    max_call_bytes: int = Field(default=MIB, ge=1, description="Greatest call, all messages together.")
    max_audit_bytes: int = Field(default=64 * KIB, ge=1, description="Greatest audit.")
    max_in_progress: int = Field(default=3, ge=1, description="Proposals in progress per customer.")
    improve_wait_s: float = Field(
        default=60.0, ge=0, le=80, description="Seconds that `improve_prompt` waits before it answers 202."
    )
    temporal_timeout_s: float = Field(default=10.0, gt=0, description="Seconds the API waits for Temporal.")
    monthly_budget_usd: Decimal | None = Field(default=None, ge=0, description="Budget per customer; none = no limit.")

    # Traces
    trace_days: int | None = Field(
        default=None,
        ge=1,
        le=3_650,
        description="Days traces are kept, unless the customer has its own; none = for ever.",
    )

    # Watches
    watch_interval_s: float = Field(default=300.0, gt=0, description="Seconds between two looks of a watch.")
    watch_days: float = Field(default=30.0, gt=0, le=3_650, description="Days after which a watch ends undecided.")

    # Events
    event_days: int | None = Field(
        default=None, ge=1, le=36_500, description="Days events stay in the log; none = for ever."
    )
    webhook_retry_s: tuple[PositiveFloat, ...] = Field(
        default=(5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400),
        max_length=50,
        description="Seconds from each failed attempt of a webhook to the next.",
    )
    webhook_timeout_s: float = Field(
        default=15.0, gt=0, le=300, description="Seconds one request of a webhook may take."
    )
    webhook_networks: tuple[str, ...] = Field(
        default=(), description="Networks (CIDR) that webhooks may reach although they are not public, also over http."
    )
    webhook_rotation_hours: int = Field(
        default=24, ge=0, le=720, description="Hours that a webhook's secret signs on after a new one was made."
    )
    webhook_delivery_days: int = Field(
        default=30, ge=1, le=3_650, description="Days that ended deliveries stay in a webhook's log."
    )

    @field_validator("webhook_networks")
    @classmethod
    def _known_networks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            ip_network(text)  # its ValueError says what is wrong
        return texts

    # Optimizations
    exploratory_delta: float = Field(default=0.20, gt=0, lt=1, description="Error guarantee of mode exploratory.")
    exploratory_cells: int = Field(default=24, ge=1, description="Greatest cells per arm, mode exploratory.")
    exploratory_turns: int = Field(default=6, ge=1, description="Greatest turns of a trial, mode exploratory.")
    validation_delta: float = Field(default=0.05, gt=0, lt=1, description="Error guarantee of mode validation.")
    validation_cells: int = Field(default=250, ge=1, description="Greatest cells per arm, mode validation.")
    validation_turns: int = Field(default=10, ge=1, description="Greatest turns of a trial, mode validation.")
    minimum_lift: float = Field(default=3.0, ge=0, lt=100, description="Smallest lift that matters, of 100 points.")
    look_every_cells: int = Field(default=5, ge=1, description="Cells between two looks of the decision rule.")
    trials_side_by_side: int = Field(default=10, ge=1, description="Trials of one optimization at the same time.")
    optimizations_side_by_side: int = Field(default=2, ge=1, description="Optimizations running per customer.")
    score_weights: tuple[float, float, float] = Field(
        default=(1.0, 1.0, 1.0), description="Weights of taskCompletion, sentiment and quality in a trial's score."
    )

    # Schedules
    schedule_min_interval_s: int = Field(
        default=60, ge=1, le=86_400, description="Least seconds between two due times of a schedule."
    )
    schedule_audit_wait_s: float = Field(
        default=3_600.0, gt=0, description="Seconds that a run of a schedule waits for its audits."
    )
    schedule_run_days: int | None = Field(
        default=None, ge=1, le=36_500, description="Days that ended runs of schedules are kept; none = for ever."
    )
    max_schedules: int = Field(default=100, ge=1, description="Schedules per customer.")

    # Operation
    task_queue: str = Field(default="redraft", description="Prefix of the task queues.")
    deployment: str = Field(default="redraft", description="Worker deployment name.")
    build_id: str | None = Field(default=None, description="Build of this worker; set = worker versioning is on.")
    relay_interval_s: float = Field(default=0.5, gt=0, description="Seconds between looks into the outbox.")
    reconcile_interval_s: float = Field(default=15.0, gt=0, description="Seconds between reconciliations.")
    retention_interval_s: float = Field(default=300.0, gt=0, description="Seconds between deletions of old records.")
    graceful_shutdown_s: float = Field(default=60.0, ge=0, description="Seconds a worker may take to finish.")
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="Port of this process's Prometheus metrics."
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address that the metrics listen on.")
    log_level: str = Field(default="INFO", description="Level of the JSON logs.")

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.upper() not in LOG_LEVELS:
            raise ValueError(f"give one of {', '.join(LOG_LEVELS)}")
        return level.upper()


class UnusableSettings(Exception):
    """A setting has a value that it can't have; the message names the variable and says what would be right."""


@lru_cache
def settings() -> Settings:
    """Return the settings of this process, read once from the environment. Raises UnusableSettings."""
    try:
        return Settings()
    except ValidationError as error:
        message = "\n".join(f"{_variable(fault['loc'])}: {_said(fault['msg'])}" for fault in error.errors())
    except SettingsError as error:
        message = _not_json(error)
    raise UnusableSettings(message)  # out here, so that the error, which quotes what was given, is not its context


def _variable(place: tuple[int | str, ...]) -> str:
    """Return the environment variable that a fault is about, of several names the one that is set, and the index."""
    name, *index = map(str, place)
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    names = next((a.choices for a in aliases if isinstance(a, AliasChoices) and name in a.choices), None)
    variable = f"REDRAFT_{name.upper()}" if names is None else next((n for n in names if n in os.environ), name)
    return f"{variable}{''.join(f'[{at}]' for at in index)}"


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")


def _not_json(error: SettingsError) -> str:
    [name] = re.findall(r'for field "(\w+)"', str(error))
    default = json.dumps(Settings.model_fields[name].default)
    return f"{_variable((name,))}: not a JSON list; write it like {default}, which is the default"
