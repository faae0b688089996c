"""Template variables: the places of a prompt that another program fills in."""

from __future__ import annotations

import re
from collections.abc import Callable

from redraft.domain.checks.check import Check

# One pass, longest opener first, bounded lengths: linear in the text. A name starts with a letter or an
# underscore, so JSON (`{"a": 1}`), positional fields (`{0}`) and quantifiers (`\d{3}`) are no variables.
_IDENTIFIER = r"[^\W\d][\w-]{0,99}"
_PATH = rf"{_IDENTIFIER}(?:\.[\w-]{{1,100}}|\[[\w'\"-]{{1,100}}\]){{0,20}}"
_VARIABLE = re.compile(
    rf"\{{\{{[ \t\r\n]{{0,20}}(?P<double>[#/^&>]?[ \t]{{0,20}}[^\W\d][^{{}}\r\n]{{0,300}}?)\s{{0,20}}\}}\}}"
    rf"|\$\{{[ \t]{{0,20}}(?P<dollar>{_PATH})(?:[:?=+-][^{{}}\r\n]{{0,200}})?[ \t]{{0,20}}\}}"
    rf"|\{{(?P<single>{_PATH})(?:![rsa])?(?::[^\s{{}}\"',]{{0,50}})?\}}"
)
_SPACES = re.compile(r"\s+")


def template_variables(text: str) -> list[str]:
    """Return the variables of `text` in order of first appearance, each once, in one spelling.

    Spacing, filters, formats and defaults are no part of a variable: `{{ name | upper }}` is `{{name}}`,
    `{price:.2f}` is `{price}`, `${city:-Paris}` is `${city}`. The three notations are different variables,
    because only one of them is filled in by the program that uses the prompt.
    """
    return list(dict.fromkeys(map(_spelling, _VARIABLE.finditer(text))))


def replace_variables(text: str, value: Callable[[str], str]) -> str:
    """Return `text` with each variable replaced by its `value`, which is given what `template_variables` calls it."""
    return _VARIABLE.sub(lambda match: value(_spelling(match)), text)


def _spelling(match: re.Match[str]) -> str:
    if (double := match["double"]) is not None:
        return "{{" + _SPACES.sub(" ", double.split("|", 1)[0]).strip() + "}}"
    if (dollar := match["dollar"]) is not None:
        return "${" + dollar + "}"
    return "{" + match["single"] + "}"


def check_template_variables(original: str, draft: str) -> Check:
    """Check that every variable of `original` is still in `draft`."""
    wanted = template_variables(original)
    there = set(template_variables(draft))
    missing = [name for name in wanted if name not in there]
    if missing:
        message = f"The draft lost {_listing(missing)}, which the original prompt contains."
    elif wanted:
        message = f"Every template variable of the original is still there: {', '.join(wanted)}."
    else:
        message = "The original has no template variables."
    return Check(
        name="template_variables",
        blocking=True,
        passed=not missing,
        message=message,
        details={"missing": list(missing), "expected": list(wanted)},
    )


def check_new_variables(original: str, draft: str) -> Check:
    """Check that `draft` invented no variable: nobody would fill it in."""
    known = set(template_variables(original))
    new = [name for name in template_variables(draft) if name not in known]
    message = (
        f"The draft contains {_listing(new)}, which the original does not have: make sure it is filled in."
        if new
        else "The draft introduces no template variable of its own."
    )
    return Check(name="new_variables", blocking=False, passed=not new, message=message, details={"new": list(new)})


def _listing(names: list[str]) -> str:
    return ("the template variable " if len(names) == 1 else "the template variables ") + ", ".join(names)
