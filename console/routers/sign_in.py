"""Signing in and out."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from api.credentials import refuse_cross_site
from api.login import token_for
from api.state import State
from console import pages
from console.errors import sign_in_page
from console.forms import TOKEN, read_form
from console.routing import PageRouter
from console.sessions import HOME, SIGN_IN, check_form_token, form_token, inside, keep_signed_in, sign_out, visit_of
from console.visits import ReaderAct, see
from redraft.domain.errors import Kind, RedraftError

router = PageRouter()


@router.get("/sign-in", summary="Sign in")
async def sign_in_form(request: Request) -> Response:
    """Show the form."""
    return await sign_in_page(request, next_=inside(request.query_params.get("next", HOME)))


@router.post("/sign-in", summary="Sign in")
async def sign_in(request: Request, state: State) -> Response:
    """Exchange name and password for the cookie, and go on with what was wanted."""
    refuse_cross_site(request, state.settings.public_url)
    form = await read_form(request)
    key = await state.gate.signing_key()
    target = inside(form.text("next") or HOME)
    kept = [(name.removeprefix("kept:"), value) for name, value in form.kept() if name.startswith("kept:")]
    username = form.text("username").strip()
    try:
        check_form_token(key, visit_of(request), form.text(TOKEN))
        token = await token_for(state, request, username, form.text("password"))
    except RedraftError as error:
        if error.kind not in {Kind.UNAUTHENTICATED, Kind.RATE_LIMITED, Kind.FORBIDDEN}:
            raise
        status = {Kind.RATE_LIMITED: 429, Kind.FORBIDDEN: 403}.get(error.kind, 401)
        problem = "This form was too old; please sign in once more." if status == 403 else error.message
        return await sign_in_page(request, next_=target, kept=kept, problem=problem, username=username, status=status)
    if kept:
        answer: Response = pages.html("resume.html", action=target, kept=kept, csrf=form_token(key, token))
    else:
        answer = see(target)
    keep_signed_in(answer, request, state, token)
    return answer


@router.post("/sign-out", summary="Sign out")
async def leave(act: ReaderAct) -> Response:
    """Forget the login in this browser."""
    answer = see(SIGN_IN)
    sign_out(answer)
    return answer
