"""The storage of Notion's files: each path has content, and whoever has a signed link may read it."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import urlsplit

from fake_notion.messages import Answer, Request
from fake_notion.values import FILE_STORE

STORAGE_HOST = urlsplit(FILE_STORE).netloc


class Storage:
    """Answers for the storage's host.

    Attributes:
        contents: what is stored, by path, such as `/acme/plan.pdf`; any other path has bytes of its own.
    """

    def __init__(self) -> None:
        """Begin with files that are all made up."""
        self.contents: dict[str, bytes] = {}

    def content(self, path: str) -> bytes:
        """Return the bytes of a file; those of two paths differ."""
        seed = sha256(path.encode()).digest()
        return self.contents.get(path, seed * (1 + seed[0] * 16))

    def answer(self, request: Request) -> Answer:
        """Answer a request as the storage does: by its link alone, and in XML if it refuses."""
        if "X-Amz-Signature" not in request.query:
            return Answer(403, "<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
        return Answer(200, self.content(request.path), {"Content-Type": "binary/octet-stream"})
