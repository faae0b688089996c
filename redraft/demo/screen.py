"""What the walk shows: steps, audits, the draft as a word diff, reasons, checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from redraft.domain.diff import diff

WIDTH = 100
"""Characters of a line where nobody says how wide the terminal is."""
INDENT = "   "
MOST_CITED = 3
"""Cited messages that are shown for one change."""
KEPT_LINES = 2
"""Lines around a change that are shown; what lies further off is folded."""


class Screen:
    """Writes to the terminal; without colours, what was added and removed is marked by signs."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if console is None and not self.console.is_terminal:
            self.console.width = WIDTH
        self._step = 0

    @property
    def _coloured(self) -> bool:
        return self.console.is_terminal and self.console.color_system is not None and not self.console.no_color

    def say(self, text: str, style: str = "") -> None:
        """Print a sentence as it is."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        self.console.print()
        self.console.print(Text(f"{self._step}. {title}", style="bold"))

    def detail(self, text: str | Text, style: str = "") -> None:
        """Print something that belongs to the step."""
        self._block(text if isinstance(text, Text) else Text(text, style=style), Text(INDENT))

    def item(self, sign: Text, text: Text) -> None:
        """Print a list item; its further lines begin below its first one."""
        self._block(text, Text.assemble(INDENT, sign, " "))

    def _block(self, text: Text, start: Text) -> None:
        """Print text behind `start`, wrapped, each line as far in as the first and without blanks at its end."""
        width = max(20, self.console.width - start.cell_len)
        for number, line in enumerate(text.wrap(self.console, width)):
            line.rstrip()
            self.console.print((start if number == 0 else Text(" " * start.cell_len)) + line, soft_wrap=True)

    def blank(self) -> None:
        """Print an empty line."""
        self.console.print()

    def address(self, text: str) -> None:
        """Print something to copy: on one line, however long."""
        self.console.print(Text(f"   {text}", style="cyan"), soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Waiting]:
        """Show, while the block runs, what is waited for; the text can change meanwhile."""
        if not self.console.is_terminal:
            yield Waiting(self, None, text)
            return
        with self.console.status(Text(text)) as status:
            yield Waiting(self, status, text)

    def audits(self, rows: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        """Show audits: label, title of the call, evaluation."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in ("", "call", "score", "what the audit found"):
            table.add_column(column)
        for label, title, evaluation in rows:
            score = Text(f"{evaluation['overall_score']}/5", style=_score_style(evaluation["overall_score"]))
            table.add_row(label, title, score, Text(evaluation["summary"]))
        self.console.print(Padding(table, (0, 0, 0, len(INDENT)), expand=False))

    def word_diff(self, original: str, proposed: str) -> None:
        """Show what changes, word by word, with a little of what stays around it."""
        self.detail(word_diff(original, proposed, coloured=self._coloured))

    def reasons(self, proposal: Mapping[str, Any], labels: Mapping[str, str], said: Mapping[str, str]) -> None:
        """Show why: rationale, and each change with the audits and the messages that it cites.

        `labels` names audits by id, `said` has the text of messages by id.
        """
        self.detail(Text(proposal["rationale"]))
        for change in proposal["changes"]:
            cited = ", ".join(labels[audit] for audit in change["audit_ids"] if audit in labels)
            self.item(Text("·"), Text.assemble(change["summary"], (f"  [{cited}]" if cited else "", "cyan")))
            for message in [message for message in change["message_ids"] if message in said][:MOST_CITED]:
                self.item(Text(" "), Text(said[message], style="dim italic"))

    def checks(self, checks: Sequence[Mapping[str, Any]]) -> None:
        """Show the checks on the draft."""
        for check in checks:
            mark = ("✓", "green") if check["passed"] else ("✗", "red" if check["blocking"] else "yellow")
            self.item(Text(*mark), Text(check["message"]))


class Waiting:
    """A line that says what is waited for: a spinner on a terminal, a line for each change elsewhere."""

    def __init__(self, screen: Screen, status: Status | None, text: str) -> None:
        self._screen, self._status, self._text = screen, status, text

    def now(self, text: str, passing: str = "") -> None:
        """Say what is waited for now; `passing` changes too often to be printed anywhere but on a terminal."""
        if self._status is not None:
            self._status.update(Text(f"{text}{passing}"))
        elif text != self._text:
            self._screen.detail(text)
        self._text = text


def word_diff(original: str, proposed: str, *, coloured: bool, fold: bool = True) -> Text:
    """Return the difference as text: removed red and struck out, added green; or as [-removed-] {+added+}.

    `fold`: leave out what is far from any change.
    """
    signs = {"equal": ("", ""), "delete": ("[-", "-]"), "insert": ("{+", "+}")}
    styles = {"equal": "", "delete": "red strike", "insert": "green"}
    shown = Text()
    segments = diff(original, proposed)
    for at, segment in enumerate(segments):
        text = segment.text
        if segment.kind == "equal":
            text = _folded(text, first=at == 0, last=at == len(segments) - 1) if fold else text
        elif not coloured:
            before, after = signs[segment.kind]
            text = f"{before}{text}{after}"
        shown.append(text, style=styles[segment.kind] if coloured else "")
    return shown


def _folded(text: str, *, first: bool, last: bool) -> str:
    """Return unchanged text with its middle left out, or what is far from the change before or after it."""
    lines = text.split("\n")
    head = 0 if first else KEPT_LINES
    tail = 0 if last else KEPT_LINES
    hidden = len(lines) - head - tail
    if hidden < 2:
        return text
    start, end = lines[:head], lines[len(lines) - tail :] if tail else []
    return "\n".join([*start, f"… {hidden} lines unchanged …", *end])


def _score_style(score: int) -> str:
    return "red" if score <= 2 else "yellow" if score == 3 else "green"
