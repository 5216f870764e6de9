"""Lists and reads files in buckets and folders of any kind."""

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

# At level DEBUG they would write down requests and arguments, with tokens, signatures and keys in them.
for _name in ("adlfs", "aiobotocore", "azure", "botocore", "fsspec", "gcsfs", "google", "s3fs"):
    logging.getLogger(_name).setLevel(logging.INFO)

# As every setting has them that names a bucket or folder.
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
_SHORT: Final = 3  # letters, which are no secret
_AHEAD: Final = 2_097_152  # bytes that are asked for at a time

_NO_BUCKET: Final = re.compile("specified (bucket|container) does not exist")

# The extras of this package, by the scheme that needs them.
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
    """A bucket or folder cannot be read. The message names the setting and shows no credentials."""


class Storage:
    """The bucket or folder that the setting `setting` names; for any number of threads."""

    def __init__(self, setting: str, url: str, options: Mapping[str, Any]) -> None:
        """`options` are those of fsspec's file system of that kind, credentials among them.

        Raises:
            StorageError: no such kind is installed.
        """
        from fsspec.core import url_to_fs  # noqa: PLC0415 - takes a while, and few need it

        self._setting = setting
        self.shown = without_credentials(url)
        self._secrets = sorted({*_texts(options), *_secrets(url)}, key=len, reverse=True)
        scheme = url.partition("://")[0]
        with self._plain("opened"):
            try:
                # What was listed before is of no use where files appear.
                self._files, self._root = url_to_fs(url, **{**options, "use_listings_cache": False})
            except ImportError as error:
                extra = _EXTRAS.get(scheme)
                advice = f"pip install 'tap-braze[{extra}]'" if extra else str(error)
                raise StorageError(f"setting '{setting}': {scheme}:// needs another package: {advice}") from None

    @property
    def exists(self) -> bool:
        """Whether there is anything.

        Raises:
            StorageError: it cannot be listed, or there is no such bucket.
        """
        with self._plain("listed"):
            try:
                return bool(self._files.ls(self._root, detail=False))
            except FileNotFoundError as error:
                # In an empty bucket there is not the folder; without the bucket the stores say this.
                if _NO_BUCKET.search(str(error)):
                    raise
        return False

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder, none if there is no such folder."""
        with self._plain("listed"), suppress(FileNotFoundError):
            found = self._files.ls(self._path(path), detail=True)
            return [entry["name"].rstrip("/").rpartition("/")[2] for entry in found if entry["type"] == "directory"]
        return []

    def sizes(self, path: str) -> dict[str, int]:
        """The files under a folder and how many bytes they have, by their path below the root."""
        with self._plain("listed"), suppress(FileNotFoundError):
            found = self._files.find(self._path(path), detail=True)
            start = len(self._root.rstrip("/")) + 1
            return {name[start:]: int(entry["size"] or 0) for name, entry in found.items()}
        return {}

    def read(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, some at a time.

        Raises:
            StorageError: it cannot be read.
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
        """Turn the errors of any kind of storage into one that names the setting."""
        try:
            yield
        except BrazeError:
            raise
        except Exception as error:  # noqa: BLE001 - each kind of storage has its own
            text = str(error)
            for secret in self._secrets:
                text = text.replace(secret, "***")
            text = " ".join(text.split())
            # Without its cause, which a log at level DEBUG would show as it is.
            raise StorageError(
                f"setting '{self._setting}': {self.shown} cannot be {what} ({type(error).__name__}: {text[:300]}); "
                f"check it, the credentials, and that they may list and read"
            ) from None


def without_credentials(url: str) -> str:
    """The URL of a bucket or folder without user, password and query."""
    scheme, mark, rest = url.partition("://")
    place = rest.partition("/")[0]
    if "@" in place or ("@" in rest and ":" in place):  # or a slash in the password
        rest = rest.rpartition("@")[2]
    return scheme + mark + rest.partition("?")[0]


def _secrets(url: str) -> Iterator[str]:
    """What a URL holds that is not shown, in each way in which an error may write it."""
    shown = without_credentials(url).partition("://")[2]
    place, _, query = url.partition("://")[2].partition("?")
    user = place.rpartition("@")[0] if "@" not in shown else ""
    # Whole too: a password may have a slash in it, and pieces of it may be too short to be told from other text.
    for part in (user, user.partition(":")[2], *re.split("[/:@]", user), query, *re.split("[&=]", query)):
        yield from _texts(part)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """The texts in a value, in each way in which an error may write them."""
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
