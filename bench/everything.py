#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much memory everything takes together: tocsin, its four exporters, and three instances of an application.

  tools/build release tocsin tocsin-{node,postgres,redis,app}-exporter
  bench/everything.py [--scrapes 120] [--limit 256]

Starts PostgreSQL under pgbench and Redis under commands (of build/parts, see tools/fetch_test_parts), an exporter for
each, the node exporter, and the app exporter with probes, an access log, Celery and StatsD; three instances of an
application are threads of this script. tocsin scrapes all of them every --interval seconds, evaluates the rules of
all examples, and is asked queries all the time. When each instance has been scraped --scrapes times and every target
and source is up, a table shows the memory of our five processes in MB (10^6 bytes). The exit status is 1 when the
largest sum of their resident memory, looked at every half second, was above --limit, or when something is not up.
"""
import argparse
import contextlib
import glob
import http.server
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from exporter_targets import CHILD, ROOT, Postgres, Redis, end, free_port, wait_for

PROGRAMS = ('tocsin', 'tocsin-node-exporter', 'tocsin-postgres-exporter', 'tocsin-redis-exporter', 'tocsin-app-exporter')
EXAMPLES = ('quickstart', 'node', 'postgres', 'redis', 'proxies', 'queues', 'app')
ROUTES = ('/', '/login', '/cart', '/pay', '/items', '/items/:id', '/users/:id', '/search')
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
# What dashboards ask: the last minutes, the last hour.
QUERIES = ('sum by (job) (up)', 'sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[1m]))',
           'topk(10, sum by (route) (rate(http_requests_total[1m])))',
           'histogram_quantile(0.95, sum by (le, instance) (rate(http_request_duration_seconds_bucket[1m])))',
           'sum by (datname) (rate(pg_stat_database_xact_commit[1m]))', 'rate(redis_commands_total[1m])',
           '1 - node_filesystem_avail_bytes / node_filesystem_size_bytes', 'avg_over_time(node_memory_MemAvailable_bytes[5m])')
OTHERS = ('/api/v1/rules', '/api/v1/alerts', '/api/v1/targets', '/api/v1/label/__name__/values', '/api/v1/metadata',
          '/api/v1/series?match[]={job="shop"}', '/')
PATIENCE = 90  # seconds without a scrape


class Instance(http.server.ThreadingHTTPServer):
    """An instance of a small application: its metrics, its health, and a receiver of messages."""

    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Answer)
        self.address = '127.0.0.1:%d' % self.server_port
        self.scrapes = 0
        self.random = random.Random(self.server_port)
        self.counts = {(route, status): 0 for route in ROUTES for status in ('200', '404', '500')}
        self.buckets = {route: [0] * (len(BOUNDS) + 1) for route in ROUTES}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        # Who scrapes may give up.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def page(self):
        self.scrapes += 1
        lines = ['# TYPE http_requests_total counter']
        for (route, status), count in self.counts.items():
            self.counts[route, status] = count + self.random.randrange(50 if status == '200' else 2)
            lines.append(f'http_requests_total{{route="{route}",status="{status}"}} {self.counts[route, status]}')
        lines.append('# TYPE http_request_duration_seconds histogram')
        for route, buckets in self.buckets.items():
            for _ in range(50):
                buckets[min(int(self.random.expovariate(0.5)), len(BOUNDS))] += 1
            total = 0
            for bound, count in zip((*BOUNDS, '+Inf'), buckets):
                total += count
                lines.append(f'http_request_duration_seconds_bucket{{route="{route}",le="{bound}"}} {total}')
            lines.append(f'http_request_duration_seconds_count{{route="{route}"}} {total}')
            lines.append(f'http_request_duration_seconds_sum{{route="{route}"}} {total * 0.07:.6f}')
        lines += ['# TYPE http_requests_in_flight gauge', f'http_requests_in_flight {self.random.randrange(20)}', '']
        return '\n'.join(lines)


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):  # pylint: disable=invalid-name # the name is the library's
        self.reply(self.server.page() if self.path == '/metrics' else '{"status": "UP"}')

    def do_POST(self):  # pylint: disable=invalid-name # the name is the library's
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self.reply('ok')

    def reply(self, text):
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Traffic(threading.Thread):
    """Writes an access log, and counts over StatsD, 20 times a second."""

    def __init__(self, log, statsd):
        super().__init__(daemon=True)
        self.log, self.statsd = log, statsd
        with open(log, 'w', encoding='ascii'):
            pass
        self.ending = threading.Event()

    def run(self):
        numbers = random.Random(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, open(self.log, 'a', encoding='ascii', buffering=1) as log:
            while not self.ending.wait(0.05):
                path = numbers.choice(ROUTES).replace(':id', str(numbers.randrange(1000)))
                log.write(f'10.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "GET {path} HTTP/1.1" 200 512 "-" "-" '
                          f'{numbers.random():.3f} 127.0.0.1:{8000 + numbers.randrange(3)} 200 {numbers.random():.3f}\n')
                udp.sendto(b'ws.delivery.ok:1|c\nredis.publish.ok:1|c', ('127.0.0.1', self.statsd))

    def stop(self):
        self.ending.set()
        self.join()


def example(name):
    with open(f'{ROOT}/examples/{name}', encoding='utf-8') as file:
        return file.read()


class Stand:
    """Everything that runs, in a folder of its own."""

    def __init__(self, stack, arguments):
        self.stack, self.bin, self.interval = stack, arguments.bin, arguments.interval
        self.folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.postgres, self.redis = Postgres(), None
        stack.callback(self.postgres.stop)
        self.redis = Redis()
        stack.callback(self.redis.stop)
        self.instances = [Instance() for _ in range(3)]
        self.processes, self.ports = {}, {}
        self.start_exporters()
        self.start_server()

    def write(self, name, text):
        with open(f'{self.folder}/{name}', 'w', encoding='utf-8') as file:
            file.write(text)
        return f'{self.folder}/{name}'

    def start(self, name, flags, environment=None):
        port = self.ports[name] = free_port()
        with open(f'{self.folder}/{name}.log', 'wb') as log:
            process = subprocess.Popen([*CHILD, f'{self.bin}/{name}', f'--web.listen-address=127.0.0.1:{port}', *flags],
                                       env={**os.environ, **(environment or {})}, stdout=log, stderr=log)
        self.processes[name] = process
        self.stack.callback(end, process)
        wait_for(port, process)

    def start_exporters(self):
        self.start('tocsin-node-exporter', ['--collector.processes', '--collector.tcpstat', '--collector.interrupts'])
        self.start('tocsin-postgres-exporter', [], {'DATA_SOURCE_NAME': self.postgres.source})
        redis = f'redis://127.0.0.1:{self.redis.port}'
        self.start('tocsin-redis-exporter', [f'--redis.addr={redis}', '--check-single-keys=db0=l', '--count-keys=db0=key:*'])
        log, statsd = f'{self.folder}/access.log', free_port()
        traffic = Traffic(log, statsd)
        traffic.start()
        self.stack.callback(traffic.stop)
        # The sections of the examples, pointed at what runs here.
        queues = example('queues/app.yml').replace('redis://127.0.0.1:6379', redis).replace(':8125', f':{statsd}')
        logs = re.search(r'^logs:\n(?:  .*\n)+', example('proxies/app.yml'), re.M).group()
        logs = re.sub(r' *positions_file: .*\n', '', logs).replace('/var/log/nginx/access.log', log)
        probes = '\n'.join(['modules: {http: {prober: http, timeout: 3s}}', 'probes:', f'- module: http\n  interval: {self.interval}s',
                            '  targets: [%s]' % ', '.join(f"'http://{i.address}/health'" for i in self.instances), ''])
        self.start('tocsin-app-exporter', ['--config.file=' + self.write('app.yml', queues + logs + probes)])

    def start_server(self):
        rules = []
        for name in EXAMPLES:
            for file in glob.glob(f'{ROOT}/examples/{name}/rules/*.yml'):
                rules.append(shutil.copy(file, f'{self.folder}/{name}-{os.path.basename(file)}'))
        receivers = example('postgres/alertmanager.yml').replace('127.0.0.1:9025', self.instances[0].address)
        port = free_port()  # of the Alertmanager API
        config = [f'global: {{scrape_interval: {self.interval}s, evaluation_interval: {self.interval}s}}',
                  f'rule_files: {json.dumps(rules)}', 'scrape_configs:']
        for name in PROGRAMS[1:]:
            job = name.split('-')[1]
            config.append(f'- {{job_name: {job}, honor_labels: {str(job == "app").lower()}, '
                          f"static_configs: [{{targets: ['127.0.0.1:{self.ports[name]}']}}]}}")
        config.append("- {job_name: shop, static_configs: [{targets: %s}]}" % json.dumps([i.address for i in self.instances]))
        self.start('tocsin', ['--config.file=' + self.write('prometheus.yml', '\n'.join(config)),
                              '--storage.tsdb.path=' + self.folder + '/data',
                              '--alertmanager.config.file=' + self.write('alertmanager.yml', receivers),
                              '--alertmanager.storage.path=' + self.folder + '/alertmanager',
                              f'--alertmanager.web.listen-address=127.0.0.1:{port}'])

    def get(self, target):
        url = f'http://127.0.0.1:{self.ports["tocsin"]}' + urllib.parse.quote(target, safe='/?&=%')
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read()

    def query(self, expr):
        return json.loads(self.get('/api/v1/query?query=' + urllib.parse.quote(expr, safe='')))['data']['result']

    def ask(self, number):
        """The next of the questions of a dashboard."""
        questions = len(QUERIES) * 2 + len(OTHERS)
        number %= questions
        if number >= len(QUERIES) * 2:
            return self.get(OTHERS[number - len(QUERIES) * 2])
        expr = urllib.parse.quote(QUERIES[number // 2], safe='')
        now = time.time()
        if number % 2 == 0:
            return self.get(f'/api/v1/query?query={expr}')
        return self.get(f'/api/v1/query_range?query={expr}&start={now - 3600:.3f}&end={now:.3f}&step=15')

    def is_up(self):
        wanted = len(PROGRAMS) - 1 + len(self.instances)
        return (len(self.query('up == 1')) == wanted and not self.query('up == 0') and self.query('pg_up == 1')
                and self.query('redis_up == 1') and len(self.query('app_exporter_source_up == 1')) >= 3
                and not self.query('app_exporter_source_up == 0') and len(self.query('probe_success == 1')) == len(self.instances)
                and self.query('rate(nginx_http_response_count_total[1m]) > 0') != [])

    def memory(self, name):
        """Bytes of VmRSS, RssAnon, Pss and VmHWM."""
        pid = self.processes[name].pid
        rows = {}
        for file in ('status', 'smaps_rollup'):
            with open(f'/proc/{pid}/{file}', encoding='ascii') as text:
                rows.update(line.split(':', 1) for line in text if ':' in line and 'kB' in line)
        return [int(rows[key].split()[0]) * 1024 for key in ('VmRSS', 'RssAnon', 'Pss', 'VmHWM')]

    def resident(self):
        total = 0
        for name, process in self.processes.items():
            if process.poll() is not None:
                sys.exit(f'{name} ended with status {process.returncode}')
            with open(f'/proc/{process.pid}/statm', encoding='ascii') as pages:
                total += int(pages.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
        return total


def watch(stand, scrapes):
    """Asks until there were so many scrapes and everything is up; the largest sum of resident memory, and the questions."""
    largest = number = 0
    looked, progress, last = 0.0, 0, time.monotonic()
    while True:
        try:
            stand.ask(number)
        except urllib.error.HTTPError as error:
            if error.code != 503:  # it is starting
                sys.exit(f'{error.url}: {error}')
        number += 1
        now = time.monotonic()
        if now - looked >= 0.5:
            looked, largest = now, max(largest, stand.resident())
        done = min(instance.scrapes for instance in stand.instances)
        if done > progress:
            progress, last = done, now
        if done >= scrapes and stand.is_up():
            return max(largest, stand.resident()), number
        if now - last > PATIENCE:
            down = [series['metric'] for series in stand.query('up == 0 or app_exporter_source_up == 0')]
            sys.exit(f'not everything came up: {done} scrapes, down: {down}')
        time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--bin', default=ROOT + '/build/release/bin', help='folder of our programs')
    parser.add_argument('--scrapes', type=int, default=120, help='of each instance')
    parser.add_argument('--interval', type=int, default=5, help='seconds between them')
    parser.add_argument('--limit', type=float, default=256, help='MB that are too much; 0: none')
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        stand = Stand(stack, arguments)
        largest, questions = watch(stand, arguments.scrapes)
        rows = [(name, stand.memory(name)) for name in PROGRAMS]
        series = stand.query('sum(scrape_samples_scraped)')[0]['value'][1]
    print('| MB | resident (RSS) | anonymous | proportional (PSS) | peak |\n|---|---:|---:|---:|---:|')
    rows.append(('together', [sum(column) for column in zip(*(numbers for _, numbers in rows))]))
    for name, numbers in rows:
        print(f'| {name} | ' + ' | '.join(f'{n / 1e6:.1f}' for n in numbers) + ' |')
    print(f'\n{arguments.scrapes} scrapes every {arguments.interval} s of {series} samples, {questions} questions asked.')
    print(f'The largest sum of resident memory was {largest / 1e6:.1f} MB.')
    if arguments.limit and largest > arguments.limit * 1e6:
        sys.exit(f'everything together takes more than {arguments.limit:g} MB')


if __name__ == '__main__':
    main()
