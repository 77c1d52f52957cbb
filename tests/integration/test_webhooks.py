"""Messages to users as webhooks: signed, in order for each user, sent again until they are taken."""

from __future__ import annotations

import base64
import collections
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from limits import engine
from limits.engine.delivering import Delivery
from limits.engine.webhooks import ToWebhook
from limits.errors import DeliveryStopped, SettingsError
from limits.settings import Settings
from limits.store import notices
from limits.store.db import Connection, Database
from tasks.app import Context
from tasks.courier import Courier
from tests import builders, told

KEY, NEXT = b"k" * 32, b"n" * 24
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
BOTH = f"{SECRET} whsec_{base64.b64encode(NEXT).decode()}"


class Receiver:
    """An HTTP server of somebody else's: what it was sent, and what it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[dict[str, Any]], int] = lambda message: 204
        self.speak: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.connections = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = receiver.answer(json.loads(body))
                if receiver.speak is not None:
                    with contextlib.suppress(OSError):
                        receiver.speak(self)
                    self.close_connection = True
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"{receiver.url}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.got.append(({}, b"GET"))

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def deliver(database: Database, receiver: Receiver, *, seconds: float = 5.0, secret: str = SECRET) -> Delivery:
    return engine.deliver(database, ToWebhook(f"{receiver.url}/hook?token=x", secret, seconds=seconds))


def waiting(conn: Connection) -> list[int]:
    return [message.user_id for message in notices.waiting(conn, after=0, users=1000)]


@pytest.fixture(autouse=True)
def decisions(conn: Connection) -> None:
    """Two users, each with two decisions, each of them a changed limit and a notice: eight messages."""
    for user_id in (1, 2):
        builders.add_user(conn, user_id)
    for version in range(2):
        for user_id in (2, 1):
            told.add_notice(conn, user_id, version=version)


def test_each_message_is_signed_and_comes_in_the_order_of_its_user(
    conn: Connection, database: Database, receiver: Receiver
) -> None:
    assert deliver(database, receiver).delivered == 8
    assert waiting(conn) == []
    by_user = collections.defaultdict(list)
    for message in receiver.messages:
        by_user[message["user_id"]].append((message["entry_id"], message["message"]))
    assert sorted(by_user) == [1, 2]
    assert all(listed == sorted(listed) and len(listed) == 4 for listed in by_user.values())
    for headers, body in receiver.got:
        assert headers["content-type"] == "application/json"
        assert headers["webhook-id"] == json.loads(body)["id"]
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
        signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    assert receiver.connections == 1, "one connection for all of them"
    number = next(message["id"] for message in receiver.messages if message["message"] == "notice").split("-")[-1]
    assert notices.get(conn, int(number)).delivered_to == f"webhook:{receiver.url}", "without path and query"


def test_the_example_of_the_standard_is_signed_as_it_says() -> None:
    """The test vector that the libraries of Standard Webhooks share."""
    from limits.engine.webhooks import signed
    from limits.settings import webhook_keys

    keys = webhook_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signed(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_changes_both_sign(database: Database, receiver: Receiver) -> None:
    deliver(database, receiver, secret=BOTH)
    headers, body = receiver.got[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in (KEY, NEXT)]
    assert headers["webhook-signature"] == " ".join(f"v1,{one}" for one in expected)


@pytest.mark.parametrize("status", [500, 503, 400, 422, 302])
def test_a_refused_message_holds_back_its_user_alone_and_comes_again(
    conn: Connection, database: Database, receiver: Receiver, status: int
) -> None:
    receiver.answer = lambda message: status if message["user_id"] == 1 else 200
    done = deliver(database, receiver)
    assert done.delivered == 4 and list(done.failed) == [1]
    assert f"answered {status}" in done.failed[1] and "token" not in done.failed[1]
    assert [message["user_id"] for message in receiver.messages] == [1, 2, 2, 2, 2], "later ones wait; none is followed"
    assert waiting(conn) == [1] * 4
    first = receiver.messages[0]["id"]
    receiver.got.clear()
    receiver.answer = lambda message: 200
    assert deliver(database, receiver).delivered == 4
    assert receiver.messages[0]["id"] == first


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 429])
def test_an_answer_that_is_for_all_ends_the_run_and_drops_nothing(
    conn: Connection, database: Database, receiver: Receiver, status: int
) -> None:
    receiver.answer = lambda message: status
    with pytest.raises(DeliveryStopped, match=f"answered {status}"):
        deliver(database, receiver)
    assert len(receiver.got) == 1 and len(waiting(conn)) == 8
    receiver.answer = lambda message: 200
    assert deliver(database, receiver).delivered == 8


def test_nobody_at_the_address(conn: Connection, database: Database, receiver: Receiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryStopped, match="cannot be reached: Connection refused") as caught:
            engine.deliver(database, ToWebhook(f"http://127.0.0.1:{taken.getsockname()[1]}/?token=x", SECRET))
    assert "token" not in str(caught.value)
    assert len(waiting(conn)) == 8
    assert deliver(database, receiver).delivered == 8


def test_what_was_taken_and_not_marked_comes_again_under_the_same_id(
    conn: Connection, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(notices, "mark_delivered", die)
        deliver(database, receiver)
    assert len(receiver.got) == 1
    assert deliver(database, receiver).delivered == 8
    first, again = receiver.got[0], receiver.got[1]
    assert first[0]["webhook-id"] == again[0]["webhook-id"] and first[1] == again[1]
    assert len({message["id"] for message in receiver.messages}) == 8


def test_one_that_does_not_answer_in_time_is_left_and_its_user_waits(
    conn: Connection, database: Database, receiver: Receiver
) -> None:
    held = threading.Event()

    def answer(message: dict[str, Any]) -> int:
        if message["user_id"] == 1:
            held.wait(20)
        return 200

    receiver.answer = answer
    done = deliver(database, receiver, seconds=0.5)
    held.set()
    assert (done.delivered, list(done.failed)) == (4, [1])
    assert "did not answer within 0.5 s" in done.failed[1]
    assert deliver(database, receiver).delivered == 4


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 2", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"]
)
def test_a_message_at_which_the_receiver_breaks_holds_back_nobody_else(
    database: Database, receiver: Receiver, said: bytes
) -> None:
    receiver.speak = lambda handler: handler.wfile.write(said)
    done = deliver(database, receiver)
    if said.endswith(b"9\r\n\r\n"):
        assert done.delivered == 8, "it said that it took the message; what else it wanted to say does not matter"
    else:
        assert (done.delivered, sorted(done.failed), len(receiver.got)) == (0, [1, 2], 2)


def test_three_without_an_answer_in_a_row_end_the_run(conn: Connection, database: Database, receiver: Receiver) -> None:
    for user_id in (3, 4):
        builders.add_user(conn, user_id)
        told.add_notice(conn, user_id)
    held = threading.Event()
    receiver.answer = lambda message: 200 if held.wait(20) else 500
    with pytest.raises(DeliveryStopped, match="3 times in a row"):
        deliver(database, receiver, seconds=0.3)
    held.set()
    assert len(receiver.got) == 3


def test_a_byte_at_a_time_is_no_answer_in_time(database: Database, receiver: Receiver) -> None:
    def dribble(handler: BaseHTTPRequestHandler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"x-more: 1\r\n" * 100:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.1)

    receiver.speak = dribble
    began = time.monotonic()
    done = deliver(database, receiver, seconds=0.5)
    assert done.delivered == 0 and sorted(done.failed) == [1, 2]
    assert time.monotonic() - began < 5
    until = time.monotonic() + 60
    while any(thread.name == "webhook" for thread in threading.enumerate()):
        assert time.monotonic() < until, "nobody waits on at a connection that was given up"
        time.sleep(0.05)


def test_an_endless_answer_is_not_read(database: Database, receiver: Receiver) -> None:
    sent = []

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        for _ in range(1000):
            handler.wfile.write(b"x" * 100_000)
            sent.append(100_000)

    receiver.speak = flood
    assert deliver(database, receiver).delivered == 8
    assert sum(sent) < 8 * 20_000_000


def test_a_scheduler_posts_and_goes_on_after_trouble(
    conn: Connection, database: Database, settings: Settings, receiver: Receiver
) -> None:
    signing = settings.model_copy(update={"webhook_secret": SECRET})
    courier = Courier(Context(database, signing, "test"), f"{receiver.url}/hook")
    receiver.answer = lambda message: 410
    courier.tick()  # said, and tried again at the next tick
    assert len(waiting(conn)) == 8
    receiver.answer = lambda message: 200
    courier.tick()
    assert waiting(conn) == []


def test_nothing_is_posted_unsigned(receiver: Receiver) -> None:
    with pytest.raises(SettingsError, match="LIMITS_WEBHOOK_SECRET is not set"):
        engine.sender_for(receiver.url)
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        engine.sender_for(receiver.url, secret="hunter2")
