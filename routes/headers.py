"""Security and caching headers, set once for every answer, and the addresses of static files."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, Response, current_app, request, url_for

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


def set_up(app: Flask) -> None:
    app.after_request(_add_headers)
    app.add_template_global(static_url)


def static_url(filename: str) -> str:
    """Return a static file's address; it changes with the content, so that browsers may keep what they have."""
    if filename.startswith("vendor/"):
        return url_for("static", filename=filename)
    return url_for("static", filename=filename, v=_version(filename))


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint == "static":
        response.headers["Cache-Control"] = _static_caching(response)
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _static_caching(response: Response) -> str:
    """A year for what has its version in its address, else ask again each time; a missing file is never kept."""
    filename = (request.view_args or {}).get("filename", "")
    if response.status_code not in {200, 206, 304}:
        return "no-cache"
    return _FOR_A_YEAR if filename.startswith("vendor/") or request.args.get("v") == _version(filename) else "no-cache"


@cache
def _version(filename: str) -> str:
    path = Path(str(current_app.static_folder)) / filename
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
