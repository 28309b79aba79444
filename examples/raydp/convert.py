"""Takes a table from chunk files to Spark, to Ray, and back, by RayDP; then kills an executor of Spark.

usage: convert.py FILE      what was seen at each step is written there, for standard output has Spark's own words
"""

import os
import signal
import sys

import ray
import raydp
from pyspark.sql import functions as f
from ray.util.state import list_actors
from raydp.spark import from_spark_recoverable


def of_spark(table):
    facts = table.agg(f.count("*"), f.sum("id"), f.sum("age")).first()
    return f"{facts[0]} rows, ids {facts[1]}, ages {facts[2]}"


def of_ray(table):
    return f"{table.count()} rows, ids {table.sum('id')}, ages {table.sum('age')}"


def say(step, facts):
    with open(sys.argv[1], "a") as file:
        print(f"{step}: {facts}", file=file)


def executors():
    """The processes of the executors: they are actors of Ray."""
    actors = list_actors(address=os.environ["RAY_DASHBOARD"], filters=[("state", "=", "ALIVE")])
    return [actor.pid for actor in actors if actor.class_name.endswith("RayDPExecutor")]


def main(mount):
    ray.init(log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    spark = raydp.init_spark(
        app_name="objfs", num_executors=2, executor_cores=1, executor_memory="512M", fault_tolerant_mode=True)
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
        say("Ray, after an executor was killed", of_ray(recoverable))
        say("Spark, after an executor was killed", of_spark(table))
    finally:
        raydp.stop_spark()


main(os.environ["MOUNT"])
