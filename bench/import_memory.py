"""How much memory an import takes, for few orders and for ten times as many: `python bench/import_memory.py`.

Each import runs in a process of its own against a sandbox of its own, and ends with 1 when the larger one takes half as
much again. See bench/README.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, only bench/ itself would be found

from tests import processes  # noqa: E402
from tests.processes import SCALEV_KEY, Sandbox  # noqa: E402

SIZES = (2_000, 20_000)
DAYS = 60
LIMIT = 1.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES)
    parser.add_argument("--work", metavar="URL", help="(own use) import everything from this ScaleV")
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.work)))
        return 0
    return compare(*options.sizes)


def compare(few: int, many: int) -> int:
    """Import few and many orders, and print both."""
    one, other = measure(few), measure(many)
    print(f"{'orders':>10}{'seconds':>10}{'peak memory MB':>17}{'pages that moved the bar':>27}")
    for size, figures in ((few, one), (many, other)):
        print(f"{size:>10}{figures['seconds']:>10.1f}{figures['memory']:>17.1f}{figures['steps']:>27}")
    ratio = other["memory"] / one["memory"]
    print(f"{many / few:.0f} times the orders take {ratio:.2f} times the memory (limit: {LIMIT})")
    return int(ratio > LIMIT)


def measure(orders: int) -> dict[str, float]:
    """Import that many orders in a process of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sandbox = Sandbox(folder / "sandbox.log")
        try:
            sandbox.stock(orders, days=DAYS)
            variables = {**sandbox.variables, "SCALEV_API_KEY": SCALEV_KEY, "LOG_LEVEL": "WARNING"}
            assert processes.run_flask(folder / "app", "db", "upgrade", **variables).code == 0
            env = processes.environment(folder / "app", **variables)
            command = [sys.executable, __file__, "--work", sandbox.variables["SCALEV_API_URL"]]
            done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            figures: dict[str, float] = json.loads(done.stdout)
        finally:
            sandbox.stop()
    assert figures["recorded"] == orders, f"{figures['recorded']} of {orders} orders were recorded"
    return figures


def work(url: str) -> dict[str, float]:
    """Import everything as the job does, without the pace that ScaleV's own limit asks for."""
    from app import create_app
    from services import import_service
    from services.clock import utc_now
    from services.scalev_service import ScalevClient

    percents = set[int]()
    with create_app().app_context():
        now, begin = utc_now(), time.perf_counter()
        row = import_service.start(now - timedelta(days=DAYS * 2), now, transfer_unpaid=False, actor="bench", now=now)
        client = ScalevClient(url, SCALEV_KEY, sleep=lambda seconds: None)
        row = import_service.run(client, row.id, on_step=lambda progress: percents.add(progress.percent))
        assert row.status == import_service.DONE, row.problem
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "memory": peak_memory(), "steps": len(percents), "recorded": row.recorded}


def peak_memory() -> float:
    """Return the most memory that this process ever held, in MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    sys.exit(main())
