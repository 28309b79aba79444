"""Says of each CSV file of a mount whether somebody is in it; each chunk of each file is a task of Ray."""

import csv
import os
import sys

import ray


@ray.remote
def is_in(path, name):
    """Whether a chunk has a row of this name; with @header it begins with the file's own first row."""
    with open(path, newline="") as file:
        return any(row["name"] == name for row in csv.DictReader(file))


def main(mount, name):
    ray.init(log_to_driver=False)
    files = sorted(file for file in os.listdir(mount) if file.endswith(".csv"))
    tasks = {}
    for file in files:
        chunks = os.path.join(mount, file + "@chunks@4@header")
        tasks[file] = [is_in.remote(os.path.join(chunks, chunk), name) for chunk in sorted(os.listdir(chunks))]
    for file in files:
        print(f"{name} {'is found' if any(ray.get(tasks[file])) else 'not found'} in {file}")


main(os.environ["MOUNT"], sys.argv[1])
