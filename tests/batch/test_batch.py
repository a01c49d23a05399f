"""A folder of files through a model: what `run` makes of each, done once, and every file for itself."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

MADE = ["one.mid", "one.wav", "songs/late night/four.mid", "songs/late night/four.wav", "songs/three.mid", "songs/three.wav",
        "two.mid", "two.wav"]  # fmt: skip


def journal(output):
    """Return the rows of the journal."""
    return [json.loads(line) for line in (output / ".backline" / "journal.jsonl").read_text().splitlines()]


def test_every_file_becomes_what_run_makes_of_it(backline, stems, tmp_path, contents):
    said = backline("batch", "probe", stems, "-o", tmp_path / "out", "--only", "*.wav", "--only", "*.flac", "--jobs", 2)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == f"4 files done, 0 were done before, 0 failed; {tmp_path / 'out'} holds them\n"
    made = contents(tmp_path / "out")
    assert sorted(made) == MADE
    for name, suffix in (("one", "wav"), ("songs/three", "flac")):
        files = tmp_path / "run.mid", tmp_path / "run.wav"
        assert backline("run", "probe", stems / f"{name}.{suffix}", "-o", files[0], "-o", files[1]).returncode == 0
        assert [made[f"{name}.mid"], made[f"{name}.wav"]] == [file.read_bytes() for file in files]
    assert not (tmp_path / "out" / ".backline" / "parts").exists()


def test_the_transcriber_makes_of_recordings_what_run_makes_of_them(backline, strokes, write_wave, tmp_path, contents):
    for seed in range(2):
        write_wave(tmp_path / "in" / f"{seed}.wav", strokes(44_100, 1.5, seed), 44_100)
    words = ["--set", "instrument=guitar", "--set", "look_ahead_ms=40"]
    assert backline("batch", "transcriber", tmp_path / "in", "-o", tmp_path / "out", *words).returncode == 0
    made = contents(tmp_path / "out")
    assert sorted(made) == ["0.mid", "1.mid"]
    for seed in range(2):
        backline("run", "transcriber", tmp_path / "in" / f"{seed}.wav", "-o", tmp_path / "run.mid", *words)
        assert made[f"{seed}.mid"] == (tmp_path / "run.mid").read_bytes()


def test_a_model_of_two_directions_takes_the_one_that_each_file_means(
    backline, mirror_folder, stems, tmp_path, contents
):
    words = "mirror", stems, "--models", mirror_folder, "--only", "one.wav", "--only", "clip.mid"
    assert backline("batch", *words, "-o", tmp_path / "out").returncode == 0
    assert sorted(contents(tmp_path / "out")) == ["clip.wav", "one.mid"]
    assert backline("batch", *words, "-o", tmp_path / "waves", "--suffix", "wav").returncode == 0
    assert sorted(contents(tmp_path / "waves")) == ["clip.wav", "one.wav"]


def test_what_is_done_is_not_done_again(backline, stems, tmp_path):
    words = "batch", "probe", stems, "-o", tmp_path / "out", "--suffix", ".mid", "--only", "*.wav"
    assert backline(*words).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.mid")}
    os.utime(stems / "one.wav")  # touched, and still the same
    assert "0 files done, 3 were done before, 0 failed" in backline(*words).stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "3 files done, 0 were done before" in backline(*words, "--again").stdout


@pytest.mark.parametrize("change", ["input", "output", "damage", "suffix", "setting", "model"])
def test_what_changed_is_done_again_and_nothing_else(backline, stems, tmp_path, write_clicks, pulse_model, change):
    model = pulse_model(tmp_path / "model.onnx", 1.0)
    words = ["batch", model, stems, "-o", tmp_path / "out", "--suffix", ".mid", "--only", "*.wav"]
    assert backline(*words).returncode == 0
    done = 3
    if change == "input":
        stamp = (stems / "one.wav").stat()
        write_clicks(stems / "one.wav", 17)  # as long as it was, and of the same second
        os.utime(stems / "one.wav", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        done = 1
    elif change == "output":
        (tmp_path / "out" / "one.mid").unlink()
        done = 1
    elif change == "damage":
        (tmp_path / "out" / "one.mid").write_bytes(b"half")
        done = 1
    elif change == "suffix":
        words += ["--suffix", ".wav"]
    elif change == "setting":
        words += ["--set", "tempo_bpm=90"]
    else:
        pulse_model(model, 0.5)
    assert f"{done} files done, {3 - done} were done before, 0 failed" in backline(*words).stdout
    assert "0 files done, 3 were done before, 0 failed" in backline(*words).stdout


def test_a_default_that_is_written_out_changes_nothing(backline, stems, tmp_path):
    words = "batch", "probe", stems, "-o", tmp_path / "out", "--suffix", ".mid", "--only", "one.wav"
    backline(*words)
    assert "0 files done, 1 were done before" in backline(*words, "--set", "tempo_bpm=120").stdout


def test_a_file_that_fails_is_named_at_the_end_and_the_rest_is_done(backline, stems, tmp_path, contents):
    (stems / "broken.wav").write_text("This is no audio.")
    said = backline("batch", "probe", stems, "-o", tmp_path / "out", "--only", "*.wav", "--suffix", ".mid")
    assert said.returncode == 1
    assert said.stderr == f"backline: cannot read {stems / 'broken.wav'} as audio: Format not recognised.\n"
    assert said.stdout.startswith("3 files done, 0 were done before, 1 failed")
    assert sorted(contents(tmp_path / "out")) == ["one.mid", "songs/late night/four.mid", "two.mid"]
    write = backline("batch", "probe", stems, "-o", tmp_path / "out", "--only", "*.wav", "--suffix", ".mid")
    assert write.stdout.startswith("0 files done, 3 were done before, 1 failed"), "it is tried again"


def test_an_output_that_cannot_be_written_is_named_by_its_place(backline, stems, tmp_path, contents):
    (tmp_path / "out" / "one.mid").mkdir(parents=True)
    said = backline("batch", "probe", stems, "-o", tmp_path / "out", "--only", "*.wav", "--suffix", ".mid")
    assert said.returncode == 1
    assert said.stderr == f"backline: cannot write {tmp_path / 'out' / 'one.mid'}: Is a directory\n"
    assert sorted(contents(tmp_path / "out")) == ["songs/late night/four.mid", "two.mid"]


def test_a_process_that_dies_costs_its_own_file(start, write_clicks, tmp_path, contents):
    write_clicks(tmp_path / "in" / "a long one.wav", 0, 600.0)
    write_clicks(tmp_path / "in" / "short.wav", 1)
    process = start("batch", "probe", tmp_path / "in", "-o", tmp_path / "out", "--suffix", ".mid", "--jobs", 1)
    os.kill(worker_of(process), signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert err.startswith(
        f"backline: {tmp_path / 'in' / 'a long one.wav'}: the process that worked on it ended with signal 9"
    )
    assert out.startswith("1 files done, 0 were done before, 1 failed")
    assert sorted(contents(tmp_path / "out")) == ["short.mid"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_batch_that_is_ended_leaves_nothing_half_written_and_goes_on(
    backline, start, write_clicks, tmp_path, contents, end
):
    write_clicks(tmp_path / "in" / "a.wav", 1)
    write_clicks(tmp_path / "in" / "b long one.wav", 0, 600.0)
    words = "batch", "probe", tmp_path / "in", "-o", tmp_path / "out", "--jobs", 1
    process = start(*words)
    worker = worker_of(process)
    wait_for(lambda: (tmp_path / "out" / ".backline" / "journal.jsonl").read_text().endswith("\n"))
    os.kill(process.pid, end)
    if end == signal.SIGKILL:  # it cannot end its own process, which would end by itself after the file that it has
        os.kill(worker, signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == (-9 if end == signal.SIGKILL else 130), err
    if end != signal.SIGKILL:
        assert err == "backline: stopped after 1 of 2 files; the same command goes on from there\n"
        assert not (tmp_path / "out" / ".backline" / "parts").exists()
    assert sorted(contents(tmp_path / "out")) == ["a.mid", "a.wav"]
    write_clicks(tmp_path / "in" / "b long one.wav", 0, 1.0)
    assert "1 files done, 1 were done before, 0 failed" in backline(*words).stdout
    assert not (tmp_path / "out" / ".backline" / "parts").exists()


def test_a_line_that_is_torn_costs_one_file(backline, stems, tmp_path):
    words = "batch", "probe", stems, "-o", tmp_path / "out", "--suffix", ".mid", "--only", "*.wav", "--jobs", 1
    backline(*words)
    path = tmp_path / "out" / ".backline" / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert "1 files done, 2 were done before" in backline(*words).stdout
    assert len(journal(tmp_path / "out")) == 3


def test_the_folder_can_be_moved_and_lie_in_the_one_that_is_read(backline, stems, tmp_path):
    words = "batch", "probe", stems, "--suffix", ".mid", "--only", "*.wav", "-o"
    assert backline(*words, stems / "made").returncode == 0
    assert "0 files done, 3 were done before" in backline(*words, stems / "made").stdout
    shutil.move(stems / "made", tmp_path / "elsewhere")
    assert "0 files done, 3 were done before" in backline(*words, tmp_path / "elsewhere").stdout


def test_two_batches_do_not_write_to_one_folder(backline, start, write_clicks, stems, tmp_path):
    write_clicks(tmp_path / "long" / "long.wav", 0, 600.0)
    first = start("batch", "probe", tmp_path / "long", "-o", tmp_path / "out", "--jobs", 1)
    worker_of(first)
    said = backline("batch", "probe", stems, "-o", tmp_path / "out", "--only", "one.wav")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=300)
    assert said.returncode == 2
    assert (
        said.stderr
        == f"backline: another batch is writing to {tmp_path / 'out'}; wait for it, or name another folder\n"
    )


WRONG = {
    "no folder": (["probe", "{in}/none", "-o", "{out}"], "there is no folder {in}/none"),
    "no model": (["nobody", "{in}", "-o", "{out}"], "there is no model 'nobody'"),
    "no music": (["probe", "{in}", "-o", "{out}", "--only", "*.ogg"], "{in} holds no audio or MIDI file whose name is like *.ogg"),
    "no such output": (["transcriber", "{in}", "-o", "{out}", "--suffix", ".wav"], "model 'transcriber' makes no .wav of"),
    "no such suffix": (["probe", "{in}", "-o", "{out}", "--suffix", "doc"], "--suffix is '.doc'; allowed: .mid"),
    "no such setting": (["probe", "{in}", "-o", "{out}", "--only", "*.wav", "--set", "colour=red"], "has no parameter 'colour'"),
    "wrong value": (["probe", "{in}", "-o", "{out}", "--only", "*.wav", "--set", "tempo_bpm=1"], "tempo_bpm is '1'; allowed: 20"),
    "the same folder": (["probe", "{in}", "-o", "{in}"], "the files to read lie in it; name another folder"),
    "the folder above": (["probe", "{in}", "-o", "{in}/.."], "the files to read lie in it; name another folder"),
    "two of one name": (["probe", "{in}", "-o", "{out}"], "would both become {out}/one.mid; --only PATTERN chooses one"),
    "nowhere": (["probe", "{in}", "-o", "{out}/a/b", "--only", "two.wav"], "there is no folder {out}/a"),
    "no jobs": (["probe", "{in}", "-o", "{out}", "--jobs", "0"], "0 processes; allowed: 1 to 1024"),
    "jobs on Ray": (["probe", "{in}", "-o", "{out}", "--jobs", "2", "--ray"], "--jobs is for this machine"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence_and_writes_nothing(backline, stems, tmp_path, write_clicks, case):
    write_clicks(stems / "one.flac", 5)
    words, sentence = WRONG[case]
    names = {"in": str(stems), "out": str(tmp_path / "out")}
    said = backline("batch", *(word.format(**names) for word in words))
    assert said.returncode == 2
    assert sentence.format(**names) in said.stderr
    assert said.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def wait_for(is_so):
    """Wait until something is so that another process does."""
    end = time.monotonic() + 300
    while True:
        try:
            if is_so():
                return
        except OSError:
            pass
        assert time.monotonic() < end, "it did not happen"
        os.sched_yield()


def worker_of(process):
    """Return the process that works for a batch, when it has a file in its hands."""
    assert process.poll() is None, process.communicate()
    found: list[int] = []

    def there():
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        children = [int(number) for task in tasks for number in (task / "children").read_text().split()]
        found[:] = [c for c in children if b"server.batch.processes" in Path(f"/proc/{c}/cmdline").read_bytes()]
        return bool(found)

    wait_for(there)
    return found[0]
