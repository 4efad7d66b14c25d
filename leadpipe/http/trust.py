"""Which authorities a client trusts: read once where nothing of the environment has a say.

Reading the list takes 15 ms of CPU, more than a short request.
"""

import ssl
from functools import cache

import httpx


def authorities(*, is_loopback: bool) -> ssl.SSLContext | bool:
    """What a client's `verify` is: for servers of this machine the shared list, else one of its own.

    A list of its own also has what `SSL_CERT_FILE` names.
    """
    return _built_in() if is_loopback else True


@cache
def _built_in() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
