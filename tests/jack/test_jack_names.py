"""JACK has eight places for servers on a machine: ours leave one free, and who finds none waits."""

import tempfile
import threading

import pytest

from benchmarks.native.jackd import PLACES, free_name
from server.errors import BacklineError


def test_the_places_are_fewer_than_jacks_and_who_finds_none_gets_the_next(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = [free_name(0.0) for _ in range(PLACES)]
    assert len({name for name, _ in held}) == PLACES < 8
    with pytest.raises(BacklineError, match=f"{PLACES} JACK servers of others are running"):
        free_name(0.0)
    found = []
    waiting = threading.Thread(target=lambda: found.append(free_name()))
    waiting.start()
    name, lock = held.pop(3)
    lock.close()
    waiting.join(20)
    assert found[0][0] == name
    for _, lock in held + found:
        lock.close()
