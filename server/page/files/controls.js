// Controls made from a model's manifest: a number is a slider with a field, a choice a list, on and off a switch, a text a line.

import { make, pitchName } from "./names.js";

const LONGEST_TEXT = 400; // characters
const SEND_MS = 50; // a slider sends 20 times a second at most, and its last place always

/** Return a control: its element, and `show` that takes a value from the server. send: (name, value) -> promise. */
export function makeControl(parameter, id, send) {
  const wrong = make("span", { className: "wrong" });
  const change = limited(async (value) => {
    const problem = await send(parameter.name, value);
    wrong.textContent = problem ?? "";
  });
  const kind = isSwitch(parameter) ? makeSwitch : parameter.choices.length ? makeChoice : parameter.text ? makeText : makeNumber;
  const control = kind(parameter, id, change);
  const label = make("label", { htmlFor: id, textContent: title(parameter.name) });
  const means = make("span", { className: "means", id: `${id}-means`, textContent: parameter.description });
  control.main.setAttribute("aria-describedby", means.id);
  const element = make("div", { className: "control" }, label, ...control.parts, means, wrong);
  element.dataset.parameter = parameter.name;
  return { element, show: control.show };
}

export function title(name) {
  const words = name.replace(/_(ms|hz|db|bpm)$/, "").replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1).replace("ook ahead", "ook-ahead");
}

function isSwitch(parameter) {
  return parameter.choices.length === 2 && parameter.choices.includes("on") && parameter.choices.includes("off");
}

function makeSwitch(parameter, id, change) {
  const main = make("input", { type: "checkbox", id });
  main.setAttribute("role", "switch");
  main.addEventListener("change", () => change(main.checked ? "on" : "off"));
  return { main, parts: [main], show: (value) => { main.checked = value === "on"; } };
}

function makeChoice(parameter, id, change) {
  const main = make("select", { id }, ...parameter.choices.map((choice) => new Option(choice)));
  main.addEventListener("change", () => change(main.value));
  return { main, parts: [main], show: (value) => { main.value = value; } };
}

function makeText(parameter, id, change) {
  const main = make("input", { type: "text", id, maxLength: LONGEST_TEXT, autocomplete: "off", spellcheck: false });
  main.addEventListener("change", () => change(main.value));
  main.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); main.blur(); } });
  return { main, parts: [main], show: (value) => { if (document.activeElement !== main) main.value = value; } };
}

function makeNumber(parameter, id, change) {
  const [min, max] = [parameter.minimum ?? -1e6, parameter.maximum ?? 1e6];
  const step = max - min <= 2 ? 0.01 : parameter.unit === "Hz" ? 0.1 : 1;
  const main = make("input", { type: "range", id, min, max, step });
  const ariaLabel = `${title(parameter.name)}, ${parameter.unit || "value"}`;
  const field = make("input", { type: "number", min, max, step: "any", ariaLabel });
  const unit = make("span");
  const words = (value) => { unit.textContent = parameter.unit === "pitch" ? pitchName(Math.round(value)) : parameter.unit; };
  const show = (value) => {
    if (document.activeElement !== field) field.value = tidy(value);
    if (!main.matches(":active")) main.value = value;
    main.setAttribute("aria-valuetext", `${tidy(value)} ${parameter.unit}`.trim());
    words(value);
  };
  main.addEventListener("input", () => { field.value = tidy(main.value); words(main.value); change(main.value); });
  field.addEventListener("change", () => { if (field.value !== "") change(field.value); });
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); field.blur(); } });
  return { main, parts: [make("span", { className: "amount" }, field, unit), main], show };
}

function tidy(value) {
  return String(Math.round(Number(value) * 1000) / 1000);
}

/** Return a function that runs `work` at once, then at most every SEND_MS, with the newest value. */
export function limited(work) {
  let waiting = null, busy = false;
  const run = async (value) => {
    busy = true;
    await Promise.all([work(value), new Promise((done) => setTimeout(done, SEND_MS))]);
    busy = false;
    if (waiting !== null) { const next = waiting; waiting = null; run(next.value); }
  };
  return (value) => { if (busy) waiting = { value }; else run(value); };
}
