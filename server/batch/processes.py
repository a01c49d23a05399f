"""Jobs in processes of this machine: each has one thread of its own that gives it a file at a time and waits.

    here: a line of JSON (source, parts, names) ->  the process: does it  -> a line of JSON (Outcome)

A process that dies takes its file with it and no other: the next file gets a new process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterable
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread

from server.batch.job import Outcome, Task, Work, do
from server.child_process import end_process, start_python

PATIENCE_SECONDS = 5.0  # a process that is asked to end has nothing to put away
CODE = "import sys; from server.batch.processes import serve; serve(sys.argv[1])"


def work_locally(work: Work, tasks: Iterable[Task], count: int) -> Generator[tuple[Task, Outcome], None, None]:
    """Yield the tasks as they are done, in `count` processes; when it is closed early, nobody works on."""
    crew = _Crew(work, tasks)
    threads = [Thread(target=crew.run, daemon=True) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
        at_work = count
        while at_work:
            done = crew.done.get()
            if done is None:
                at_work -= 1
            else:
                yield done
    finally:
        crew.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def serve(words: str) -> None:
    """Do what standard input asks for until it ends: the process's side. words: a Work as JSON."""
    work = Work(**json.loads(words))
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        row = json.loads(line)
        outcome = do(work, Path(row["source"]), tuple(map(Path, row["parts"])), row["names"])
        try:
            print(json.dumps(asdict(outcome)), file=answers)
        except BrokenPipeError:  # who asked is gone
            os._exit(1)


class _Crew:
    """What the threads share: the tasks still to do, the processes that run, and what is done (None: a thread has ended)."""

    def __init__(self, work: Work, tasks: Iterable[Task]) -> None:
        self.done: SimpleQueue[tuple[Task, Outcome] | None] = SimpleQueue()
        self._work, self._tasks, self._lock = work, iter(tasks), Lock()
        self._processes: list[subprocess.Popen[str]] = []
        self._stopped = False

    def run(self) -> None:
        """Work until no task is left: one thread."""
        process = None
        while (task := self._next()) is not None:
            try:
                if process is None or process.poll() is not None:
                    process = self._start()
            except OSError as error:
                self.done.put((task, Outcome(f"{task.job.source}: cannot start a process: {error.strerror or error}")))
                continue
            if process is None:
                break
            self.done.put((task, _ask(process, task)))
        if process is not None:
            end_process(process, PATIENCE_SECONDS)
            _close(process)
        self.done.put(None)

    def stop(self) -> None:
        """Let no task be begun, and end the processes."""
        with self._lock:
            self._stopped = True
            running = [process for process in self._processes if process.poll() is None]
        for process in running:
            end_process(process, PATIENCE_SECONDS)

    def _next(self) -> Task | None:
        with self._lock:
            return None if self._stopped else next(self._tasks, None)

    def _start(self) -> "subprocess.Popen[str] | None":
        with self._lock:
            if self._stopped:
                return None
            process = start_python(
                CODE, json.dumps(asdict(self._work)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self._processes.append(process)
            return process


def _ask(process: "subprocess.Popen[str]", task: Task) -> Outcome:
    """Give a process a task and wait for its answer, or for its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    names = {str(part): str(place) for part, place in zip(task.parts, task.job.outputs, strict=True)}
    row = {"source": str(task.job.source), "parts": list(map(str, task.parts)), "names": names}
    try:
        process.stdin.write(json.dumps(row) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except OSError:
        line = ""
    if not line.endswith("\n"):
        code = process.wait()
        _close(process)
        reason = f"signal {-code}" if code < 0 else f"code {code}"
        return Outcome(f"{task.job.source}: the process that worked on it ended with {reason}; is there enough memory?")
    row = json.loads(line)
    return Outcome(**(row | {"said": tuple(row["said"])}))


def _close(process: "subprocess.Popen[str]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # a line was left in it that nobody reads any more
                pass
