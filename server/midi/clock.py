"""A MIDI input's real-time messages and song position, told to the follower of its clock."""

from models.rhythm.clock import ClockFollower

SONG_POSITION, CLOCK, START, CONTINUE, STOP = 0xF2, 0xF8, 0xFA, 0xFB, 0xFC


def hear_clock(follower: ClockFollower, sample: float, message: bytes) -> bool:
    """Tell `follower` what came in at `sample`; return whether it was of the clock."""
    status = message[0] if message else 0
    if status == CLOCK:
        follower.clock(sample)
    elif status == START:
        follower.start()
    elif status == CONTINUE:
        follower.go_on()
    elif status == STOP:
        follower.stop()
    elif status == SONG_POSITION and len(message) == 3:
        follower.locate(message[2] << 7 | message[1])
    else:
        return False
    return True
