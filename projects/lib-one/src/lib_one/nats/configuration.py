"""The configuration of nats-server, made from the table of rights: for one node, and for a node of a cluster.

Every acknowledged message is on the disk (`sync_interval: always`), and every service has an nkey and may do no more
than it needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib_one.nats.rights import DOOR_CURVE, DOOR_ISSUER, DOORKEEPER, KEYS, SYSTEM_USER, USERS, User


@dataclass(frozen=True)
class Tls:
    """Where a node's certificate and key lie, and the authority that issued those of all nodes."""

    certificate: str
    key: str
    authority: str


@dataclass(frozen=True)
class Node:
    """One nats-server. A value may be `$NAME`: the server then reads it from its environment.

    Args:
        name: Of the node, its own in the cluster.
        listen: `host:port` for clients.
        store: Folder of the streams.
        keys: The public nkey of each user, and those of the door: `door-issuer`, `door-curve`, `door-keeper`. Without
            the issuer's, nobody is admitted by a token.
        tls: For clients, the WebSocket and the other nodes. Without it everything is plain: on this machine alone.
        cluster_listen: `host:port` for the other nodes.
        routes: `host:port` of every node of the cluster, this one included; none where there is one node.
        websocket_listen: `host:port` for clients behind firewalls.
    """

    name: str
    listen: str
    store: str
    keys: Mapping[str, str]
    tls: Tls | None = None
    cluster_listen: str = ""
    routes: tuple[str, ...] = ()
    websocket_listen: str = ""


def configuration(node: Node, *, made_by: str, guest: str | None = None) -> str:
    """The text of a node's `nats.conf`.

    Args:
        node: Which one.
        made_by: Completes the first line, `Written …`.
        guest: Name of a user whose rights a client without any key gets. For tests alone.
    """
    users = "\n".join(_user(user, node.keys[user.name]) for user in USERS)
    return (
        f"""\
# Written {made_by}.
server_name: {node.name}
listen: "{node.listen}"
max_payload: 1MB
jetstream {{
  store_dir: "{node.store}"
  # An acknowledged message is on the disk. The default acknowledges up to two minutes before that.
  sync_interval: always
}}
{_tls(node.tls)}{_cluster(node)}{_websocket(node)}accounts {{
  SERVICES {{
    jetstream: enabled
    users: [
{users}
    ]
  }}
  SYS {{
    users: [
      {{ nkey: {node.keys[SYSTEM_USER]} }}
{_user(DOORKEEPER, node.keys[DOORKEEPER.name]) if DOORKEEPER.name in node.keys else ""}
    ]
  }}
}}
system_account: SYS
{_door(node)}{f"no_auth_user: {node.keys[guest]}" if guest else ""}
""".rstrip()
        + "\n"
    )


def _door(node: Node) -> str:
    if DOOR_ISSUER not in node.keys:
        return ""
    # Whoever is not in this list must be admitted, also one with a key.
    known = ", ".join(node.keys[name] for name in (*(user.name for user in USERS), SYSTEM_USER, DOORKEEPER.name))
    return f"""\
authorization {{
  auth_callout {{
    account: SERVICES
    issuer: {node.keys[DOOR_ISSUER]}
    xkey: {node.keys[DOOR_CURVE]}
    auth_users: [{known}]
  }}
}}
"""


def shipped(nodes: Sequence[str]) -> str:
    """The configuration in `deploy/nats/`: one node, or the same text for every node of a cluster, with TLS.

    What differs comes from the environment: `NATS_NODE` is the node's name, and `NATS_KEY_…` the public nkeys.
    """
    folder = "/etc/nats/tls"
    node = Node(
        "$NATS_NODE",
        listen="0.0.0.0:4222",
        store="/data/jetstream",
        keys={name: f"${variable(name)}" for name in KEYS},
        tls=Tls(f"{folder}/node.crt", f"{folder}/node.key", f"{folder}/ca.crt"),
        cluster_listen="0.0.0.0:6222",
        routes=tuple(f"{name}:6222" for name in nodes) if len(nodes) > 1 else (),
        websocket_listen="0.0.0.0:8443",
    )
    return configuration(node, made_by=f"by `python -m lib_one.nats config {' '.join(nodes)}`")


def variable(name: str) -> str:
    """The environment variable with a public nkey."""
    return f"NATS_KEY_{name.upper().replace('-', '_')}"


def _cluster(node: Node) -> str:
    if not node.routes:
        return ""
    scheme = "nats" if node.tls is None else "tls"
    routes = ", ".join(f'"{scheme}://{route}"' for route in node.routes)
    # Whoever has no certificate of our authority is no node: `verify` asks both sides for one.
    tls = _indented(_tls(node.tls, verify=True))
    return f"""\
cluster {{
  name: event-based-svcs
  listen: "{node.cluster_listen}"
  routes: [{routes}]
  # Clients know every node by name, and the addresses inside the cluster mean nothing outside.
  no_advertise: true
{tls}}}
"""


def _websocket(node: Node) -> str:
    if not node.websocket_listen:
        return ""
    tls = _indented(_tls(node.tls)) if node.tls else "  no_tls: true\n"
    return f"""\
websocket {{
  listen: "{node.websocket_listen}"
{tls}}}
"""


def _tls(tls: Tls | None, *, verify: bool = False) -> str:
    if tls is None:
        return ""
    return f"""\
tls {{
  cert_file: "{tls.certificate}"
  key_file: "{tls.key}"
  ca_file: "{tls.authority}"
{"  verify: true\n" if verify else ""}}}
"""


def _user(user: User, key: str) -> str:
    return f"""\
      {{ # {user.name}
        nkey: {key}
        permissions: {{
          publish: {_list(user.publish)}
          subscribe: {_list(user.subscribe)}
          allow_responses: {{ max: 1, expires: "1m" }}
        }}
      }}"""


def _list(subjects: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{subject}"' for subject in subjects) + "]"


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
