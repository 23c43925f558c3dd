"""The program's version, as CHANGELOG.md and /healthz tell it."""

VERSION = "0.1.0"
