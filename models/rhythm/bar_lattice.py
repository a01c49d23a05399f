"""The bar pointer's state space: places in bars of several metres times tempi, and the two recursions over it.

After Krebs, Boeck and Widmer (ISMIR 2015): the pointer moves evenly through a beat and its tempo changes only where a beat begins,
by exp(-|log ratio|). So nothing need be kept between beats: a state is a beat that begins at a frame (a row: metre and place; a
tempo), and a beat lasts its tempo's period give or take two frames. What no beat explains is the state without beats, beside which
all likelihoods are ratios: it says where music begins and ends. `bar_pointer` is the one caller.
"""

from __future__ import annotations

import numpy as np

SLOWEST_BPM, FASTEST_BPM, TEMPO_STEP = 55.0, 215.0, 0.025
TEMPO_CHANGE = 60.0  # nats for a change by e
NEAR_TEMPI = 4  # steps that a tempo changes smoothly
TEMPO_JUMP = 9.0  # nats for a change to any tempo
OFFSETS = np.arange(-2, 3)  # frames that a beat is longer than its period
OFFSET_FRAMES, OFFSET_SHARE = 0.6, 0.012  # standard deviation: frames and share of the period
OTHER_METRE, SHORT_BAR = (
    10.0,
    6.0,
)  # nats: another metre after a whole bar; a bar that ends early, as one in thirty does in POP909
RARER = 4.0  # nats: each metre after the first
BEGIN, END = 6.0, 6.0  # nats: that music begins at a frame, and that it ends with a beat
EVERY_FRAMES = 64  # likelihoods are brought back to scale so often


class BarLattice:
    """One stream's likelihoods. rows: place and beats a bar of each row. periods: frames of a beat at each tempo."""

    def __init__(self, frame_rate: float, bars: tuple[int, ...], memory: int) -> None:
        """Args: memory: frames that the best path can be followed back."""
        self.rows = [(place, bar) for bar in bars for place in range(bar)]
        tempi = round(np.log(FASTEST_BPM / SLOWEST_BPM) / TEMPO_STEP) + 1
        self.periods = frame_rate * 60 / np.geomspace(FASTEST_BPM, SLOWEST_BPM, tempi)
        lengths = np.round(self.periods).astype(int)
        self.durations = lengths + OFFSETS[:, None]  # (offsets, tempi) frames
        self.longest = int(self.durations.max()) + 1
        spread = OFFSET_FRAMES + OFFSET_SHARE * self.periods
        likely = np.exp(-0.5 * ((self.durations - self.periods) / spread) ** 2)
        likely /= likely.sum(0)
        ages = np.arange(self.longest)[::-1, None, None]  # the oldest first, as the rings have it
        self._lasts = np.where(self.durations > ages, likely, 0.0).sum(1)[:, None]  # (longest, 1, tempi)
        self._log_lasts = np.log(np.maximum(self._lasts, 1e-30))
        self._likely, self._log_likely = likely[:, None], np.log(likely)[:, None]
        self._moves()
        self._memory = memory
        self._size = (len(self.rows), tempi)
        cells = len(self.rows) * tempi
        self._back = -self.durations[:, None] * cells + np.arange(cells).reshape(self._size)
        self.reset()

    def _moves(self) -> None:
        """Make the tables of what follows what."""
        first = [place == 0 for place, _ in self.rows]
        self._firsts, self._others = np.flatnonzero(first), np.flatnonzero(~np.array(first))
        cost = np.full((len(self._firsts), len(self.rows)), np.inf)
        for at, row in enumerate(self._firsts):
            for before, (place, bar) in enumerate(self.rows):
                other = OTHER_METRE * (bar != self.rows[row][1])
                cost[at, before] = other + SHORT_BAR * (place < bar - 1) + (np.inf if not place else 0)
        self._first_cost = cost[:, :, None]
        follows = np.zeros((len(self.rows), len(self.rows)))  # (row, row before)
        follows[self._firsts] = np.exp(-cost)
        follows[self._others, self._others - 1] = 1
        self._follows = follows / follows.sum(0)
        tempi = np.arange(len(self.periods))
        self._from_steps = tempi - NEAR_TEMPI
        steps = np.abs(tempi - tempi[:, None])
        near = np.where(steps <= NEAR_TEMPI, np.exp(-TEMPO_CHANGE * TEMPO_STEP * steps), 0.0)
        near = near / near.sum(1, keepdims=True) + np.exp(-TEMPO_JUMP) / len(tempi)
        self._turns = near / near.sum(1, keepdims=True)  # (tempo before, tempo)
        self._near_cost = TEMPO_CHANGE * TEMPO_STEP * np.abs(np.arange(-NEAR_TEMPI, NEAR_TEMPI + 1))[:, None, None]
        metres = list(dict.fromkeys(bar for _, bar in self.rows))
        prior = np.exp([-RARER * metres.index(bar) - np.log(bar) for _, bar in self.rows])
        self._prior = np.repeat((prior / prior.sum() / len(tempi))[:, None], len(tempi), 1)
        self._log_begin = np.log(self._prior) - BEGIN

    def reset(self) -> None:
        """Have heard nothing: any beat may be going on, and most likely none."""
        self.frame = -1
        # Every frame is written twice, `_span` rows apart, so that the last ones always lie in one piece.
        self._span = self.longest + EVERY_FRAMES
        self._sums = np.zeros((2 * self._span, *self._size))
        self._bests = np.full((2 * self._span, *self._size), -1e9)
        self._no_sum, self._no_best = 1.0, 0.0
        self._sums[:] = self._prior * np.exp(-BEGIN) / self.longest
        self._bests[:] = self._log_begin - np.log(self.longest)
        tempi = self._size[1]
        self._padded = np.full((self._size[0], tempi + 2 * NEAR_TEMPI), -1e9)
        windows = np.lib.stride_tricks.sliding_window_view(self._padded, tempi, axis=1)
        self._windows = windows.transpose(1, 0, 2)  # (steps, rows, tempi), a view
        memory = self._memory
        self._offset_from = np.zeros((memory, *self._size), np.int8)
        self._row_from = np.zeros((memory, len(self._firsts), tempi), np.int8)
        self._tempo_from = np.full((memory, *self._size), -1, np.int16)
        self._none_from: list[tuple[int, int, int] | None] = [None] * memory

    def hear(self, gains: np.ndarray) -> None:
        """Take one frame. gains: (rows,) log of how much likelier it is where the row's beat begins than where none does."""
        self.frame += 1
        at = self._span + self.frame % self._span
        if self.frame % EVERY_FRAMES == 0:
            self._rescale()
        self._forward(at, np.exp(gains)[:, None])
        self._viterbi(at, gains[:, None])

    def _forward(self, at: int, gains: np.ndarray) -> None:
        ended = (self._sums.take(self._back + at * self._back[0].size) * self._likely).sum(0)  # (rows, tempi)
        begun = (self._follows @ ended @ self._turns) * (1 - np.exp(-END)) + self._no_sum * np.exp(-BEGIN) * self._prior
        self._no_sum = self._no_sum * (1 - np.exp(-BEGIN)) + float(ended.sum()) * np.exp(-END)
        begun *= gains
        self._sums[at] = self._sums[at - self._span] = begun

    def _viterbi(self, at: int, gains: np.ndarray) -> None:
        slot = self.frame % self._memory
        offsets = self._bests.take(self._back + at * self._back[0].size)
        offsets += self._log_likely
        ended = offsets.max(0)
        offsets.argmax(0, out=(best := np.empty(self._size, np.intp)))
        self._offset_from[slot] = best
        padded = self._padded[:, NEAR_TEMPI:-NEAR_TEMPI]
        bars = ended - self._first_cost  # (firsts, rows before, tempi)
        self._row_from[slot] = bars.argmax(1)
        padded[self._firsts] = bars.max(1)
        padded[self._others] = ended[self._others - 1]
        near = self._windows - self._near_cost
        begun = near.max(0)
        before = near.argmax(0) + self._from_steps
        jump = padded.argmax(1)[:, None]
        jumped = padded.max(1)[:, None] - TEMPO_JUMP
        before = np.where(jumped > begun, jump, before)
        np.maximum(begun, jumped, out=begun)
        born = self._no_best + self._log_begin
        self._tempo_from[slot] = np.where(born > begun, -1, before)
        np.maximum(begun, born, out=begun)
        begun += gains
        self._bests[at] = self._bests[at - self._span] = begun
        self._none_from[slot] = None
        if (end := float(ended.max()) - END) > self._no_best:
            row, tempo = divmod(int(ended.argmax()), self._size[1])
            self._no_best = end
            self._none_from[slot] = (self.frame - int(self.durations[best[row, tempo], tempo]), row, tempo)

    def _rescale(self) -> None:
        whole = self._no_sum + float(self._sums.max())
        self._sums /= whole
        self._no_sum /= whole
        self._bests -= self._no_best
        self._no_best = 0.0

    def now(self) -> tuple[np.ndarray, float]:
        """Return how likely each beat is the one that goes on, (longest, rows, tempi), and that none does; sum 1.

        The first axis is the frame at which it began: the last one's is this frame.
        """
        going = self._last(self._sums) * self._lasts
        whole = float(going.sum()) + self._no_sum
        return going / whole, self._no_sum / whole

    def path(self, until: int) -> list[tuple[int, int, int]]:
        """Return the beats of the best path, newest first, as frame, row and tempo, back to frame `until` or as far as is known."""
        going = self._last(self._bests) + self._log_lasts
        best = int(going.argmax())
        state: tuple[int, int, int] | None
        if going.flat[best] > self._no_best:
            age, rest = divmod(best, self._size[0] * self._size[1])
            row, tempo = divmod(rest, self._size[1])
            state = (self.frame - self.longest + 1 + age, row, tempo)
        else:
            state = self._before_none(self.frame)
        oldest, found = max(0, until, self.frame - self._memory + self.longest + 1), []
        while state is not None and state[0] >= oldest:
            found.append(state)
            state = self._before(*state)
        return found

    def _before(self, frame: int, row: int, tempo: int) -> tuple[int, int, int] | None:
        slot = frame % self._memory
        source = int(self._tempo_from[slot, row, tempo])
        if source < 0:
            return self._before_none(frame - 1)
        place = self.rows[row][0]
        if place:
            before = row - 1
        else:
            before = int(self._row_from[slot, int(np.searchsorted(self._firsts, row)), source])
        offset = int(self._offset_from[slot, before, source])
        return frame - int(self.durations[offset, source]), before, source

    def _before_none(self, frame: int) -> tuple[int, int, int] | None:
        """Return the last beat before a time without beats that goes on at `frame`."""
        for one in range(frame, max(-1, self.frame - self._memory + 1), -1):
            if (state := self._none_from[one % self._memory]) is not None:
                return state
        return None

    def _last(self, ring: np.ndarray) -> np.ndarray:
        at = self._span + self.frame % self._span
        return ring[at - self.longest + 1 : at + 1]
