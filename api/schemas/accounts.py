"""Customers, users and access keys: who owns records, and who may see and change them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.rendering import tm
from api.schemas.common import EXAMPLE_IDS, EXAMPLE_TM, Body, Moment, Tm
from redraft.domain.access import Role, Scope
from redraft.domain.customers import GREATEST_NAME, GREATEST_USERNAME, NewKey
from redraft.domain.passwords import GREATEST_PASSWORD, LEAST_PASSWORD
from redraft.store.tables import AccessKey, Customer, User

_EXAMPLE_KEY = "rd_" + "x" * 43
Usd = Annotated[Decimal, Field(ge=0, lt=10**9, decimal_places=9)]
Password = Annotated[
    str, Field(min_length=LEAST_PASSWORD, max_length=GREATEST_PASSWORD, examples=["correct horse battery staple"])
]
Name = Annotated[str, Field(max_length=GREATEST_NAME)]


class CustomerUpdate(BaseModel):
    """What to change; what is absent stays. null goes back to the installation's default."""

    name: Annotated[str, Field(min_length=1, max_length=GREATEST_NAME, pattern=r"\S")] = Field(
        default="", examples=["Acme"]
    )
    monthly_budget_usd: Usd | None = Field(
        default=None, description="What model calls may cost in a month (UTC), in USD; 0 stops them.", examples=[25]
    )
    max_in_progress: Annotated[int, Field(ge=1, le=1_000, strict=True)] | None = Field(
        default=None, description="Proposals in progress at the same time.", examples=[3]
    )
    trace_days: Annotated[int, Field(ge=1, le=3_650, strict=True)] | None = Field(
        default=None, description="Days that traces are kept.", examples=[90]
    )


class Budget(BaseModel):
    """This month's money, in USD. `committed_usd` is what calls cost, or may still cost while they run."""

    month: date = Field(description="First day of the month, UTC.")
    limit_usd: float | None = Field(description="null: no limit.")
    committed_usd: float


class CustomerRecord(BaseModel):
    """A customer. null settings mean the installation's default."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": str(EXAMPLE_IDS["customer"]),
                "name": "Acme",
                "monthly_budget_usd": 25.0,
                "max_in_progress": None,
                "trace_days": None,
                "budget": {"month": "2026-01-01", "limit_usd": 25.0, "committed_usd": 1.27},
                "tm_create": EXAMPLE_TM,
                "tm_delete": tm(None),
            }
        }
    )

    id: UUID
    name: str
    monthly_budget_usd: float | None
    max_in_progress: int | None
    trace_days: int | None
    budget: Budget
    tm_create: Tm
    tm_delete: Tm

    @classmethod
    def of(cls, customer: Customer, budget: Budget) -> CustomerRecord:
        """Render a customer with this month's budget."""
        own = customer.monthly_budget_usd
        return cls(
            id=customer.id,
            name=customer.name,
            monthly_budget_usd=None if own is None else float(own),
            max_in_progress=customer.max_in_progress,
            trace_days=customer.trace_days,
            budget=budget,
            tm_create=tm(customer.created_at),
            tm_delete=tm(None),
        )


class UserCreate(Body):
    """A person to let in."""

    username: Annotated[str, Field(min_length=1, max_length=GREATEST_USERNAME)] = Field(examples=["ada"])
    password: Password
    role: Role = Field(default=Role.MANAGER, description="viewer reads, manager also decides, admin also manages.")


class UserUpdate(Body):
    """What to change; what is absent stays. Another password ends the user's login tokens."""

    password: Password | None = None
    role: Role | None = None
    disabled: bool | None = Field(default=None, description="A disabled user is refused at once.")


class UserRecord(BaseModel):
    """A user. The name of a deleted user stays taken, because records name their authors by it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "0f0e0d0c-0b0a-4908-8706-050403020100",
                "customer_id": str(EXAMPLE_IDS["customer"]),
                "username": "ada",
                "role": "manager",
                "disabled": False,
                "tm_create": EXAMPLE_TM,
                "tm_delete": tm(None),
            }
        }
    )

    id: UUID
    customer_id: UUID
    username: str
    role: Role
    disabled: bool
    tm_create: Tm
    tm_delete: Tm

    @classmethod
    def of(cls, user: User) -> UserRecord:
        """Render a user, without the password's hash."""
        return cls(
            id=user.id,
            customer_id=user.customer_id,
            username=user.username,
            role=Role(user.role),
            disabled=user.disabled_at is not None,
            tm_create=tm(user.created_at),
            tm_delete=tm(user.deleted_at),
        )


class AccessKeyCreate(Body):
    """A program to let in. What limits a key is understood under its other usual names, too, not passed over."""

    name: Name = Field(default="", examples=["nightly import"])
    detail: Annotated[str, Field(max_length=10_000)] = ""
    scope: Scope = Field(default=Scope.WRITE, description="read, write (also decides) or admin (also manages).")
    scopes: Annotated[list[Scope], Field(min_length=1)] | None = Field(
        default=None, description="Instead of scope: the widest of them holds, each includes those before it."
    )
    tm_expire: Moment | None = Field(default=None, description="When it ends; default: never.")
    expires_at: Moment | None = Field(default=None, description="The same as tm_expire.")

    @model_validator(mode="after")
    def _one_word_each(self) -> Self:
        if self.scopes:
            widest = max(self.scopes, key=list(Scope).index)
            if "scope" in self.model_fields_set and self.scope != widest:
                raise ValueError("scope and scopes say different things; give one of them")
            self.scope = widest
        if self.expires_at is not None:
            if self.tm_expire not in (None, self.expires_at):
                raise ValueError("tm_expire and expires_at say different things; give one of them")
            self.tm_expire = self.expires_at
        return self


class AccessKeyRecord(BaseModel):
    """An access key, without its secret."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "00010203-0405-4607-8809-0a0b0c0d0e0f",
                "customer_id": str(EXAMPLE_IDS["customer"]),
                "name": "nightly import",
                "detail": "",
                "prefix": _EXAMPLE_KEY[:9],
                "scope": "write",
                "tm_expire": tm(None),
                "tm_last_used": tm(None),
                "tm_create": EXAMPLE_TM,
                "tm_delete": tm(None),
            }
        }
    )

    id: UUID
    customer_id: UUID
    name: str
    detail: str
    prefix: str = Field(description="How the key begins, to tell keys apart.")
    scope: Scope
    tm_expire: Tm
    tm_last_used: Tm = Field(description="To the minute.")
    tm_create: Tm
    tm_delete: Tm

    @classmethod
    def of(cls, key: AccessKey) -> AccessKeyRecord:
        """Render a key."""
        return cls(**_parts(key))


class _Secret(BaseModel):
    access_key: str


class NewAccessKey(AccessKeyRecord, _Secret):  # in this order the secret stands before the prefix, which looks like it
    """An access key just made. `access_key` is shown now and never again."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema.update(
            example={"access_key": _EXAMPLE_KEY, **AccessKeyRecord.model_json_schema()["example"]}
        )
    )

    @classmethod
    def made(cls, new: NewKey) -> NewAccessKey:
        """Render a key with its secret."""
        return cls(**_parts(new.key), access_key=new.secret)


def _parts(key: AccessKey) -> dict[str, object]:
    return {
        "id": key.id,
        "customer_id": key.customer_id,
        "name": key.name,
        "detail": key.detail,
        "prefix": key.prefix,
        "scope": key.scope,
        "tm_expire": tm(key.expires_at),
        "tm_last_used": tm(key.last_used_at),
        "tm_create": tm(key.created_at),
        "tm_delete": tm(key.deleted_at),
    }
