"""What goes wrong, as a page: it says what happened and keeps what was typed."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from api.bodies import read_body
from api.call import call_of
from api.errors.status import STATUS
from api.state import state_of
from console import pages
from console.forms import Form, kept_form
from console.sessions import SIGN_IN, form_token, is_local, visit_of
from console.visits import form_token_of
from redraft.domain.errors import Kind, RedraftError

_TITLES = {
    Kind.FORBIDDEN: "Not allowed",
    Kind.NOT_FOUND: "Not found",
    Kind.METHOD_NOT_ALLOWED: "Not found",
    Kind.RATE_LIMITED: "Too fast",
    Kind.UNAVAILABLE: "Out of reach for a moment",
    Kind.INTERNAL: "Something broke on our side",
    Kind.TOO_LARGE: "Too large",
}
_NEXT = {
    Kind.FORBIDDEN: "An administrator of your organisation can do it, or give you another role.",
    Kind.NOT_FOUND: "The address may be mistyped, or what was here was deleted.",
    Kind.UNAVAILABLE: "Nothing is lost: what runs goes on by itself. Try again in a few seconds.",
    Kind.INTERNAL: "It has been logged. Whoever runs this server finds it by the number below.",
    Kind.RATE_LIMITED: "Wait a little, then try again.",
}


def error_page(scope: Scope, error: RedraftError) -> Response:
    """Return the page for an error that no page of the console handled: an unknown address, a fault of ours."""
    return _page(scope, error, None, "")


async def refused(request: Request, error: RedraftError) -> Response:
    """Return the answer to a request that was refused."""
    if error.kind is Kind.UNAUTHENTICATED:
        return await _signed_out(request, error)
    form = kept_form(request)
    token = await form_token_of(request, state_of(request.app)) if form is not None else ""
    return _page(request.scope, error, form, token)


def _page(scope: Scope, error: RedraftError, form: Form | None, token: str) -> HTMLResponse:
    headline = _TITLES.get(error.kind, "That did not work")
    again = scope["path"] if form is not None and error.kind is not Kind.NOT_FOUND else ""
    if error.code == "FORM_NOT_YOURS":
        headline, advice = "Please confirm", ""
    else:
        advice = "" if error.code == "CROSS_SITE_REQUEST" else _NEXT.get(error.kind, "")
    message = error.message
    if error.code == "NOT_FOUND" and form is None:
        message = "There is no page at this address."
    elif error.code == "PERMISSION_DENIED":
        message = "Your role does not cover this."
    answer = pages.html(
        "error.html",
        STATUS[error.kind],
        headline=headline,
        message=message,
        advice=advice,
        again=again,
        kept=form.kept() if form is not None else [],
        csrf=token,
        request_id=call_of(scope).request_id,
    )
    if error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(round(error.retry_after_s))
    return answer


async def _signed_out(request: Request, error: RedraftError) -> Response:
    headers = request.headers
    if request.method != "POST":
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") == "navigate":
            return _step_inside(request)
        if headers.get("sec-fetch-mode", "navigate") == "navigate" and "hx-request" not in headers:
            return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': _address(request)})}", 303, pages.HEADERS)
        return HTMLResponse("Your session has ended: sign in again.", 401, pages.HEADERS)
    state = state_of(request.app)
    form = kept_form(request) or Form.parse(await read_body(request, state.settings.max_body_bytes))
    return await sign_in_page(
        request, next_=request.scope["path"], kept=form.kept(), problem="Your session has ended.", status=401
    )


def _step_inside(request: Request) -> HTMLResponse:
    """Return a page that opens the same address once more, from here.

    Browsers leave a SameSite=Strict cookie out when a link on another site is followed.
    """
    return pages.html("step_inside.html", address=_address(request))


def _address(request: Request) -> str:
    query = request.url.query
    return f"{request.scope['path']}?{query}" if query else str(request.scope["path"])


async def sign_in_page(
    request: Request,
    *,
    next_: str,
    kept: list[tuple[str, str]] | None = None,
    problem: str = "",
    username: str = "",
    status: int = 200,
) -> HTMLResponse:
    """Return the sign-in page; `kept` is what was typed into a form before the session ended."""
    key = await state_of(request.app).gate.signing_key()
    cookies = Response()
    visit = visit_of(request, cookies)
    answer = pages.html(
        "sign_in.html",
        status,
        next=next_,
        kept=kept or [],
        problem=problem,
        username=username,
        csrf=form_token(key, visit),
        insecure=not is_local(request) and request.url.scheme != "https",
    )
    for value in cookies.headers.getlist("set-cookie"):
        answer.headers.append("set-cookie", value)
    return answer
