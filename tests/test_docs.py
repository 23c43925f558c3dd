"""The documents say what is so: names, defaults, links, commands, pictures, and the same in both languages."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from flask import Flask

from config import BASE_DIR, Config
from routes.dashboard import EVENTS_TO_TICK
from services import jobs

ENGLISH, INDONESIAN = BASE_DIR / "README.md", BASE_DIR / "README.id.md"
READMES = (ENGLISH, INDONESIAN)
FOR_USERS = (*READMES, BASE_DIR / "WEBHOOK_TESTING.md", BASE_DIR / "WEBHOOK_TESTING.id.md")
NOT_OURS = {".venv", ".git", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache", "instance"}
MAX_PICTURE_BYTES = 150_000
ABSENT_DEFAULTS = {"none", "tidak ada"}

_FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY_FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)  # also inside of lists
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_PERSONAL = re.compile(r"/home/|/Users/|/root\b|/work/|[A-Za-z]:\\Users|c:\\laragon", re.IGNORECASE)


def _documents() -> list[Path]:
    found = sorted(path for path in BASE_DIR.rglob("*.md") if not NOT_OURS & set(path.relative_to(BASE_DIR).parts))
    return [path for path in found if not path.is_symlink()]


def _name(path: Path) -> str:
    return path.relative_to(BASE_DIR).as_posix()


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _prose(path: Path) -> str:
    return _FENCE.sub("", _text(path))


def _headings(path: Path) -> list[tuple[int, str]]:
    return [(len(marks), title) for marks, title in _HEADING.findall(_prose(path))]


def _section(path: Path, number: int) -> str:
    """The text below the `number`-th heading of the second level, up to the next one."""
    return re.split(r"^## .+$", _text(path), flags=re.MULTILINE)[number]


def _section_with(path: Path, words: str) -> str:
    return next(part for part in re.split(r"^## .+$", _text(path), flags=re.MULTILINE) if words in part)


def _table(section: str) -> list[list[str]]:
    """The cells of a section's table rows, without its head."""
    rows = [row.split(" | ") for row in _ROW.findall(section)]
    return [row for row in rows if row[0].startswith("`")]


def _anchor(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = re.sub(r"[`*_]|\[|\]\([^)]*\)", "", title).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@cache
def _environment_names() -> dict[str, str]:
    """Return environment name -> field of Config, as `Config.from_env` reads them."""
    tree = ast.parse((BASE_DIR / "config.py").read_text(encoding="utf-8"))
    from_env = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "from_env")
    call = next(
        node
        for node in ast.walk(from_env)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "cls" and node.keywords
    )
    return {_first_text(keyword.value): str(keyword.arg) for keyword in call.keywords}


def _first_text(node: ast.expr) -> str:
    return next(
        found.args[0].value
        for found in ast.walk(node)
        if isinstance(found, ast.Call) and found.args and isinstance(found.args[0], ast.Constant)
    )


def test_the_names_are_read_from_the_source() -> None:
    assert _environment_names()["PORT"] == "port"
    assert set(_environment_names().values()) == set(Config.__dataclass_fields__) - {"demo_url"}


def test_every_environment_name_is_in_the_example_and_no_other() -> None:
    example = (BASE_DIR / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE)) == set(_environment_names())


@pytest.mark.parametrize("readme", READMES, ids=_name)
def test_the_configuration_table_names_every_variable_and_its_default(readme: Path) -> None:
    rows = {row[0].strip("`"): row[1] for row in _table(_section_with(readme, "| `DATABASE_URL` |"))}
    assert set(rows) == set(_environment_names())
    defaults = Config()
    for name, field in _environment_names().items():
        value = getattr(defaults, field)
        if value is None:
            assert rows[name] in ABSENT_DEFAULTS or name in {"SECRET_KEY", "DATABASE_URL"}, name
        else:
            expected = value.name if isinstance(value, Path) else int(value) if isinstance(value, bool) else value
            assert rows[name] == f"`{expected}`", name


def test_both_readmes_have_the_same_structure() -> None:
    english, indonesian = _headings(ENGLISH), _headings(INDONESIAN)
    assert [level for level, _ in english] == [level for level, _ in indonesian]
    for number in range(1, len([level for level, _ in english if level == 2]) + 1):
        shapes = [_shape(_section(readme, number)) for readme in READMES]
        assert shapes[0] == shapes[1], f"table rows or list entries differ in section {number}"


def _shape(section: str) -> list[int]:
    """How many table rows, list entries and numbered entries a section has."""
    return [len(re.findall(pattern, section, re.MULTILINE)) for pattern in (r"^\|", r"^\s*- ", r"^\d\. ")]


def test_both_readmes_have_the_same_code_blocks() -> None:
    assert _FENCE.findall(_text(ENGLISH)) == _FENCE.findall(_text(INDONESIAN))


def test_both_readmes_link_to_each_other_at_the_top() -> None:
    assert "(README.id.md)" in "".join(_text(ENGLISH).splitlines()[:4])
    assert "(README.md)" in "".join(_text(INDONESIAN).splitlines()[:4])


@pytest.mark.parametrize("readme", READMES, ids=_name)
def test_the_events_to_tick_are_those_of_the_settings_page(readme: Path) -> None:
    assert sorted(re.findall(r"^\s+- `([\w.]+)`$", _text(readme), re.MULTILINE)) == sorted(EVENTS_TO_TICK)


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_every_relative_link_and_picture_exists(document: Path) -> None:
    for link in _LINK.findall(_prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link} does not exist"
        if anchor:
            assert anchor in {_anchor(title) for _, title in _headings(target)}, f"{link} is no heading"


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_no_document_names_a_personal_path(document: Path) -> None:
    assert not _PERSONAL.findall(_text(document))


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    for path, name in re.findall(r"`(tests/\w+\.py)::(\w+)`", _text(document)):
        assert f"def {name}(" in (BASE_DIR / path).read_text(encoding="utf-8"), f"{path}::{name}"


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_every_file_that_is_named_as_code_exists(document: Path) -> None:
    """A word in backticks with a slash and a known ending is a path from the root of the repository."""
    for path in re.findall(r"`((?:services|routes|tests|docs|templates|translations)/[\w./]+\.\w+)`", _prose(document)):
        assert (BASE_DIR / path).exists(), path


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (BASE_DIR / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _code(path: Path) -> list[str]:
    """Everything that is set as code: lines of blocks, and words in backticks."""
    lines = [line.strip() for block in _FENCE.findall(_text(path)) for line in block.splitlines()]
    return lines + _CODE.findall(_prose(path))


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    named = {words.split()[1] for words in _code(document) if re.match(r"make [a-z]", words)}
    assert named <= _make_targets()


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_every_flask_command_that_is_named_exists(app: Flask, document: Path) -> None:
    for words in _code(document):
        command = re.search(r"flask --app app (\w.*)", words)
        if command:
            _resolve(app, command.group(1))


@pytest.mark.parametrize("document", FOR_USERS, ids=_name)
def test_commands_to_copy_find_their_program_after_make_run(document: Path) -> None:
    """What `make run` installs is on nobody's PATH; the one block for those without make makes no `.venv`."""
    scripts = {entry.name for entry in entry_points(group="console_scripts")} | {"python", "pip"}
    blocks = [block for block in _ANY_FENCE.findall(_text(document)) if "pip install" not in block]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    assert [line for line in lines if re.match(r"(python|flask|pip|gunicorn) ", line)] == []
    named = {found[1] for line in lines if (found := re.match(r"\.venv/bin/(\w+)", line))}
    assert named and named <= scripts


@pytest.mark.parametrize("document", FOR_USERS, ids=_name)
def test_scripts_that_are_to_be_run_exist(document: Path) -> None:
    named = {found[1] for line in _code(document) if (found := re.match(r"(?:\S*/)?python (\w+\.py)", line))}
    assert {name for name in named if not (BASE_DIR / name).exists()} == set()


@pytest.mark.parametrize("readme", READMES, ids=_name)
def test_the_command_table_names_every_command_and_no_other(app: Flask, readme: Path) -> None:
    rows = _table(_section_with(readme, "| `worker` |"))
    named = {_resolve(app, row[0].strip("`")) for row in rows}
    assert named - {"db upgrade"} == set(_commands(app))


@pytest.mark.parametrize("readme", READMES, ids=_name)
def test_the_command_table_names_every_job(readme: Path) -> None:
    row = next(row for row in _table(_section_with(readme, "| `worker` |")) if row[0].startswith("`jobs run"))
    assert set(jobs.JOBS) <= set(_CODE.findall(row[1])) | {row[0].strip("`").split()[-1]}


def test_the_operations_table_names_every_job() -> None:
    rows = _table(_section_with(BASE_DIR / "docs" / "operations.md", "| `deliver` |"))
    assert {row[0].strip("`") for row in rows} & set(jobs.JOBS) == set(jobs.JOBS) - {"all"}


def _commands(app: Flask) -> Iterator[str]:
    """Our own commands: Flask's and Flask-Migrate's are theirs to explain."""
    for name, command in app.cli.commands.items():
        if name in {"db", "run", "shell", "routes"}:
            continue
        if isinstance(command, click.Group):
            yield from (f"{name} {child}" for child in command.commands)
        else:
            yield name


def _resolve(app: Flask, text: str) -> str:
    """Return a command's name; every option that is written after it must be one of its own."""
    words = shlex.split(text)
    command: click.Command = app.cli
    name = []
    while isinstance(command, click.Group) and words:
        name.append(words.pop(0))
        found = command.commands.get(name[-1])
        assert found is not None, f"no such command: {text}"
        command = found
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, text
    return " ".join(name)


def test_every_path_of_the_layout_exists_and_every_file_of_the_top_is_in_it() -> None:
    for readme in READMES:
        named = {path for row in _table(_section_with(readme, "| `app.py` |")) for path in _CODE.findall(row[0])}
        assert {path for path in named if not (BASE_DIR / path).exists()} <= {"instance/"}
        assert {path.name for path in BASE_DIR.glob("*.py")} - {"version.py"} <= named


def test_pictures_are_small_and_all_are_shown() -> None:
    pictures = sorted((BASE_DIR / "docs" / "screenshots").glob("*.png"))
    assert pictures
    assert {path.name: path.stat().st_size for path in pictures if path.stat().st_size > MAX_PICTURE_BYTES} == {}
    shown = "".join(_text(readme) for readme in READMES)
    assert [path.name for path in pictures if path.name not in shown] == []
