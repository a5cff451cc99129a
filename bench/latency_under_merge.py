#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much slower queries get while everything merges.

Sends the queries of a file at a steady rate, first to an idle server and then while
`POST /api/x/admin/tsdb/compact` seals the head and merges every run to the oldest tier, and prints
both latency distributions. Load the server first; it needs --web.enable-admin-api.

  bench/latency_under_merge.py --url http://127.0.0.1:9090 --queries queries.txt --end 1795230000

A query file has lines `id | instant | EXPR` or `id | range:WINDOW:STEP | EXPR`, as the side-by-side
benchmark's. Latency counts from the moment a query was due: a server that falls behind is not
spared. Ends with status 1 when the p99 during the merge is above --factor times the idle one.
"""
import argparse
import http.client
import json
import os
import sys
import threading
import time
import urllib.parse

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text):
    return float(text[:-1]) * UNITS[text[-1]]


def read_queries(path, end):
    paths = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            _, kind, expression = (part.strip() for part in line.split("|", 2))
            parameters = {"query": expression}
            if kind == "instant":
                paths.append("/api/v1/query?" + urllib.parse.urlencode({**parameters, "time": end}))
            else:
                _, window, step = kind.split(":")
                parameters.update(start=end - seconds(window), end=end, step=seconds(step))
                paths.append("/api/v1/query_range?" + urllib.parse.urlencode(parameters))
    return paths


class Load:
    """Sends queries in turn at a fixed rate from a few connections, until told to stop."""

    def __init__(self, address, paths, rate, connections, first=0):
        self.address, self.rate = address, rate
        first %= len(paths)
        self.paths = paths[first:] + paths[:first]
        self.begin = time.monotonic()
        self.next, self.lock, self.ending = 0, threading.Lock(), threading.Event()
        self.latencies, self.failures = [], []
        self.threads = [threading.Thread(target=self.run) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection = http.client.HTTPConnection(*self.address, timeout=120)
        while True:
            with self.lock:
                number, self.next = self.next, self.next + 1
            due = self.begin + number / self.rate
            if self.ending.wait(max(0, due - time.monotonic())):
                return
            path = self.paths[number % len(self.paths)]
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200:
                    self.failures.append(f"{response.status} {body[:200]!r} for {path}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{error} for {path}")
                connection = http.client.HTTPConnection(*self.address, timeout=120)
            self.latencies.append(time.monotonic() - due)

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        return sorted(self.latencies)


def quantile(ascending, q):
    return ascending[min(len(ascending) - 1, int(q * len(ascending)))]


def describe(name, latencies, took=0):
    figures = " ".join(f"p{int(q * 100)} {quantile(latencies, q) * 1000:.1f}" for q in (0.5, 0.9, 0.99))
    time_taken = f" in {took:.1f} s" if took else ""
    print(f"{name:<14} {len(latencies)} queries{time_taken}: {figures} max {latencies[-1] * 1000:.1f} ms")


def compact(address):
    connection = http.client.HTTPConnection(*address, timeout=3600)
    connection.request("POST", "/api/x/admin/tsdb/compact")
    response = connection.getresponse()
    body = response.read()
    if response.status not in (200, 204):
        sys.exit(f"compact: {response.status} {body[:300]!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:9090")
    parser.add_argument("--queries", required=True)
    parser.add_argument("--end", type=float, help="evaluation time; default: the newest sample of node_load1")
    parser.add_argument("--rate", type=float, default=5, help="queries per second (%(default)s)")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--idle", type=float, default=60, help="seconds of the idle phase (%(default)s)")
    parser.add_argument("--pool", metavar="FILE", help="adds to the latencies in this file and judges them all")
    parser.add_argument("--factor", type=float, default=2, help="bar for p99 during / idle (%(default)s)")
    arguments = parser.parse_args()
    url = urllib.parse.urlparse(arguments.url)
    address = (url.hostname, url.port)
    end = arguments.end or newest(address)
    paths = read_queries(arguments.queries, end)

    warm = Load(address, paths, 1000, 1)
    while warm.next <= len(paths):
        time.sleep(0.1)
    warm.stop()

    pool = {"idle": [], "during": []}
    if arguments.pool and os.path.exists(arguments.pool):
        with open(arguments.pool, encoding="utf-8") as file:
            pool = json.load(file)

    load, begin = Load(address, paths, arguments.rate, arguments.connections, len(pool["idle"])), time.monotonic()
    time.sleep(arguments.idle)
    idle, idle_failures = load.stop(), load.failures
    describe("idle", idle, time.monotonic() - begin)

    load, begin = Load(address, paths, arguments.rate, arguments.connections, len(pool["during"])), time.monotonic()
    compact(address)
    took = time.monotonic() - begin
    during, failures = load.stop(), load.failures + idle_failures
    describe("while merging", during, took)
    idle, during = sorted(idle + pool["idle"]), sorted(during + pool["during"])
    if arguments.pool:
        describe("all idle", idle)
        describe("all merging", during)
        with open(arguments.pool, "w", encoding="utf-8") as file:
            json.dump({"idle": idle, "during": during}, file)
    ratio = quantile(during, 0.99) / quantile(idle, 0.99)
    print(f"p99 while merging / idle: {ratio:.2f}, bar {arguments.factor:g}; failed queries: {len(failures)}")
    for failure in failures[:5]:
        print("  " + failure)
    sys.exit(1 if failures or ratio > arguments.factor else 0)


def newest(address):
    connection = http.client.HTTPConnection(*address, timeout=30)
    query = urllib.parse.urlencode({"query": "max(max_over_time(timestamp(node_load1)[1d:15s]))"})
    connection.request("GET", "/api/v1/query?" + query)
    result = json.loads(connection.getresponse().read())["data"]["result"]
    if not result:
        sys.exit("no node_load1 within a day: load the server first or give --end")
    return float(result[0]["value"][1])


if __name__ == "__main__":
    main()
