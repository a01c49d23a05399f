"use strict";

const ratings = new Ratings(data);
const it = (id) => document.getElementById(id);
const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const ITSELF = "0"; // the key of what the versions are of
let players = [];

function make(tag, properties = {}, ...children) {
  const { aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(name === "role" ? name : `aria-${name}`, value);
  made.append(...children);
  return made;
}

function show(section) {
  for (const player of players) player.close();
  players = [];
  for (const id of ["begin", "test", "result"]) it(id).hidden = id !== section;
  it("left-out").hidden = section === "test" || data.left_out.length === 0;
  it("progress").textContent = section === "test" ? `phrase ${ratings.state.at + 1} of ${data.phrases.length}` : "";
  scrollTo(0, 0);
}

function begin() {
  show("begin");
  const most = Math.max(...data.phrases.map((phrase) => phrase.versions.length));
  it("begin-title").textContent = data.questions.title;
  it("about").textContent = `${count(data.phrases.length, "phrase")}, each played by ${count(most, "player")} in an order of chance: `
    + `you do not know who is who until the end. Give each version 1 (${data.questions.worst}) to ${MOST} (${data.questions.best}) `
    + `points on ${count(QUESTIONS.length, "question")}:`;
  it("questions").replaceChildren(...QUESTIONS.flatMap(([, title, asks]) => [make("dt", {}, title), make("dd", {}, asks)]));
  document.querySelector("[data-do=start]").textContent = ratings.state.started ? "Go on" : "Start";
}

// A button that plays a version, and the line of its time.
function controls(player, key, name) {
  const button = make("button", { type: "button", className: "play", title: `${name}: play or stop`, aria: { label: `Play ${name}` } });
  button.dataset.key = key;
  button.onclick = () => player.toggle(key);
  return button;
}

function seekable(element, player) {
  element.onpointerdown = (event) => {
    const box = element.getBoundingClientRect();
    player.seek((event.clientX - box.x) / box.width);
  };
  return element;
}

function draw(player, root) {
  const place = player.now();
  root.style.setProperty("--place", place / player.seconds);
  for (const time of root.querySelectorAll("time")) time.textContent = `${clock(place)} of ${clock(player.seconds)}`;
  for (const one of root.querySelectorAll("[data-key]")) {
    one.classList.toggle("sounding", one.dataset.key === player.key);
    one.ariaPressed = one.dataset.key === player.key;
  }
}

function test() {
  ratings.state.started ??= new Date().toISOString();
  ratings.keep();
  show("test");
  const number = ratings.state.at, phrase = data.phrases[number], order = ratings.state.orders[number];
  const sources = Object.fromEntries(order.map((version, place) => [letter(place), phrase.versions[version].audio]));
  if (phrase.itself) sources[ITSELF] = phrase.itself.audio;
  const player = new Player(sources, phrase.seconds, (changed) => draw(changed, it("test")));
  players = [player];
  it("test-title").textContent = `Phrase ${number + 1} of ${data.phrases.length}`;
  it("test-facts").replaceChildren(make("time"));
  const line = seekable(make("div", { className: "line", title: "Click to go to a place" }, make("i")), player);
  const asked = QUESTIONS.map(([, title, asks]) => make("div", { className: "ask" }, make("b", {}, title), make("span", {}, asks)));
  const head = [make("div", { className: "corner" }, line), ...asked];
  it("sheet").style.setProperty("--asked", QUESTIONS.length);
  it("sheet").classList.toggle("stacked", MOST > 5);
  it("sheet").replaceChildren(...head, ...itself(player, phrase), ...order.flatMap((version, place) => row(player, number, version, letter(place))));
  document.querySelector("[data-do=back]").disabled = number === 0;
  document.querySelector("[data-do=next]").textContent = number + 1 < data.phrases.length ? "Next phrase" : "Finish and see who was who";
  draw(player, it("test"));
  lacking();
  it("test-title").focus();
}

// The line of what the versions are of: it is heard beside them and not rated.
function itself(player, phrase) {
  if (!phrase.itself) return [];
  const { name } = phrase.itself, about = "what they are of, not rated; key 0";
  const who = make("div", { className: "who itself" }, controls(player, ITSELF, name), make("b", {}, name), make("span", {}, about));
  return [who];
}

// A version's line of the sheet: its button and five questions.
function row(player, number, version, name) {
  const play = make("div", { className: "who" }, controls(player, name, name), make("b", { className: "letter" }, name));
  return [play, ...QUESTIONS.map(([question, title]) => {
    const group = make("div", { className: "points", aria: { role: "radiogroup", label: `${name}, ${title}` } });
    group.append(make("span", { className: "asked" }, title));
    for (let value = 1; value <= MOST; value++) {
      const checked = ratings.given(number, version, question) === value;
      const input = make("input", { type: "radio", name: `${name}-${question}`, value, checked });
      input.onchange = () => { ratings.give(number, version, question, value); lacking(); };
      group.append(make("label", {}, input, make("span", {}, value)));
    }
    return group;
  })];
}

function lacking() {
  const left = ratings.lacking(ratings.state.at);
  it("lacking").textContent = left.length ? `Still to be rated: ${left.join(", ")}` : "All rated.";
  document.querySelector("[data-do=next]").disabled = left.length > 0;
  it("done-bar").firstElementChild.style.width = `${100 * ratings.share()}%`;
}

function move(by) {
  ratings.state.at += by;
  if (ratings.state.at >= data.phrases.length) {
    ratings.state.at = data.phrases.length - 1;
    ratings.state.finished ??= new Date().toISOString();
  }
  ratings.keep();
  if (ratings.state.finished) result();
  else test();
}

function table(title, rows) {
  const best = Object.fromEntries(QUESTIONS.map(([question]) => [question, Math.max(...rows.map((one) => one.means[question]))]));
  const head = make("tr", {}, make("th", { scope: "col" }, title), ...QUESTIONS.map(([, name]) => make("th", { scope: "col" }, name)));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows.map((one) => make("tr", {},
    make("th", { scope: "row" }, one.name),
    ...QUESTIONS.map(([question]) => {
      const mean = one.means[question];
      const cell = make("td", { className: mean === best[question] ? "best" : "" }, make("span", {}, mean.toFixed(1)));
      cell.style.setProperty("--share", (mean - 1) / (MOST - 1));
      return cell;
    })))));
}

async function result() {
  show("result");
  const rated = Boolean(ratings.state.finished);
  document.querySelector("[data-do=download]").hidden = !rated;
  document.querySelector("[data-do=again]").textContent = rated ? "Start again" : "Back to the test";
  it("summary-title").textContent = rated ? "Who was who" : "Who is who";
  it("tables").replaceChildren(...(rated ? [table("Your mean points", means(data, ratings.record().ratings))] : []));
  it("phrases").replaceChildren(...data.phrases.map(revealed));
  it("kept").textContent = rated ? "" : "Nothing was rated.";
  it("summary-title").focus();
  if (!rated) return;
  const saved = await ratings.save();
  it("kept").textContent = saved ? "Your ratings are saved in ratings.jsonl beside this page."
    : "Your ratings are kept in this browser only: download them to pass them on.";
  const others = await ratings.everybody();
  if (new Set(others.map((one) => one.listener)).size > 1) {
    it("tables").append(table(`Mean points of ${others.length} listeners`, means(data, others.flatMap((one) => one.ratings))));
  }
}

// A phrase with its versions' names and spectrograms.
function revealed(phrase, number) {
  const rated = Boolean(ratings.state.finished);
  const order = rated ? ratings.state.orders[number] : phrase.versions.map((_, index) => index);
  const sources = Object.fromEntries(phrase.versions.map((version, index) => [index, version.audio]));
  if (phrase.itself) sources.itself = phrase.itself.audio;
  const card = make("article", { className: "panel phrase" });
  const player = new Player(sources, phrase.seconds, (changed) => draw(changed, card));
  players.push(player);
  const [low, high] = data.spectrum_hz;
  const marks = [200, 1000, 5000].map((hz) => {
    const mark = make("span", {}, hz < 1000 ? `${hz} Hz` : `${hz / 1000} kHz`);
    mark.style.setProperty("--height", Math.log(hz / low) / Math.log(high / low));
    return mark;
  });
  const time = make("p", { className: "facts" }, make("time"));
  card.append(make("header", { className: "head" }, make("h2", {}, `${number + 1}. ${phrase.title}`), time),
    ...(phrase.itself ? [shown(player, "itself", phrase.itself, phrase.itself.name, "", marks)] : []),
    ...order.map((index, place) => {
      const version = phrase.versions[index], given = ratings.state.given[number][index] ?? {};
      const said = QUESTIONS.map(([question, title]) => `${title} ${given[question]}`).join(", ");
      return shown(player, String(index), version, `${rated ? `${letter(place)}: ` : ""}${version.name}`, rated ? said : "", marks);
    }));
  draw(player, card);
  return card;
}

// A version with its name, its points and its spectrogram.
function shown(player, key, version, name, points, marks) {
  const picture = make("img", { src: version.picture, alt: `Spectrogram: ${version.name}`, draggable: false });
  const said = points ? [make("p", { className: "facts" }, points)] : [];
  return make("div", { className: `version ${version.kind}` },
    make("div", { className: "who" }, controls(player, key, version.name), make("div", {}, make("h3", {}, name), ...said)),
    seekable(make("div", { className: "spectrum" }, picture, ...marks.map((mark) => mark.cloneNode(true)), make("i")), player));
}

function download() {
  const address = URL.createObjectURL(new Blob([JSON.stringify(ratings.record(), null, 1)], { type: "application/json" }));
  make("a", { href: address, download: `ratings-${ratings.state.listener}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const does = {
  start: test, look: result, back: () => move(-1), next: () => move(1), download,
  again: () => { if (ratings.state.finished) ratings.again(); begin(); },
};
document.addEventListener("click", (event) => does[event.target.closest("[data-do]")?.dataset.do]?.());
document.addEventListener("keydown", (event) => {
  const key = event.key.toUpperCase();
  if (!it("test").hidden && !event.ctrlKey && !event.metaKey && !event.altKey && players[0]?.audio.has(key)) players[0].toggle(key);
});
it("left-out").querySelector("ul").replaceChildren(...data.left_out.map((sentence) => make("li", {}, sentence)));
if (ratings.state.finished) result();
else begin();
