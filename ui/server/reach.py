"""Who can reach a server, and under which names: what `kandinsky ui` was told."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from ui.server.accounts import Accounts
from ui.studio.limits import Limits


@dataclass(frozen=True)
class Reach:
    """How a server can be reached.

    `names`, `origins` and `proxies` are what --allow-host, --allow-origin and --trusted-proxy named.
    """

    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    root_path: str = ""
    """The path below which a proxy serves the app: "" or "/some/path"."""
    accounts: Accounts | None = None
    """Who may log in; without them everybody may use the server."""
    limits: Limits = field(default_factory=Limits)
    cookie_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Signs the cookies of visitors."""

    @property
    def has_owner(self) -> bool:
        """Whether a request can come from the owner of the machine: nothing says that it serves others."""
        return not (self.accounts or self.proxies or self.names or self.root_path)

    @cached_property
    def own_names(self) -> frozenset[str]:
        """The names that a request may call this server by, besides plain IP addresses; lower case."""
        machine = socket.gethostname()
        names = ("localhost", machine, f"{machine}.local", self.host, *self.names)
        return frozenset(name.lower().rstrip(".") for name in names if name)

    def trusts(self, address: str) -> bool:
        """Whether what a peer forwards about its clients is believed."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.proxies)


def network(text: str) -> IPv4Network | IPv6Network:
    """The network that --trusted-proxy names: one address, or ADDRESS/BITS.

    Raises:
        ValueError: for anything else.
    """
    return ip_network(text, strict=False)
