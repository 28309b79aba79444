"""Reads a table from the folder of its chunks in a mount, by Spark."""

import os

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

spark = (
    SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "4").getOrCreate())
# @header: each chunk is a table by itself. @ext: its name ends in .csv, as people are used to it.
table = spark.read.csv(
    os.path.join(os.environ["MOUNT"], "big.csv@chunks@16@header@ext"), header=True,
    schema="id long, name string, age long, note string")
facts = table.agg(
    f.count("*").alias("rows"), f.countDistinct("id").alias("ids"), f.min("id").alias("first"),
    f.max("id").alias("last"), f.sum("age").alias("ages"), f.sum((f.col("name") == "John").cast("int")).alias("johns"),
).first()
spark.stop()
if (facts["ids"], facts["first"], facts["last"]) != (facts["rows"], 0, facts["rows"] - 1):
    raise SystemExit("some row is missing, or there twice")
print(f"{facts['rows']} rows, each once; {facts['johns']} Johns; the ages add up to {facts['ages']}")
