#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A gate for deployments: says whether a canary answers too many requests with 5xx.

  deploy canary && sleep 60 && canary.py --selector 'job="api",version="canary"' && deploy everywhere

Exit status: 0 the canary is good, 1 its share of 5xx in the last 60 seconds is above 5 %, 2 that cannot be
told: Tocsin does not answer, or the canary had no requests.
"""
import argparse
import json
import math
import sys
import urllib.parse
import urllib.request

RATIO = ('(sum(rate({metric}{{{selector},{label}=~"5.."}}[{window}])) or vector(0))'
         ' / sum(rate({metric}{{{selector}}}[{window}]))')


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--url', default='http://127.0.0.1:9090', help='of Tocsin (%(default)s)')
    parser.add_argument('--selector', default='job="canary"', help='which series are the canary\'s (%(default)s)')
    parser.add_argument('--metric', default='http_requests_total', help='counts requests (%(default)s)')
    parser.add_argument('--label', default='status', help='has the status (%(default)s)')
    parser.add_argument('--window', default='60s', help='(%(default)s)')
    parser.add_argument('--max-ratio', type=float, default=0.05, metavar='N', help='(%(default)s)')
    parser.add_argument('--query', help='instead: the share of failures')
    parser.add_argument('--time', help='evaluate then (seconds since the epoch) instead of now')
    parser.add_argument('--timeout', type=float, default=10, metavar='SECONDS', help='(%(default)s)')
    given = parser.parse_args(arguments)
    parameters = {'query': given.query or RATIO.format(**vars(given))}
    if given.time:
        parameters['time'] = given.time
    url = f'{given.url}/api/v1/query?' + urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(url, timeout=given.timeout) as response:
            result = json.load(response)['data']['result']
        ratio = float(result[0]['value'][1]) if len(result) == 1 else math.nan
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        print(f'cannot ask {given.url}: {error}', file=sys.stderr)
        return 2
    if math.isnan(ratio):
        print('the canary had no requests: nothing is known about it', file=sys.stderr)
        return 2
    print(f'{100 * ratio:.2f} % of the requests to the canary failed, {100 * given.max_ratio:g} % are borne')
    return 1 if ratio > given.max_ratio else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
