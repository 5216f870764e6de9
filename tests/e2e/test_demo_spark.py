"""`make demo-spark`, as a person starts it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_of_spark_loads_all_rows_once_and_ends() -> None:
    command = [sys.executable, "-m", "demo.spark"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    rows = re.findall(r"demo/data/(\w+)\.csv +(\d+) +(\d+) +(\d+) ", run.stdout)
    first = [("customers", "300", "300", "0"), ("events", "900", "900", "0"), ("purchases", "400", "400", "0")]
    # Attributes are sent again; events and purchases would count twice.
    again = [("customers", "300", "300", "0"), ("events", "900", "0", "900"), ("purchases", "400", "0", "400")]
    assert rows == first + again
    assert "nothing is left running" in run.stdout
