"""The two wire formats of the fake model server: Gemini's generateContent and OpenAI's chat completions."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from tests.support.model_replies import Json, Reply, auto_answer

Dialect = Literal["gemini", "openai"]
Rendered = tuple[int, Any, dict[str, str]]

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
OPENAI_FINISH = {"STOP": "stop", "MAX_TOKENS": "length"}


def address(path: str) -> tuple[Dialect, str] | None:
    """Tell dialect and model by the path; OpenAI names the model in the body."""
    if found := re.search(r"/models/([^/:]+):generateContent$", path):
        return "gemini", found[1]
    return ("openai", "") if path.endswith("/chat/completions") else None


def texts(dialect: Dialect, body: Json) -> list[str]:
    """Everything the model was given to read, in order, the system instruction first."""
    if dialect == "openai":
        return [str(message["content"]) for message in body.get("messages", [])]
    contents = [body.get("systemInstruction") or {}, *body.get("contents", [])]
    return [part.get("text", "") for content in contents for part in content.get("parts", [])]


def schema(dialect: Dialect, body: Json) -> Json | None:
    """The JSON schema that was asked for."""
    if dialect == "openai":
        wanted = body.get("response_format") or {}
        found = wanted.get("json_schema", {}).get("schema") or wanted.get("schema")
    else:
        config = body.get("generationConfig") or {}
        found = config.get("responseJsonSchema") or config.get("responseSchema")
    return found if isinstance(found, dict) else None


def render(dialect: Dialect, model: str, body: Json, reply: Reply) -> Rendered:
    """Write a reply in the dialect of the call: status, body, extra headers."""
    if reply.do == "error":
        return _gemini_error(reply) if dialect == "gemini" else _openai_error(reply)
    if reply.do == "raw":
        return 200, reply.body, {}
    read = texts(dialect, body)
    text = reply.text if reply.do == "answer" else auto_answer(schema(dialect, body), read)
    if reply.do in {"empty", "blocked", "prompt_blocked"}:
        text = ""
    used_in = len("".join(read).encode()) // 4 + 1 if reply.input_tokens is None else reply.input_tokens
    used_out = len(text.encode()) // 4 + bool(text) if reply.answer_tokens is None else reply.answer_tokens
    write = _gemini_answer if dialect == "gemini" else _openai_answer
    answer = write(model, text, reply, used_in, used_out)
    return 200, answer, {}


def _gemini_answer(model: str, text: str, reply: Reply, used_in: int, used_out: int) -> Json:
    answer: Json = {"modelVersion": model, "responseId": "fake-response"}
    if reply.with_usage:
        answer["usageMetadata"] = {
            "promptTokenCount": used_in,
            "candidatesTokenCount": used_out,
            "thoughtsTokenCount": reply.thinking_tokens,
            "cachedContentTokenCount": reply.cached_tokens,
            "totalTokenCount": used_in + used_out + reply.thinking_tokens,
        }
    if reply.do == "prompt_blocked":
        return answer | {"promptFeedback": {"blockReason": reply.reason}}
    if reply.do == "empty":
        return answer | {"candidates": []}
    candidate: Json = {"index": 0, "finishReason": reply.finish}
    if reply.finish == "CONTINUATION":
        candidate["continuationToken"] = "bW9yZQ=="
    if reply.do != "blocked":
        thoughts = [{"text": reply.thought, "thought": True}] if reply.thought else []
        candidate["content"] = {"role": "model", "parts": [*thoughts, {"text": text}]}
    return answer | {"candidates": [candidate]}


def _openai_answer(model: str, text: str, reply: Reply, used_in: int, used_out: int) -> Json:
    answer: Json = {"id": "fake-response", "object": "chat.completion", "created": 0, "model": model}
    if reply.with_usage:
        spent = used_out + reply.thinking_tokens
        answer["usage"] = {
            "prompt_tokens": used_in,
            "completion_tokens": spent,
            "total_tokens": used_in + spent,
            "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        }
    if reply.do == "empty":
        return answer | {"choices": []}
    refused = reply.do in {"blocked", "prompt_blocked"}
    finish = "content_filter" if refused else OPENAI_FINISH.get(reply.finish, reply.finish)
    message = {"role": "assistant", "content": None if refused else text}
    return answer | {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _gemini_error(reply: Reply) -> Rendered:
    details: list[Json] = []
    if reply.reason:
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reply.reason})
    if reply.retry_delay:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": reply.retry_delay})
    name = STATUS_NAMES.get(reply.status, "UNKNOWN")
    problem: dict[str, Any] = {"code": reply.status, "message": reply.message or name, "status": name}
    if details:
        problem["details"] = details
    return reply.status, {"error": problem}, {}


def _openai_error(reply: Reply) -> Rendered:
    problem = {"message": reply.message or "Refused.", "type": "error", "code": reply.reason or reply.status}
    wish = {"Retry-After": f"{math.ceil(float(reply.retry_delay.rstrip('s')))}"} if reply.retry_delay else {}
    return reply.status, {"error": problem}, wish
