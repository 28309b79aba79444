"""Rows about compressed objects: jobs over their chunks, against the programs that decompress them."""

import os
import shutil
import subprocess

import world
from measuring import Contender, compare
from world import GIB, MIB, OBJFS


def _text():
    return world.text(os.path.join(world.folder("plain"), "text"), int(os.environ.get("BYTES", GIB)))


def _made(name, command):
    """A file that a command makes of the text on its standard input."""
    path = os.path.join(world.folder("compressed"), name)
    if not os.path.exists(path):
        subprocess.run(f"{command} < {_text()} > {path}", shell=True, check=True)
    subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
    return path


def _objfs(path, name, is_cold):
    """wc -l over 8 chunks, two at a time; `is_cold`: nothing is known of the object when it begins."""
    cache = world.folder("cache-" + name)

    def forget():
        shutil.rmtree(cache, ignore_errors=True)

    command = f"XDG_CACHE_HOME={cache} {OBJFS} run -j2 --chunks 8 {path} -- wc -l"
    if not is_cold:
        subprocess.run(command, shell=True, stdout=subprocess.DEVNULL, check=True)
    return Contender(f"objfs run, {'cold' if is_cold else 'warm'}", command, None, forget if is_cold else None)


def compressed_gzip():
    """wc -l over 8 chunks of 1 GiB in plain gzip, against zcat | wc -l (wanted: warm 0.59, cold 1.25)"""
    path = _made("text.gz", "gzip -c")
    for is_cold in (False, True):
        compare([_objfs(path, "gzip", is_cold), Contender("zcat | wc -l", f"zcat {path} | wc -l")],
                {"zcat | wc -l": "1.25" if is_cold else "0.59"})


def compressed_blocks():
    """the same of BGZF against bgzip -dc -@2 (wanted: 1), and of zstd in frames against zstd -dc (wanted: 0.59), cold"""
    path = _made("text.bgz", "bgzip -c")
    compare([_objfs(path, "bgzf", True), Contender("bgzip -dc -@2", f"bgzip -dc -@2 {path} | wc -l")],
            {"bgzip -dc -@2": "1"})
    path = os.path.join(world.folder("compressed"), "text.zst")
    with open(_text(), "rb") as text, open(path, "wb") as output:
        while part := text.read(16 * MIB):
            # Of a file zstd knows how long it is, and says so in the frame.
            with open(os.path.join(world.folder("compressed"), "part"), "wb") as file:
                file.write(part)
            subprocess.run(["zstd", "-qc", file.name], stdout=output, check=True)
    compare([_objfs(path, "zstd", True), Contender("zstd -dc", f"zstd -qdc {path} | wc -l")], {"zstd -dc": "0.59"})


def borders():
    """the borders of 1,000 chunks of lines in 1 GiB (wanted: one read of 8 KiB each)"""
    log = os.path.join(world.folder("borders"), "requests")
    with open(log, "w") as file:
        subprocess.run([OBJFS, "chunks", "-v", "--chunks", "1000", _text()], stdout=subprocess.DEVNULL, stderr=file,
                       check=True, env=dict(os.environ, XDG_CACHE_HOME=world.folder("cache-borders")))
    with open(log) as file:
        print(f"objfs chunks: {sum('read' in line for line in file)} reads", flush=True)


ROWS = (compressed_gzip, compressed_blocks, borders)
