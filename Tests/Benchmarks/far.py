#!/usr/bin/env python3
"""A bucket that is far away: each answer takes 20 ms to its first byte, and a connection carries 80 MB/s.

usage: far.py PORT FOLDER      FOLDER holds buckets; signatures are not looked at
"""

import asyncio
import mmap
import os
import sys
import time
import urllib.parse
from email.utils import formatdate

DELAY, RATE, SLICE = 0.020, 80e6, 256 << 10


class Far:
    def __init__(self, root):
        self.root = root
        self.maps = {}

    def content(self, path):
        if path not in self.maps:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                self.maps[path] = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) if size else b""
        return memoryview(self.maps[path])

    def listing(self, bucket):
        contents = ""
        for name in sorted(os.listdir(os.path.join(self.root, bucket))):
            size = os.path.getsize(os.path.join(self.root, bucket, name))
            contents += (f"<Contents><Key>{name}</Key><Size>{size}</Size><ETag>&quot;{size:x}-1&quot;</ETag>"
                         "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>")
        return (f'<?xml version="1.0"?><ListBucketResult><Name>{bucket}</Name><Prefix></Prefix>'
                f"<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>").encode()

    def answer(self, method, target, headers):
        """Status line, headers and body for a request."""
        path = urllib.parse.unquote(target.split("?")[0]).strip("/")
        file = os.path.join(self.root, path)
        if "/" not in path:
            return "200 OK", {"Content-Type": "application/xml"}, memoryview(self.listing(path or "bucket"))
        if not os.path.isfile(file):
            return "404 Not Found", {}, memoryview(b"<Error><Code>NoSuchKey</Code></Error>")
        body = self.content(file)
        fields = {"ETag": f'"{len(body):x}-1"', "Accept-Ranges": "bytes",
                  "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        wanted = headers.get("range")
        if not wanted or method == "HEAD":
            return "200 OK", fields, body
        first, last = wanted.removeprefix("bytes=").split("-")
        end = min(int(last) + 1 if last else len(body), len(body))
        fields["Content-Range"] = f"bytes {first}-{end - 1}/{len(body)}"
        return "206 Partial Content", fields, body[int(first):end]

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().split("\r\n")
                method, target, _ = lines[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                status, fields, body = self.answer(method, target, headers)
                await asyncio.sleep(DELAY)
                fields |= {"Content-Length": str(len(body)), "Date": formatdate(usegmt=True)}
                text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
                writer.write(f"HTTP/1.1 {status}\r\n{text}\r\n".encode())
                if method != "HEAD":
                    await self.send(writer, body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def send(self, writer, body):
        begin = time.monotonic()
        for offset in range(0, len(body), SLICE):
            writer.write(body[offset:offset + SLICE])
            await writer.drain()
            ahead = offset / RATE - (time.monotonic() - begin)
            if ahead > 0.002:
                await asyncio.sleep(ahead)


async def main(port, root):
    server = await asyncio.start_server(Far(root).serve, "127.0.0.1", port, limit=1 << 20)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
