"""List and read files in buckets and folders of any kind."""

from __future__ import annotations

import json
import logging
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from singer_sdk import typing as th

from tap_braze.braze.client import BrazeError
from tap_braze.untrusted import short

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# At level DEBUG these log requests and arguments, including tokens, signatures and keys.
for _name in ("adlfs", "aiobotocore", "azure", "botocore", "fsspec", "gcsfs", "google", "s3fs"):
    logging.getLogger(_name).setLevel(logging.INFO)

# Properties of every setting that names a bucket or folder.
OPTIONS: Final = th.Property(
    "storage_options",
    th.ObjectType(additional_properties=True, nullable=False),
    default={},
    secret=True,
    title="Storage options",
    description="Credentials and options of the bucket, as fsspec's file system for it takes them, such as "
    '`{"key": "...", "secret": "..."}` for S3. Default: credentials from the environment.',
)

_READ: Final = 262_144  # bytes at a time
_SHORT: Final = 3  # characters; too short to be a secret
_AHEAD: Final = 2_097_152  # bytes to request at a time

_NO_BUCKET: Final = re.compile("specified (bucket|container) does not exist")

# The extras of this package, by the URL scheme that needs them.
_EXTRAS: Final = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "adl": "azure",
}


class StorageError(BrazeError):
    """Raised when a bucket or folder cannot be read. The message names the setting and shows no credentials."""


class Storage:
    """The bucket or folder in the setting `setting`. Thread-safe."""

    def __init__(self, setting: str, url: str, options: Mapping[str, Any]) -> None:
        """Open the file system; `options` are fsspec's options for it, including credentials.

        Raises:
            StorageError: The driver for this kind of storage is not installed.
        """
        from fsspec.core import url_to_fs  # noqa: PLC0415 - slow to import, rarely needed

        self._setting = setting
        self.shown = without_credentials(url)
        self._secrets = sorted({*_texts(options), *_secrets(url)}, key=len, reverse=True)
        self._scheme = url.partition("://")[0]
        with self._plain("opened"):
            try:
                # New files keep appearing, so do not use cached listings.
                self._files, self._root = url_to_fs(url, **{**options, "use_listings_cache": False})
            except ImportError as error:
                extra = _EXTRAS.get(self._scheme)
                advice = f"pip install 'tap-braze[{extra}]'" if extra else str(error)
                raise StorageError(f"setting '{setting}': {self._scheme}:// needs another package: {advice}") from None

    @property
    def exists(self) -> bool:
        """Return whether the location exists.

        Raises:
            StorageError: It cannot be listed, or the bucket does not exist.
        """
        with self._plain("listed"):
            try:
                return bool(self._files.ls(self._root, detail=False))
            except FileNotFoundError as error:
                # An empty bucket has no such folder; if the bucket itself is missing, the stores report this error.
                if _NO_BUCKET.search(str(error)):
                    raise
        return False

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders in a folder; none if the folder does not exist."""
        with self._plain("listed"), suppress(FileNotFoundError):
            found = self._files.ls(self._path(path), detail=True)
            return [entry["name"].rstrip("/").rpartition("/")[2] for entry in found if entry["type"] == "directory"]
        return []

    def sizes(self, path: str) -> dict[str, int]:
        """Return the sizes in bytes of the files under a folder, by path below the root."""
        return self._sizes(path)

    @property
    def lists_by_prefix(self) -> bool:
        """Return whether one request can list all files whose paths start alike, whatever folders they are in."""
        return self._scheme in _EXTRAS

    def sizes_by_prefix(self, start: str) -> dict[str, int]:
        """Return the sizes in bytes of the files whose path starts with this, by path below the root."""
        folder, _, prefix = start.rpartition("/")
        return self._sizes(folder, prefix=prefix)

    def _sizes(self, folder: str, **more: str) -> dict[str, int]:
        with self._plain("listed"), suppress(FileNotFoundError):
            found = self._files.find(self._path(folder), detail=True, **more)
            start = len(self._root.rstrip("/")) + 1
            return {name[start:]: int(entry["size"] or 0) for name, entry in found.items()}
        return {}

    def read(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file in chunks.

        Raises:
            StorageError: The file cannot be read.
        """
        with (
            self._plain(f"read ({short(path)})"),
            self._files.open(self._path(path), "rb", block_size=_AHEAD) as file,
        ):
            while chunk := file.read(_READ):
                yield chunk

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    @contextmanager
    def _plain(self, what: str) -> Iterator[None]:
        """Turn the errors of any kind of storage into an error that names the setting."""
        try:
            yield
        except BrazeError:
            raise
        except Exception as error:  # noqa: BLE001 - each storage kind raises its own
            text = str(error)
            for secret in self._secrets:
                text = text.replace(secret, "***")
            text = " ".join(text.split())
            # Without its cause, which a DEBUG log would print unredacted.
            raise StorageError(
                f"setting '{self._setting}': {self.shown} cannot be {what} ({type(error).__name__}: {text[:300]}); "
                "check the URL, and that the credentials permit listing and reading"
            ) from None


def without_credentials(url: str) -> str:
    """Return the URL of a bucket or folder without user, password and query."""
    scheme, mark, rest = url.partition("://")
    place = rest.partition("/")[0]
    if "@" in place or ("@" in rest and ":" in place):  # or a slash in the password
        rest = rest.rpartition("@")[2]
    return scheme + mark + rest.partition("?")[0]


def _secrets(url: str) -> Iterator[str]:
    """Return the secret parts of a URL, in each form that an error may print."""
    shown = without_credentials(url).partition("://")[2]
    place, _, query = url.partition("://")[2].partition("?")
    user = place.rpartition("@")[0] if "@" not in shown else ""
    # Include the whole: a password may contain a slash, and its pieces may be too short to distinguish from other text.
    for part in (user, user.partition(":")[2], *re.split("[/:@]", user), query, *re.split("[&=]", query)):
        yield from _texts(part)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Yield the strings in a value, in each form that an error may print."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, (str, bytes)):
        text = value if isinstance(value, str) else value.decode("utf-8", "replace")
        forms = {text, unquote(text), quote(text, safe=""), quote(text), repr(text)[1:-1], json.dumps(text)[1:-1]}
        lines = [line.strip() for line in text.splitlines()]  # of a private key
        yield from (form for form in {*forms, *lines} if len(form) > _SHORT)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and len(str(value)) > _SHORT:
        yield str(value)
