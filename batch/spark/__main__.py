"""Relations under Spark, by spark-submit or, in this process, by --master.

python -m batch.spark --master 'local[2]' --state DIR --triton HOST:PORT --redis HOST:PORT --all
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from pyspark import SparkConf, SparkContext

from batch.relations import Order
from batch.spark.relations import Cluster, build
from conch.contracts.keys import DEFAULT_CATALOGUE
from conch.stores.catalogue_folder import CATALOGUES, CatalogueFolder


def main() -> None:
    read = argparse.ArgumentParser(prog="python -m batch.spark", description="Relations of a catalogue, under Spark.")
    read.add_argument("--catalogue", default=DEFAULT_CATALOGUE)
    read.add_argument("--state", type=Path, required=True, help="the stack's state folder, which the driver reads")
    read.add_argument("--triton", required=True, metavar="HOST:PORT")
    read.add_argument("--redis", required=True, metavar="HOST:PORT")
    read.add_argument("--master", default="", help="default: as spark-submit says")
    read.add_argument("--all", action="store_true", help="of all that is offered, not of hot goods alone")
    read.add_argument("--since-ms", type=int, default=0, help="hot is what somebody looked at since, epoch ms")
    read.add_argument("--incremental", action="store_true", help="of new goods and changed titles alone")
    given = read.parse_args()
    conf = SparkConf().setAppName("conch relations")
    if given.master:
        conf = conf.setMaster(given.master)
    cluster = Cluster(CatalogueFolder.of(given.state / CATALOGUES, given.catalogue), given.triton, given.redis)
    with SparkContext(conf=conf) as spark:
        report = build(spark, cluster, Order(given.all, given.since_ms, given.incremental))
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
