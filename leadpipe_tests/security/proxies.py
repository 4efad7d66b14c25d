"""nginx and Caddy before leadpipe, as docs/web.md has them; and other ways in which proxies are set up.

They are started by the tests on loopback ports with a configuration in the test's folder, never as services.
"""

import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from leadpipe_tests.dagster_ui.processes import free_port, wait_for
from leadpipe_tests.docs.markdown import ROOT, blocks

NAME = "stats.example.org"
_END_SECONDS = 60.0
_SIGN_ON = "with a sign-on"
_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {block}
}}
"""


@dataclass(frozen=True)
class Front:
    """A proxy that listens."""

    port: int

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: object
    ) -> httpx.Response:
        """Send a request to the proxy's name, over https."""
        with self.client(headers) as client:
            return client.request(method, path, **options)  # type: ignore[arg-type]

    def client(self, headers: Mapping[str, str] | None = None) -> httpx.Client:
        """A client that keeps its cookies. The certificate is of the test's own making."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"Host": NAME, **(headers or {})},
            verify=context,
            trust_env=False,
            timeout=120,
        )


def needed(program: str) -> str:
    """A program that the tests cannot do without."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"This test needs {program}: `make programs` installs it as root.")
    return found


def certificate(folder: Path, *, name: str = NAME) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    cert, key = folder / "fullchain.pem", folder / "privkey.pem"
    if not cert.exists():
        subprocess.run(
            [
                *(needed("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"),
                *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"),
                *("-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"),
                *("-keyout", str(key), "-out", str(cert)),
            ],
            check=True,
            capture_output=True,
        )
    return cert, key


def documented(language: str, title: str = "") -> str:
    """The block of docs/web.md."""
    found = blocks(ROOT / "docs" / "web.md", language)
    [text] = [block.text for block in found if block.title == title]
    return text


def _with(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"docs/web.md has no {old!r} any more"
        text = text.replace(old, new)
    return text


@contextmanager
def documented_nginx(folder: Path, *, page: int, dagster: int = 9) -> Iterator[Front]:
    """Nginx with the documented block, on a port and with a certificate of the test's own."""
    port, (cert, key) = free_port(), certificate(folder)
    block = _with(
        documented("nginx"),
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(cert),
            f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(key),
            "127.0.0.1:3002": f"127.0.0.1:{page}",
            "127.0.0.1:3000": f"127.0.0.1:{dagster}",
        },
    )
    with nginx(folder, block, port) as front:
        yield front


@contextmanager
def signed_on_nginx(folder: Path, *, page: int, sign_on: int, secret: str) -> Iterator[Front]:
    """Nginx with the documented blocks of a single sign-on."""
    port, (cert, key) = free_port(), certificate(folder)
    whole = documented("nginx")
    head = whole[: whole.index("    location / {")]
    block = _with(
        head + documented("nginx", _SIGN_ON) + "}\n",
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(cert),
            f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(key),
            "127.0.0.1:9091": f"127.0.0.1:{sign_on}",
            "127.0.0.1:3002": f"127.0.0.1:{page}",
            "the value of LEADPIPE_SSO_SECRET": secret,
        },
    )
    with nginx(folder, block, port) as front:
        yield front


@contextmanager
def signed_on_caddy(folder: Path, *, page: int, sign_on: int, secret: str) -> Iterator[Front]:
    """Caddy with the documented file of a single sign-on."""
    changes = {
        "127.0.0.1:9091": f"127.0.0.1:{sign_on}",
        "the value of LEADPIPE_SSO_SECRET": secret,
    }
    block = _with(documented("caddyfile", _SIGN_ON), changes)
    with documented_caddy(folder, page=page, text=block) as front:
        yield front


@contextmanager
def bare_nginx(folder: Path, *, page: int, lines: str = "") -> Iterator[Front]:
    """Nginx as people set it up in a hurry: https, `proxy_pass`, and the lines given."""
    port, (cert, key) = free_port(), certificate(folder)
    block = (
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {cert}; ssl_certificate_key {key};"
        f" location / {{ proxy_pass http://127.0.0.1:{page}; {lines} }} }}"
    )
    with nginx(folder, block, port) as front:
        yield front


@contextmanager
def nginx(folder: Path, block: str, port: int) -> Iterator[Front]:
    """Nginx with a `server` block."""
    file = folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, block=block))
    with _running([needed("nginx"), "-p", str(folder), "-c", str(file)], folder, port) as front:
        yield front


@contextmanager
def documented_caddy(
    folder: Path, *, page: int, dagster: int = 9, text: str | None = None
) -> Iterator[Front]:
    """Caddy with the documented file, on a port and with a certificate of the test's own."""
    port, (cert, key) = free_port(), certificate(folder)
    block = _with(
        text or documented("caddyfile"),
        {
            f"{NAME} {{": f"https://{NAME}:{port}, https://127.0.0.1:{port} {{\n    bind 127.0.0.1\n"
            f"    tls {cert} {key}",
            "127.0.0.1:3002": f"127.0.0.1:{page}",
            "127.0.0.1:3000": f"127.0.0.1:{dagster}",
        },
    )
    file = folder / "Caddyfile"
    file.write_text("{\n    admin off\n    auto_https off\n}\n" + block)
    command = [needed("caddy"), "run", "--config", str(file), "--adapter", "caddyfile"]
    with _running(command, folder, port) as front:
        yield front


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[Front]:
    log = folder / f"{Path(command[0]).name}.out"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={
                "HOME": str(folder),
                "PATH": "/usr/sbin:/usr/bin:/bin",
                "XDG_DATA_HOME": str(folder),
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    front = Front(port)
    try:
        wait_for(f"{command[0]}: {log}", lambda: _answers(front, process), seconds=120)
        yield front
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        finally:
            process.kill()
            process.wait()


def _answers(front: Front, process: subprocess.Popen[bytes]) -> bool | None:
    assert process.poll() is None, "it ended"
    try:
        front.ask("GET", "/")
    except httpx.TransportError:
        return None
    return True
