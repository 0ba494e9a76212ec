"""`login`, `whoami`, `logout`: who the person at this terminal is."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.errors import CliError
from cli_proj.output import Format, Output, printable
from cli_proj.workbench import Workbench, run, workbench

if TYPE_CHECKING:
    from lib_two.device_flow import DeviceAuthorization
    from lib_two.oauth_client import OAuthClient
    from lib_two.token_store import TokenSet

type Way = Literal["browser", "device", "either"]
"""How to sign in. `either` is the browser, and a code where none can be opened."""

DEFAULT_SCOPE = (
    "openid profile email offline_access shipments:read shipments:write shipments:scan shipments:admin admin"
)

_WORDS = {
    "shipments:read": "look at shipments",
    "shipments:write": "register and import them",
    "shipments:scan": "record scans",
    "shipments:admin": "operate shipment tracking",
    "admin": "operate the sign-in service",
}


# login ----------------------------------------------------------------------------------------------------------------


def login(
    context: typer.Context,
    device: Annotated[
        bool | None,
        typer.Option(
            "--device/--browser",
            help="With a code that you enter on any device, or in the browser here.",
            show_default="the browser, where there is one",
        ),
    ] = None,
    scope: Annotated[
        str, typer.Option(help="The permissions to ask for. You get those of them that your role has.")
    ] = DEFAULT_SCOPE,
    output: OutputOption = None,
) -> None:
    """Sign in, on the pages of auth-svc.

    Your browser opens; this program never sees your password. Where there is no browser (SSH, no display) you get a
    code, an address and a QR code instead, for your phone or another computer.
    """
    from cli_proj.browser import has_browser

    bench = workbench(context, output)
    way: Way = "device" if device else "browser"
    if device is None:
        way = "either" if has_browser() else "device"
        if way == "device":
            bench.output.say("There is no browser here, so you get a code. (--browser tries one all the same.)")
    run(_login(bench, way, scope))


async def _login(bench: Workbench, way: Way, scope: str) -> None:
    settings, store = bench.settings, bench.token_store()
    with store.lock(settings.issuer, settings.client_id):
        pass  # the folder can be written: nobody shall sign in for tokens that cannot be kept
    before = None
    with suppress(Exception):  # what cannot be read is replaced
        before = _kept(bench)
    async with bench.oauth_client() as client:
        tokens = await _tokens(bench, client, way, scope)
        store.save(settings.issuer, settings.client_id, tokens)
        if before is not None and before.refresh_token:
            # Nobody has the old sign-in any more, so it should not live on for weeks. No harm where that fails.
            with suppress(Exception):
                await client.revoke(before.refresh_token)
        claims = await _claims(client, tokens)
    bench.output.say(f"Signed in{_as(claims)}. {_may(tokens.scope)}")


async def _tokens(bench: Workbench, client: "OAuthClient", way: Way, scope: str) -> "TokenSet":
    from lib_two.errors import NoBrowser

    if way != "device":
        try:
            return await _by_browser(bench, client, scope)
        except NoBrowser:
            if way == "browser":
                raise
            bench.output.say("No browser could be opened, so you get a code.")
    return await _by_device(bench, client, scope)


async def _by_browser(bench: Workbench, client: "OAuthClient", scope: str) -> "TokenSet":
    from lib_two import code_flow

    def open_browser(url: str) -> bool:
        import webbrowser

        bench.output.say(f"Your browser opens. If it does not, open this address:\n\n  {printable(url)}\n")
        return webbrowser.open(url)

    return await code_flow.sign_in(client, scope=scope, open_browser=open_browser)


async def _by_device(bench: Workbench, client: "OAuthClient", scope: str) -> "TokenSet":
    from lib_two import device_flow

    authorization = await device_flow.start(client, scope=scope)
    _show_code(bench.output, authorization)
    if bench.output.format is not Format.TABLE:
        bench.output.document(
            {
                "user_code": authorization.user_code,
                "verification_uri": authorization.verification_uri,
                "verification_uri_complete": authorization.verification_uri_complete,
                "expires_at": authorization.expires_at,
            }
        )
    return await device_flow.wait(client, authorization)


def _show_code(output: Output, authorization: "DeviceAuthorization") -> None:
    from cli_proj.qr import qr_lines

    complete = authorization.verification_uri_complete or authorization.verification_uri
    output.say("")
    for line in qr_lines(complete, output):
        output.say(f"  {line}")
    output.say(f"\n  Open      {printable(authorization.verification_uri)}")
    output.say(f"  and enter {printable(authorization.user_code)}\n")
    output.say("Or scan the QR code, and check that the page shows the same code. Waiting (Ctrl-C stops) …")


async def _claims(client: "OAuthClient", tokens: "TokenSet") -> Mapping[str, Any]:
    """What auth-svc says about the person; nothing where it does not say."""
    if "openid" not in tokens.scope.split():
        return {}
    with suppress(Exception):
        return await client.userinfo(tokens.access_token)
    return {}


def _as(claims: Mapping[str, Any]) -> str:
    name, username = claims.get("name"), claims.get("preferred_username")
    if name and username:
        return f" as {printable(str(name))} ({printable(str(username))})"
    return f" as {printable(str(name or username))}" if name or username else ""


def _may(scope: str) -> str:
    words = [_WORDS.get(part, "") for part in _WORDS if part in scope.split()]
    if not words:
        return f"Granted: {printable(scope)}."
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"You may {listed}."


# whoami ---------------------------------------------------------------------------------------------------------------


def whoami(context: typer.Context, output: OutputOption = None) -> None:
    """Show who is signed in here, and what that person may do."""
    bench = workbench(context, output)
    run(_whoami(bench))


async def _whoami(bench: Workbench) -> None:
    async with bench.session() as session:
        access_token = await session.access_token()
        kept = _kept(bench)
        scope = kept.scope if kept is not None else ""
        claims = dict(await session.oauth.userinfo(access_token)) if "openid" in scope.split() else {}
    known = {
        "name": claims.pop("name", None),
        "username": claims.pop("preferred_username", None),
        "email": claims.pop("email", None),
        "roles": _listed(claims.pop("roles", None)),
        "subject": claims.pop("sub", None),
        "issuer": bench.settings.issuer,
        "scope": scope,
    }
    if bench.output.format is Format.TABLE:
        bench.output.record({name: value for name, value in known.items() if value is not None})
    else:
        bench.output.document({**known, "claims": claims})


def _listed(roles: object) -> str | None:
    return ", ".join(str(role) for role in roles) if isinstance(roles, list) else None


# logout ---------------------------------------------------------------------------------------------------------------


def logout(context: typer.Context) -> None:
    """Sign out: auth-svc revokes the sign-in, and it is forgotten here.

    Where auth-svc does not answer it is forgotten here all the same; the exit code is then 7.
    """
    from lib_two.errors import StoreError

    bench = workbench(context)
    try:
        kept = _kept(bench)
    except StoreError as error:
        bench.token_store().forget(bench.settings.issuer, bench.settings.client_id)
        raise CliError(
            "Forgotten here. It could not be read any more, so auth-svc was not told to revoke it.",
            "To be sure, sign out on the pages of auth-svc too.",
        ) from error
    if kept is None:
        bench.output.say("Nobody is signed in here.")
        return
    run(_logout(bench))


async def _logout(bench: Workbench) -> None:
    from cli_proj.translation import translate

    try:
        async with bench.session() as session:
            await session.sign_out()
    except Exception as error:
        failure = translate(error)
        if _kept(bench) is not None:
            raise
        raise CliError(
            f"Forgotten here, but auth-svc could not be told to revoke it: {failure.message}",
            "Nobody can use it from this machine any more. To be sure, sign out on the pages of auth-svc later.",
            code=failure.code,
        ) from error
    bench.output.say("Signed out: revoked at auth-svc and forgotten here.")


def _kept(bench: Workbench) -> "TokenSet | None":
    return bench.token_store().load(bench.settings.issuer, bench.settings.client_id)
