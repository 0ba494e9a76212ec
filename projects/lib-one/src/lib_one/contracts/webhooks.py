"""Facts about webhooks themselves, of whichever service has them."""

from lib_one.event import Contract, contract, subject_token


@contract("webhook.disabled.v1")
class WebhookDisabled(Contract, frozen=True, kw_only=True):
    """Nothing more is sent to an endpoint until an operator enables it again."""

    webhook_id: str
    service: str
    """Whose webhook it is: `auth-svc` or `app-svc`."""
    reason: str
    """`unreachable` for a day, `gone` (it answered 410), or the `operator` wanted it."""

    def subject(self) -> str:
        return f"webhooks.{subject_token(self.service)}.{subject_token(self.webhook_id)}.disabled"

    def aggregate(self) -> str:
        return self.webhook_id
