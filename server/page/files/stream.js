// One stream on the page: its roll, meter, figures, map and controls.

import { makeControl } from "./controls.js";
import { Meter, showStatus } from "./figures.js";
import { SpaceMap } from "./map.js";
import { make, pitchName } from "./names.js";
import { Roll } from "./roll.js";

const KEEP = "/backline/stream/keep";
const WORDS = {
  look_ahead_ms: (value) => `look-ahead ${value} ms`,
  quantise: (value) => `quantised to ${value}`,
  mpe: () => "MPE",
}; // a choice as one says it, where the value alone is not enough
const SAY_MS = 100; // between two changes of the text
const RECENT = 24;

export class StreamCard {
  /** about: what the server said of the stream. order: (address, arguments) -> {results} or {problem}. */
  constructor(about, order, commands) {
    [this.about, this.order] = [about, order];
    this.element = document.getElementById("stream").content.cloneNode(true).firstElementChild;
    this.part = (name) => this.element.querySelector(`[data-is="${name}"]`);
    this.element.dataset.stream = about.stream;
    const heading = this.element.querySelector("h2");
    heading.textContent = `${about.stream} · ${about.model}`;
    heading.id = `stream-${about.stream}`;
    this.element.setAttribute("aria-labelledby", heading.id);
    const canvas = this.element.querySelector("canvas");
    this.roll = new Roll(canvas, about.rate);
    canvas.setAttribute("aria-label", `Piano roll of stream ${about.stream}; the notes are below as text`);
    this.meter = new Meter(this.element);
    [this.saidAt, this.said, this.listed] = [0, "", 0];
    this.send = async (name, value) => (await this.order("/backline/stream/set", [about.stream, name, String(value)])).problem;
    this.makeMap();
    this.makeControls();
    this.makeButtons(commands);
  }

  makeMap() {
    const section = this.element.querySelector(".space");
    section.hidden = !this.about.map;
    this.map = this.about.map ? new SpaceMap(section, this.about.map, this.send) : null;
  }

  makeControls() {
    this.controls = new Map();
    for (const parameter of this.about.parameters.filter((one) => !one.fixed)) {
      const control = makeControl(parameter, `s${this.about.stream}-${parameter.name}`, this.send);
      this.controls.set(parameter.name, control);
    }
    const form = this.element.querySelector("form");
    form.append(...[...this.controls.values()].map((control) => control.element));
    form.hidden = this.controls.size === 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.setAttribute("aria-label", "Parameters");
  }

  makeButtons(commands) {
    const { stream } = this.about;
    const orders = { keep: [KEEP, [stream, ""]], reset: ["/backline/stream/reset", [stream]], stop: ["stop", [stream]] };
    for (const [name, [address, words]] of Object.entries(orders)) {
      const button = this.element.querySelector(`[data-do=${name}]`);
      if (address === KEEP && !commands.includes(KEEP)) {
        button.disabled = true;
        button.title = "This server cannot keep what was played.";
        continue;
      }
      button.addEventListener("click", async () => {
        button.disabled = true;
        const { results, problem } = await this.order(address, words);
        button.disabled = false;
        const paths = name === "keep" ? (results ?? []).filter((word) => typeof word === "string") : [];
        this.tell(problem ?? (paths.length ? `Kept: ${paths.join(" and ")}` : ""), Boolean(problem));
      });
    }
  }

  tell(text, wrong) {
    const note = this.part("note");
    note.textContent = text;
    note.classList.toggle("wrong", wrong);
  }

  values(values) {
    const { about } = this;
    for (const [name, control] of this.controls) control.show(values[name]);
    this.map?.show(values);
    const fixed = about.parameters.filter((one) => one.fixed && one.name !== "stream" && values[one.name] !== "off");
    const chosen = fixed.map((one) => WORDS[one.name]?.(values[one.name]) ?? values[one.name]);
    const facts = [about.kind, `${about.rate / 1000} kHz`, ...chosen, `data port ${about.port}`];
    this.element.querySelector(".facts").textContent = facts.join(" · ");
    this.roll.bendRange = values.mpe === "on" ? 48 : 2;
  }

  status(status) {
    if (status.budget === undefined || status.rate === undefined) return;
    this.roll.latency = status.budget.reduce((sum, [, samples]) => sum + samples, 0);
    showStatus(this.part, status, this.about);
  }

  frame(frame) {
    if (frame.sounding) this.roll.resume(frame.sounding);
    for (const event of frame.events ?? []) this.roll.event(event);
    this.roll.at(frame.position);
    this.level = frame.level;
  }

  draw(now) {
    this.roll.draw(now);
    this.map?.draw();
    this.meter.show(this.level ?? 0);
    if (now - this.saidAt > SAY_MS) {
      this.saidAt = now;
      this.say();
    }
  }

  say() {
    const sounding = this.roll.sounding().map(pitchName).join(" ") || "nothing";
    if (sounding !== this.said) this.part("sounding").textContent = this.said = sounding;
    if (this.listed !== this.roll.count) {
      this.listed = this.roll.count;
      this.element.dataset.notes = this.roll.count;
      this.part("recent").replaceChildren(...this.roll.notes.slice(-RECENT).reverse().map((note) => make("li", {
        textContent: `${pitchName(note.pitch)}, velocity ${note.velocity}, at ${(note.start / this.about.rate).toFixed(3)} s`,
      })));
    }
  }
}
