"""The steps of an engine's streams: on which provider, alone or in rows that share a call, with the CPU to fall back to.

StepPool (an engine) -> StreamSteps (a stream) -> OnnxStep | SlotStep | FallbackStep(SlotStep on a device, OnnxStep)
"""

from models.manifest import GraphSpec
from models.step import Step
from server.batched_step import SIZES, SlotStep, StepGroup
from server.errors import BacklineError
from server.fallback_step import FallbackStep, first_line, share_kept_hops
from server.onnx_step import OnnxStep, open_session
from server.providers import Choice, choose_provider
from server.row_plan import Place, plan_rows
from server.together import Together

Shared = tuple[Place, str]
"""A graph and the provider that its groups are on."""


class StepPool:
    """One engine's. One owner, one thread."""

    def __init__(self, provider: str = "auto", batch: int = 1) -> None:
        """Args: batch: streams that may share a call. Raises BacklineError where it is none of SIZES, or greenlet is missing."""
        check_batch(batch)
        self._wanted, self._batch = provider, batch
        self.together = Together() if batch > 1 else None
        self.choices: dict[str, Choice] = {}
        self._groups: dict[Shared, list[StepGroup]] = {}
        self._fallbacks: list[FallbackStep] = []
        self.problem = ""  # why a device is not used any more; of what a lost one raises, the first is the news
        self._warmed = 0  # groups that were kept warm: they take turns

    def stream(self) -> "StreamSteps":
        """Return what makes one stream's steps."""
        return StreamSteps(self)

    def make(self, place: Place, graph: GraphSpec, budget_us: float) -> Step:
        """Return a new step of a graph. budget_us: what one may take. Raises BacklineError."""
        path, file, constants = place
        choice = self._choose(place, graph, budget_us)
        self.choices[graph.name] = choice
        if choice.provider == "cpu" and (self.together is None or graph.clock != "hop" or self.problem):
            # Of a graph that does not run once a hop the player looks into the state, and a hop's end does not wait for it.
            # After a device failed: to measure groups for the CPU now would hold up the streams that run.
            return OnnxStep(open_session(path, "cpu", constants=constants, file=file), graph)
        if choice.provider == "cpu":
            return self._slot((place, "cpu"), graph)
        spare = OnnxStep(open_session(path, "cpu", constants=constants, file=file), graph)
        try:
            first = self._slot((place, choice.provider), graph)
        except Exception as error:
            self._take_error(choice.provider, error)
            self.choices[graph.name] = self._choose(place, graph, budget_us)
            return spare
        fallback = FallbackStep(first, spare, graph, on_problem=self._take_problem)
        self._fallbacks.append(fallback)
        share_kept_hops(self._fallbacks)
        return fallback

    def prepare(self, place: Place, graph: GraphSpec, budget_us: float) -> None:
        """Load now what a step of a graph will need: later it would hold up the streams that run. Raises BacklineError."""
        path, file, constants = place
        open_session(path, "cpu", constants=constants, file=file)
        provider = self._choose(place, graph, budget_us).provider
        shared = (place, provider)
        in_rows = graph.clock == "hop" and not self.problem and (self.together is not None or provider != "cpu")
        if in_rows and shared not in self._groups:
            try:
                self._groups[shared] = [self._group(shared, graph)]
            except Exception as error:
                self._take_error(provider, error)

    def forget(self, steps: list[Step]) -> None:
        """Give back the rows of steps that are not used any more."""
        for step in steps:
            if isinstance(step, FallbackStep) and step in self._fallbacks:
                self._fallbacks.remove(step)
            slot = step.first if isinstance(step, FallbackStep) else step
            if isinstance(slot, SlotStep):
                slot.group.give_back(slot.row)
        share_kept_hops(self._fallbacks)

    def provider(self) -> str:
        """Say where the steps run: cpu, cuda, or cpu and why no longer on a device."""
        if self.problem:
            return f"cpu, since a device failed: {self.problem}"
        return "+".join(sorted({choice.provider for choice in self.choices.values()})) or "cpu"

    def on_device(self) -> list[StepGroup]:
        """Return the groups on devices that streams are in, unless one has failed."""
        if self.problem:
            return []
        steps = [step.first for step in self._fallbacks]
        return list(dict.fromkeys(step.group for step in steps if isinstance(step, SlotStep)))

    def keep_warm(self) -> None:
        """Make one call that changes nothing, on the next group of a device. Raises what the device raises."""
        groups = self.on_device()
        if groups:
            self._warmed += 1
            groups[self._warmed % len(groups)].keep_warm()

    def _choose(self, place: Place, graph: GraphSpec, budget_us: float) -> Choice:
        choice = choose_provider(self._wanted, place, graph, budget_us, self._batch)
        if choice.provider != "cpu" and self.problem:
            return Choice("cpu", f"{choice.provider} failed: {self.problem}")
        return choice

    def _take_problem(self, problem: str) -> None:
        self.problem = self.problem or problem

    def _take_error(self, provider: str, error: Exception) -> None:
        """Note that a device has failed, or has no room for more. Raises an error that is not the device's."""
        if provider == "cpu" or isinstance(error, BacklineError):
            raise error
        self._take_problem(first_line(error))

    def _slot(self, shared: Shared, graph: GraphSpec) -> SlotStep:
        groups = self._groups.setdefault(shared, [])
        group = next((each for each in groups if not each.is_full), None)
        if group is None:
            group = self._group(shared, graph)
            groups.append(group)
        return SlotStep(group, group.take(), _alone if self.together is None else self.together.wait)

    def _group(self, shared: Shared, graph: GraphSpec) -> StepGroup:
        place, provider = shared
        return plan_rows(place, graph, provider, self._batch).group()


class StreamSteps:
    """Makes one stream's steps and gives their rows back."""

    def __init__(self, pool: StepPool) -> None:
        self._pool = pool
        self._steps: list[Step] = []

    def make(self, place: Place, graph: GraphSpec, budget_us: float) -> Step:
        """See StepPool.make."""
        step = self._pool.make(place, graph, budget_us)
        self._steps.append(step)
        return step

    def prepare(self, place: Place, graph: GraphSpec, budget_us: float) -> None:
        """See StepPool.prepare."""
        self._pool.prepare(place, graph, budget_us)

    def close(self) -> None:
        """Give everything back; the stream makes no call any more."""
        self._pool.forget(self._steps)
        self._steps.clear()


def check_batch(batch: int) -> int:
    """Return `batch`. Raises BacklineError where no call has that many streams."""
    if batch not in SIZES:
        raise BacklineError(f"batch is {batch}; allowed: {', '.join(map(str, SIZES))} streams a call")
    return batch


def _alone(group: StepGroup, row: int) -> None:
    """Have a row run by itself."""
    group.run([row])
