#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long users are blind after a crash.

Starts a server, times how long it takes until it is ready and until it has answered a query, ends it
with SIGKILL, and starts it again. The folder keeps what it held; the system's page cache stays warm.

  bench/first_answer.py --url http://127.0.0.1:9090 --query 'count(up)' --rounds 3 -- tocsin --storage.tsdb.path=DATA ...

With --expect the value of the answer must be that. Ends with status 1 when an answer is another one,
or comes later than --bar seconds after the start.
"""
import argparse
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def wait_until_ready(url, process, patience):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f'the server ended with status {process.returncode}')
        try:
            get(f'{url}/-/ready')
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.005)
    sys.exit(f'not ready after {patience} s')


def first_value(url, query, at):
    parameters = {'query': query, **({'time': at} if at else {})}
    answer = json.loads(get(f'{url}/api/v1/query?{urllib.parse.urlencode(parameters)}'))
    result = answer['data']['result']
    return float(result[0]['value'][1]) if result else None


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--url', required=True)
    parser.add_argument('--query', required=True)
    parser.add_argument('--time', default='', help='of the query; now when not given')
    parser.add_argument('--expect', type=float, help='value of the first series of the answer')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--bar', type=float, help='seconds')
    parser.add_argument('--patience', type=float, default=300, help='seconds until a start has failed')
    parser.add_argument('command', nargs='+')
    arguments = parser.parse_args()
    failed = False
    for number in range(1, arguments.rounds + 1):
        begin = time.monotonic()
        process = subprocess.Popen(arguments.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_ready(arguments.url, process, arguments.patience)
            ready = time.monotonic() - begin
            value = first_value(arguments.url, arguments.query, arguments.time)
            answered = time.monotonic() - begin
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        print(f'{number}: ready after {ready:.3f} s, first answer after {answered:.3f} s: {value}', flush=True)
        failed = failed or (arguments.expect is not None and value != arguments.expect)
        failed = failed or (arguments.bar is not None and answered > arguments.bar)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
