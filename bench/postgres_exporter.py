#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tocsin-postgres-exporter costs beside Debian's prometheus-postgres-exporter: CPU for a scrape and
resident memory, both under the same scrapes of the same server.

usage: bench/postgres_exporter.py OURS PEER [--scrapes N] [--tables N] [-- FLAGS OF OURS]

OURS is a release build, PEER the program out of Debian's package. A PostgreSQL server is started for it,
from where tools/fetch_test_parts puts it or from the system; as root it runs as nobody. The scrapes go over
one connection for each exporter, in turns, with gzip, as Prometheus' do.
"""
import argparse
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICK = os.sysconf('SC_CLK_TCK')


def postgres_bin():
    for root in (ROOT + '/build/parts/postgresql', ''):
        path = root + '/usr/lib/postgresql/15/bin'
        if os.path.exists(path + '/postgres'):
            return path
    sys.exit('PostgreSQL is not there: run tools/fetch_test_parts')


def as_user(command):
    if os.geteuid() == 0:
        command = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--pdeathsig', 'SIGKILL'] + command
    return command


class Server:
    def __init__(self, tables):
        self.bin, self.folder = postgres_bin(), tempfile.mkdtemp(prefix='tocsin-bench-')
        if os.geteuid() == 0:
            shutil.chown(self.folder, 'nobody', 'nogroup')
        data = self.folder + '/data'
        subprocess.run(as_user([self.bin + '/initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-N']), check=True,
                       stdout=subprocess.DEVNULL)
        with open(data + '/postgresql.conf', 'a') as config:
            config.write(f"listen_addresses=''\nunix_socket_directories='{self.folder}'\nfsync=off\n")
        with open(data + '/pg_hba.conf', 'w') as access:
            access.write('local all postgres trust\nlocal all all scram-sha-256\n')
        self.process = subprocess.Popen(as_user([self.bin + '/postgres', '-D', data]), stderr=subprocess.DEVNULL)
        while self.sql('SELECT 1', check=False).returncode != 0:
            time.sleep(0.1)
        self.sql("CREATE ROLE exporter LOGIN PASSWORD 'secret' IN ROLE pg_monitor")
        self.sql('CREATE DATABASE bench')
        self.sql(''.join(f'CREATE TABLE t{n} (id int PRIMARY KEY, text text);' for n in range(tables)), 'bench')

    def sql(self, text, database='postgres', check=True):
        return subprocess.run(as_user([self.bin + '/psql', '-h', self.folder, '-U', 'postgres', '-qAtX', '-d', database,
                                       '-c', text]), check=check, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.folder)


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


class Exporter:
    def __init__(self, program, server, flags):
        self.program, self.port = program, free_port()
        source = f'host={server.folder} user=exporter password=secret dbname=bench sslmode=disable'
        self.process = subprocess.Popen([program, f'--web.listen-address=127.0.0.1:{self.port}', '--log.level=error'] + flags,
                                        env=dict(os.environ, DATA_SOURCE_NAME=source), stderr=subprocess.DEVNULL)
        self.connection = http.client.HTTPConnection('127.0.0.1', self.port)
        while True:
            try:
                self.scrape()
                return
            except OSError:
                self.connection.close()
                time.sleep(0.1)

    def scrape(self):
        self.connection.request('GET', '/metrics', headers={'Accept-Encoding': 'gzip',
                                                            'X-Prometheus-Scrape-Timeout-Seconds': '10'})
        return len(self.connection.getresponse().read())

    def cpu(self):
        with open(f'/proc/{self.process.pid}/stat') as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self):
        with open(f'/proc/{self.process.pid}/status') as status:
            rows = dict(line.split(':', 1) for line in status)
        return [int(rows[key].split()[0]) / 1024 for key in ('VmRSS', 'RssAnon')]

    def stripped_megabytes(self):
        with tempfile.NamedTemporaryFile() as copy:
            subprocess.run(['strip', '-o', copy.name, self.program], check=True)
            return os.path.getsize(copy.name) / 1e6

    def samples(self):
        plain = http.client.HTTPConnection('127.0.0.1', self.port)
        plain.request('GET', '/metrics')
        return sum(not line.startswith(b'#') for line in plain.getresponse().read().splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ours')
    parser.add_argument('peer')
    parser.add_argument('--scrapes', type=int, default=300)
    parser.add_argument('--tables', type=int, default=20)
    parser.add_argument('flags', nargs='*')
    options = parser.parse_args()
    server = Server(options.tables)
    exporters = [Exporter(options.peer, server, []), Exporter(options.ours, server, options.flags)]
    before = [exporter.cpu() for exporter in exporters]
    for _ in range(options.scrapes):
        for exporter in exporters:
            exporter.scrape()
    rows = []
    for exporter, start in zip(exporters, before):
        rows.append([1000 * (exporter.cpu() - start) / options.scrapes, *exporter.memory(), exporter.stripped_megabytes(),
                     exporter.samples()])
    names = ['CPU for a scrape, ms', 'resident memory, MiB', 'anonymous of it, MiB', 'stripped binary, MB', 'samples']
    print('| | peer | ours | ratio |\n|---|---|---|---|')
    for name, peer, ours in zip(names, *rows):
        print(f'| {name} | {peer:.1f} | {ours:.1f} | {ours / peer:.2f} |')
    for exporter in exporters:
        exporter.process.terminate()
        exporter.process.wait()
    server.stop()


if __name__ == '__main__':
    main()
