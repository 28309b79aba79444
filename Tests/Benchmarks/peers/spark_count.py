"""Counts lines or words of a file by Spark on both processors: spark_count.py lines|words FILE"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

what, path = sys.argv[1:]
spark = (
    SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.files.maxPartitionBytes", str(64 << 20)).getOrCreate())
text = spark.read.text(path)
if what == "lines":
    print(text.count())
else:
    print(text.select(f.sum(f.size(f.split(f.trim("value"), r"\s+")))).first()[0])
spark.stop()
