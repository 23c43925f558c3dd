"""Key files in the instance folder, made once and readable by the owner only."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet


def session_key(folder: Path) -> str:
    """Return the key that signs sessions."""
    return read_or_make(folder / "secret_key", secrets.token_urlsafe(48))


def encryption_key(folder: Path) -> str:
    """Return the Fernet key for secrets at rest. It is a file of its own so that a copied database tells no secret."""
    return read_or_make(folder / "encryption_key", Fernet.generate_key().decode())


def read_or_make(path: Path, fresh: str) -> str:
    """Return what a private file holds; make it first when there is none.

    Of two processes that start at once, one makes it, and both read the same.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(fresh)
        try:
            os.link(draft, path)  # fails when the other process was first; its key is the key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
