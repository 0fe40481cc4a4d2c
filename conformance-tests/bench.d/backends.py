"""The two databases as the benchmark sees them: where they are, and what they can tell about the work they did."""

import contextlib
import glob
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time


class Count:
    """What happened between entering and leaving a `with` block."""

    def __init__(self, count=None, rows=None, pages=None):
        self.count, self.rows, self.pages = count, rows, pages


class Sqlite:
    name = "sqlite"

    def __init__(self, root, folder, core):
        del root, core  # the library runs inside the server, wherever that is pinned
        self.file = os.path.join(folder, "curfew.db")
        self.url = "sqlite:" + self.file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def scans(self):
        return None

    def scans_since(self, before):
        del before
        return {"tables": None}

    def transactions(self):
        return None

    @contextlib.contextmanager
    def counting_syncs(self, pid):
        syncs = Count()
        output = self.file + ".strace"
        tracer = subprocess.Popen(
            ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", output, "-p", str(pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        time.sleep(0.5)
        try:
            yield syncs
        finally:
            if tracer.poll() is None:
                tracer.send_signal(signal.SIGINT)
            tracer.wait(10)
        with open(output, encoding="utf-8") as summary:
            syncs.count = sum(int(line.split()[3]) for line in summary if re.search(r"\b(fsync|fdatasync)$", line))

    def count_syncs(self, pid):
        """Counts the server's own syncs; None where nobody may watch it."""
        if shutil.which("strace") is None:
            return None
        probe = subprocess.run(
            ["timeout", "-s", "INT", "0.3", "strace", "-c", "-o", "/dev/null", "-p", str(pid)], capture_output=True, check=False
        )
        return None if b"not permitted" in probe.stderr else self.counting_syncs(pid)

    @contextlib.contextmanager
    def count_rows(self):
        """SQLite counts no rows for others, but what a transaction touched stands in the write-ahead log, page by page."""
        changed = Count()
        with contextlib.closing(sqlite3.connect(self.file, timeout=10)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            page = connection.execute("PRAGMA page_size").fetchone()[0]
        yield changed
        log = self.file + "-wal"
        size = os.path.getsize(log) if os.path.exists(log) else 0
        changed.pages = max(0, size - 32) // (page + 24)


class Postgres:
    name = "postgres"

    def __init__(self, root, folder, core):
        self.script = os.path.join(root, "conformance-tests", "postgres")
        self.folder, self.core = os.path.join(folder, "postgres"), core

    def __enter__(self):
        answer = subprocess.run(
            [self.script, "start", self.folder, "--cpu", self.core], stdout=subprocess.PIPE, text=True, check=False
        )
        if answer.returncode != 0:
            raise RuntimeError("PostgreSQL could not be started")
        self.url = re.search(r"CURFEW_TEST_POSTGRES_URL='([^']*)'", answer.stdout).group(1)
        return self

    def __exit__(self, *_):
        subprocess.run([self.script, "stop", self.folder], check=False)
        # The data belong to another user where the server had to run as one.
        for path in glob.glob(os.path.join(self.folder, "data")):
            shutil.rmtree(path, ignore_errors=True)

    def query(self, statement):
        done = subprocess.run(["psql", self.url, "-qAtX", "-c", statement], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{statement}: {done.stderr}")
        return done.stdout.strip()

    def scans(self):
        """How often each big table was read from end to end."""
        rows = self.query("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE n_live_tup > 1000").splitlines()
        return {name: int(count) for name, count in (row.split("|") for row in rows)}

    def scans_since(self, before):
        time.sleep(1.2)  # the counters are published once a second
        return {"tables": {name: count - before[name] for name, count in self.scans().items() if count > before.get(name, count)}}

    def transactions(self):
        return int(self.query("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"))

    @contextlib.contextmanager
    def counting_syncs(self):
        statement = "SELECT wal_sync FROM pg_stat_wal"
        time.sleep(1.2)
        syncs, before = Count(), int(self.query(statement))
        yield syncs
        time.sleep(1.2)
        syncs.count = int(self.query(statement)) - before

    def count_syncs(self, pid):
        del pid  # the database syncs, not the server
        return self.counting_syncs()

    @contextlib.contextmanager
    def count_rows(self):
        statement = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables"
        time.sleep(1.2)
        changed, before = Count(), int(self.query(statement))
        yield changed
        time.sleep(1.2)
        changed.rows = int(self.query(statement)) - before


BACKENDS = {"sqlite": Sqlite, "postgres": Postgres}
