"""The media library: create and replace assets by URL (docs: the manage_assets pages).

Nothing is downloaded: an asset has size 0, and files in the request itself are a 501.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from braze_sandbox.model.objects import MediaAsset
from braze_sandbox.request.endpoint import Call, Endpoint
from braze_sandbox.wire.answer import Answer, NotInSandbox, Refusal, encode

IMAGES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp"})
REPLACEABLE = IMAGES | {"pdf", "ttf", "otf", "woff", "woff2", "vcf", "css", "js", "html"}


class MediaRefusal(Refusal):
    """A refusal with a code and its subject."""

    def __init__(self, status: int, code: str, message: str, meta: dict[str, Any]) -> None:
        super().__init__(status, message)
        self._code, self._meta = code, meta

    def answer(self) -> Answer:  # type: ignore[explicit-override] # typing has no override on 3.10
        """Return the response for the refusal."""
        return Answer(encode({"message": self.message, "error_code": self._code, "meta": self._meta}), self.status)


def _url(call: Call, missing: str) -> tuple[str, str]:
    """Return a file's URL and extension."""
    if "asset_file" in call.body:
        if "asset_url" in call.body:
            raise Refusal(400, "Both asset_url and asset_file cannot be provided. Please provide only one.")
        raise NotInSandbox("files of the media library in the request itself")
    if "asset_url" not in call.body:
        raise Refusal(400, missing)
    url = call.body["asset_url"]
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise MediaRefusal(400, "INVALID_ASSET_URL", "asset_url is not a valid URI", {"asset_url": url})
    return url, PurePosixPath(parts.path).suffix.lstrip(".").lower()


def _shown(asset: MediaAsset) -> dict[str, Any]:
    return {"name": asset.name, "size": asset.size, "url": asset.url, "ext": asset.ext}


def create(call: Call) -> Answer:
    """POST /media_library/create."""
    url, ext = _url(call, "Either asset_url or asset_file must be provided.")
    if ext == "zip":
        raise NotInSandbox("ZIP files of the media library")
    if ext not in IMAGES:
        raise MediaRefusal(400, "UNSUPPORTED_FILE_TYPE", "The file type is not supported", {"file_type": ext})
    name = call.body.get("name", PurePosixPath(urlsplit(url).path).stem)
    if not isinstance(name, str):
        raise Refusal(400, "'name' must be a string")
    key = str(uuid4())
    asset = MediaAsset(id=key, name=name, ext=ext, size=0, url=f"https://media.example/{key}.{ext}")
    call.instance.workspace.media[key] = asset
    answer = {"new_assets": [_shown(asset)], "errors": [], "dashboard_url": f"https://dashboard.example/media/{key}"}
    return Answer(encode(answer))


def replace_file(call: Call) -> Answer:
    """PUT /media_library/replace_file: keeps the id and URL."""
    key = call.body.get("asset_id")
    if not isinstance(key, str) or not key:
        raise Refusal(400, "asset_id is required.")
    _, ext = _url(call, "Either file or asset_url is required.")
    asset = call.instance.workspace.media.get(key)
    if asset is None:
        raise MediaRefusal(404, "ASSET_NOT_FOUND", "No asset has this id", {"asset_id": key})
    if asset.ext not in REPLACEABLE:
        text = "The asset type cannot be replaced"
        raise MediaRefusal(400, "UNSUPPORTED_ASSET_TYPE_FOR_REPLACE", text, {"asset_type": asset.ext})
    if ext != asset.ext:
        meta = {"expected_extension": asset.ext, "received_extension": ext}
        raise MediaRefusal(400, "EXTENSION_MISMATCH", "The extension differs from that of the asset", meta)
    return Answer(encode({"info": "Asset file updated successfully.", "new_image_asset": _shown(asset)}))


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/media_library/create",
        permission="media_library.create",
        pool="media_library_create",
        handler=create,
        takes_forms=True,
    ),
    Endpoint(
        method="PUT",
        path="/media_library/replace_file",
        permission="media_library.replace",
        pool="media_library_replace",
        handler=replace_file,
        takes_forms=True,
    ),
]
