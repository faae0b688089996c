"""Task prompts: Markdown files with a version, so that a result can say what was asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

_SECTION = re.compile(r"^<!-- (\w+) -->\n", re.MULTILINE)
# Plain text, not HTML; values are inserted, never parsed as templates.
_JINJA = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701


@dataclass(frozen=True, slots=True)
class TaskPrompt:
    """One task prompt.

    `text` begins with what the model is told, the section `system`; a line `<!-- name -->` begins each
    further section. Sections are Jinja templates.
    """

    name: str
    version: int
    text: str

    @property
    def id(self) -> str:
        """Name and version, as recorded with each result: `propose@1`."""
        return f"{self.name}@{self.version}"

    def render(self, section: str, **values: object) -> str:
        """Fill in one section. Raises jinja2.UndefinedError when a value is missing."""
        return _template(self.section(section)).render(values).strip()

    def section(self, section: str) -> str:
        """Return one section as it is written. Raises KeyError when there is none of that name."""
        parts = _SECTION.split(self.text)
        return {"system": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}[section].strip()


@cache
def _template(text: str) -> Template:
    return _JINJA.from_string(text)


@cache
def load(name: str) -> TaskPrompt:
    """Load the task prompt `prompts/<name>.md`, which begins with `name` and `version` between lines `---`."""
    raw = files("redraft.llm.tasks").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    head, _, text = raw.removeprefix("---\n").partition("\n---\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    return TaskPrompt(fields["name"], int(fields["version"]), text)
