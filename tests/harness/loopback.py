"""Loopback addresses for servers of a test, so that several checkouts can test side by side."""
import itertools
import os
import socket
import time

PATIENCE = float(os.environ.get("TROUPE_TEST_PATIENCE", "60"))   # s
PORTS = (6443, 10250)   # what a node listens on
_numbers = itertools.count(1)


def _is_free(host):
    for port in PORTS:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def address():
    """An address of 127/8 that nobody uses: its own for each process of a machine, and looked at, because processes of
    two containers may have one number."""
    pid = os.getpid()
    end = time.monotonic() + PATIENCE
    while True:
        for _ in range(250):
            host = f"127.{32 + pid % 192}.{1 + pid // 192 % 250}.{next(_numbers) % 250 + 1}"
            if _is_free(host):
                return host
        # Somebody listens on all addresses; a test of another checkout soon ends.
        if time.monotonic() > end:
            raise RuntimeError(f"somebody listens on port {PORTS} of all addresses; `ss -ltnp` names them")
        time.sleep(0.2)
