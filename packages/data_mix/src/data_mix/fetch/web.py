"""Requests over HTTP: retries, a clear error for every refusal, and the hub's token for the hub alone.

What is worth another try (a time-out, a cut body, HTTP 408, 429 and 5xx, an ETag that changed) is tried again, a little
later each time; any other refusal is an error at once. A URL may hold secrets: errors call a file by a name instead.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import get_session, get_token_to_send, parse_ratelimit_headers  # type: ignore[attr-defined]

from data_mix.errors import FetchError

T = TypeVar("T")

LONGEST_WAIT: Final = 300.0
"""Seconds; a server that asks for more gets an error in place of a sleeping build."""
MAX_REDIRECTS: Final = 10

_AGAIN: Final = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
_REFUSALS: Final[dict[str | int, str]] = {
    "GatedRepo": "is gated; accept its terms on its page, then log in with `hf auth login` or set HF_TOKEN",
    "RevisionNotFound": "has no such revision; check `revision`",
    "EntryNotFound": "has no such file; check its path and revision",
    "RepoNotFound": "is not there, or is private; check its name, and log in with `hf auth login` if it is private",
    401: "asks for a login; log in with `hf auth login` or set HF_TOKEN",
    403: "is forbidden to you; log in with an account that may read it",
    404: "is not there; check its name",
    410: "is gone; check its name",
}


class TransientError(Exception):
    """A request failed in a way that is worth another try, after `wait` seconds where the server says how long."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Answer(NamedTuple):
    """What a server answered, at the end of all redirections."""

    response: httpx2.Response
    etag: str | None
    """The hub's own ETag, which a redirection to a store of large files carries, else that of the response."""


@dataclass(frozen=True, kw_only=True)
class Web:
    """How to speak with servers.

    `backoff` is the wait before the second try, in seconds, doubled for each further one; `tries` says how often in a row
    something may fail without progress.
    """

    backoff: float = 1.0
    tries: int = 6

    @contextmanager
    def open(self, url: str, name: str, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """GET the URL, following redirections by hand: the hub's token goes to the hub alone, and its ETag is kept.

        Raises TransientError or FetchError where the server refuses; 416 (no such range) is the caller's to judge.
        """
        if is_offline():
            raise FetchError(f"{name} is not cached, and HF_HUB_OFFLINE is set; unset it once, to fetch it")
        etag = None
        for _ in range(MAX_REDIRECTS):
            sent = _headers(url) | dict(headers or {})
            with get_session().stream("GET", url, headers=sent, follow_redirects=False, timeout=_timeout()) as response:
                etag = etag or response.headers.get("X-Linked-Etag")
                if not response.has_redirect_location:
                    _check_status(response, name)
                    yield Answer(response, _bare(etag or _validator(response)))
                    return
                url = _redirected(url, response.headers["Location"])
        raise FetchError(f"{name}: more than {MAX_REDIRECTS} redirections; check the URL")

    def get_json(self, url: str, name: str) -> tuple[Any, str | None]:
        """A JSON answer, and the URL of the page after it where there is one."""

        def get() -> tuple[bytes, str | None]:
            with self.open(url, name) as answer:
                return answer.response.read(), answer.response.links.get("next", {}).get("url")

        body, following = self.retry(name, get)
        try:
            return json.loads(body), following
        except ValueError as error:
            raise FetchError(f"{name}: the answer is not JSON, wanted a hub's; check HF_ENDPOINT") from error

    def size_and_etag(self, url: str, name: str) -> tuple[int | None, str | None]:
        """Size and ETag of a file, for its first byte alone (some servers know no HEAD); None for what is not told."""

        def ask() -> tuple[int | None, str | None]:
            with self.open(url, name, {"Range": "bytes=0-0"}) as answer:
                headers = answer.response.headers
                size = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
                return int(size) if size.isdigit() else None, answer.etag

        return self.retry(name, ask)

    def retry(self, name: str, attempt: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
        """Call `attempt` until it succeeds; raise FetchError after `tries` failures with no new `progress` in between."""
        failures, best = 0, progress()
        while True:
            try:
                return attempt()
            except (TransientError, *_AGAIN) as error:
                reached = progress()
                failures, best = (1, reached) if reached > best else (failures + 1, best)
                if failures >= self.tries:
                    raise FetchError(
                        f"{name}: {_reason(error)}, {failures} times in a row; check the network and run again, what came "
                        "is kept (or set HF_HUB_OFFLINE=1 to use only what is cached)"
                    ) from error
                time.sleep(_wait(error, name, self.backoff * 2 ** (failures - 1)))
            except (httpx2.HTTPError, httpx2.InvalidURL, OfflineModeIsEnabled) as error:
                raise FetchError(f"{name}: {_reason(error)}; check the URL and HF_ENDPOINT") from error


def endpoint() -> str:
    """The hub's URL: $HF_ENDPOINT as it is now, not as it was when huggingface_hub was imported."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def split_url(url: str) -> SplitResult:
    """The parts of a URL. Raises FetchError where it has none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError as error:
        raise FetchError("a URL cannot be taken apart, wanted https://HOST/PATH; check the URL") from error
    return parts


def is_offline() -> bool:
    """Whether $HF_HUB_OFFLINE forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _redirected(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise FetchError("a redirection leads to no URL; check the URL that was asked for") from error


def _headers(url: str) -> dict[str, str]:
    """The headers of every request; the token among them only where the URL is the hub's own."""
    headers = {"User-Agent": "data-mix-builder", "Accept-Encoding": "identity"}
    token = get_token_to_send(None) if _origin(url) == _origin(endpoint()) else None
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = split_url(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _timeout() -> float:
    """Seconds without a byte after which a server is given up: $HF_HUB_DOWNLOAD_TIMEOUT."""
    try:
        return float(os.environ["HF_HUB_DOWNLOAD_TIMEOUT"])
    except (KeyError, ValueError):
        return float(constants.DEFAULT_DOWNLOAD_TIMEOUT)


def _validator(response: httpx2.Response) -> str | None:
    return response.headers.get("ETag") or response.headers.get("Last-Modified")


def _bare(etag: str | None) -> str | None:
    """An ETag without its quotes and the mark of a weak one."""
    return etag.removeprefix("W/").strip('"') if etag else None


def _check_status(response: httpx2.Response, name: str) -> None:
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if status < 400 or status == 416:
        return
    if status in {408, 425, 429} or status >= 500:
        raise TransientError(f"HTTP {status}", _retry_after(response.headers))
    refusal = _REFUSALS.get(code) or _REFUSALS.get(status) or "is refused; check its name"
    raise FetchError(f"{name} {refusal} (HTTP {status})")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds after which a server wants to be asked again: a number, a date, or the hub's own header."""
    value = headers.get("retry-after", "")
    if value.isdigit():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        limit = parse_ratelimit_headers(headers)
        return float(limit.reset_in_seconds) if limit and limit.remaining == 0 else None


def _wait(error: Exception, name: str, backoff: float) -> float:
    wait = max(error.wait or 0.0, backoff) if isinstance(error, TransientError) else backoff
    if wait > LONGEST_WAIT:
        raise FetchError(f"{name}: the server ({error}) wants to be asked again in {wait:.0f} s; run again then") from error
    return wait


def _reason(error: Exception) -> str:
    """What went wrong; the text of an error that may hold the URL is left out."""
    return f"{error}" if isinstance(error, (TransientError, *_AGAIN)) and f"{error}" else type(error).__name__
