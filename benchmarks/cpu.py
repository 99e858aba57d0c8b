"""What computing costs, whoever else has a share of the cores: CPU seconds of processes and all that they started."""

from collections.abc import Collection

import psutil


def cpu_s(roots: Collection[psutil.Process]) -> float:
    everybody = [process for root in roots for process in (root, *root.children(recursive=True))]
    return float(sum(sum(process.cpu_times()[:2]) for process in everybody))
