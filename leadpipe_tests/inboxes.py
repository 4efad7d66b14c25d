"""Where messages arrive in tests: a chat webhook or gateway over HTTP, and a mail server, on loopback."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any


class Inbox:
    """Remembers what was posted; answers `status`, `location` and `answer`, once `is_open` is set."""

    def __init__(self) -> None:
        self.requests: list[SimpleNamespace] = []
        self.status = 200
        self.location: str | None = None
        self.answer = b"{}"
        self.is_open = threading.Event()
        self.is_open.set()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                inbox.requests.append(
                    SimpleNamespace(path=self.path, headers=self.headers, body=body)
                )
                inbox.is_open.wait(10)
                self.send_response(inbox.status)
                if inbox.location:
                    self.send_header("Location", inbox.location)
                self.send_header("Content-Length", str(len(inbox.answer)))
                self.end_headers()
                self.wfile.write(inbox.answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.place}/hooks/a-secret-token"

    @property
    def bodies(self) -> list[Any]:
        """What was posted."""
        return [request.body for request in self.requests]


@contextmanager
def http_inbox() -> Iterator[Inbox]:
    """An inbox that listens."""
    made = Inbox()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.is_open.set()
        made.server.shutdown()
        made.server.server_close()
        thread.join(10)


class MailServer:
    """Keeps what it is sent; takes any login, and offers a STARTTLS that it then refuses."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.commands: list[str] = []

    def __enter__(self) -> "MailServer":
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.talk, "127.0.0.1", 0))
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.place = f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.server.close()
        self.loop.run_until_complete(self.server.wait_closed())
        self.loop.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        answers = {
            "EHLO": b"250-here\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
            "STAR": b"454 not now\r\n",
            "AUTH": b"235 welcome\r\n",
            "DATA": b"354 go\r\n",
            "QUIT": b"221 bye\r\n",
        }
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            self.commands.append(line)
            word = line[:4].upper()
            writer.write(answers.get(word, b"250 ok\r\n"))
            if word == "DATA":
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 ok\r\n")
            if word == "QUIT":
                break
        writer.close()
        await writer.wait_closed()
