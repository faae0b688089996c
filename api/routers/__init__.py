"""One module per resource; each has a `router`, and this list is all of them."""

from __future__ import annotations

from api.routers import (
    access_keys,
    aiaudits,
    aicalls,
    aipromptproposals,
    ais,
    auth,
    customers,
    dashboard_prompts,
    events,
    health,
    optimizations,
    otlp,
    personas,
    prompt_histories,
    prompts,
    runs,
    scenarios,
    schedules,
    traces,
    usage,
    users,
    webhooks,
)
from api.routing import Router

ROUTERS: list[Router] = [
    health.router,
    auth.router,
    customers.router,
    users.router,
    access_keys.router,
    usage.router,
    ais.router,
    prompt_histories.router,
    aicalls.router,
    aiaudits.router,
    aipromptproposals.router,
    prompts.router,
    personas.router,
    scenarios.router,
    optimizations.router,
    schedules.router,
    events.router,
    webhooks.router,
    dashboard_prompts.router,
    traces.router,
    otlp.router,
    runs.router,
]
