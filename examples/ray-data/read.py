"""Reads a table from the folder of its chunks in a mount, by Ray Data."""

import os

import ray

ray.init(log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
# @header: each chunk is a table by itself. @ext: its name ends in .csv, which is what Ray goes by.
table = ray.data.read_csv(os.path.join(os.environ["MOUNT"], "big.csv@chunks@16@header@ext"), file_extensions=["csv"])
rows = table.select_columns(["id", "name", "age"]).to_pandas()
if sorted(rows["id"]) != list(range(len(rows))):
    raise SystemExit("some row is missing, or there twice")
print(f"{len(rows)} rows, each once; {(rows['name'] == 'John').sum()} Johns; the ages add up to {rows['age'].sum()}")
