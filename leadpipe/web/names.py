"""Names and addresses: which mean this machine, which the page may be called by, which proxy is believed.

Pure. What is done with a request that fits none of them is the business of `door.py`.
"""

import ipaddress
import re

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_NARROWEST = 8  # bits: 10.0.0.0/8 is a network that some have
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # IPv4 addresses that are written as ones of IPv6
_HEADER = re.compile(r"[a-z][a-z0-9-]{1,63}")
# What has a meaning of its own, or is every browser's to send.
_NO_SIGN_ON = frozenset(
    {"host", "cookie", "authorization", "content-type", "content-length", "origin"}
)
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*|\[[0-9a-f:.]+\]")


def is_loopback(host: str | None) -> bool:
    """Whether an address or name is this machine's own."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def without_port(host: str) -> str:
    """The name of a `Host` header, in lower case: `stats.example.org` of `Stats.example.org:8443`."""
    return re.sub(r":\d*$", "", host.strip().lower()).removesuffix(".")


def read_names(text: str) -> tuple[str, ...]:
    """The names of a setting, each as `name` or `name:port`.

    Raises:
        ValueError: one of them is no host name.
    """
    names = tuple(name.lower() for name in re.split(r"[\s,]+", text) if name)
    for name in names:
        if not _NAME.fullmatch(without_port(name)):
            raise ValueError(
                f"{name!a} is no host name. Write the name that people type, such as stats.example.org; "
                "no address with https://, no *"
            )
    return names


def read_proxies(text: str) -> tuple[str, ...]:
    """The addresses and networks of a setting.

    Raises:
        ValueError: one of them is none, or means everybody, or nearly so.
    """
    proxies = tuple(each for each in re.split(r"[\s,]+", text) if each)
    for each in proxies:
        try:
            network = ipaddress.ip_network(each)
        except ValueError:
            network = None
        if network is None or _is_wide(network):
            raise ValueError(
                f"{each!a} would believe anybody who claims another address. Name the proxy's own address, "
                "such as 127.0.0.1 or 172.18.0.0/16"
            )
    return proxies


def _is_wide(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether it is more than anybody's proxies have: two halves of all addresses are all as well."""
    if isinstance(network, ipaddress.IPv6Network) and network.overlaps(_MAPPED):
        return network.prefixlen < _MAPPED.prefixlen + _NARROWEST
    return network.prefixlen < _NARROWEST


def read_header(text: str) -> str:
    """The header's name of a setting, in lower case; empty for none.

    Raises:
        ValueError: it is no name of a header that a proxy could say who calls in.
    """
    name = text.strip().lower()
    if name and (not _HEADER.fullmatch(name) or name in _NO_SIGN_ON):
        raise ValueError(
            f"{text!a} is no header for that. Write its name alone, such as Remote-User"
        )
    return name
