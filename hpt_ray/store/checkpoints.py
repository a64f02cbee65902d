"""Checkpoints of unfinished stages, each protected by a checksum."""

from __future__ import annotations

import hashlib

from hpt_ray.store.files import Files

DIGEST = hashlib.sha256().digest_size


class StageCheckpoints:
    """The last state of one unfinished stage, stored after its SHA-256 checksum."""

    def __init__(self, store: Files, path: str) -> None:
        self.store, self.path = store, path

    def read(self) -> bytes | None:
        """The state; None if there is none or it is damaged, so that the stage starts from its beginning."""
        if not self.store.exists(self.path):
            return None
        data = self.store.read(self.path)
        digest, state = data[:DIGEST], data[DIGEST:]
        return state if hashlib.sha256(state).digest() == digest else None

    def write(self, data: bytes) -> None:
        self.store.write(self.path, hashlib.sha256(data).digest() + data)
