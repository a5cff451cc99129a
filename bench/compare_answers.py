#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether two servers with the same samples answer the same.

Sends each query of a file to both and compares all series and all samples: the same labels, the same
timestamps, values within --tolerance of each other, relatively. Ends with status 1 when one differs.

  bench/compare_answers.py --reference http://127.0.0.1:9090 --subject http://127.0.0.1:9091 --queries queries.txt --end 1795230000.007

Prometheus up to 2.x includes a sample on the left edge of a range window, Prometheus 3 and Tocsin do
not: take an --end at which no sample lies on an edge. The file is that of latency_under_merge.py.
"""
import argparse
import json
import math
import sys
import urllib.error
import urllib.request

from latency_under_merge import read_queries


def ask(url, path):
    try:
        with urllib.request.urlopen(url + path, timeout=300) as answer:
            return json.load(answer)['data'], None
    except urllib.error.HTTPError as error:
        return None, json.load(error).get('error', str(error))


def samples(data):
    """{labels: {timestamp: (value, ...)}}"""
    found = {}
    if data['resultType'] in ('scalar', 'string'):
        return {(): {float(data['result'][0]): data['result'][1]}}
    for series in data['result']:
        key = tuple(sorted(series['metric'].items()))
        values = series.get('values') or [series['value']]
        found[key] = {float(t): value for t, value in values}
    return found


def is_close(a, b, tolerance):
    a, b = float(a), float(b)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b))


def difference(reference, subject, tolerance):
    """The first one as a text; None when they are equal."""
    if reference['resultType'] != subject['resultType']:
        return f"{subject['resultType']} instead of {reference['resultType']}"
    wanted, found = samples(reference), samples(subject)
    for key in sorted(set(wanted) ^ set(found)):
        return f"{'lacks' if key in wanted else 'has one more'}: {dict(key)}"
    for key, values in wanted.items():
        for t in sorted(set(values) ^ set(found[key])):
            return f"{dict(key)}: {'no' if t in values else 'one more'} sample at {t:.3f}"
        for t, value in values.items():
            if not is_close(value, found[key][t], tolerance):
                return f'{dict(key)} at {t:.3f}: {found[key][t]} instead of {value}'
    return None


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--reference', required=True, help='URL, without /api/v1')
    parser.add_argument('--subject', required=True)
    parser.add_argument('--queries', required=True)
    parser.add_argument('--end', type=float, required=True, help='seconds since 1970')
    parser.add_argument('--tolerance', type=float, default=1e-9)
    arguments = parser.parse_args()
    differing = compared = refused = 0
    for number, path in enumerate(read_queries(arguments.queries, arguments.end), 1):
        reference, error = ask(arguments.reference, path)
        if error:
            refused += 1
            print(f'{number}: the reference refuses it: {error}')
            continue
        subject, error = ask(arguments.subject, path)
        found = error or difference(reference, subject, arguments.tolerance)
        compared += 1
        differing += found is not None
        count = sum(map(len, samples(reference).values()))
        print(f'{number}: {count:,} samples, {"equal" if found is None else "DIFFERENT: " + found}', flush=True)
    print(f'{compared} queries compared, {differing} differ, {refused} refused by the reference')
    sys.exit(1 if differing or not compared else 0)


if __name__ == '__main__':
    main()
