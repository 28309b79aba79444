"""Makes Parquet files of many shapes, mounts their folder, and has programs read the chunks of each.

usage: parquet.py OBJFS SCRATCH SEED

What pyarrow reads in all chunks, one after the other, must be what it reads in the whole, for random counts and sizes.
"""
import base64
import datetime
import decimal
import errno
import os
import random
import re
import string
import subprocess
import sys

import duckdb
import pandas
import pyarrow
import pyarrow.parquet as parquet
import pyarrow.parquet.encryption as encryption

_, objfs, scratch, seed = sys.argv
chance = random.Random(int(seed))
source, mount, log = f"{scratch}/source", f"{scratch}/mount", f"{scratch}/log"
os.makedirs(source)
os.makedirs(mount)


def some(values, kind):
    return pyarrow.array([value if chance.random() > 0.1 else None for value in values], kind)


def table(rows, wide=0):
    """Columns of many kinds, nulls among them."""
    numbers = range(rows)
    nested = pyarrow.struct([("a", pyarrow.float64()), ("b", pyarrow.list_(pyarrow.struct([("c", pyarrow.string())])))])
    start = datetime.datetime(2026, 1, 1)
    columns = {
        "i": some([chance.randrange(-(10**12), 10**12) for _ in numbers], pyarrow.int64()),
        "s": some(["".join(chance.choices(string.ascii_letters, k=chance.randrange(30))) for _ in numbers], "string"),
        "d": some([chance.choice("abc") for _ in numbers], pyarrow.string()).dictionary_encode(),
        "l": some([[chance.randrange(99) for _ in range(chance.randrange(4))] for _ in numbers],
                  pyarrow.list_(pyarrow.int32())),
        "n": some([{"a": chance.random(), "b": [{"c": str(chance.random())}]} for _ in numbers], nested),
        "t": some([start + datetime.timedelta(seconds=chance.randrange(10**7)) for _ in numbers],
                  pyarrow.timestamp("us", tz="UTC")),
        "x": some([decimal.Decimal(chance.randrange(10**9)) / 100 for _ in numbers], pyarrow.decimal128(18, 2)),
        "o": some([chance.random() > 0.5 for _ in numbers], pyarrow.bool_()),
    }
    columns |= {f"w{number}": some([chance.randrange(9) for _ in numbers], "int64") for number in range(wide)}
    return pyarrow.table(columns)


def write(name, rows, **options):
    parquet.write_table(table(rows, options.pop("wide", 0)), f"{source}/{name}.parquet", **options)


def write_shapes():
    for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
        write(codec, 1000, compression=codec, row_group_size=chance.randrange(50, 400))
    write("one", 200)
    write("empty", 0)
    write("tiny", 30, row_group_size=1)
    write("wide", 90, wide=200, row_group_size=20)
    write("plain", 900, use_dictionary=False, row_group_size=100, write_statistics=False)
    write("index", 1500, write_page_index=True, row_group_size=300, data_page_size=500)
    write("bloom", 1500, bloom_filter_options={"i": {"ndv": 500, "fpp": 0.01}, "s": True}, row_group_size=200,
          write_page_index=True)
    write("v2", 900, data_page_version="2.0", row_group_size=133)
    write("sorted", 900, row_group_size=200, sorting_columns=[parquet.SortingColumn(0)], write_page_checksum=True)
    with parquet.ParquetWriter(f"{source}/uneven.parquet", table(0).schema) as file:
        for _ in range(10):
            file.write_table(table(chance.choice([0, 1, 5, 400])))
    parquet.write_table(pyarrow.table({}), f"{source}/nothing.parquet")
    for version in ("v1", "v2"):
        duckdb.execute(f"copy (select range i, 'x' || (range % 77) t from range(60000)) to "
                       f"'{source}/duck{version}.parquet' (row_group_size 4096, parquet_version {version})")


def check(name):
    """Reads the chunks of a file, cut in several ways."""
    path = f"{source}/{name}"
    whole, size = parquet.read_table(path), os.path.getsize(path)
    cuts = ["1", str(chance.randrange(2, 30)), f"{chance.randrange(size // 30 + 1, size + 9)}B"]
    for cut in cuts:
        folder = f"{mount}/{name}@chunks@{cut}@{chance.choice(['parquet', 'auto@ext-parquet'])}"
        chunks = sorted(os.listdir(folder))
        if cut.isdigit():
            assert len(chunks) == int(cut)
        tables = []
        for chunk in chunks:
            assert re.fullmatch(r"chunk-\d+\.parquet", chunk), chunk
            with open(f"{folder}/{chunk}", "rb") as file:
                assert len(file.read()) == os.path.getsize(f"{folder}/{chunk}"), "the size is not exact"
            tables.append(parquet.read_table(f"{folder}/{chunk}"))
            assert tables[-1].schema.equals(whole.schema, check_metadata=True)
        assert pyarrow.concat_tables(tables).equals(whole), f"{name} cut by {cut}"
        number = chance.randrange(len(chunks))
        if whole.num_columns:
            check_readers(f"{folder}/{chunks[number]}", tables[number])


def check_readers(path, expected):
    """Lets pandas and DuckDB read what pyarrow did."""
    assert pandas.read_parquet(path).equals(expected.to_pandas())
    found = duckdb.sql(f"select * from read_parquet('{path}')").to_arrow_table()
    assert found.num_rows == expected.num_rows
    name = expected.column_names[0]
    assert found.column(name).to_pylist() == expected.column(name).to_pylist()


def write_large(name):
    path = f"{source}/{name}.parquet"
    duckdb.execute(f"copy (select range i, hash(range) h from range(800000)) to '{path}' (row_group_size 25000)")
    return path


def check_pinned():
    """C8: a chunk that is open is of one version, and ends with ESTALE when there is another."""
    write_large("pinned")
    path = f"{mount}/pinned.parquet@chunks@2@parquet/chunk-1.parquet"
    chunk = os.open(path, os.O_RDONLY)
    assert os.pread(chunk, 4, 0) == b"PAR1"
    write_large("pinned")
    try:
        # Farther than the kernel reads ahead.
        os.pread(chunk, 100, os.fstat(chunk).st_size - 200_000)
        raise AssertionError("a chunk has bytes of two versions")
    except OSError as error:
        assert error.errno == errno.ESTALE, error
    finally:
        os.close(chunk)


def check_refused():
    """Files that are no Parquet files, or encrypted, or damaged."""
    class Keys(encryption.KmsClient):
        def __init__(self, _):
            encryption.KmsClient.__init__(self)

        def wrap_key(self, key, _):
            return base64.b64encode(key)

        def unwrap_key(self, key, _):
            return base64.b64decode(key)

    for plain in (False, True):
        settings = encryption.EncryptionConfiguration(
            footer_key="f", column_keys={"c": ["i"]}, plaintext_footer=plain, data_key_length_bits=128)
        properties = encryption.CryptoFactory(Keys).file_encryption_properties(
            encryption.KmsConnectionConfig(), settings)
        data = pyarrow.table({"i": range(100), "s": [str(number) for number in range(100)]})
        with parquet.ParquetWriter(f"{source}/secret-{plain}.parquet", data.schema,
                                   encryption_properties=properties) as file:
            file.write_table(data)
    with open(f"{source}/text.parquet", "w") as file:
        file.write("a line of text\n" * 99)
    with open(f"{source}/snappy.parquet", "rb") as good, open(f"{source}/damaged.parquet", "wb") as file:
        data = good.read()
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        file.write(data[:footer] + b"\xff" * 100 + data[footer + 100:])
    for name, number in (("secret-False", errno.EMEDIUMTYPE), ("secret-True", errno.EMEDIUMTYPE),
                         ("text", errno.EMEDIUMTYPE), ("damaged", errno.EIO)):
        try:
            os.stat(f"{mount}/{name}.parquet@chunks@2@parquet/chunk-1")
            raise AssertionError(f"{name} is cut")
        except OSError as error:
            assert error.errno == number, (name, error)


def check_fetched():
    """C6: one of 8 chunks that DuckDB sums up fetches at most a sixth of the file, and its footer once."""
    path = write_large("large")
    chunk = f"{mount}/large.parquet@chunks@8@parquet/chunk-3.parquet"
    found = duckdb.execute("select count(*), sum(h) from read_parquet(?)", [chunk]).fetchall()[0]
    assert 0 < found[0] < 200_000
    with open(log) as file:
        ranges = re.findall(r"read \S+/large\.parquet (\d+)\.\.<(\d+)", file.read())
    fetched = sum(int(end) - int(start) for start, end in ranges)
    size = os.path.getsize(path)
    assert 0 < fetched <= size / 6, (fetched, size)
    assert sum(int(end) == size for _, end in ranges) == 1, "the footer is read once"


write_shapes()
with open(log, "w") as file:
    daemon = subprocess.Popen([objfs, "mount", "-f", "-v", f"file://{source}", mount], stderr=file, stdout=file)
try:
    while not os.path.ismount(mount):
        assert daemon.poll() is None, open(log).read()
    names = sorted(os.listdir(mount))
    for name in names:
        check(name)
    check_pinned()
    check_refused()
    check_fetched()
    print(f"{len(names)} files: all rows in order")
finally:
    subprocess.run([objfs, "umount", mount], check=True)
    daemon.wait()
