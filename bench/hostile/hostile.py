#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A remote-write load that nothing is grouped in, against any server that takes remote write 1.0.

Series are hashed over the connections; a series keeps its own interval (10, 15 or 60 s) and its own
phase and jitter, so hardly two share a timestamp; one step of a connection is several requests; values
are gauges with 17 digits; a share of the series is replaced every minute. Everything follows from the
seed, so that the answers can be compared with what must have been stored.

  hostile.py --url http://127.0.0.1:9090 --pid PID --series 20000 --minutes 30

sends 30 minutes of data that end now, as fast as it is acknowledged (--speed 60: a minute per second),
prints the CPU per sample and the memory per active series of the process PID, and compares samples over
the query API. The exit status is 1 when a sample was refused or an answer is not what was sent. bench/README.md has more.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import random
import struct
import sys
import time
import urllib.parse

try:
    import snappy  # python3-snappy: then requests are compressed as clients do
except ImportError:
    snappy = None

MASK = (1 << 64) - 1
INTERVALS = (10_000, 15_000, 60_000)  # ms
WINDOW = 5_000  # ms of data per step


def mix(*numbers):
    """A hash of small integers (the finaliser of splitmix64, once per number)."""
    x = 0x9E3779B97F4A7C15
    for number in numbers:
        x = (x ^ number) * 0xBF58476D1CE4E5B9 & MASK
        x ^= x >> 27
        x = x * 0x94D049BB133111EB & MASK
        x ^= x >> 31
    return x


class Load:
    """What is sent: slot -> generations -> samples. A slot holds one series at a time."""

    def __init__(self, arguments, end_ms):
        self.seed, self.slots = arguments.seed, arguments.series
        self.replaced = arguments.replaced
        self.begin_ms = end_ms - arguments.minutes * 60_000
        self.end_ms = end_ms

    def interval(self, slot):
        return INTERVALS[mix(self.seed, slot, 1) % 3]

    def born(self, slot, minute):
        """The minute in which the series that the slot holds in `minute` came."""
        while minute > 0 and mix(self.seed, slot, 2, minute) % 10_000 >= self.replaced * 100:
            minute -= 1
        return minute

    def times(self, slot, begin_ms, end_ms):
        """Timestamps of the slot in [begin, end), with the number of each."""
        interval = self.interval(slot)
        phase = self.begin_ms + mix(self.seed, slot, 3) % interval
        number = max(0, (begin_ms - phase) // interval - 1)
        while True:
            t = phase + number * interval + mix(self.seed, slot, 4, number) % 401
            if t >= end_ms:
                return
            if t >= begin_ms:
                yield number, t
            number += 1

    def value(self, slot, number):
        return (mix(self.seed, slot, 5, number) >> 11) / 9007199254740992.0 * 1000

    def labels(self, slot, born):
        return [('__name__', f'hostile_gauge_{slot % 20}'), ('datacenter', f'dc-{slot % 3}'),
                ('generation', str(born)), ('instance', f'host-{slot // 50}.example.com:9100'),
                ('job', 'hostile'), ('path', f'/api/v1/things/{mix(self.seed, slot) % 1000}'), ('slot', str(slot))]

    def samples(self, slot, begin_ms, end_ms):
        """(minute of birth, t, value) in order."""
        born, minute = -1, -1
        for number, t in self.times(slot, begin_ms, end_ms):
            if (t - self.begin_ms) // 60_000 != minute:
                minute = (t - self.begin_ms) // 60_000
                born = self.born(slot, minute)
            yield born, t, self.value(slot, number)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def series_head(labels):
    """A TimeSeries up to its sample, whose 16 bytes of value and timestamp follow."""
    body = b''.join(field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in labels)
    sample = b'\x12' + varint(9 + 1 + 6) + b'\x09'
    return b'\x0a' + varint(len(body) + len(sample) + 15) + body + sample


def sample_tail(t, value):
    """REQUIRES: t has 36 to 42 bits, as milliseconds of our days have: six bytes."""
    return struct.pack('<d7B', value, 0x10, t & 127 | 128, t >> 7 & 127 | 128, t >> 14 & 127 | 128,
                       t >> 21 & 127 | 128, t >> 28 & 127 | 128, t >> 35)


def compress(data):
    if snappy is not None:
        return snappy.compress(data)
    return varint(len(data)) + b'\xfc' + struct.pack('<I', len(data) - 1) + data  # one literal


class Connection:
    """Posts to the receiver; keeps its connection and its counts."""

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.http = None
        self.sent = self.refused = self.retries = 0

    def post(self, body, samples):
        headers = {'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf',
                   'X-Prometheus-Remote-Write-Version': '0.1.0'}
        for attempt in range(8):
            try:
                if self.http is None:
                    self.http = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
                self.http.request('POST', self.url.path or '/api/v1/write', body, headers)
                response = self.http.getresponse()
                text = response.read()
                if response.status < 300:
                    self.sent += samples
                    return
                if response.status < 500 and response.status != 429:
                    self.refused += samples
                    print(f'refused: {response.status} {text[:200]!r}', file=sys.stderr)
                    return
            except (OSError, http.client.HTTPException):
                self.http = None
            self.retries += 1
            time.sleep(0.1 * 2 ** attempt)
        self.refused += samples


def send(load, arguments, number, progress):
    """One connection: its slots, step by step."""
    slots = [slot for slot in range(load.slots) if mix(load.seed, slot, 6) % arguments.connections == number]
    connection = Connection(arguments.url.rstrip('/') + '/api/v1/write')
    heads = {}
    started = time.monotonic()
    # Samples come in the order of time over all slots of a window, as pushing clients' do.
    for begin in range(load.begin_ms, load.end_ms, WINDOW):
        if arguments.speed:
            ahead = (begin - load.begin_ms) / 1000 / arguments.speed - (time.monotonic() - started)
            time.sleep(max(0, ahead))
        batch = []
        for slot in slots:
            for born, t, value in load.samples(slot, begin, min(begin + WINDOW, load.end_ms)):
                if heads.get(slot, (None,))[0] != born:
                    heads[slot] = born, series_head(load.labels(slot, born))
                batch.append((t, heads[slot][1] + sample_tail(t, value)))
        batch.sort(key=lambda entry: entry[0])
        for at in range(0, len(batch), arguments.request_samples):
            part = batch[at:at + arguments.request_samples]
            connection.post(compress(b''.join(entry[1] for entry in part)), len(part))
        with progress.get_lock():
            progress[0] += len(batch)
            progress[1] = max(progress[1], begin + WINDOW - load.begin_ms)
    return connection.sent, connection.refused, connection.retries


def run_sender(load, arguments, number, progress, results):
    results.put(send(load, arguments, number, progress))


def send_all(load, arguments):
    """Returns (acknowledged, refused, retries)."""
    progress, results = multiprocessing.Array('q', 2), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=run_sender, args=(load, arguments, number, progress, results))
               for number in range(arguments.connections)]
    for worker in workers:
        worker.start()
    started = shown = time.monotonic()
    totals, ended = [0, 0, 0], 0
    while ended < len(workers):
        try:
            totals = [a + b for a, b in zip(totals, results.get(timeout=1))]
            ended += 1
        except Exception:  # queue.Empty: see whether somebody died
            if any(worker.exitcode not in (None, 0) for worker in workers):
                sys.exit('a sender died')
        if time.monotonic() - shown >= 5:
            shown = time.monotonic()
            print(f'  {progress[1] / 60_000:.1f} of {arguments.minutes} minutes, {progress[0]:,} samples, '
                  f'{progress[0] / (shown - started):,.0f}/s', flush=True)
    return totals


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
        parts = file.read().rsplit(')', 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf('SC_CLK_TCK')


def rss_bytes(pid):
    with open(f'/proc/{pid}/status', encoding='utf-8') as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith('VmRSS:'))


def settle(pid, seconds):
    """Waits until the process used less than 3 % of a core for 4 s, at most so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = cpu_seconds(pid)
        time.sleep(4)
        if cpu_seconds(pid) - before < 0.12:
            return


def query(url, expression, at_ms):
    parameters = urllib.parse.urlencode({'query': expression, 'time': f'{at_ms / 1000:.3f}', 'timeout': '5m'})
    target = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=600)
    connection.request('GET', f'{target.path}/api/v1/query?{parameters}')
    answer = json.load(connection.getresponse())
    if answer.get('status') != 'success':
        raise RuntimeError(f'{expression}: {answer.get("error")}')
    return answer['data']['result']


def check_slot(load, url, slot):
    """Compares all that a slot ever held; returns (samples, first difference)."""
    expected = {}
    for born, t, value in load.samples(slot, load.begin_ms, load.end_ms):
        expected.setdefault(str(born), {})[t] = value
    seconds = (load.end_ms - load.begin_ms) // 1000 + 1
    found = {}
    name = f'hostile_gauge_{slot % 20}'
    for series in query(url, f'{name}{{slot="{slot}"}}[{seconds}s]', load.end_ms):
        labels = dict(load.labels(slot, int(series['metric']['generation'])))
        if series['metric'] != labels:
            return 0, f'slot {slot}: labels {series["metric"]}'
        found[series['metric']['generation']] = {round(t * 1000): float(value) for t, value in series['values']}
    count = sum(map(len, expected.values()))
    for born in sorted(set(expected) | set(found)):
        ours, theirs = expected.get(born, {}), found.get(born, {})
        for t in sorted(set(ours) | set(theirs)):
            if ours.get(t) != theirs.get(t):
                return count, f'slot {slot} generation {born} at {t}: sent {ours.get(t)}, answered {theirs.get(t)}'
    return count, None


def check(load, arguments, acknowledged):
    """Compares single slots and the number of all samples; returns the number of differences."""
    chosen = random.Random(load.seed).sample(range(load.slots), min(arguments.check, load.slots))
    differences, samples = 0, 0
    shown = time.monotonic()
    for done, slot in enumerate(chosen, 1):
        count, difference = check_slot(load, arguments.url, slot)
        samples += count
        if difference:
            differences += 1
            print(f'  DIFFERENT: {difference}')
        if time.monotonic() - shown >= 5:
            shown = time.monotonic()
            print(f'  {done} of {len(chosen)} slots compared', flush=True)
    seconds = (load.end_ms - load.begin_ms) // 1000 + 1
    total = 0
    for metric in range(20):  # one at a time, for servers that limit the samples of a query
        result = query(arguments.url, f'sum(count_over_time(hostile_gauge_{metric}[{seconds}s]))', load.end_ms)
        total += int(float(result[0]['value'][1])) if result else 0
    print(f'{samples:,} samples of {len(chosen)} slots compared, {differences} slots differ; '
          f'{total:,} samples counted, {acknowledged:,} acknowledged')
    return differences + (total != acknowledged)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--url', required=True, help='of the server, without /api/v1')
    parser.add_argument('--pid', type=int, help='process to measure')
    parser.add_argument('--series', type=int, default=20_000, help='alive at a time')
    parser.add_argument('--minutes', type=int, default=30, help='of data')
    parser.add_argument('--replaced', type=float, default=5, help='percent of the series per minute')
    parser.add_argument('--connections', type=int, default=8)
    parser.add_argument('--request-samples', type=int, default=200, help='at most, per request')
    parser.add_argument('--speed', type=float, default=0, help='seconds of data per second; 0: as fast as possible')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--end', type=int, help='of the data, in ms since 1970; now when not given')
    parser.add_argument('--check', type=int, default=200, help='slots to compare; 0: none')
    parser.add_argument('--settle', type=int, default=60, help='seconds at most')
    arguments = parser.parse_args()
    load = Load(arguments, arguments.end or int(time.time()) * 1000)
    print(f'seed {load.seed}, data from {load.begin_ms} to {load.end_ms}'
          + ('' if snappy else '; python3-snappy is not there: requests are not compressed'))
    before = cpu_seconds(arguments.pid) if arguments.pid else 0
    idle_rss = rss_bytes(arguments.pid) if arguments.pid else 0
    started = time.monotonic()
    acknowledged, refused, retries = send_all(load, arguments)
    seconds = time.monotonic() - started
    print(f'{acknowledged:,} samples acknowledged in {seconds:.1f} s ({acknowledged / seconds:,.0f}/s), '
          f'{refused:,} refused, {retries} retries')
    if arguments.pid and acknowledged:
        used = cpu_seconds(arguments.pid) - before
        settle(arguments.pid, arguments.settle)
        settled, rss = cpu_seconds(arguments.pid) - before, rss_bytes(arguments.pid)
        print(f'CPU: {used / acknowledged * 1e6:.2f} us per sample until the last answer, '
              f'{settled / acknowledged * 1e6:.2f} us settled')
        print(f'memory: {rss / 1e6:.1f} MB, {(rss - idle_rss) / load.slots:.0f} B above idle per active series')
    failed = refused > 0
    if arguments.check:
        failed = check(load, arguments, acknowledged) > 0 or failed
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
