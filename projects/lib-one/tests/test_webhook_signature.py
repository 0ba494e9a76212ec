"""Signatures of webhooks: Standard Webhooks 1.0, checked against the library of that specification."""

import base64
import hmac
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from lib_one.event import utc_now
from lib_one.webhook_signature import WebhookSignatureError, new_secret, sign, verify

BODY = '{"type":"thing.done.v1","data":{"of":"Zoë"}}'.encode()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_receiver_with_the_library_of_the_specification_takes_what_we_sign() -> None:
    for secret in (SECRET, new_secret()):
        headers = sign(BODY, message_id="msg_1", at=utc_now(), secrets=[new_secret(), secret])
        assert Webhook(secret).verify(BODY, headers)["type"] == "thing.done.v1"


def test_we_take_what_the_library_of_the_specification_signs() -> None:
    now = utc_now()
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, BODY.decode()),
    }
    assert verify(BODY, headers, secrets=[new_secret(), SECRET], now=now) == "msg_1"


@pytest.mark.parametrize(
    "forged",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "1700000000"},
        {"webhook-timestamp": "٣"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,not base64"},
        {"webhook-signature": "v1a," + base64.b64encode(bytes(32)).decode()},
        {"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()},
    ],
)
def test_whatever_is_changed_is_refused(forged: dict[str, str]) -> None:
    now = utc_now()
    headers = sign(BODY, message_id="msg_1", at=now, secrets=[SECRET])
    assert verify(BODY, headers, secrets=[SECRET], now=now) == "msg_1"
    with pytest.raises(WebhookSignatureError):
        verify(BODY, headers | forged, secrets=[SECRET], now=now)
    with pytest.raises(WebhookSignatureError):
        verify(BODY + b" ", headers, secrets=[SECRET], now=now)
    with pytest.raises(WebhookSignatureError):
        verify(BODY, headers, secrets=[new_secret()], now=now)
    of_another_version = headers["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(WebhookSignatureError):
        verify(BODY, headers | {"webhook-signature": of_another_version}, secrets=[SECRET], now=now)
    for name in headers:
        with pytest.raises(WebhookSignatureError, match=name):
            verify(BODY, {key: value for key, value in headers.items() if key != name}, secrets=[SECRET], now=now)


def test_a_recorded_message_cannot_be_used_later_nor_one_of_the_future() -> None:
    now = utc_now()
    headers = sign(BODY, message_id="msg_1", at=now, secrets=[SECRET])
    for apart in (timedelta(minutes=6), -timedelta(minutes=6)):
        with pytest.raises(WebhookSignatureError, match="old"):
            verify(BODY, headers, secrets=[SECRET], now=now + apart)
    assert verify(BODY, headers, secrets=[SECRET], now=now + timedelta(hours=1), tolerance=timedelta(hours=2))


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1.5", "٣", "³", "9" * 12, "9" * 5000])
def test_a_time_that_is_none_is_refused_though_it_is_signed(timestamp: str) -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = hmac.digest(key, f"msg_1.{timestamp}.".encode() + BODY, "sha256")
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
    with pytest.raises(WebhookSignatureError, match="not a number"):
        verify(BODY, headers, secrets=[SECRET], now=utc_now())


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64"])
def test_what_is_no_secret_is_said_to_be_none(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        sign(BODY, message_id="msg_1", at=utc_now(), secrets=[secret])
