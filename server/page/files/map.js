// The map of a model's space: which instrument and dynamic the space says where, and a point on it that one drags.

import { limited } from "./controls.js";
import { make } from "./names.js";

const COLOURS = 8; // of instruments, in the style sheet
const STEP = 0.05, FAR = 0.25; // of an arrow key, and with Shift
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const POINT = 9, DOTS = [2, 5]; // px: the point's radius, and those of the softest and the loudest dynamic
const LEAST = 0.03; // a share below which an instrument gives a place no colour
const VARIES = 0.1; // in a dynamic's chance from place to place; where it varies less the map says nothing about dynamics
const dark = matchMedia("(prefers-color-scheme: dark)");

export class SpaceMap {
  /** map: the model's `settings.map`. send: (name, value) -> promise of a problem. */
  constructor(section, map, send) {
    [this.map, this.send, this.section] = [map, send, section];
    this.part = (name) => section.querySelector(`[data-is="${name}"]`);
    this.canvas = section.querySelector("canvas");
    this.canvas.setAttribute("aria-label", "Map of the space; arrow keys move the point, Escape lets go");
    this.names = { instrument: Object.keys(map.places), dynamics: Object.keys(Object.values(map.places)[0]) };
    this.said = varies(map.dynamics) ? ["instrument", "dynamics"] : ["instrument"];
    this.edge = map.grid.at(-1);
    this.at = { map_x: 0, map_y: 0, map: 0 };
    [this.hover, this.held, this.ahead, this.stale] = [null, false, 0, true]; // ahead: moves that the server has not answered
    this.move = limited(async () => {
      const moves = this.moves;
      this.moves = 0;
      await this.tell("map_x", "map_y");
      this.ahead -= moves;
    });
    this.moves = 0; // of them, those that are not sent
    this.rows = Object.fromEntries(this.said.map((kind) => [kind, this.list(kind)]));
    this.part("loudness").textContent = this.said.includes("dynamics")
      ? "The dots lie where the instruments do, from their softest, small, to their loudest, large."
      : "The dots lie where the instruments do. The map leaves loudness as it is played.";
    this.listen();
    this.say();
  }

  listen() {
    const { canvas } = this;
    const on = (name, work) => canvas.addEventListener(name, work);
    on("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.hold(true);
      this.go(...this.place(event));
    });
    on("pointermove", (event) => {
      if (this.held) this.go(...this.place(event));
      else this.look(this.place(event));
    });
    for (const name of ["pointerup", "pointercancel"]) on(name, () => this.hold(false));
    on("pointerleave", () => this.look(null));
    on("dblclick", () => this.letGo());
    on("keydown", (event) => this.key(event));
    on("blur", () => this.look(null));
    this.section.querySelector("[data-do=let-go]").addEventListener("click", () => this.letGo());
    new ResizeObserver(() => { this.ground = null; this.stale = true; }).observe(canvas);
    dark.addEventListener("change", () => { this.ground = null; this.stale = true; });
  }

  /** Take the parameters from the server, unless a hand is ahead of them. */
  show(values) {
    if (this.held || this.ahead) return;
    for (const name of Object.keys(this.at)) this.at[name] = Number(values[name]);
    this.changed();
  }

  hold(held) {
    if (held === this.held) return;
    this.held = held;
    this.canvas.toggleAttribute("data-held", held);
    if (!held) return;
    this.hover = null;
    this.seize();
  }

  seize() {
    this.at.map = 1;
    this.tell("map");
  }

  go(x, y) {
    const inside = (value) => Math.round(1000 * Math.min(this.edge, Math.max(-this.edge, value))) / 1000;
    [this.at.map_x, this.at.map_y] = [inside(x), inside(y)];
    this.changed();
    this.moves += 1;
    this.ahead += 1;
    this.move();
  }

  look(place) {
    this.hover = place;
    this.changed();
  }

  letGo() {
    this.at.map = 0;
    this.changed();
    this.tell("map");
  }

  key(event) {
    if (event.key === "Escape") this.letGo();
    const way = KEYS[event.key];
    if (!way) return;
    event.preventDefault();
    this.hover = null;
    if (this.at.map < 1) this.seize();
    const step = event.shiftKey ? FAR : STEP;
    this.go(this.at.map_x + step * way[0], this.at.map_y + step * way[1]);
  }

  async tell(...names) {
    this.ahead += 1;
    const problems = await Promise.all(names.map((name) => this.send(name, this.at[name])));
    this.ahead -= 1;
    this.part("space-note").textContent = problems.find(Boolean) ?? "";
  }

  changed() {
    this.stale = true;
    this.say();
  }

  /** Return where on the map an event is. */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = (value, from, size) => this.edge * (2 * ((value - from) / size) - 1);
    return [share(event.clientX, box.left, box.width), -share(event.clientY, box.top, box.height)];
  }

  /** Return what the space says there: probabilities of the `instrument` or the `dynamics`, between four points of the grid. */
  chances(kind, x, y) {
    const { grid } = this.map, rows = this.map[kind], last = grid.length - 1;
    const [u, v] = [x, y].map((value) => Math.min(last, Math.max(0, (last * (value - grid[0])) / (grid[last] - grid[0]))));
    const [left, low] = [u, v].map((value) => Math.min(last - 1, Math.floor(value)));
    const [a, b] = [u - left, v - low];
    return rows[low][left].map((here, i) =>
      (1 - b) * ((1 - a) * here + a * rows[low][left + 1][i]) + b * ((1 - a) * rows[low + 1][left][i] + a * rows[low + 1][left + 1][i]));
  }

  list(kind) {
    return this.names[kind].map((name, index) => {
      const bar = make("i"), share = make("dd", { className: "share" });
      if (kind === "instrument") bar.style.setProperty("--swatch", `var(${colour(index)})`);
      this.part(kind).append(make("dt", { textContent: words(name) }), make("dd", { className: "bar" }, bar), share);
      return { bar, share };
    });
  }

  say() {
    const [x, y] = this.hover ?? [this.at.map_x, this.at.map_y];
    this.part("where").textContent = this.hover ? "Under the pointer" : this.at.map ? "Under the point" : "Under the point, which is let go";
    const likeliest = [];
    for (const kind of this.said) {
      const chances = this.chances(kind, x, y);
      for (const [index, { bar, share }] of this.rows[kind].entries()) {
        bar.style.width = `${100 * chances[index]}%`;
        share.textContent = percent(chances[index]);
      }
      const best = chances.indexOf(Math.max(...chances));
      likeliest.push(`${words(this.names[kind][best])} ${percent(chances[best])}`);
    }
    this.part("said").textContent = likeliest.join(", ");
  }

  draw() {
    if (!this.stale || !this.canvas.clientWidth) return;
    this.stale = false;
    const { canvas } = this, size = canvas.clientWidth, scale = devicePixelRatio;
    if (canvas.width !== Math.round(size * scale)) canvas.width = canvas.height = Math.round(size * scale);
    const ink = canvas.getContext("2d");
    this.ground ??= this.paint(size, scale);
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.drawImage(this.ground, 0, 0);
    ink.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(document.documentElement), value = (name) => style.getPropertyValue(name).trim();
    if (this.hover) ring(ink, this.pixel(this.hover, size), POINT - 3, value("--ink"), 1);
    const point = this.pixel([this.at.map_x, this.at.map_y], size);
    ink.globalAlpha = 0.25 + 0.75 * this.at.map;
    ring(ink, point, POINT, value("--well"), 5);
    ring(ink, point, POINT, value("--ink"), 2.5);
    if (this.at.map) disc(ink, point, POINT - 4.5, value("--ink"));
    ink.globalAlpha = 1;
  }

  pixel([x, y], size) {
    return [((x / this.edge + 1) / 2) * size, ((1 - y / this.edge) / 2) * size];
  }

  /** Return a canvas with all that stays: regions, axes, instruments. */
  paint(size, scale) {
    const style = getComputedStyle(document.documentElement), value = (name) => style.getPropertyValue(name).trim();
    const colours = this.names.instrument.map((_, index) => value(colour(index)));
    const ground = make("canvas", { width: Math.round(size * scale), height: Math.round(size * scale) });
    const ink = ground.getContext("2d");
    ink.drawImage(this.regions(Math.round(size), colours.map(numbers), numbers(value("--well"))), 0, 0, ground.width, ground.height);
    ink.scale(scale, scale);
    ink.fillStyle = value("--line");
    ink.fillRect(size / 2, 0, 1, size);
    ink.fillRect(0, size / 2, size, 1);
    const trails = this.names.instrument.map((name) => this.names.dynamics.map((one) => this.pixel(this.map.places[name][one], size)));
    for (const [index, trail] of trails.entries()) {
      for (const [width, stroke] of [[4, value("--well")], [1.5, colours[index]]]) {
        ink.beginPath();
        for (const [x, y] of trail) ink.lineTo(x, y);
        Object.assign(ink, { lineWidth: width, strokeStyle: stroke, lineJoin: "round" });
        ink.stroke();
      }
      for (const [loud, place] of trail.entries()) {
        const radius = DOTS[0] + ((DOTS[1] - DOTS[0]) * loud) / Math.max(1, trail.length - 1);
        disc(ink, place, radius + 1.5, value("--well"));
        disc(ink, place, radius, colours[index]);
      }
    }
    this.label(ink, trails, size, value);
    return ground;
  }

  /** Return a canvas of the likeliest instruments' colours, the surer the stronger, with a line between two of them. */
  regions(size, colours, well) {
    const canvas = make("canvas", { width: size, height: size }), ink = canvas.getContext("2d");
    const image = ink.createImageData(size, size), best = new Uint8Array(size * size);
    for (let row = 0; row < size; row += 1) {
      for (let column = 0; column < size; column += 1) {
        const [x, y] = [column, size - 1 - row].map((place) => this.edge * ((2 * (place + 0.5)) / size - 1));
        const chances = this.chances("instrument", x, y), at = row * size + column;
        best[at] = chances.indexOf(Math.max(...chances));
        const weights = chances.map((chance) => Math.max(0, chance - LEAST) ** 2), sum = weights.reduce((a, b) => a + b, 1e-9);
        const border = (column && best[at - 1] !== best[at]) || (row && best[at - size] !== best[at]);
        const strength = 0.12 + 0.4 * chances[best[at]] + (border ? 0.22 : 0);
        for (let part = 0; part < 3; part += 1) {
          const mixed = weights.reduce((total, weight, index) => total + (weight / sum) * colours[index][part], 0);
          image.data[4 * at + part] = (1 - strength) * well[part] + strength * mixed;
        }
        image.data[4 * at + 3] = 255;
      }
    }
    ink.putImageData(image, 0, 0);
    return canvas;
  }

  /** Write the instruments' names beside their dots, where the least is covered. */
  label(ink, trails, size, value) {
    ink.font = "600 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";
    ink.textBaseline = "middle";
    const taken = trails.flat().map(([x, y]) => [x - 7, y - 7, x + 7, y + 7]);
    for (const [index, trail] of trails.entries()) {
      const text = words(this.names.instrument[index]), width = ink.measureText(text).width;
      const places = trail.flatMap(([x, y]) => [[x + 10, y], [x - 10 - width, y], [x - width / 2, y - 15], [x - width / 2, y + 15]]);
      const boxes = places.map(([x, y]) => [x - 2, y - 8, x + width + 2, y + 8]);
      const costs = boxes.map((box) => taken.reduce((sum, other) => sum + shared(box, other), 0) + 1e4 * outside(box, size));
      const best = costs.indexOf(Math.min(...costs)), [x, y] = places[best];
      taken.push(boxes[best]);
      Object.assign(ink, { lineWidth: 4, lineJoin: "round", strokeStyle: value("--well"), fillStyle: value("--ink") });
      ink.strokeText(text, x, y);
      ink.fillText(text, x, y);
    }
  }
}

/** Whether probabilities (rows, columns, …) differ from place to place. */
function varies(rows) {
  return rows[0][0].some((_, index) => {
    const all = rows.flatMap((row) => row.map((chances) => chances[index]));
    return Math.max(...all) - Math.min(...all) > VARIES;
  });
}

function colour(index) {
  return `--i${(index % COLOURS) + 1}`;
}

function words(name) {
  return name.replaceAll("_", " ");
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** Return the red, green and blue of a colour of the style sheet, #rrggbb. */
function numbers(hex) {
  return [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
}

function shared([left, top, right, bottom], other) {
  return Math.max(0, Math.min(right, other[2]) - Math.max(left, other[0])) * Math.max(0, Math.min(bottom, other[3]) - Math.max(top, other[1]));
}

function outside([left, top, right, bottom], size) {
  return Number(left < 2 || top < 2 || right > size - 2 || bottom > size - 2);
}

function disc(ink, [x, y], radius, fill) {
  ink.beginPath();
  ink.arc(x, y, radius, 0, 2 * Math.PI);
  ink.fillStyle = fill;
  ink.fill();
}

function ring(ink, [x, y], radius, stroke, width) {
  ink.beginPath();
  ink.arc(x, y, radius, 0, 2 * Math.PI);
  Object.assign(ink, { strokeStyle: stroke, lineWidth: width });
  ink.stroke();
}
