"""The test partner as a process of its own: `python -m leadpipe_tests.delivery.partner_process [PORT]`."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import httpx

READY_PREFIX = "partner ready at "
_STOP_SECONDS = 60.0


class PartnerProcess:
    """A running partner; stop it, or use it as a context manager.

    Attributes:
        url: `http://127.0.0.1:PORT`.
        api_key: what it accepts until told otherwise.
    """

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self.url = url
        self.api_key = "npa_test"
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=60.0)

    @classmethod
    def start(cls, *, port: int = 0) -> Self:
        """Start a partner and wait until it answers.

        Raises:
            RuntimeError: it ended before it was ready.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", "leadpipe_tests.delivery.partner_process", str(port)],
            stdin=subprocess.PIPE,  # when it closes, the partner ends
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith(READY_PREFIX):
            process.kill()
            raise RuntimeError(f"The test partner ended with {process.wait(_STOP_SECONDS)}.")
        return cls(process, line.removeprefix(READY_PREFIX).strip())

    def configure(self, **told: Any) -> None:
        """Tell it how to behave."""
        self._http.post("/_control/configure", json=told).raise_for_status()

    def set_clock(self, now: datetime | None) -> None:
        """Hold its clock at a moment; None lets it run again."""
        self.configure(now=now.isoformat() if now else None)

    def change(self, **told: Any) -> None:
        """Let it `forget`, `edit` or `add` leads behind our back."""
        self._http.post("/_control/change", json=told).raise_for_status()

    def reset(self) -> None:
        """As freshly started."""
        self._http.post("/_control/reset").raise_for_status()

    def leads(self) -> list[dict[str, Any]]:
        """Every lead it has accepted."""
        leads: list[dict[str, Any]] = self._http.get("/_control/leads").json()["leads"]
        return leads

    def requests(self) -> int:
        """How many leads were sent to it, taken or not."""
        return int(self._http.get("/_control/leads").json()["requests"])

    def stop(self) -> None:
        """End it and wait for it; safe to call twice."""
        self._http.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(port: int) -> None:
    """Serve on loopback until stdin closes or a signal comes; port 0 picks a free one."""
    import socket  # noqa: PLC0415 - only the server process needs these
    import threading  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415

    from leadpipe_tests.delivery.partner import create_partner  # noqa: PLC0415

    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(
        uvicorn.Config(create_partner(), log_level="critical", timeout_graceful_shutdown=1)
    )

    def end_with_parent() -> None:
        sys.stdin.read()
        server.should_exit = True

    if not sys.stdin.isatty():
        threading.Thread(target=end_with_parent, daemon=True).start()
    sys.stdout.write(f"{READY_PREFIX}http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    server.run(sockets=[listener])


if __name__ == "__main__":
    serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
