"""Shared signals (OpenID Shared Signals Framework 1.0): systems outside learn what happens to people here, and tell us.

events       what is told, and in which words
recording    from facts to signals: the listener at the outbox
streams      the verbs: a receiver makes its stream, an operator stops it
description  what a receiver says about its stream
store        the tables
bell         wakes those who wait
routes       the addresses for receivers: /.well-known/ssf-configuration, /ssf/…
poll         /ssf/poll (RFC 8936)
push         the worker that pushes (RFC 8935)
refusals     what a receiver says of a signal that it does not take
upstreams    who may tell us something: the file that an operator writes
incoming     what such a token must say, and whom it is about
intake       what follows from it here
receiver     /ssf/receive: others push (RFC 8935)
fetching     the worker that polls others (RFC 8936)
"""

from auth_svc.signals.bell import Bell
from auth_svc.signals.description import Describing, StreamWanted
from auth_svc.signals.fetching import LONGEST_POLL, FetchWorker
from auth_svc.signals.intake import Intake
from auth_svc.signals.poll import Poll, PollEndpoint
from auth_svc.signals.push import PushWorker
from auth_svc.signals.receiver import SignalReceiver
from auth_svc.signals.recording import Recorder
from auth_svc.signals.routes import (
    Management,
    Receivers,
    StatusWanted,
    SubjectWanted,
    VerificationWanted,
    configuration,
)
from auth_svc.signals.store import Stream, depths, everything, forget_expired, of_client
from auth_svc.signals.streams import StreamExists, Streams, StreamStopped, UnknownStream
from auth_svc.signals.upstreams import Upstream, read_upstreams

BODIES = (StreamWanted, StatusWanted, SubjectWanted, VerificationWanted, Poll)
"""What requests of receivers are made of."""

__all__ = [
    "BODIES",
    "LONGEST_POLL",
    "Bell",
    "Describing",
    "FetchWorker",
    "Intake",
    "Management",
    "PollEndpoint",
    "PushWorker",
    "Receivers",
    "Recorder",
    "SignalReceiver",
    "Stream",
    "StreamExists",
    "StreamStopped",
    "Streams",
    "UnknownStream",
    "Upstream",
    "configuration",
    "depths",
    "everything",
    "forget_expired",
    "of_client",
    "read_upstreams",
]
