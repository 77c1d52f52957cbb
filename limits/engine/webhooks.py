"""Messages to users as webhooks: each is posted to a URL of the operator's, signed as Standard Webhooks has it.

    Webhook-Id          the id of the message, the same however often it comes
    Webhook-Timestamp   seconds since 1970 of this attempt
    Webhook-Signature   v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY")), one for each secret, with a space between

2xx takes a message. What is about this message refuses it, and its user's later ones wait (DeliveryFailed). What is
about the receiver as a whole ends the run before others run into the same wall (DeliveryStopped): nobody answers, 401,
403, 404, 405, 410, 429, or three in a row that got no answer in time. Either way all of it is sent again later. Nothing
is ever dropped: 410 Gone asks for no more, and it is for the operator to change LIMITS_OUTBOX.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx

from limits import __version__
from limits.errors import DeliveryFailed, DeliveryStopped, SettingsError
from limits.settings import is_loopback, webhook_keys

#: How long a receiver may take for one message, in seconds, from the first byte to the last: less than a service is
#: given to stop.
ANSWER_SECONDS = 20.0
#: How long it may take to be reached.
CONNECT_SECONDS = 5.0
#: Of an answer so much is read, so that the connection can be used again; what is in it is looked at by nobody.
ANSWER_BYTES = 4096
#: Answers that will be the same for every message.
FOR_ALL = {
    401: "it does not accept who we are", 403: "it does not accept who we are", 404: "there is nothing at that address",
    405: "it takes no POST", 410: "it wants no more messages", 429: "it asks for fewer at a time",
}  # fmt: skip
#: So many in a row without an answer in time end a run.
MOST_LATE = 3


class ToWebhook:
    """Posts each message; one at a time, so that each user's come in order."""

    batch = 1

    def __init__(self, url: str, secret: str | None, *, seconds: float = ANSWER_SECONDS) -> None:
        if not secret:
            raise SettingsError("LIMITS_WEBHOOK_SECRET is not set; messages that are posted have to be signed")
        self._url, self._seconds = url, seconds
        self._keys = webhook_keys(secret)
        parts = urlsplit(url)
        # Path and query may hold what is nobody's business.
        self.name = f"webhook:{parts.scheme}://{parts.netloc}"
        self._local = is_loopback(parts.hostname or "")
        self._client = self._new_client()
        self._late = 0

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Post all. DeliveryFailed where one was not taken, DeliveryStopped where none will be."""
        for message in messages:
            self._send(str(message["id"]), json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())

    def _send(self, number: str, body: bytes) -> None:
        said: list[int | Exception] = []
        # In a thread, because a server that answers one byte at a time keeps within every timeout of a socket.
        posting = threading.Thread(target=lambda: said.append(self._posted(number, body)), name="webhook", daemon=True)
        posting.start()
        posting.join(self._seconds)
        if not said or isinstance(said[0], httpx.ReadTimeout | httpx.WriteTimeout):
            self._give_up()
        answered = said[0]
        self._late = 0
        if isinstance(answered, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
            raise DeliveryStopped(f"{self.name} cannot be reached: {_trouble(answered)}")
        if isinstance(answered, Exception):
            # It may be this message that it breaks at: others shall go on.
            raise DeliveryFailed(f"{self.name} gave no answer that can be read: {_trouble(answered)}")
        if answered in FOR_ALL:
            raise DeliveryStopped(f"{self.name} answered {answered}: {FOR_ALL[answered]}")
        if not 200 <= answered < 300:
            more = "; redirects are not followed" if 300 <= answered < 400 else ""
            raise DeliveryFailed(f"{self.name} answered {answered}{more}")

    def _give_up(self) -> NoReturn:
        """Nothing came in time: the connection is closed, so that whoever waits at it ends too."""
        old, self._client = self._client, self._new_client()
        with contextlib.suppress(httpx.HTTPError, OSError, RuntimeError):
            old.close()
        self._late += 1
        why = f"{self.name} did not answer within {self._seconds:g} s"
        if self._late >= MOST_LATE:
            self._late = 0
            raise DeliveryStopped(f"{why}, {MOST_LATE} times in a row")
        raise DeliveryFailed(why)

    def _posted(self, number: str, body: bytes) -> int | Exception:
        """The status of the answer, or what went wrong."""
        headers = {"content-type": "application/json", **signed(self._keys, number, int(time.time()), body)}
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                # The status counts; a body that breaks off or goes on for ever changes nothing of it.
                with contextlib.suppress(httpx.HTTPError):
                    _drain(answer)
                return answer.status_code
        except Exception as error:  # noqa: BLE001  whatever a receiver provokes: the message waits
            return error

    def _new_client(self) -> httpx.Client:
        # The proxy of the environment leads out, and there is nothing to look for on the way to ourselves.
        return httpx.Client(
            timeout=httpx.Timeout(self._seconds, connect=min(self._seconds, CONNECT_SECONDS)),
            follow_redirects=False, trust_env=not self._local,
            headers={"user-agent": f"credit-limit-scheduler/{__version__}", "accept-encoding": "identity"},
        )  # fmt: skip


def signed(keys: Sequence[bytes], number: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that say which message this is, when it was sent, and by whom."""
    text = f"{number}.{at}.".encode() + body
    made = [base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode() for key in keys]
    signatures = " ".join(f"v1,{one}" for one in made)
    return {"webhook-id": number, "webhook-timestamp": str(at), "webhook-signature": signatures}


def _drain(answer: httpx.Response) -> None:
    read = 0
    for part in answer.iter_raw(ANSWER_BYTES):
        read += len(part)
        if read > ANSWER_BYTES:
            return


def _trouble(error: Exception) -> str:
    """In words of the machine, without the address, which may hold a secret."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
