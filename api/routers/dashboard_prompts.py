"""Prompts of the dashboard: versions by name and number, what each of them did, which traces used them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Header, Path, Query, Response
from fastapi.responses import PlainTextResponse

from api.dependencies import NewId, Reader, State, TenantSession, Writer
from api.negotiation import prefers
from api.routing import Router
from api.schemas.dashboard import (
    Comparison,
    PromptTemplate,
    PromptVersionCreate,
    PromptVersionDetail,
    UsageCreate,
    UsageRecorded,
    VersionDiff,
    VersionFigures,
)
from redraft.domain.commit import GREATEST_NUMBER
from redraft.domain.diff import unified
from redraft.domain.limits import check_prompt
from redraft.domain.lineage import lineage_of, number_before
from redraft.domain.live.compare import Period, compare_versions
from redraft.domain.live.usage import record_usage
from redraft.domain.named_prompts import NumberedVersion, add_version, all_versions, version_numbered, versions_named
from redraft.domain.prompts import restore_version

router = Router(prefix="/api/v1/dashboard/prompts", tags=["dashboard"])

GREATEST_LIST = 1_000
TOTAL = "X-Total-Count"
Name = Annotated[str, Path(description="The prompt's name.")]
Number = Annotated[int, Path(ge=1, le=GREATEST_NUMBER, description="The version's number.")]
Against = Annotated[int | None, Query(ge=1, description="The version to start from; default: the one before.")]
Limit = Annotated[int, Query(ge=1, le=GREATEST_LIST, description="Versions in the answer.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="Versions to pass over.")]


@router.post(
    "/",
    status_code=201,
    summary="Create a prompt version",
    responses={409: {"description": "This prompt has this version already."}},
)
async def create_prompt_version(
    body: PromptVersionCreate, principal: Writer, session: TenantSession, state: State, new_id: NewId
) -> PromptTemplate:
    """Create a version with its number. One above all others becomes the current version, on every API."""
    check_prompt("template_text", body.template_text, state.settings)
    posted = NumberedVersion(body.name, body.version, body.template_text, body.description, new_id)
    return PromptTemplate.of(body.name, await add_version(session, principal.customer_id, posted, principal.actor))


@router.get("/", summary="List all prompt versions")
async def list_all_prompt_versions(
    principal: Reader, session: TenantSession, response: Response, limit: Limit = GREATEST_LIST, offset: Offset = 0
) -> list[PromptTemplate]:
    """List the versions of all prompts by name, newest first within a name. `X-Total-Count` says how many there are."""
    rows, total = await all_versions(session, limit, offset)
    response.headers[TOTAL] = str(total)
    return [PromptTemplate.of(name, version) for name, version in rows]


@router.get("/{name}/versions", summary="List the versions of a prompt")
async def list_versions_of_a_prompt(name: Name, principal: Reader, session: TenantSession) -> list[PromptTemplate]:
    """List the versions of a prompt, newest first."""
    return [PromptTemplate.of(name, version) for version in await versions_named(session, name)]


@router.get("/{name}/versions/{version}", summary="Read a version of a prompt")
async def read_prompt_version(
    name: Name, version: Number, principal: Reader, session: TenantSession
) -> PromptVersionDetail:
    """Read a version with where it came from: what made it, who decided, on which evidence."""
    found = await version_numbered(session, name, version)
    return PromptVersionDetail.with_lineage(name, await lineage_of(session, found))


@router.get(
    "/{name}/versions/{version}/diff",
    summary="Compare the texts of two versions",
    response_model=VersionDiff,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def diff_prompt_versions(
    name: Name,
    version: Number,
    principal: Reader,
    session: TenantSession,
    response: Response,
    against: Annotated[
        int | None, Query(ge=1, description="The version to start from; default: the one before.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> VersionDiff | Response:
    """Compare any two versions word by word (JSON), or line by line as a unified diff with `Accept: text/plain`."""
    new = await version_numbered(session, name, version)
    old = await version_numbered(session, name, against or await number_before(session, new))
    response.headers["Vary"] = "Accept"
    if not prefers(accept, "text/plain", "application/json"):
        return VersionDiff.of(name, old, new)
    text = unified(old.text, new.text, (f"{name}/{old.number}", f"{name}/{new.number}"))
    return PlainTextResponse(text, headers=dict(response.headers))


@router.post("/{name}/versions/{version}/restore", status_code=201, summary="Go back to a version of a prompt")
async def restore_prompt_version(
    name: Name, version: Number, principal: Writer, session: TenantSession
) -> PromptVersionDetail:
    """Make a new version with the text of an old one; it becomes the current version."""
    old = await version_numbered(session, name, version)
    restored = await restore_version(session, old.prompt_id, old.id, principal.actor)
    return PromptVersionDetail.with_lineage(name, await lineage_of(session, restored))


@router.get("/{name}/compare", summary="Compare the versions of a prompt")
async def compare_prompt_versions(
    name: Name,
    principal: Reader,
    session: TenantSession,
    first: Annotated[date | None, Query(alias="from", description="First day (UTC) of traces to count.")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last day (UTC) of traces to count.")] = None,
) -> Comparison:
    """Show what each version did. A period gives figures but no verdict: it may have been picked for what it shows."""
    period = None if first is None and last is None else Period(first, last)
    reports = await compare_versions(session, name, period)
    return Comparison(name=name, versions=[VersionFigures.of(report) for report in reports])


@router.post(
    "/usage",
    status_code=201,
    summary="Record prompt usage",
    responses={404: {"description": "There is no such prompt or version."}},
)
async def record_prompt_usage(body: UsageCreate, principal: Writer, session: TenantSession) -> UsageRecorded:
    """Record that a trace used a version; it may come before its trace. Repeating it changes nothing."""
    await record_usage(
        session, principal.customer_id, body.prompt_name, body.prompt_version, body.trace_id, body.span_id
    )
    return UsageRecorded()
