"""Which AI, and which version of its prompt, a conversation belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import Change, commit
from redraft.domain.errors import invalid
from redraft.domain.limits import check_prompt
from redraft.domain.prompts import PromptDraft, create_prompt
from redraft.importing.chat import AiLine, ChatCall
from redraft.settings import Settings
from redraft.store.tables import Prompt, PromptVersion

ACTOR = "redraft import"
GREATEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the conversations of a file go.

    * `ai`: the AI of all of them, by its name, prompt name or id; None: the one that an export's line names, else
      `default_ai`.
    * `prompt`: the text they all ran under; `version`: its number. With neither, the system message that a
      conversation begins with tells; one without a system message ran under the current version.
    * `language`: of an AI that has to be made.
    """

    default_ai: str
    ai: str | None = None
    prompt: str | None = None
    version: int | None = None
    language: str = ""

    @property
    def pinned(self) -> bool:
        """Whether the version is given, whatever a conversation says."""
        return self.prompt is not None or self.version is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where one conversation goes, and with which messages."""

    prompt_id: UUID
    version_id: UUID
    messages: list[dict[str, Any]]


class Targets:
    """Finds AIs and versions, and makes an AI that is not there from the prompt that is known of it."""

    def __init__(self, customer_id: UUID, destination: Destination, settings: Settings) -> None:
        self._customer_id = customer_id
        self._destination = destination
        self._settings = settings
        self._versions: dict[tuple[UUID, str | None], PromptVersion | None] = {}
        self.used: dict[str, Prompt] = {}
        self.made: set[UUID] = set()

    async def place(self, session: AsyncSession, call: ChatCall) -> Place:
        """Return where a conversation goes. Raises INVALID when AI or version can't be told."""
        name = self._destination.ai or call.ai or self._destination.default_ai
        prompt = await self._prompt(session, name, call)
        version = await self._version(session, prompt, name, call)
        messages = call.messages
        if call.system_prompt is not None and call.system_prompt != version.text:
            # What the model really was told, such as the same prompt with its variables filled in.
            messages = [{"role": "system", "content": call.system_prompt}, *messages]
        return Place(prompt.id, version.id, messages)

    async def restore(self, session: AsyncSession, line: AiLine) -> None:
        """Make an exported AI with its versions, unless there is one of its name, or all goes into another one."""
        if self._destination.ai is not None or self._destination.pinned:
            return
        if await find_ai(session, line.ai) is not None:
            return
        first, *later = line.versions
        for version in line.versions:
            check_prompt(f"versions.{version.version}", version.prompt, self._settings)
        draft = PromptDraft(
            name=line.ai,
            text=first.prompt,
            number=first.version,
            detail=line.detail,
            engine_model=line.engine_model,
            language=line.language,
            parameter=line.parameter,
        )
        made = await create_prompt(session, self._customer_id, draft, ACTOR)
        for version in later:
            change = Change(made.prompt.id, version.prompt, "version", ACTOR, "version", number=version.version)
            await commit(session, change)
        made.prompt.name = line.name or line.ai
        self.used[line.ai] = made.prompt
        self.made.add(made.prompt.id)

    async def _prompt(self, session: AsyncSession, name: str, call: ChatCall) -> Prompt:
        if (used := self.used.get(name)) is not None:
            return used
        self.used[name] = await find_ai(session, name) or await self._make(session, name, call)
        return self.used[name]

    async def _make(self, session: AsyncSession, name: str, call: ChatCall) -> Prompt:
        text = self._destination.prompt or call.system_prompt
        if text is None or self._destination.version is not None:
            raise invalid("ai", f"there is no AI called {name!r}; name another, or give its prompt in a file")
        if not name.strip() or not name.isprintable() or len(name) > GREATEST_NAME:
            raise invalid("ai", f"give the AI a printable name of 1 to {GREATEST_NAME} characters")
        check_prompt("prompt", text, self._settings)
        draft = PromptDraft(name=name, text=text, language=self._destination.language)
        made = await create_prompt(session, self._customer_id, draft, ACTOR)
        self.made.add(made.prompt.id)
        return made.prompt

    async def _version(self, session: AsyncSession, prompt: Prompt, name: str, call: ChatCall) -> PromptVersion:
        wanted = self._destination
        text = None if wanted.version is not None else wanted.prompt or call.system_prompt
        key = (prompt.id, text)
        if key not in self._versions:
            self._versions[key] = await _find_version(session, prompt, text, wanted.version)
        version = self._versions[key]
        if version is not None:
            return version
        if wanted.version is not None:
            raise invalid("version", f"the AI {name!r} has no version {wanted.version}")
        if wanted.prompt is not None:
            raise invalid("prompt", f"no version of the AI {name!r} has this text; import into another AI")
        raise invalid(
            "messages.0",
            f"this system prompt is no version of the AI {name!r}; say which version the conversations ran under",
        )


async def find_ai(session: AsyncSession, name: str) -> Prompt | None:
    """Return the AI of this id, prompt name or name. Raises INVALID when several have the name."""
    statement = select(Prompt).where(col(Prompt.deleted_at).is_(None))
    try:
        by_key = statement.where(Prompt.id == UUID(name))
    except ValueError:
        by_key = statement.where(Prompt.prompt_name == name)
    if (found := (await session.exec(by_key)).one_or_none()) is not None:
        return found
    named = list(await session.exec(statement.where(Prompt.name == name)))
    if len(named) > 1:
        raise invalid("ai", f"{len(named)} AIs are called {name!r}; give the id or the prompt name")
    return named[0] if named else None


async def _find_version(
    session: AsyncSession, prompt: Prompt, text: str | None, number: int | None
) -> PromptVersion | None:
    """Return the version with this number, else with this text, else the current one.

    Of several with the same text it is the current one, else the newest.
    """
    statement = select(PromptVersion).where(PromptVersion.prompt_id == prompt.id)
    if number is not None:
        statement = statement.where(PromptVersion.number == number)
    elif text is not None:
        statement = statement.where(PromptVersion.text == text)
    else:
        statement = statement.where(PromptVersion.id == prompt.current_version_id)
    current_first = (col(PromptVersion.id) == prompt.current_version_id).desc()
    return (await session.exec(statement.order_by(current_first, col(PromptVersion.number).desc()))).first()
