"""A batch on a cluster of two nodes gives what it gives here, byte for byte, and as much of it."""

import signal
import subprocess
import sys


def test_two_nodes_make_what_this_machine_makes(backline, ray_address, stems, tmp_path, contents, write_clicks):
    for seed in range(4):
        write_clicks(stems / f"more/{seed}.wav", seed + 10, 8.0)
    words = "batch", "probe", stems, "--only", "*.wav", "--only", "*.flac", "-o"
    assert backline(*words, tmp_path / "here").returncode == 0
    said = backline(*words, tmp_path / "there", "--ray", ray_address)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == f"8 files done on 2 nodes, 0 were done before, 0 failed; {tmp_path / 'there'} holds them\n"
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert len(contents(tmp_path / "here")) == 16
    again = backline(*words, tmp_path / "there")
    assert "0 files done, 8 were done before" in again.stdout, "the journal is the same one"


def test_a_transcription_on_the_cluster_is_the_one_made_here(
    backline, ray_address, strokes, write_wave, tmp_path, contents
):
    for seed in range(3):
        write_wave(tmp_path / "in" / f"{seed}.wav", strokes(22_050, 1.5, seed), 22_050)
    words = "batch", "transcriber", tmp_path / "in", "--set", "instrument=bass", "-o"
    assert backline(*words, tmp_path / "here").returncode == 0
    assert backline(*words, tmp_path / "there", "--ray", ray_address).returncode == 0
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_model_of_several_graphs_travels(backline, ray_address, mirror_folder, stems, tmp_path, contents):
    words = "batch", "mirror", stems, "--models", mirror_folder, "--only", "one.wav", "--only", "clip.mid", "-o"
    assert backline(*words, tmp_path / "here").returncode == 0
    assert backline(*words, tmp_path / "there", "--ray", ray_address).returncode == 0
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_file_that_fails_there_is_named_as_it_is_here(backline, ray_address, stems, tmp_path, contents):
    (stems / "broken.wav").write_text("This is no audio.")
    said = backline(
        "batch", "probe", stems, "-o", tmp_path / "out", "--only", "*.wav", "--suffix", ".mid", "--ray", ray_address
    )
    assert said.returncode == 1
    assert said.stderr == f"backline: cannot read {stems / 'broken.wav'} as audio: Format not recognised.\n"
    assert len(contents(tmp_path / "out")) == 3


def test_a_batch_on_the_cluster_is_stopped_and_goes_on(backline, start, ray_address, write_clicks, tmp_path, contents):
    for name, seconds in (("a.wav", 0.5), ("b long.wav", 600.0), ("c long.wav", 600.0)):
        write_clicks(tmp_path / "in" / name, 1, seconds)
    words = "batch", "probe", tmp_path / "in", "-o", tmp_path / "out", "--suffix", ".mid", "--ray", ray_address
    process = start(*words)
    journal = tmp_path / "out" / ".backline" / "journal.jsonl"
    while not (journal.exists() and journal.read_text()):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (
        130,
        "backline: stopped after 1 of 3 files; the same command goes on from there\n",
    )
    assert sorted(contents(tmp_path / "out")) == ["a.mid"]
    for name in ("b long.wav", "c long.wav"):
        write_clicks(tmp_path / "in" / name, 2)
    assert "2 files done on" in backline(*words).stdout
    assert sorted(contents(tmp_path / "out")) == ["a.mid", "b long.mid", "c long.mid"]


def test_a_cluster_that_is_not_there_is_one_sentence(backline, ray_address, stems, tmp_path):
    said = backline("batch", "probe", stems, "-o", tmp_path / "out", "--only", "*.wav", "--ray", "127.0.0.1:1")
    assert said.returncode == 2
    assert (
        said.stderr
        == "backline: there is no Ray cluster at '127.0.0.1:1'; `ray start --head` makes one of this machine\n"
    )


def test_without_ray_it_is_said_which_extra_brings_it(stems, tmp_path):
    code = "import sys; sys.modules['ray'] = None; from server.cli import main; sys.exit(main(sys.argv[1:]))"
    words = "batch", "probe", stems, "-o", tmp_path / "out", "--only", "*.wav", "--ray"
    said = subprocess.run(
        [sys.executable, "-P", "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 2, said
    assert said.stderr == "backline: --ray needs the Python package 'ray'; install backline with the extra `ray`\n"
