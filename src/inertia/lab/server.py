"""`inertia lab`: the page on this machine, the same as `export` writes, and Python behind a WebSocket for what needs it.

Bound to 127.0.0.1 alone. A foreign Host is answered 400 (a rebinding name must not reach us), a socket from a foreign
Origin 403, and the page may load nothing that is not its own (Content-Security-Policy, no inline script).
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import BadInput, InertiaError, require
from .api import LONGEST, handle, parsed
from .article import export
from .wire import pack

__all__ = ["application", "listening", "serve", "server"]

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self' blob:; worker-src blob:; font-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}

_SERVED = '<meta name="laboratory" content="python">\n<title>'  # tells the page that Python is behind it


def application(given: Mapping[str, Any] = MappingProxyType({}), started: Callable[[], None] | None = None) -> Any:
    """The Starlette application: static page at /, socket at /socket.

    `given` is what the laboratory was started with (a record, say): the page reads it once, from given.json, and shows it.

    Raises:
        MissingExtra: starlette is not installed.
    """
    starlette = require("starlette.applications", "lab")
    middleware, routing = require("starlette.middleware", "lab"), require("starlette.routing", "lab")
    hosts = require("starlette.middleware.trustedhost", "lab").TrustedHostMiddleware
    files = require("starlette.staticfiles", "lab").StaticFiles

    folder = tempfile.TemporaryDirectory(prefix="inertia-lab-")
    page = export(Path(folder.name) / "page", served=True)
    page.write_text(page.read_text(encoding="utf-8").replace("<title>", _SERVED, 1), encoding="utf-8")
    (page.parent / "given.json").write_text(json.dumps(given), encoding="utf-8")

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        if started is not None:
            started()
        yield
        folder.cleanup()

    return starlette.Starlette(
        routes=[
            routing.WebSocketRoute("/socket", _talker(functools.partial(handle, given=given))),
            routing.Mount("/", files(directory=Path(folder.name) / "page", html=True), name="static"),
        ],
        middleware=[
            middleware.Middleware(hosts, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False),
            middleware.Middleware(_Headers),
        ],
        lifespan=lifespan,
    )


class _Headers:
    """Adds the security headers to every HTTP response."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((name.encode(), value.encode()) for name, value in _HEADERS.items())]
            await send(message)

        await self.app(scope, receive, guarded if scope["type"] == "http" else send)


def _talker(answer: Callable[[Any], dict[str, Any]]) -> Any:
    sockets, threads = require("starlette.websockets", "lab"), require("starlette.concurrency", "lab").run_in_threadpool

    async def talk(websocket: Any) -> None:
        """One conversation: a message in, a reply out, until either side leaves."""
        if websocket.headers.get("origin") != f"http://{websocket.headers.get('host')}":
            await websocket.close()  # before accept: the handshake is answered 403
            return
        await websocket.accept()
        with contextlib.suppress(sockets.WebSocketDisconnect, RuntimeError, OSError):  # an abrupt end is normal
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                text = message.get("text")
                raw = text if text is not None else message.get("bytes") or b""
                # In a thread of its own: a vast maze takes seconds, and nobody else is to wait for them.
                await websocket.send_bytes(await threads(_reply, answer, raw))

    return talk


def _reply(answer: Callable[[Any], dict[str, Any]], raw: str | bytes) -> bytes:
    try:
        return pack(answer(parsed(raw)))
    except InertiaError as error:
        return pack({"error": {"kind": type(error).__name__, "message": str(error)}})
    except Exception as error:  # a defect of ours must not end the conversation, and its traceback is not the reader's
        print(f"inertia lab: {type(error).__name__}: {error}", file=sys.stderr)
        return pack({"error": {"kind": "Defect", "message": "this figure failed; the terminal names the error"}})


def listening(port: int = 0) -> socket.socket:
    """A socket bound to 127.0.0.1; port 0 takes a free one.

    Raises:
        BadInput: the port is taken or not allowed.
    """
    if not 0 <= port <= 65535:
        raise BadInput(f"port {port} is outside 0..65535: 0 takes a free one")
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        bound.listen(128)  # from here on a browser that comes early waits instead of being refused
    except OSError as error:
        bound.close()
        raise BadInput(f"port {port} cannot be used ({error.strerror}): leave --port out to take a free one") from None
    return bound


def server(app: Any) -> Any:
    """The uvicorn server of an application: quiet, its messages capped, and not compressed (they never leave this machine).

    Raises:
        MissingExtra: uvicorn is not installed.
    """
    uvicorn = require("uvicorn", "lab")
    config = uvicorn.Config(
        app,
        log_level="error",
        ws="websockets-sansio",
        ws_max_size=4 * LONGEST,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        server_header=False,
        date_header=False,
    )
    return uvicorn.Server(config)


def serve(port: int = 0, browser: bool = True, given: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Serve the laboratory on this machine until Ctrl-C; prints its address once it listens.

    Raises:
        MissingExtra: starlette or uvicorn is not installed.
        BadInput: the port cannot be used.
    """
    require("uvicorn", "lab")
    require("websockets", "lab")
    bound = listening(port)
    address = f"http://127.0.0.1:{bound.getsockname()[1]}/"

    def started() -> None:
        print(f"inertia lab: {address}  (Ctrl-C ends it)", flush=True)
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    with contextlib.suppress(KeyboardInterrupt), bound:
        server(application(given, started)).run(sockets=[bound])
