"""Refusals of an API, read from its answers (RFC 9457, RFC 9470)."""

import re

from lib_one.http import Response
from lib_two.errors import ApiError, StepUpNeeded

_PARAMETER = re.compile(r'([a-z_]+)=(?:"([^"\\]*)"|([^\s",]+))')


def api_error(response: Response) -> ApiError:
    """The refusal in a response, from its problem details (RFC 9457) or its OAuth error where it has one."""
    title, detail = response.reason_phrase or f"Status {response.status_code}", None
    if "json" in response.headers.get("content-type", ""):
        try:
            problem = response.json()
        except (ValueError, RecursionError):
            problem = None
        if isinstance(problem, dict):
            title = str(problem.get("title") or title)
            said = problem.get("detail") or problem.get("error_description")  # problem details, or an OAuth error
            told = [str(said)] if said else []
            detail = " ".join(told + _faults(problem.get("errors"))) or None
    return ApiError(response.status_code, title, detail)


def step_up(response: Response) -> StepUpNeeded | None:
    """The sign-in that a 401 asks for (RFC 9470 section 3); None if it asks for none. A new token would not help."""
    for challenge in response.headers.get_list("www-authenticate"):
        told = {name: quoted or bare for name, quoted, bare in _PARAMETER.findall(challenge)}
        if told.get("error") == "insufficient_user_authentication":
            max_age = told.get("max_age", "")
            return StepUpNeeded(
                max_age=int(max_age) if re.fullmatch(r"[0-9]{1,9}", max_age) else None,
                acr_values=tuple(told.get("acr_values", "").split()),
            )
    return None


def _faults(errors: object) -> list[str]:
    """The faulty fields that an answer lists as `errors` (an extension member, RFC 9457 section 3.2), as sentences."""
    if not isinstance(errors, list):
        return []
    listed = [fault for fault in errors if isinstance(fault, dict) and fault.get("detail")]
    return [f"{fault.get('field') or 'request'}: {fault['detail']}." for fault in listed[:5]]
