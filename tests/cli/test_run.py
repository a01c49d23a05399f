"""`run` ends with a line that says what it has made, whoever reads it."""


def test_a_run_says_how_many_notes_there_are_and_where(backline, inputs, tmp_path):
    files = tmp_path / "a.mid", tmp_path / "a.wav", tmp_path / "log.jsonl"
    said = backline("run", "probe", inputs / "good.wav", "-o", files[0], "-o", files[1], "--log", files[2])
    assert (said.code, said.err) == (0, "")
    assert said.out == f"5 notes; wrote {files[0]} and {files[1]} and {files[2]}\n"
    assert all(file.stat().st_size for file in files)
