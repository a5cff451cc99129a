#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts and stops instances of a service by what Tocsin says about it.

Every interval it asks for the use of CPU (percent) and the requests per second, both per instance, and
takes one step: up when one of them is above its high mark, down when both are below their low marks. A
question without an answer is no reason to change anything.

  autoscaler.py --job api --apply 'docker compose up -d --no-recreate --scale api="$INSTANCES"'

The command gets the wanted number as $INSTANCES. When it fails, the step is tried again.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request

CPU = '100 * avg(rate(process_cpu_seconds_total{job="%s"}[1m]))'
REQUESTS = 'sum(rate(http_requests_total{job="%s"}[1m])) / count(up{job="%s"} == 1)'
INSTANCES = 'count(up{job="%s"})'


def options(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--url', default='http://127.0.0.1:9090', help='of Tocsin (%(default)s)')
    parser.add_argument('--job', default='api', help='whose metrics the default queries take (%(default)s)')
    parser.add_argument('--apply', required=True, metavar='COMMAND', help='brings the service to $INSTANCES')
    parser.add_argument('--cpu', metavar='QUERY', help='percent of a core per instance')
    parser.add_argument('--requests', metavar='QUERY', help='requests per second per instance')
    parser.add_argument('--instances', metavar='QUERY', help='how many there are')
    for name, value in (('cpu-up', 70), ('cpu-down', 30), ('requests-up', 100), ('requests-down', 50)):
        parser.add_argument(f'--{name}', type=float, default=value, metavar='N', help='(%(default)s)')
    parser.add_argument('--min', type=int, default=2, metavar='N', help='instances at least (%(default)s)')
    parser.add_argument('--max', type=int, default=10, metavar='N', help='instances at most (%(default)s)')
    parser.add_argument('--interval', type=float, default=30, metavar='SECONDS', help='(%(default)s)')
    parser.add_argument('--timeout', type=float, default=10, metavar='SECONDS', help='of a query (%(default)s)')
    parser.add_argument('--once', action='store_true', help='one step, then end')
    given = parser.parse_args(arguments)
    if not 0 < given.min <= given.max:
        parser.error('--min must be from 1 to --max')
    given.cpu = given.cpu or CPU % given.job
    given.requests = given.requests or REQUESTS % (given.job, given.job)
    given.instances = given.instances or INSTANCES % given.job
    return given


def ask(given, query):
    """The number that a query returns; None without exactly one."""
    url = f'{given.url}/api/v1/query?' + urllib.parse.urlencode({'query': query})
    try:
        with urllib.request.urlopen(url, timeout=given.timeout) as response:
            result = json.load(response)['data']['result']
        value = float(result[0]['value'][1]) if len(result) == 1 else math.nan
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        print(f'cannot ask {given.url}: {error}', file=sys.stderr, flush=True)
        return None
    return value if math.isfinite(value) else None


def wanted(given, instances, cpu, requests):
    """How many instances there should be, one step from how many there are."""
    step = 0
    if (cpu is not None and cpu > given.cpu_up) or (requests is not None and requests > given.requests_up):
        step = 1
    elif None not in (cpu, requests) and cpu < given.cpu_down and requests < given.requests_down:
        step = -1
    return min(max(instances + step, given.min), given.max)


def tick(given):
    """Takes one step; the exit status of the command, 0 when there was nothing to do."""
    instances, cpu, requests = (ask(given, query) for query in (given.instances, given.cpu, given.requests))
    if instances is None:
        print('how many instances there are is not known: nothing is done', file=sys.stderr, flush=True)
        return 1
    target = wanted(given, int(instances), cpu, requests)
    if target == int(instances):
        return 0
    print(f'{int(instances)} -> {target} instances (cpu {cpu} %, {requests} requests/s)', flush=True)
    return subprocess.run(given.apply, shell=True, env={**os.environ, 'INSTANCES': str(target)}, check=False).returncode


def main(arguments, sleep=time.sleep):
    given = options(arguments)
    while True:
        status = tick(given)
        if given.once:
            return status
        sleep(given.interval)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
