"""How much memory an import takes at 2,000 and at 20,000 orders: `python bench/import_memory.py`.

Prints one table and ends with 1 when the limit is broken. See bench/README.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, only bench/ itself would be found

from app import create_app  # noqa: E402
from services import import_service  # noqa: E402
from services.clock import utc_now  # noqa: E402
from services.scalev_service import Pacer, ScalevClient  # noqa: E402
from tests import processes  # noqa: E402
from tests.processes import SCALEV_KEY, Sandbox  # noqa: E402

SIZES = (2_000, 20_000)
DAYS = 360
BULK = 1_000  # orders that the sandbox makes in one call
RATIO_LIMIT = 1.25


@dataclass(frozen=True)
class Figures:
    """What one import took. Memory in MiB: `at_start` before its first page, `peak` the most there ever was."""

    orders: int
    seconds: float
    at_start: float
    peak: float


class _NoPace(Pacer):
    """Lets every call go at once, whatever ScaleV says of its allowance: 20,000 look-ups would take more than half an
    hour, and waiting takes no memory."""

    def __init__(self) -> None:
        super().__init__(1, 0, sleep=time.sleep, clock=time.monotonic)

    def wait(self) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", metavar="API_URL", help="(own use) import all orders of this ScaleV in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(import_all(options.one))))
        return 0
    return compare([measure(size) for size in options.sizes])


def measure(size: int) -> Figures:
    """Import so many orders into an empty database, in a process of its own."""
    with tempfile.TemporaryDirectory() as name, shop(Path(name), size) as sandbox:
        instance = Path(name) / "instance"
        migrated = processes.run_flask(instance, "db", "upgrade", **sandbox.variables)
        assert migrated.code == 0, migrated.err
        environment = processes.environment(instance, **sandbox.variables)
        command = [sys.executable, __file__, "--one", sandbox.variables["SCALEV_API_URL"]]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    figures = Figures(**json.loads(done.stdout))
    assert figures.orders == size, f"{figures.orders} of {size} orders were recorded"
    return figures


@contextmanager
def shop(folder: Path, size: int) -> Iterator[Sandbox]:
    """A ScaleV with so many orders of the past year."""
    sandbox = Sandbox(folder / "sandbox.log")
    try:
        for start in range(0, size, BULK):
            count = min(BULK, size - start)
            ages = {"age_days": DAYS * start / size, "spread_days": DAYS * count / size}
            buyer = {"name": f"Pembeli {start}-{{n}}", "email": f"pembeli{start}-{{n}}@gmail.com"}
            sandbox._call("POST", "orders/bulk", {"count": count, **ages, **buyer})
        yield sandbox
    finally:
        sandbox.stop()


def import_all(api_url: str) -> Figures:
    """Run one import as the job `import` does, but for the pace."""
    with create_app().app_context():
        client = ScalevClient(api_url, SCALEV_KEY, pacer=_NoPace())
        since = utc_now() - timedelta(days=DAYS + 30)
        row = import_service.start(since, utc_now(), transfer_unpaid=False, actor="bench", now=utc_now())
        at_start, began = memory("VmRSS"), time.perf_counter()
        row = import_service.run(client, row.id)
        assert row.status == import_service.DONE, row.problem
        return Figures(row.recorded, round(time.perf_counter() - began, 1), at_start, memory("VmHWM"))


def memory(field: str) -> float:
    """Return this process's memory in MiB as Linux tells it: VmRSS now, VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def compare(runs: list[Figures]) -> int:
    print("Memory in MiB, each import in a process of its own:")
    print(f"{'orders':>8} {'seconds':>8} {'orders/s':>9} {'at start':>9} {'peak':>9}")
    for run in runs:
        rate = run.orders / run.seconds
        print(f"{run.orders:>8} {run.seconds:>8.1f} {rate:>9.0f} {run.at_start:>9.1f} {run.peak:>9.1f}")
    ratio = runs[-1].peak / runs[0].peak
    print(f"peak of {runs[-1].orders} orders : peak of {runs[0].orders} = {ratio:.2f} (limit {RATIO_LIMIT})")
    return int(ratio > RATIO_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
