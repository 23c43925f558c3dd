"""The house keeps its order: who may import whom, and what only one place does. Read from the sources with `ast`."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOP = {path.stem for path in ROOT.glob("*.py")}
SERVICES = {path.stem for path in (ROOT / "services").glob("*.py")} - {"__init__"}
ROUTES = {path.stem for path in (ROOT / "routes").glob("*.py")} - {"__init__"}
TABLES = {name for name in TOP if name.startswith("models")} | {"database"}
ENTRANCES = {"app", "cli", "server", "demo"}

PURE = {
    "chase_plan", "clock", "contacts", "errors", "inbound", "lead_rules", "message_texts", "order_news",
    "order_snapshot", "repairs", "scalev_shapes", "signatures", "statuses", "troubles", "webhook_body",
}  # fmt: skip
CLIENTS = {"http_session", "mailketing_service", "scalev_service"}
# Each may import those behind it, none those before it.
CHAIN = (
    "scheduler", "jobs", "bulk_service", "import_service", "reconcile_service", "listed_orders", "expiry_service",
    "lookup_service", "intake", "event_service", "lead_service", "order_batch", "delivery_worker",
    "delivery_service", "suppression_service",
)  # fmt: skip


def sources() -> Iterator[Path]:
    """All of the program's own modules; not the sandbox, tests, benchmarks and scripts beside it."""
    yield from ROOT.glob("*.py")
    for folder in ("services", "routes", "tunnel"):
        yield from (ROOT / folder).glob("*.py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Every module that a file imports, with what it takes from a package of ours: `services.clock`."""
    found = set[str]()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module in {"services", "routes"}:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return frozenset(found)


def packages_of(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(path)}


def services_of(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports_of(path) if name.startswith("services.")}


def service(name: str) -> Path:
    return ROOT / "services" / f"{name}.py"


def places(wanted: str) -> set[str]:
    """The modules in which an expression stands, such as `os.environ`."""
    return {
        path.stem
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == wanted
    }


def callers(method: str) -> set[str]:
    """The modules that call a method or function of this name."""
    return {
        path.stem
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == method
    }


def importers(package: str) -> set[str]:
    return {path.stem for path in sources() if package in packages_of(path)}


def test_the_modules_named_here_exist() -> None:
    assert SERVICES >= PURE | CLIENTS | set(CHAIN)


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_pure_module_knows_other_pure_modules_only(name: str) -> None:
    assert services_of(service(name)) <= PURE
    assert not packages_of(service(name)) & (TOP | {"routes", "flask", "sqlalchemy", "requests"})


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_a_client_knows_neither_tables_nor_flask(name: str) -> None:
    assert services_of(service(name)) <= PURE | CLIENTS
    assert not packages_of(service(name)) & (TOP - {"version"} | {"routes", "flask", "sqlalchemy"})


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_knows_nothing_of_http_requests_and_entrances(name: str) -> None:
    path = service(name)
    assert not packages_of(path) & (ENTRANCES | {"routes", "sandbox", "flask_login", "flask_wtf", "flask_babel"})
    taken = {
        alias.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "flask"
        for alias in node.names
    }
    assert taken <= {"current_app", "g", "Flask", "has_app_context"}


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_a_route_asks_services_and_never_the_database(name: str) -> None:
    path = ROOT / "routes" / f"{name}.py"
    assert not packages_of(path) & (ENTRANCES | {"sandbox", "requests", "apscheduler"})
    assert {name for name in imports_of(path) if name.startswith("sqlalchemy")} <= {"sqlalchemy.exc"}
    taken = {
        alias.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module in TABLES
        for alias in node.names
    }
    assert not taken & {"db", "transaction", "insert_rows"}


def test_tables_know_words_and_errors_only() -> None:
    for name in TABLES:
        assert services_of(ROOT / f"{name}.py") <= {"statuses", "errors"}
        assert not packages_of(ROOT / f"{name}.py") & (ENTRANCES | {"routes", "config", "flask"})


def test_nobody_imports_the_application() -> None:
    assert importers("app") == set()


def test_services_depend_on_each_other_in_one_direction() -> None:
    graph = {name: services_of(service(name)) for name in SERVICES}
    assert set(TopologicalSorter(graph).static_order()) >= SERVICES  # raises CycleError, which names the circle


@pytest.mark.parametrize("place", range(1, len(CHAIN)))
def test_the_way_of_an_order_never_points_back(place: int) -> None:
    assert not services_of(service(CHAIN[place])) & set(CHAIN[:place])


def test_the_sandbox_is_a_program_of_its_own() -> None:
    for path in (ROOT / "sandbox").glob("*.py"):
        assert not packages_of(path) & (TOP | {"services", "routes"})


def test_the_ngrok_helper_stands_beside_the_program() -> None:
    assert importers("tunnel") == {"start_ngrok", "agent", "process"}
    for path in (ROOT / "tunnel").glob("*.py"):
        assert not packages_of(path) & (TOP | {"services", "routes", "flask", "sqlalchemy"})


def test_the_clock_is_read_in_one_place() -> None:
    assert places("datetime.now") | places("datetime.utcnow") | places("time.time") | places("date.today") == {"clock"}


def test_the_environment_is_read_in_one_place() -> None:
    assert places("os.environ") | callers("getenv") == {"config"}


def test_there_is_one_commit() -> None:
    assert callers("commit") == {"database"}


def test_transactions_are_opened_by_services_alone() -> None:
    assert callers("transaction") <= SERVICES | {"database"}


def test_http_goes_through_one_module() -> None:
    """To vendors; three more talk to this machine: the simulator, the demo's buttons and the ngrok helper."""
    assert importers("requests") == {"http_session", "tool_service", "demo", "agent"}
    assert not importers("urllib3") - {"http_session"}


def test_one_module_knows_apscheduler() -> None:
    assert importers("apscheduler") == {"scheduler"}


@pytest.mark.parametrize(
    ("table", "writers"),
    [
        ("Lead", {"lead_service"}),
        ("LeadHistory", {"lead_service"}),
        ("Delivery", {"delivery_service"}),
        ("DeliveryAttempt", {"delivery_worker"}),
        ("ProductList", {"product_list_service"}),
        ("User", {"user_service"}),
        ("OrderImport", {"import_service"}),
        ("Contact", {"contact_service"}),
        ("SavedView", {"view_service"}),
        ("BulkRun", {"bulk_service"}),
    ],
)
def test_rows_are_made_by_their_own_service(table: str, writers: set[str]) -> None:
    assert callers(table) <= writers


def test_statuses_are_written_by_their_own_services() -> None:
    writers = {
        path.stem
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for part in ast.walk(target)
        if isinstance(part, ast.Attribute) and part.attr == "status" and ast.unparse(part.value) != "self"
    }
    assert writers <= {
        "lead_service",
        "delivery_service",
        "delivery_worker",
        "event_service",
        "import_service",
        "bulk_service",
    }


def test_modules_stay_short_enough_to_read() -> None:
    long = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}
