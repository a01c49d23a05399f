// The piano roll of one stream: a canvas, and the notes that it shows. Time is the stream's sample index.

import { pitchName } from "./names.js";

const KEYS = 46; // px of the keyboard at the left
const STRIP = 18; // px of the pedal's strip at the bottom
const PIXELS_A_SECOND = 92;
const FEWEST = 25; // pitches, two octaves
const KEPT_SECONDS = 60;
const SOFT = 30, LOUD = 115; // velocities between which the colour changes
const CATCH_UP = 0.12; // of the distance to where the server says the stream is, per frame
const JUMP_SECONDS = 0.3;
const INKS = [
  "well", "black-row", "line", "line-soft", "ink", "ink-soft", "now", "wait", "pedal", "panel", "white-key", "black-key",
]; // of the style sheet
const BLACK = new Set([1, 3, 6, 8, 10]);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

export class Roll {
  constructor(canvas, rate) {
    this.canvas = canvas;
    this.rate = rate;
    this.latency = 0; // samples between a note's place and its leaving
    this.bendRange = 2; // semitones that a full turn of the wheel means
    this.notes = []; // {pitch, velocity, channel, start, end}; end is null while it sounds
    this.bends = []; // per channel: [place, semitones]
    this.pedals = []; // [place, down]
    this.count = 0;
    this.position = 0; // samples, as the server said last
    this.shown = 0; // samples, as it is drawn
    this.heardAt = 0;
    this.low = 48;
    this.high = 48 + FEWEST - 1;
    this.colours();
    dark.addEventListener("change", () => this.colours());
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    this.ink = {};
    for (const name of INKS) {
      this.ink[name] = style.getPropertyValue(`--${name}`).trim();
    }
    const stops = [1, 2, 3, 4].map((n) => style.getPropertyValue(`--v${n}`).trim());
    this.shades = Array.from({ length: 128 }, (_, velocity) => between(stops, (velocity - SOFT) / (LOUD - SOFT)));
  }

  /** Take one event: due, place, status, data 1, data 2. */
  event([, place, status, data1, data2]) {
    const kind = status & 0xf0, channel = status & 0x0f;
    if (kind === 0x90 && data2) {
      this.end(data1, channel, place);
      this.notes.push({ pitch: data1, velocity: data2, channel, start: place, end: null });
      this.count += 1;
    } else if (kind === 0x80 || kind === 0x90) {
      this.end(data1, channel, place);
    } else if (kind === 0xb0 && data1 === 64) {
      this.pedals.push([place, data2 >= 64]);
    } else if (kind === 0xe0) {
      const semitones = (((data2 << 7) | data1) / 8192 - 1) * this.bendRange;
      (this.bends[channel] ??= []).push([place, semitones]);
    }
  }

  end(pitch, channel, place) {
    for (let i = this.notes.length - 1; i >= 0; i--) {
      const note = this.notes[i];
      if (note.end === null && note.pitch === pitch && note.channel === channel) note.end = Math.max(place, note.start);
    }
  }

  /** Know all that sounds now: something was missed. sounding: [channel, pitch, velocity]. */
  resume(sounding) {
    const there = new Map(sounding.map(([channel, pitch, velocity]) => [channel * 128 + pitch, [channel, pitch, velocity]]));
    for (const note of this.notes) {
      if (note.end === null && !there.delete(note.channel * 128 + note.pitch)) note.end = this.position;
    }
    for (const [channel, pitch, velocity] of there.values()) {
      this.notes.push({ pitch, velocity, channel, start: this.position, end: null });
    }
  }

  /** Know where the stream is. */
  at(position) {
    if (position < this.position - this.rate * JUMP_SECONDS) { // a jump back: what is later has not happened
      this.notes = this.notes.filter((note) => note.start <= position);
      this.pedals = [];
      this.bends = [];
    }
    this.position = position;
    this.heardAt = performance.now();
    if (Math.abs(position - this.shown) > this.rate * JUMP_SECONDS) this.shown = position;
    const oldest = position - KEPT_SECONDS * this.rate;
    if (this.notes.length && this.notes[0].end !== null && this.notes[0].end < oldest) {
      this.notes = this.notes.filter((note) => note.end === null || note.end >= oldest);
      this.pedals = lately(this.pedals, oldest);
      this.bends = this.bends.map((bends) => lately(bends, oldest));
    }
  }

  /** The pitches that sound, low to high. */
  sounding() {
    return [...new Set(this.notes.filter((note) => note.end === null).map((note) => note.pitch))].sort((a, b) => a - b);
  }

  draw(now) {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    const scale = devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    this.advance(now);
    this.paint(context, box.width, box.height);
  }

  /** Move on with the clock of this machine, and towards what the server said. */
  advance(now) {
    const since = Math.min(now - this.heardAt, 150) / 1000; // a stream that is not heard from stands still
    const goal = this.position + Math.max(0, since) * this.rate;
    const passed = since < 0.15 ? ((now - (this.drawnAt ?? now)) / 1000) * this.rate : 0;
    this.shown = still.matches ? this.position : Math.min(goal, this.shown + (goal - this.shown) * CATCH_UP + passed * (1 - CATCH_UP));
    this.drawnAt = now;
  }

  paint(context, width, height) {
    const { ink, rate } = this;
    const seconds = (width - KEYS) / PIXELS_A_SECOND;
    // With motion reduced the picture turns pages instead of moving.
    const edge = still.matches
      ? (Math.floor(this.shown / rate / seconds) + 1) * seconds * rate
      : this.shown + 0.14 * rate;
    const first = edge - seconds * rate;
    const x = (sample) => KEYS + ((sample - first) / rate) * PIXELS_A_SECOND;
    const shown = this.notes.filter((note) => (note.end ?? this.shown) >= first);
    this.range(shown);
    const row = (height - STRIP) / (this.high - this.low + 1);
    const y = (pitch) => (this.high - pitch) * row;

    context.fillStyle = ink.well;
    context.fillRect(0, 0, width, height);
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (BLACK.has(pitch % 12)) { context.fillStyle = ink["black-row"]; context.fillRect(KEYS, y(pitch), width, row); }
      if (pitch % 12 === 0) { context.fillStyle = ink.line; context.fillRect(KEYS, y(pitch) + row - 0.5, width, 1); }
    }
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    for (let second = Math.max(0, Math.ceil(first / rate)); second * rate < edge; second++) {
      context.fillStyle = ink["line-soft"];
      context.fillRect(x(second * rate), 0, 1, height - STRIP);
      context.fillStyle = ink["ink-soft"];
      if (second % 2 === 0) context.fillText(`${second} s`, x(second * rate) + 4, 3);
    }
    this.paintPedal(context, x, height, first);
    if (this.latency > 0) {
      const left = x(this.shown - this.latency);
      context.fillStyle = ink.wait;
      context.fillRect(left, 0, x(this.shown) - left, height - STRIP);
    }
    context.save();
    context.beginPath();
    context.rect(KEYS, 0, width, height - STRIP);
    context.clip();
    for (const note of shown) this.paintNote(context, note, x, y, row, first);
    context.restore();
    context.fillStyle = ink.now;
    context.fillRect(x(this.shown), 0, 1.5, height);
    this.paintKeys(context, y, row, height);
  }

  paintNote(context, note, x, y, row, first) {
    const end = note.end ?? Math.max(note.start, this.shown - this.latency);
    context.fillStyle = this.shades[note.velocity];
    const thick = Math.max(3, Math.min(row - 1, 14));
    const middle = (semitones) => y(note.pitch) + row / 2 - semitones * row;
    let [from, semitones] = [note.start, 0];
    const points = [];
    for (const [place, bent] of this.bends[note.channel] ?? []) {
      if (place > end) break;
      if (place > from) points.push([from, place, semitones]);
      [from, semitones] = [Math.max(place, note.start), bent];
    }
    points.push([from, end, semitones]);
    for (const [left, right, bend] of points) {
      if (right < first) continue;
      context.fillRect(x(left), middle(bend) - thick / 2, Math.max(2, x(right) - x(left)), thick);
    }
    context.fillStyle = this.ink.ink;
    context.fillRect(x(note.start), middle(points[0][2]) - thick / 2, 1.5, thick);
  }

  paintPedal(context, x, height, first) {
    context.fillStyle = this.ink["black-row"];
    context.fillRect(KEYS, height - STRIP, this.canvas.width, STRIP);
    context.fillStyle = this.ink.pedal;
    let down = null;
    for (const [place, pressed] of [...this.pedals, [this.shown, false]]) {
      if (pressed && down === null) down = place;
      else if (!pressed && down !== null) {
        if (place >= first) context.fillRect(x(down), height - STRIP + 6, Math.max(2, x(place) - x(down)), 6);
        down = null;
      }
    }
  }

  paintKeys(context, y, row, height) {
    const { ink } = this;
    const down = new Map(this.notes.filter((note) => note.end === null).map((note) => [note.pitch, note]));
    context.fillStyle = ink.panel;
    context.fillRect(0, 0, KEYS, height);
    context.fillStyle = ink["white-key"];
    context.fillRect(KEYS - 17, 0, 17, height - STRIP);
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      const black = BLACK.has(pitch % 12), note = down.get(pitch);
      if (note || black) {
        context.fillStyle = note ? this.shades[note.velocity] : ink["black-key"];
        context.fillRect(KEYS - 17, y(pitch) + 0.5, black ? 11 : 17, Math.max(1, row - 1));
      }
      context.fillStyle = note ? ink.ink : ink["ink-soft"];
      context.font = note ? "bold 11px system-ui, sans-serif" : "11px system-ui, sans-serif";
      context.textBaseline = "middle";
      const free = !down.has(pitch + 1) && !down.has(pitch - 1);
      if (note || (pitch % 12 === 0 && free)) context.fillText(pitchName(pitch), 3, y(pitch) + row / 2);
    }
    context.font = "10px system-ui, sans-serif";
    context.fillStyle = ink["ink-soft"];
    context.fillText("pedal", 3, height - STRIP / 2);
    context.fillStyle = ink.line;
    context.fillRect(KEYS - 0.5, 0, 1, height);
  }

  /** Have the rows hold what is shown: they widen at once and narrow when half of them have been empty. */
  range(shown) {
    if (!shown.length) return;
    const low = Math.min(...shown.map((note) => note.pitch)) - 2, high = Math.max(...shown.map((note) => note.pitch)) + 2;
    const missing = Math.max(0, FEWEST - (high - low + 1));
    const wanted = [Math.max(0, low - (missing >> 1)), Math.min(127, high + missing - (missing >> 1))];
    if (wanted[0] < this.low || wanted[1] > this.high || this.high - this.low > 2 * (wanted[1] - wanted[0])) {
      [this.low, this.high] = this.count && this.high - this.low <= 2 * (wanted[1] - wanted[0])
        ? [Math.min(low, this.low), Math.max(high, this.high)] : wanted;
    }
  }
}

/** Return the colour that lies at `share` of the way through `stops`, each written #rrggbb. */
function between(stops, share) {
  const place = Math.max(0, Math.min(0.9999, share)) * (stops.length - 1), part = place % 1;
  const numbers = (stop) => [1, 3, 5].map((i) => parseInt(stop.slice(i, i + 2), 16));
  const [from, to] = [numbers(stops[Math.floor(place)]), numbers(stops[Math.floor(place) + 1])];
  return `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * part)).join(" ")})`;
}

/** Return the rows from `oldest` on, and the last one before, which still holds. */
function lately(rows, oldest) {
  const from = rows.findIndex(([place]) => place >= oldest);
  return from < 0 ? rows.slice(-1) : rows.slice(Math.max(0, from - 1));
}
