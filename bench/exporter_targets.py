# SPDX-License-Identifier: Apache-2.0
"""What bench/exporters.py points exporters at: PostgreSQL with pgbench, Redis, and a server of pages and names.

All listen on loopback only, all die with the caller at the latest, and stop() ends each of them.
"""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = os.path.join(ROOT, 'build/parts')
# Whatever ends this program ends what it started.
CHILD = ['setpriv', '--pdeathsig', 'SIGTERM']


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def wait_for(port, process):
    for _ in range(400):
        if process.poll() is not None:
            sys.exit(f'{process.args}: ended with status {process.returncode}')
        try:
            return socket.create_connection(('127.0.0.1', port), timeout=1).close()
        except OSError:
            time.sleep(0.025)
    sys.exit(f'{process.args}: nothing listens on port {port}')


def end(process, number=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Postgres:
    """A server with a role for the exporter, some tables, and pgbench at a steady rate."""

    TABLES, TRANSACTIONS_PER_SECOND = 20, 50

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='tocsin-bench-')
        if os.geteuid() == 0:
            shutil.chown(self.folder, 'nobody', 'nogroup')
        self.bin = self.find()
        data = self.folder + '/data'
        subprocess.run(self.command('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-N'), check=True,
                       stdout=subprocess.DEVNULL)
        with open(data + '/postgresql.conf', 'a', encoding='ascii') as config:
            config.write(f"listen_addresses=''\nunix_socket_directories='{self.folder}'\nfsync=off\n")
        with open(data + '/pg_hba.conf', 'w', encoding='ascii') as access:
            access.write('local all postgres trust\nlocal all all scram-sha-256\n')
        self.process = subprocess.Popen(self.command('postgres', '-D', data), stderr=subprocess.DEVNULL)
        while self.sql('SELECT 1', check=False).returncode != 0:
            if self.process.poll() is not None:
                sys.exit('postgres does not start')
            time.sleep(0.1)
        self.sql("CREATE ROLE exporter LOGIN PASSWORD 'secret' IN ROLE pg_monitor")
        self.sql('CREATE DATABASE bench')
        self.sql(''.join(f'CREATE TABLE t{n} (id int PRIMARY KEY, text text);' for n in range(self.TABLES)), 'bench')
        access = ['-h', self.folder, '-U', 'postgres']
        subprocess.run(self.command('pgbench', *access, '-i', '-q', 'bench'), check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.load = subprocess.Popen(self.command('pgbench', *access, '-n', '-c', '2', '-T', '3600', '-R',
                                                  str(self.TRANSACTIONS_PER_SECOND), 'bench'),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.source = f'host={self.folder} user=exporter password=secret dbname=bench sslmode=disable'

    def find(self):
        """The folder of its programs; a copy where only root may look into the checkout."""
        suffix = '/usr/lib/postgresql/15/bin'
        for root in (PARTS + '/postgresql', ''):
            if not os.path.exists(root + suffix + '/postgres'):
                continue
            if subprocess.run(self.as_user(['test', '-x', root + suffix + '/postgres']), check=False).returncode == 0:
                return root + suffix
            copy = self.folder + '/programs'
            shutil.copytree(root, copy, symlinks=True)
            return copy + suffix
        sys.exit('PostgreSQL is not there: run tools/fetch_test_parts')

    @staticmethod
    def as_user(command):
        # It refuses to run as root.
        who = ['--reuid=nobody', '--regid=nogroup', '--clear-groups'] if os.geteuid() == 0 else []
        return [*CHILD, *who, *command]

    def command(self, name, *arguments):
        return self.as_user([f'{self.bin}/{name}', *arguments])

    def sql(self, text, database='postgres', check=True):
        return subprocess.run(self.command('psql', '-h', self.folder, '-U', 'postgres', '-qAtX', '-d', database, '-c', text),
                              check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        end(self.load)
        end(self.process, signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis:
    """A server with 10,000 keys, and commands of the usual mixture at a steady rate."""

    MIXTURE = (('SET', 'n', 1), ('LPUSH', 'l', 'a'), ('LTRIM', 'l', 0, 99), ('LRANGE', 'l', 0, 9), ('SADD', 's', 'a'),
               ('ZADD', 'z', 1, 'a'), ('HSET', 'h', 'a', 1), ('GET', 'key:1'), ('INCR', 'n'), ('EXPIRE', 'n', 900),
               ('PUBLISH', 'c', 'm'), ('DEL', 's'), ('LPUSH', 'key:1', 'x'), ('XADD', 'x', 'MAXLEN', 9, '*', 'a', 'b'),
               ('MGET', 'key:1', 'key:2'), ('EXISTS', 'l'), ('TTL', 'n'), ('SCAN', 0))
    COMMANDS_PER_SECOND = 200

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        program = PARTS + '/bin/redis-server'
        if not os.path.exists(program):
            sys.exit('redis-server is not there: run tools/fetch_test_parts')
        self.process = subprocess.Popen([*CHILD, program, '--port', str(self.port), '--bind', '127.0.0.1', '--dir', self.folder.name,
                                         '--save', '', '--latency-monitor-threshold', '1'],
                                        env=dict(os.environ, LD_LIBRARY_PATH=PARTS + '/lib'), stdout=subprocess.DEVNULL)
        wait_for(self.port, self.process)
        self.connection = socket.create_connection(('127.0.0.1', self.port))
        for i in range(10_000):
            self.call('SET', f'key:{i}', i)
        self.ending = threading.Event()
        self.load = threading.Thread(target=self.run)
        self.load.start()

    def call(self, *words):
        command = b'*%d\r\n' % len(words)
        for word in words:
            word = str(word).encode()
            command += b'$%d\r\n%s\r\n' % (len(word), word)
        self.connection.sendall(command)
        return self.connection.recv(1 << 16)

    def run(self):
        while not self.ending.wait(len(self.MIXTURE) / self.COMMANDS_PER_SECOND):
            for words in self.MIXTURE:
                self.call(*words)

    def stop(self):
        self.ending.set()
        self.load.join()
        self.connection.close()
        end(self.process)
        self.folder.cleanup()


class Web:
    """Answers HTTP, HTTPS and DNS on loopback, each from one thread."""

    BODY = b'<html><body>' + b'status: ok ' * 200 + b'</body></html>'

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.certificate = self.folder.name + '/certificate.pem'
        key = self.folder.name + '/key.pem'
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                        '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key,
                        '-out', self.certificate], check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.sockets = [socket.create_server(('127.0.0.1', 0)), socket.create_server(('127.0.0.1', 0)),
                        socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
        self.sockets[2].bind(('127.0.0.1', 0))
        http, https, dns = (s.getsockname()[1] for s in self.sockets)
        self.http, self.https, self.tcp, self.dns = (f'http://127.0.0.1:{http}/', f'https://127.0.0.1:{https}/',
                                                     f'127.0.0.1:{http}', f'127.0.0.1:{dns}')
        self.threads = [threading.Thread(target=self.serve, args=(self.sockets[0], None), daemon=True),
                        threading.Thread(target=self.serve, args=(self.sockets[1], context), daemon=True),
                        threading.Thread(target=self.answer_names, args=(self.sockets[2],), daemon=True)]
        for thread in self.threads:
            thread.start()

    def serve(self, listener, context):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # stop()
            try:
                client.settimeout(5)
                with context.wrap_socket(client, server_side=True) if context else client as stream:
                    request = b''
                    while b'\r\n\r\n' not in request:
                        piece = stream.recv(4096)
                        if not piece:
                            break
                        request += piece
                    if request:
                        stream.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s'
                                       % (len(self.BODY), self.BODY))
            except OSError:
                pass

    @staticmethod
    def answer_names(listener):
        while True:
            try:
                query, client = listener.recvfrom(512)
            except OSError:
                return
            if not query:
                return  # stop()
            question = query[12:query.index(b'\0', 12) + 5]
            # A pointer to the name of the question, type A, class IN, 300 s, an address.
            answer = b'\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01'
            listener.sendto(query[:2] + b'\x85\x80\0\x01\0\x01\0\0\0\0' + question + answer, client)

    def stop(self):
        for listener in self.sockets:
            # Closing alone does not wake who waits in accept().
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        self.folder.cleanup()
