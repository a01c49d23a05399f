// The page: one WebSocket to the server, a card a stream, and the form that starts one.

import { title } from "./controls.js";
import { make } from "./names.js";
import { StreamCard } from "./stream.js";

const AGAIN_MS = [250, 500, 1000, 2000];
const MOST_TOLD = 60;
const SOURCES = { take: "the bundled take", jack: "JACK input", client: "an OSC client of your own" };

const at = (id) => document.getElementById(id);
const cards = new Map();
const answers = new Map();
let [socket, number, tries, hello] = [null, 0, 0, null];

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/page/live`);
  socket.addEventListener("message", (message) => take(JSON.parse(message.data)));
  socket.addEventListener("open", () => { tries = 0; });
  socket.addEventListener("close", () => {
    link("lost", "the server is gone; trying again");
    for (const answer of answers.values()) answer({ problem: "the server is gone" });
    answers.clear();
    for (const stream of [...cards.keys()]) close(stream);
    setTimeout(connect, AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)]);
  });
}

function link(state, text) {
  at("link").dataset.state = state;
  at("link").textContent = text;
}

/** Give a command; resolve to {results} or {problem}. */
function order(address, words) {
  if (socket.readyState !== WebSocket.OPEN) return Promise.resolve({ problem: "the server is gone" });
  number += 1;
  socket.send(JSON.stringify({ number, do: address, with: words }));
  return new Promise((done) => answers.set(number, done));
}

function take(news) {
  if (news.hello) greet(news.hello);
  for (const stream of news.closed ?? []) close(stream);
  for (const about of news.opened ?? []) open(about);
  for (const row of news.values ?? []) cards.get(row.stream)?.values(row.values);
  for (const row of news.status ?? []) cards.get(row.stream)?.status(row);
  for (const frame of news.frames ?? []) cards.get(frame.stream)?.frame(frame);
  for (const [kind, text] of news.told ?? []) tell(kind, text);
  if (news.answer) {
    answers.get(news.answer.number)?.(news.answer);
    answers.delete(news.answer.number);
  }
}

function open(about) {
  const card = new StreamCard(about, order, hello.commands);
  cards.set(about.stream, card);
  at("streams").append(card.element);
  at("empty").hidden = true;
}

function close(stream) {
  cards.get(stream)?.element.remove();
  cards.delete(stream);
  at("empty").hidden = cards.size > 0;
}

function tell(kind, text) {
  const time = make("time", { textContent: new Date().toLocaleTimeString() });
  at("told").prepend(make("li", {}, time, make("span", { textContent: text })));
  while (at("told").children.length > MOST_TOLD) at("told").lastElementChild.remove();
}

function greet(said) {
  hello = said;
  link("open", "connected");
  at("server").textContent = `version ${said.version} · OSC at ${said.osc.join(":")}`;
  at("models").replaceChildren(...said.models.map(describe));
  const form = at("start");
  const usable = said.models.filter((model) => !model.problem);
  form.model.replaceChildren(...usable.map((model) => new Option(model.name)));
  if (usable.some((model) => model.name === "transcriber")) form.model.value = "transcriber";
  form.source.replaceChildren(...[...said.sources, "client"].map((kind) => new Option(SOURCES[kind], kind)));
  choose();
}

function describe(model) {
  const head = make("b", { textContent: model.name });
  if (model.problem) return make("li", {}, head, make("p", { className: "note wrong", textContent: model.problem }));
  const ways = Object.entries(model.directions).map(([name, way]) => [`${name}: `, way]);
  return make("li", {}, head, make("p", { textContent: model.title }),
    ...(ways.length ? ways : [["", model]]).map(([name, way]) => make("p", { className: "way", textContent: name + describeWay(model, way) })),
    make("p", { className: "way", textContent: model.licence }));
}

function describeWay(model, way) {
  const heads = way.heads_ms.length > 1 ? ` · look-ahead ${way.heads_ms.map((ms) => Math.round(ms)).join(", ")} ms` : "";
  return `${way.in.join(" and ")} → ${way.out.join(" and ")} · ${model.rate / 1000} kHz · hop ${model.hop} samples${heads}`;
}

/** Show the choices that are made when a stream of the chosen model opens, in a direction that it works in. */
function choose(direction) {
  const form = at("start");
  const model = hello.models.find((one) => one.name === form.model.value);
  const way = model?.directions[direction] ?? model;
  const fixed = (way?.parameters ?? []).filter((parameter) => parameter.fixed && parameter.choices.length);
  at("choices").replaceChildren(...fixed.map((parameter) => {
    const select = make("select", { name: `choice-${parameter.name}` }, ...parameter.choices.map((choice) => new Option(choice)));
    select.value = parameter.name === "stream" && form.source.value !== "client" ? "live" : parameter.default;
    select.title = parameter.description;
    return make("label", { className: "field" }, title(parameter.name) + (parameter.unit ? ` (${parameter.unit})` : ""), select);
  }));
  at("rate-field").hidden = form.source.value !== "client";
}

at("start").addEventListener("change", (event) => {
  if (["model", "source"].includes(event.target.name)) choose();
  if (event.target.name === "choice-direction") {
    choose(event.target.value);
    at("start").elements["choice-direction"].focus();  // it was made anew
  }
});
at("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, button = form.querySelector("button"), note = at("start-note");
  const settings = Object.fromEntries([...form.querySelectorAll("[name^=choice-]")].map((one) => [one.name.slice(7), one.value]));
  button.disabled = true;
  note.textContent = "starting …";
  const own = form.source.value === "client";
  const { problem, results } = own
    ? await order("/backline/stream/open", [form.model.value, Number(form.rate.value), JSON.stringify(settings)])
    : await order("start", [form.source.value, form.model.value, settings]);
  button.disabled = false;
  note.classList.toggle("wrong", Boolean(problem));
  note.textContent = problem ?? (own ? `Stream ${results[0]} is open: send audio to port ${results[1]}.` : "");
});

function draw(now) {
  for (const card of cards.values()) card.draw(now);
  requestAnimationFrame(draw);
}

connect();
requestAnimationFrame(draw);
