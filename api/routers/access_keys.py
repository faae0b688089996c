"""Access keys: how programs sign in. A secret is shown once, in the answer that made it."""

from __future__ import annotations

from uuid import UUID

from api.dependencies import Admin, PageSize, PageToken, Reader, TenantSession
from api.idempotency import answers_secret
from api.routing import Router
from api.schemas.accounts import AccessKeyCreate, AccessKeyRecord, NewAccessKey
from api.schemas.common import PageOf
from redraft.domain.customers import create_key, delete_key, get_key, list_keys

router = Router(prefix="/v1.0/accesskeys", tags=["accesskeys"])


@router.post("", operation_id="create_access_key", summary="Create an access key")
@answers_secret
async def create(body: AccessKeyCreate, principal: Admin, session: TenantSession) -> NewAccessKey:
    """Create an access key. Its secret is not stored: an Idempotency-Key has no effect here."""
    made = await create_key(
        session, principal.customer_id, body.name, body.scope, detail=body.detail, expires_at=body.tm_expire
    )
    return NewAccessKey.made(made)


@router.get("", operation_id="list_access_keys", summary="List access keys")
async def list_all(
    principal: Reader, session: TenantSession, size: PageSize, cursor: PageToken
) -> PageOf[AccessKeyRecord]:
    """List the access keys without their secrets, newest first."""
    page = await list_keys(session, cursor, size)
    return PageOf[AccessKeyRecord].build(page.items, page.next_token, AccessKeyRecord.of)


@router.get("/{key_id}", operation_id="get_access_key", summary="Read an access key")
async def read(key_id: UUID, principal: Reader, session: TenantSession) -> AccessKeyRecord:
    """Read an access key without its secret."""
    return AccessKeyRecord.of(await get_key(session, key_id))


@router.delete("/{key_id}", operation_id="delete_access_key", summary="Delete an access key")
async def delete(key_id: UUID, principal: Admin, session: TenantSession) -> AccessKeyRecord:
    """Delete an access key; it is refused at once."""
    return AccessKeyRecord.of(await delete_key(session, key_id))
