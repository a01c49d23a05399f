"""The watchdog's judgement, tick by tick, on a clock made by hand."""

import pytest

from server.watchdog import (
    FROZEN_SECONDS,
    LATE_TICK_SECONDS,
    SILENT_SECONDS,
    TICK_SECONDS,
    TICKS_TO_BE_SURE,
    Sight,
    Watchdog,
)


class Scene:
    """An engine as the watchdog sees it; every field can be changed between ticks."""

    def __init__(self) -> None:
        self.now, self.heartbeat_age, self.work, self.waiting = 100.0, 0.0, 0, False
        self.judge = Watchdog()

    def tick(self, seconds: float = TICK_SECONDS) -> str | None:
        self.now += seconds
        return self.judge.judge(Sight(self.now, self.heartbeat_age, self.work, self.waiting))

    def ticks(self, seconds: float) -> list[str | None]:
        return [self.tick() for _ in range(round(seconds / TICK_SECONDS))]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_idle_engine_that_beats_is_well(scene):
    assert set(scene.ticks(60.0)) == {None}


def test_an_engine_that_works_off_its_datagrams_is_well(scene):
    scene.waiting = True
    for _ in range(500):
        scene.work += 1
        assert scene.tick() is None


def test_a_heartbeat_that_stands_still_is_frozen_after_a_few_ticks(scene):
    verdicts = []
    for _ in range(30):
        scene.heartbeat_age += TICK_SECONDS
        verdicts.append(scene.tick())
    first = next(i for i, verdict in enumerate(verdicts) if verdict)
    assert set(verdicts[first:]) == {"frozen"}
    assert FROZEN_SECONDS < (first + 1) * TICK_SECONDS <= FROZEN_SECONDS + (TICKS_TO_BE_SURE + 1) * TICK_SECONDS


def test_datagrams_that_wait_while_nothing_is_done_are_silent(scene):
    scene.ticks(1.0)
    scene.waiting = True
    verdicts = scene.ticks(1.0)
    first = next(i for i, verdict in enumerate(verdicts) if verdict)
    assert set(verdicts[first:]) == {"silent"}
    assert SILENT_SECONDS < (first + 1) * TICK_SECONDS <= SILENT_SECONDS + (TICKS_TO_BE_SURE + 2) * TICK_SECONDS


def test_waiting_counts_from_its_own_beginning(scene):
    scene.ticks(5.0)  # nothing to do for long
    scene.waiting = True
    assert set(scene.ticks(SILENT_SECONDS)) == {None}


def test_blocks_that_get_done_while_others_wait_are_no_silence(scene):
    scene.waiting = True  # a batch of datagrams was taken; more wait while its blocks are worked on
    for tick in range(200):
        scene.work += tick % 10 == 0
        assert scene.tick() is None


def test_one_sign_of_life_starts_the_count_again(scene):
    scene.heartbeat_age = FROZEN_SECONDS * 2
    for _ in range(50):
        assert [scene.tick() for _ in range(TICKS_TO_BE_SURE - 1)] == [None] * (TICKS_TO_BE_SURE - 1)
        scene.heartbeat_age = 0.0
        assert scene.tick() is None
        scene.heartbeat_age = FROZEN_SECONDS * 2


@pytest.mark.parametrize(("heartbeat_age", "waiting"), [(10.0, False), (0.0, True), (10.0, True)])
def test_ticks_that_come_late_are_no_evidence(scene, heartbeat_age, waiting):
    scene.heartbeat_age, scene.waiting = heartbeat_age, waiting
    scene.tick()
    for _ in range(100):  # the whole machine stands still between them
        assert scene.tick(LATE_TICK_SECONDS * 1.5) is None


def test_after_a_late_tick_the_full_evidence_is_needed_again(scene):
    scene.heartbeat_age = FROZEN_SECONDS * 2
    assert [scene.tick() for _ in range(TICKS_TO_BE_SURE - 1)] == [None] * (TICKS_TO_BE_SURE - 1)
    assert scene.tick(LATE_TICK_SECONDS * 2) is None
    verdicts = [scene.tick() for _ in range(TICKS_TO_BE_SURE)]
    assert verdicts == [None] * (TICKS_TO_BE_SURE - 1) + ["frozen"]


def test_an_engine_that_recovers_is_well_again(scene):
    scene.ticks(1.0)
    scene.waiting = True
    assert scene.ticks(1.0)[-1] == "silent"
    scene.work += 1
    assert scene.tick() is None
    scene.waiting = False
    assert set(scene.ticks(5.0)) == {None}


def test_frozen_is_said_before_silent_where_both_are_true(scene):
    scene.waiting, scene.heartbeat_age = True, 10.0
    assert scene.ticks(1.0)[-1] == "frozen"
