"""The pages of auth-svc: what people see."""

from itertools import chain

from starlette.applications import Starlette
from starlette.types import ASGIApp, Lifespan

from auth_svc.accounts import RegisterPages
from auth_svc.app.parts import Parts
from auth_svc.backchannel_flow import RequestPages
from auth_svc.code_flow import CodeFlowPages
from auth_svc.consents import ConsentPages
from auth_svc.device_flow import DevicePages
from auth_svc.logout import LogoutPages
from auth_svc.signin import Browser, Sessions, SignInPages
from auth_svc.web import Pages, UnderPath, install
from lib_one.observe import Observed


def site(parts: Parts, lifespan: Lifespan[Starlette]) -> ASGIApp:
    """Make the pages, under the issuer's path."""
    settings = parts.settings
    pages = Pages(issuer=settings.issuer, csrf_key=parts.secret_key.derive("csrf"))
    browser = Browser(parts.ledger, pages, parts.secret_key)
    sessions = Sessions(parts.ledger, pages, parts.revocation, life=settings.session_life)
    sign_in = SignInPages(
        parts.ledger,
        pages,
        browser,
        parts.passwords,
        sessions,
        parts.secret_key,
        accounts_open=settings.self_registration,
    )
    register = RegisterPages(
        parts.ledger,
        pages,
        browser,
        parts.accounts,
        parts.passwords,
        sessions,
        parts.secret_key,
        roles=settings.self_registration_roles,
    )
    authorize = CodeFlowPages(
        parts.ledger,
        pages,
        browser,
        parts.clients,
        parts.reader,
        parts.resources,
        parts.keys,
        parts.secret_key,
        code_life=settings.code_life,
    )
    devices = DevicePages(parts.ledger, pages, browser, parts.clients, parts.resources, parts.secret_key)
    requests = RequestPages(parts.ledger, pages, browser, parts.clients, parts.resources, parts.notifications)
    consents = ConsentPages(
        parts.ledger, pages, browser, parts.revocation, parts.resources, access_token_life=settings.access_token_life
    )
    logout = LogoutPages(
        parts.ledger, pages, browser, parts.clients, parts.keys, parts.parties, parts.revocation, parts.secret_key
    )
    slices = (sign_in.routes, logout.routes, authorize.routes, devices.routes, requests.routes, consents.routes)
    routes = list(chain.from_iterable(slices))
    if settings.self_registration:
        routes += register.routes
    made = Starlette(routes=routes, lifespan=lifespan)
    install(made, pages)
    made.add_middleware(Observed, traffic=parts.traffic)
    return UnderPath(settings.path, made) if settings.path else made
