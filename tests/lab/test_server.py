"""The server from outside, by raw handshakes: who may speak to it, and what it says to nonsense."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inertia.errors import BadData, BadInput
from inertia.lab.api import LONGEST
from inertia.lab.article import page as article_page
from inertia.lab.given import known, read
from inertia.lab.server import listening
from inertia.lab.wire import unpack
from inertia.report.report import page

websockets = pytest.importorskip("websockets.sync.client")
ConnectionClosed = pytest.importorskip("websockets.exceptions").ConnectionClosed


def fetched(address, path):
    """The body of a page."""
    with urllib.request.urlopen(address + path, timeout=60) as reply:
        return reply.read().decode()


def answer(address, lines):
    """Status line and the rest of the answer to a raw request."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=60) as raw:
        raw.sendall("\r\n".join([*lines, "", ""]).encode())
        got = b""
        while not (b"\r\n\r\n" in got and b"101 Switching" in got):
            part = raw.recv(65536)
            if not part:  # the server closes what it has answered
                break
            got += part
    return got.decode(errors="replace")


def handshake(host, origin):
    key = base64.b64encode(b"0123456789abcdef").decode()
    lines = ["GET /socket HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
    return [*lines, "Sec-WebSocket-Version: 13", *([f"Origin: {origin}"] if origin else [])]


def test_the_own_origin_may_speak(lab):
    host = urlsplit(lab).netloc
    assert "101 Switching Protocols" in answer(lab, handshake(host, lab))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None, "https://127.0.0.1", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_forbidden(lab, origin):
    assert answer(lab, handshake(urlsplit(lab).netloc, origin)).startswith("HTTP/1.1 403")


@pytest.mark.parametrize("path", ["/socket", "/"])
def test_a_rebinding_host_is_refused(lab, path):
    lines = (
        handshake("evil.example", "http://evil.example")
        if path == "/socket"
        else ["GET / HTTP/1.1", "Host: evil.example", "Connection: close"]
    )
    assert answer(lab, lines).startswith("HTTP/1.1 400")


@pytest.mark.parametrize(
    "path",
    ["/../api.py", "/..%2fapi.py", "/%2e%2e/api.py", "/....//api.py", "//etc/passwd", "/figures/../../server.py", "/static/index.html"],
)
def test_no_file_of_the_machine_is_readable(lab, path):
    got = answer(lab, [f"GET {path} HTTP/1.1", f"Host: {urlsplit(lab).netloc}", "Connection: close"])
    assert got.startswith("HTTP/1.1 404")
    assert "import" not in got


def test_the_page_forbids_everything_foreign(lab):
    got = answer(lab, ["GET / HTTP/1.1", f"Host: {urlsplit(lab).netloc}", "Connection: close"])
    head, _, body = got.partition("\r\n\r\n")
    assert "default-src 'none'; script-src 'self'" in head
    assert "nosniff" in head
    assert "<script>" not in body
    assert "http" not in body.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[]", "a request is an object"),
        ("x" * (LONGEST + 1), "at most"),
        ('{"figure": 1}', "no figure"),
    ],
)
def test_nonsense_is_answered_and_the_socket_kept(lab, message, words):
    with websockets.connect(lab.replace("http", "ws") + "/socket", origin=lab) as talk:
        talk.send(message)
        assert words in unpack(talk.recv(timeout=60))["error"]["message"]
        talk.send('{"figure": "map", "id": 5}')
        assert unpack(talk.recv(timeout=60))["id"] == 5


def test_a_message_beyond_all_measure_closes_the_socket_cleanly(lab):
    with websockets.connect(lab.replace("http", "ws") + "/socket", origin=lab, max_size=None) as talk:
        with contextlib.suppress(ConnectionClosed):  # the end may come while the message is still on its way
            talk.send("x" * (2**22 + 10))
        with pytest.raises(ConnectionClosed) as closed:
            talk.recv(timeout=60)
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    with websockets.connect(lab.replace("http", "ws") + "/socket", origin=lab) as talk:
        talk.send('{"figure": "map"}')
        assert "view" in unpack(talk.recv(timeout=60))


def test_ports_that_cannot_be_used_are_said():
    with pytest.raises(BadInput, match="outside 0..65535"):
        listening(70_000)
    taken = listening(0)
    with pytest.raises(BadInput, match="cannot be used"):
        listening(taken.getsockname()[1])
    taken.close()


def test_a_report_is_read_like_the_record_it_carries(tmp_path):
    record = {"task": "a </script>", "steps": 3}
    (tmp_path / "report.html").write_text(page("title", "lede", [], record=record))
    assert read(tmp_path / "report.html") == record
    (tmp_path / "report.html").write_text(page("title", "lede", []))
    with pytest.raises(BadData, match="not JSON"):
        read(tmp_path / "report.html")


def test_a_record_is_read_once_or_refused(tmp_path):
    with pytest.raises(BadData, match="cannot read"):
        read(tmp_path)
    (tmp_path / "record.json").write_text("{")
    with pytest.raises(BadData, match="not JSON"):
        read(tmp_path)
    (tmp_path / "record.json").write_text("[]")
    with pytest.raises(BadData, match="holds a list"):
        read(tmp_path)
    (tmp_path / "record.json").write_text('{"task": "valley"}')
    assert read(tmp_path) == {"task": "valley"}
    with pytest.raises(BadData, match="no record of `inertia tune`"):
        known(tmp_path)


def test_the_page_is_told_that_python_is_behind_it_and_the_exported_one_is_not(lab):
    assert '<meta name="laboratory" content="python">' in fetched(lab, "/")
    assert json.loads(fetched(lab, "/given.json")) == {}
    assert 'name="laboratory"' not in article_page()


@pytest.mark.slow
def test_the_command_serves_until_interrupted_and_ends_without_a_traceback():
    code = "import sys; from inertia.cli import main; sys.exit(main(['lab', '--no-browser']))"
    source = str(Path(__file__).parents[2] / "src")
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": source}
    )
    try:
        line = process.stdout.readline()
        address = line.split()[2].rstrip("/")
        with websockets.connect(address.replace("http", "ws") + "/socket", origin=address) as talk:
            talk.send('{"figure": "map"}')
            assert "view" in unpack(talk.recv(timeout=60))
            process.send_signal(2)
            out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (0, 130)
    assert "Traceback" not in out + err
