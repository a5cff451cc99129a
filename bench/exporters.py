#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What exporters cost side by side: CPU per scrape and memory after many.

  bench/exporters.py redis --ours build/release/bin/tocsin-redis-exporter --peer peers/usr/bin/prometheus-redis-exporter

Starts redis-server of build/parts (tools/fetch_test_parts) with some keys, then each exporter in turn,
with the flags that both know, scrapes it --scrapes times with gzip, alternating between the two in
rounds over one connection each so that both see the same machine, and prints a table. Memory is read after
the last scrape: VmRSS and RssAnon of /proc/PID/status.
"""
import argparse
import gzip
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICKS = os.sysconf('SC_CLK_TCK')


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            return socket.create_connection(('127.0.0.1', port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
    sys.exit(f'nothing listens on port {port}')


def redis_call(connection, *words):
    command = b'*%d\r\n' % len(words)
    for word in words:
        word = str(word).encode()
        command += b'$%d\r\n%s\r\n' % (len(word), word)
    connection.sendall(command)
    return connection.recv(1 << 16)


def start_redis(folder):
    port = free_port()
    environment = dict(os.environ, LD_LIBRARY_PATH=os.path.join(ROOT, 'build/parts/lib'))
    process = subprocess.Popen([os.path.join(ROOT, 'build/parts/bin/redis-server'), '--port', str(port), '--bind', '127.0.0.1',
                                '--dir', folder, '--save', '', '--latency-monitor-threshold', '1'],
                               env=environment, stdout=subprocess.DEVNULL)
    wait_for(port)
    with socket.create_connection(('127.0.0.1', port)) as connection:
        for i in range(10_000):
            redis_call(connection, 'SET', f'key:{i}', i)
        # Commands of the usual mixture, so that commandstats and histograms have rows.
        for words in (('LPUSH', 'l', 'a'), ('LRANGE', 'l', 0, 9), ('SADD', 's', 'a'), ('ZADD', 'z', 1, 'a'), ('HSET', 'h', 'a', 1),
                      ('GET', 'key:1'), ('INCR', 'n'), ('EXPIRE', 'n', 900), ('PUBLISH', 'c', 'm'), ('DEL', 's'), ('LPUSH', 'key:1', 'x'),
                      ('XADD', 'x', '*', 'a', 'b'), ('MGET', 'key:1', 'key:2'), ('EXISTS', 'l'), ('TTL', 'n'), ('SCAN', 0)):
            redis_call(connection, *words)
    return process, port


class Exporter:
    def __init__(self, program, flags):
        self.port = free_port()
        self.process = subprocess.Popen([program, f'--web.listen-address=127.0.0.1:{self.port}', *flags],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)
        self.cpu = self.seconds = 0.0
        self.scrapes = 0
        self.page = b''

    def ticks(self):
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def scrape(self, count):
        # A new one each time: a server may close it while the other exporter has its turn.
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        cpu, start = self.ticks(), time.monotonic()
        for _ in range(count):
            connection.request('GET', '/metrics', headers={'Accept-Encoding': 'gzip', 'Accept': 'text/plain;version=0.0.4'})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                sys.exit(f'{self.process.args[0]}: status {answer.status}')
            self.page = gzip.decompress(body) if answer.headers.get('Content-Encoding') == 'gzip' else body
        self.cpu += self.ticks() - cpu
        self.seconds += time.monotonic() - start
        self.scrapes += count
        connection.close()

    def memory(self, field):
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field + ':')) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def stripped_size(program):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(['strip', '-o', copy.name, program], check=True)
        return os.path.getsize(copy.name) / (1 << 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('kind', choices=['redis'])
    parser.add_argument('--ours', required=True)
    parser.add_argument('--peer', required=True)
    parser.add_argument('--scrapes', type=int, default=300)
    parser.add_argument('--rounds', type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, port = start_redis(folder)
        exporters = [Exporter(program, [f'--redis.addr=redis://127.0.0.1:{port}']) for program in (arguments.peer, arguments.ours)]
        try:
            for exporter in exporters:
                exporter.scrape(5)  # what only the first scrapes need
                exporter.cpu = exporter.seconds = exporter.scrapes = 0
            for _ in range(arguments.rounds):
                for exporter in exporters:
                    exporter.scrape(arguments.scrapes // arguments.rounds)
            rows = [('CPU per scrape, ms', [e.cpu / e.scrapes * 1000 for e in exporters]),
                    ('time of a scrape, ms', [e.seconds / e.scrapes * 1000 for e in exporters]),
                    ('resident memory, MB', [e.memory('VmRSS') for e in exporters]),
                    ('anonymous resident memory, MB', [e.memory('RssAnon') for e in exporters]),
                    ('binary, stripped, MB', [stripped_size(p) for p in (arguments.peer, arguments.ours)]),
                    ('samples of redis_*', [float(sum(line.startswith(b'redis_') for line in e.page.split(b'\n'))) for e in exporters])]
        finally:
            for exporter in exporters:
                exporter.stop()
            server.send_signal(signal.SIGTERM)
            server.wait()
    print('| | upstream | ours | ratio |\n|---|---|---|---|')
    for name, (peer, ours) in rows:
        print(f'| {name} | {peer:.2f} | {ours:.2f} | {ours / peer:.2f} |')


if __name__ == '__main__':
    main()
