"""What Lithops does on one machine: count lines or words of a file in 16 chunks, or run a thousand tasks of nothing.

usage: lithops_map.py lines FILE | words FILE | nothing COUNT
"""

import sys

import lithops


def lines(obj):
    return obj.data_stream.read().count(b"\n")


def words(obj):
    return len(obj.data_stream.read().split())


def total(results):
    return sum(results)


def nothing(x):
    return x


def main(what, argument):
    # Without its runtime named, Lithops takes another Python than this one.
    executor = lithops.LocalhostExecutor(
        config={
            "lithops": {"backend": "localhost", "storage": "localhost", "log_level": "ERROR"},
            "localhost": {"runtime": sys.executable},
        })
    if what == "nothing":
        executor.map(nothing, range(int(argument)))
        print(sum(executor.get_result(show_progressbar=False)))
    else:
        executor.map_reduce({"lines": lines, "words": words}[what], argument, total, obj_chunk_number=16)
        print(executor.get_result(show_progressbar=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
