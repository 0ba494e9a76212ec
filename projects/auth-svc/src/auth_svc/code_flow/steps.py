"""Who must be asked before a request gets its code. Pure."""

from datetime import datetime, timedelta
from enum import Enum, auto

from auth_svc.code_flow.request import AuthorizationRequest


class Step(Enum):
    """What stands between a request and its code."""

    SIGN_IN = auto()
    CONFIRM = auto()
    """Who is signed in says once more who they are: `prompt=login`, `max_age`."""
    REFUSE = auto()
    """Somebody signed in for this request, and is not the person that it is meant for."""
    CONSENT = auto()
    NOTHING = auto()


def next_step(
    request: AuthorizationRequest,
    *,
    user_id: str | None,
    auth_time: datetime | None,
    remembered: bool,
    confidential: bool,
    now: datetime,
) -> Step:
    """Say what must happen next. Without `user_id` nobody is signed in; `remembered`: this was allowed before.

    A sign-in that `prompt` or `max_age` asked for is known by its time: it came after the request. Consent of
    public clients is never remembered: anybody can say that they are that client (RFC 8252 section 8.6).
    """
    if user_id is None or auth_time is None:
        return Step.SIGN_IN
    answered = auth_time >= request.asked_at
    if request.subjects is not None and user_id not in request.subjects:
        return Step.REFUSE if answered else Step.SIGN_IN
    if "create" in request.prompt and not answered:
        return Step.SIGN_IN
    if "login" in request.prompt and not answered:
        return Step.CONFIRM
    if request.max_age is not None and not answered and now - auth_time >= timedelta(seconds=request.max_age):
        return Step.CONFIRM
    # Choosing an account is done on the consent page, which says who is signed in and offers another sign-in.
    if not confidential or not remembered or {"consent", "select_account"} & set(request.prompt):
        return Step.CONSENT
    return Step.NOTHING
