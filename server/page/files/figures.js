// The figures of one stream: level, latency by part, compute time, mishaps.

import { make, milliseconds } from "./names.js";

const FLOOR_DB = -60;
const HOLD_MS = 1500;

/** Fill a list of terms. rows: [name, text, {wrong, swatch}]. */
function list(element, rows) {
  element.replaceChildren(...rows.map(([name, text, { wrong = false, swatch = "" } = {}]) => {
    const row = make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: text }));
    row.classList.toggle("wrong", wrong);
    if (swatch) { row.classList.add("swatch"); row.style.setProperty("--swatch", swatch); }
    return row;
  }));
}

export class Meter {
  constructor(card) {
    this.scale = card.querySelector(".scale");
    [this.fill, this.hold] = [card.querySelector(".fill"), card.querySelector(".hold")];
    this.text = card.querySelector("[data-is=decibels]");
    this.clip = card.querySelector("[data-do=clip]");
    this.scale.setAttribute("aria-label", "Input level in dB");
    for (const tick of this.scale.querySelectorAll("span")) tick.style.left = `${100 * (1 - tick.dataset.at / FLOOR_DB)}%`;
    this.clip.addEventListener("click", () => { this.clip.disabled = true; });
    [this.highest, this.until, this.said] = [FLOOR_DB, 0, 0];
  }

  show(level) {
    const decibels = level > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(level)) : FLOOR_DB;
    const share = Math.min(1, 1 - decibels / FLOOR_DB), now = performance.now();
    this.fill.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
    if (decibels >= this.highest || now > this.until) [this.highest, this.until] = [decibels, now + HOLD_MS];
    this.hold.style.left = `calc(${100 * Math.min(1, 1 - this.highest / FLOOR_DB)}% - 2px)`;
    this.hold.style.opacity = this.highest > FLOOR_DB ? 1 : 0;
    if (level >= 1) this.clip.disabled = false;
    if (now - this.said < 250) return;
    this.said = now;
    this.text.textContent = decibels > FLOOR_DB ? `${decibels.toFixed(1)} dB` : "silent";
    this.scale.setAttribute("aria-valuenow", decibels.toFixed(0));
    this.scale.setAttribute("aria-valuetext", this.text.textContent);
  }
}

/** Show what `status` says. part: (name) -> element of the card. */
export function showStatus(part, status, stream) {
  showBudget(part, status, stream);
  showCompute(part, status);
  showCounts(part, status, stream);
}

function showBudget(part, status, stream) {
  const ms = (samples) => (1000 * samples) / stream.rate;
  const total = status.budget.reduce((sum, [, samples]) => sum + samples, 0);
  const live = stream.kind === "live";
  part("latency").textContent = `${milliseconds(ms(total))} ms`;
  const colours = status.budget.map((_, index) => `var(--p${index + 1})`);
  part("budget-bar").replaceChildren(...status.budget.map(([, samples], index) => {
    const piece = make("i");
    piece.style.width = `${(100 * samples) / Math.max(1, total)}%`;
    piece.style.background = colours[index];
    piece.hidden = samples === 0;
    return piece;
  }));
  list(part("budget"), status.budget.map(([name, samples], index) => [
    name, `${milliseconds(ms(samples))} ms`, { swatch: colours[index] },
  ]));
  part("budget-text").textContent = live
    ? `Declares 0; a note leaves ${total} samples after its place. A JACK client or plug-in adds its own bridge.`
    : `Declared: ${status.latency} samples, kept to the sample. A JACK client or plug-in adds its own bridge.`;
}

function showCompute(part, status) {
  const budget = status.budget_us;
  const names = ["p50", "p95", "p99", "p99.9", "max"];
  if (status.p50_us === undefined) return;
  part("load").textContent = `${(100 * status.load).toFixed(0)} % of its ${milliseconds(budget / 1000)} ms`;
  const marks = [["p50", "var(--p1)"], ["p95", "var(--p3)"], ["p99", "var(--ink)"]];
  part("compute-bar").replaceChildren(...marks.map(([name, colour], index) => {
    const piece = make("i");
    const share = Math.min(100, (100 * status[`${name}_us`]) / budget);
    Object.assign(piece.style, index === 0
      ? { left: 0, width: `${share}%`, background: colour }
      : { left: `calc(${share}% - 2px)`, width: "2px", background: colour });
    return piece;
  }));
  list(part("compute"), names.map((name) => [
    name, `${milliseconds(status[`${name}_us`] / 1000)} ms`,
    { wrong: status[`${name}_us`] > budget, swatch: Object.fromEntries(marks)[name] },
  ]));
}

function showCounts(part, status, stream) {
  const audio = (samples) => `${milliseconds((1000 * samples) / stream.rate)} ms`;
  const rows = [
    ["late events", status.late_events, String(status.late_events)],
    ["hops over time", status.over_budget, String(status.over_budget)],
    ["lost audio", status.lost_samples, audio(status.lost_samples)],
    ["stale audio", status.stale_samples, audio(status.stale_samples)],
    ["restarts", status.restarts, String(status.restarts)],
    ["engine swaps", status.swaps, String(status.swaps)],
  ];
  const wrong = rows.filter(([, amount]) => amount > 0).length;
  part("mishaps").textContent = wrong ? `${wrong} of ${rows.length} kinds` : "none";
  list(part("counts"), rows.map(([name, amount, text]) => [name, text, { wrong: amount > 0 }]));
}
