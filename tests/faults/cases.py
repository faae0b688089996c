"""What a model server may do, and how the proposal that asked it ends."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.model_replies import (
    CUT_BODY,
    CUT_CONNECTION,
    DROP,
    EMPTY,
    Reply,
    auto,
    blocked,
    cut_off,
    error,
    hang,
    ok,
    prompt_blocked,
    quota,
    raw,
    say,
)

Booked = tuple[str, str]  # state and outcome of a call in the ledger
OK: Booked = ("settled", "ok")
WITH_VARIABLE = {"proposed_prompt": "You book tables for {{restaurant}}. Confirm the number.", "rationale": "Why not."}
WITHOUT_VARIABLE = {"proposed_prompt": "You book tables. Confirm the number.", "rationale": "Why not."}


@dataclass(frozen=True)
class Case:
    """`replies` in order, the last one for ever; three failures of a call are allowed (REDRAFT_LLM_ATTEMPTS)."""

    name: str
    replies: tuple[Reply, ...]
    status: str
    error: str
    note: str
    ledger: tuple[Booked, ...]


def _completed(name: str, *replies: Reply, ledger: tuple[Booked, ...]) -> Case:
    return Case(name, replies, "completed", "", "", ledger)


def _unavailable(name: str, *replies: Reply, note: str, ledger: tuple[Booked, ...]) -> Case:
    return Case(name, replies, "failed", "evaluator_unavailable", note, ledger)


def _unusable(name: str, *replies: Reply, note: str, ledger: tuple[Booked, ...]) -> Case:
    return Case(name, replies, "failed", "invalid_evaluator_response", note, ledger)


QUOTA: Booked = ("settled", "GeminiRESOURCE_EXHAUSTED")
INTERNAL: Booked = ("settled", "GeminiINTERNAL")
AWAY: Booked = ("settled", "GeminiUNAVAILABLE")
TIMEOUT: Booked = ("unknown", "GeminiTimeout")
BROKEN: Booked = ("unknown", "GeminiConnection")

CASES = (
    _completed("well", auto(), ledger=(OK,)),
    # What passes: asked again until it is well, three times at most.
    _completed("quota once", quota("1.5s"), auto(), ledger=(QUOTA, OK)),
    _completed("500 then 503 then well", error(500), error(503), auto(), ledger=(INTERNAL, AWAY, OK)),
    _completed("hangs once", hang(), auto(), ledger=(TIMEOUT, OK)),
    _unavailable("quota", quota("0.2s"), note="Gemini answered HTTP 429", ledger=(QUOTA,) * 3),
    _unavailable("500", error(500), note="Gemini answered HTTP 500", ledger=(INTERNAL,) * 3),
    _unavailable("503", error(503), note="Gemini answered HTTP 503", ledger=(AWAY,) * 3),
    _unavailable("hangs", hang(), note="did not answer within 3 s", ledger=(TIMEOUT,) * 3),
    _unavailable("closes at once", DROP, note="broke the connection", ledger=(BROKEN,) * 3),
    _unavailable("closes mid-answer", CUT_CONNECTION, note="broke the connection", ledger=(BROKEN,) * 3),
    # What asking again does not help: asked once.
    _unavailable(
        "bad key",
        error(400, "API_KEY_INVALID"),
        note="check GEMINI_API_KEY",
        ledger=(("settled", "GeminiINVALID_ARGUMENT"),),
    ),
    _unavailable("forbidden", error(403), note="HTTP 403", ledger=(("settled", "GeminiPERMISSION_DENIED"),)),
    _unavailable("no such model", error(404), note="REDRAFT_GEMINI_MODEL", ledger=(("settled", "GeminiNOT_FOUND"),)),
    _unusable("cut-off JSON", cut_off(), note="cut off", ledger=(("settled", "GeminiCutOff"),)),
    _unusable("half a body", CUT_BODY, note="cut off", ledger=(("unknown", "GeminiUnreadable"),)),
    _unusable("no JSON", say("Here is your prompt!"), note="", ledger=(("settled", "GeminiNotJson"),)),
    _unusable("other JSON", ok({"prompt": "x"}), note="", ledger=(("settled", "GeminiWrongShape"),)),
    _unusable("not the API", raw([]), note="", ledger=(("unknown", "GeminiEmpty"),)),
    _unusable("no candidate", EMPTY, note="no candidate", ledger=(("settled", "GeminiEmpty"),)),
    _unusable("empty draft", ok({**WITH_VARIABLE, "proposed_prompt": " \n"}), note="empty prompt", ledger=(OK,)),
    _unusable("safety block", blocked(), note="SAFETY", ledger=(("settled", "GeminiAnswerBlocked"),)),
    _unusable(
        "prompt block",
        prompt_blocked(),
        note="refused the request",
        ledger=(("settled", "GeminiPromptBlocked"),),
    ),
    # A draft that lost a variable is sent back once, with the reason, and then kept as it is.
    _completed("finds the variable again", ok(WITHOUT_VARIABLE), ok(WITH_VARIABLE), ledger=(OK, OK)),
    _completed("loses the variable", ok(WITHOUT_VARIABLE), ledger=(OK, OK)),
    _completed("loses the variable, then hangs", ok(WITHOUT_VARIABLE), hang(), ledger=(OK, TIMEOUT)),
    _completed("503, then loses the variable", error(503), ok(WITHOUT_VARIABLE), ledger=(AWAY, OK, OK)),
)
