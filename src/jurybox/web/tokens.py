"""Tokens and sessions: random, stored as hashes or signed, compared in constant time, wrong ones counted."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from itsdangerous import BadData, URLSafeTimedSerializer

from jurybox.store.state import LEAST_KEY, SessionKey

_ADDRESSES = 10_000


@dataclass(frozen=True)
class Session:
    """What the cookie of a person who has signed in says.

    Attributes
    ----------
    opens
        The projects that it opens, by identifier, and of each the generation of the key that must still hold.
        A server of one project signs with the project's key and names that project alone; a server of several
        would sign with a key of its own.
    token
        Hash of the token it was opened with, whose person it is; None for the link that a server prints when
        it starts, which is the owner's.
    by_operator
        Whether that token is the one that the operator of the server chose.
    id
        Drawn at random; what signing out ends.
    """

    opens: dict[str, int]
    token: str | None = None
    by_operator: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def holds(self, key: SessionKey) -> bool:
        """Whether it opens the project of a key, and was made in the same generation."""
        return self.opens.get(key.project) == key.generation


def new_token() -> str:
    """Return a token of 256 random bits.

    Examples
    --------
    >>> len(new_token())
    43
    """
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what is stored of a token. Its 256 random bits need neither salt nor a slow hash.

    Examples
    --------
    >>> hash_token("t")[:8]
    'e3b98a4d'
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare two strings in a time that does not tell where they differ."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def seal(session: Session, key: bytes) -> str:
    """Write a session down so that only holders of the key can have written it; anyone can read it.

    Raises
    ------
    ValueError
        If the key has fewer than 32 bytes.

    Examples
    --------
    >>> key, session = bytes(range(32)), Session({"p": 1})
    >>> open_sealed(seal(session, key), key, 60) == session
    True
    >>> open_sealed(seal(session, key), bytes(32), 60) is None
    True
    """
    values = {"p": session.opens, "t": session.token, "o": session.by_operator, "i": session.id}
    return _signer(key).dumps(values)


def open_sealed(sealed: str, key: bytes, seconds: int) -> Session | None:
    """Return the session that `seal` wrote down within so many seconds; None where the signature is wrong.

    Raises
    ------
    ValueError
        If the key has fewer than 32 bytes.
    """
    try:
        values = _signer(key).loads(sealed, max_age=seconds)
    except (BadData, UnicodeError):
        return None
    return Session(values["p"], values["t"], values["o"], values["i"])


def cookie_name(project: str) -> str:
    """Return the name of the cookie of a project's sessions: several projects may share a host.

    Examples
    --------
    >>> cookie_name("00112233445566778899aabbccddeeff")
    'jurybox_session_0011223344556677'
    """
    return f"jurybox_session_{project[:16]}"


def csrf_token(cookie: str, key: bytes) -> str:
    """Return what requests of a session that change something must carry besides its cookie."""
    return hmac.new(key, b"jurybox csrf " + cookie.encode("latin-1", "replace"), "sha256").hexdigest()


class AttemptLimiter:
    """Counts wrong tokens by address; remembers a bounded number of addresses.

    Whoever has a network of IPv6 addresses counts as one: its first 64 bits.

    Examples
    --------
    >>> limiter = AttemptLimiter(attempts=2, seconds=60, clock=lambda: 0.0)
    >>> limiter.failed("a"), limiter.failed("a"), limiter.wait("a"), limiter.wait("b")
    (None, None, 60.0, 0.0)
    """

    def __init__(self, attempts: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._attempts = attempts
        self._seconds = seconds
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Return the seconds until the address may fail again; 0 if it may now."""
        with self._lock:
            times = self._failures.get(_network(address))
            now = self._clock()
            while times and times[0] <= now - self._seconds:
                times.popleft()
            if not times or len(times) < self._attempts:
                return 0.0
            return times[0] + self._seconds - now

    def failed(self, address: str) -> None:
        """Count a wrong token."""
        network = _network(address)
        with self._lock:
            self._failures.setdefault(network, deque(maxlen=self._attempts)).append(self._clock())
            self._failures.move_to_end(network)
            while len(self._failures) > _ADDRESSES:
                self._failures.popitem(last=False)


def _signer(key: bytes) -> URLSafeTimedSerializer:
    if len(key) < LEAST_KEY:
        raise ValueError(f"the key has {len(key)} bytes, expected {LEAST_KEY} or more")
    digest = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeTimedSerializer(key, salt="jurybox session", signer_kwargs=digest)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4 or parsed.ipv4_mapped is not None:
        return address
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
