"""Takes a table from chunk files to Spark, to Ray, and back, by RayDP; then kills an executor of Spark."""

import os
import signal

import ray
import raydp
from pyspark.sql import functions as f
from raydp.spark import from_spark_recoverable


def of_spark(table):
    facts = table.agg(f.count("*"), f.sum("id"), f.sum("age")).first()
    return f"{facts[0]} rows, ids {facts[1]}, ages {facts[2]}"


def of_ray(table):
    return f"{table.count()} rows, ids {table.sum('id')}, ages {table.sum('age')}"


def say(step, facts):
    print(f"{step}: {facts}", flush=True)


def executors():
    """The processes of this cluster's executors."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read()
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        # `with-ray` marks what belongs to its cluster; others of this machine are not ours.
        if b"RayDPExecutor" in words and f"OBJFS_EXAMPLE={os.environ['OBJFS_EXAMPLE']}".encode() in environment:
            found.append(int(pid))
    return found


def main(mount):
    ray.init(log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    spark = raydp.init_spark(
        app_name="objfs", num_executors=2, executor_cores=1, executor_memory="512M", fault_tolerance_mode=True)
    try:
        table = spark.read.csv(
            os.path.join(mount, "big.csv@chunks@16@header@ext"), header=True,
            schema="id long, name string, age long, note string")
        say("Spark", of_spark(table))
        in_ray = ray.data.from_spark(table)
        say("Ray", of_ray(in_ray))
        say("back in Spark", of_spark(in_ray.to_spark(spark)))
        recoverable = from_spark_recoverable(table)
        say("Ray, recoverable", of_ray(recoverable))
        os.kill(executors()[0], signal.SIGKILL)
        say("after an executor was killed", of_ray(recoverable))
    finally:
        raydp.stop_spark()


main(os.environ["MOUNT"])
