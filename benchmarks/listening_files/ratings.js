"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const QUESTIONS = data.questions.asks; // [name, title, question] each
const MOST = data.questions.most; // points, from 1

// What a listener has given, kept in the browser until it is begun anew, saved by the server or downloaded.
class Ratings {
  constructor(data) {
    this.data = data;
    this.place = `backline-listening-${data.page}`;
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(this.place)); } catch { /* a browser that keeps nothing */ }
    this.state = kept ?? this.fresh();
  }

  fresh() {
    const listener = [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const orders = this.data.phrases.map((phrase) => shuffled(phrase.versions.map((_, index) => index)));
    return { listener, started: null, finished: null, saved: false, at: 0, orders, given: this.data.phrases.map(() => ({})) };
  }

  keep() {
    try { localStorage.setItem(this.place, JSON.stringify(this.state)); } catch { /* see above */ }
  }

  again() {
    this.state = this.fresh();
    this.keep();
  }

  give(phrase, version, question, value) {
    (this.state.given[phrase][version] ??= {})[question] = value;
    this.keep();
  }

  given(phrase, version, question) {
    return this.state.given[phrase][version]?.[question];
  }

  // The letters of the versions that still lack an answer.
  lacking(phrase) {
    return this.state.orders[phrase].flatMap((version, place) =>
      QUESTIONS.every(([name]) => this.given(phrase, version, name)) ? [] : [letter(place)]);
  }

  share() {
    const all = this.data.phrases.reduce((sum, phrase) => sum + phrase.versions.length, 0) * QUESTIONS.length;
    const given = this.state.given.flatMap((phrase) => Object.values(phrase)).reduce((sum, row) => sum + Object.keys(row).length, 0);
    return given / all;
  }

  // One row a version of a phrase, as it is saved.
  record() {
    const ratings = this.data.phrases.flatMap((phrase, number) => this.state.orders[number].map((version, place) => ({
      phrase: phrase.title, version: phrase.versions[version].name, letter: letter(place), ...this.state.given[number][version],
    })));
    const { listener, started, finished } = this.state;
    return { page: this.data.page, listener, started, finished, ratings };
  }

  // Give the record to the server, once; return whether it has it.
  async save() {
    if (!this.state.saved && location.protocol.startsWith("http")) {
      const answer = await fetch("ratings", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(this.record()),
      }).catch(() => null);
      this.state.saved = answer?.ok ?? false;
      this.keep();
    }
    return this.state.saved;
  }

  // The records of everybody who has rated this page, as far as the server has them.
  async everybody() {
    if (!location.protocol.startsWith("http")) return [];
    const answer = await fetch("ratings.jsonl", { cache: "no-store" }).catch(() => null);
    const lines = answer?.ok ? (await answer.text()).trim().split("\n") : [];
    return lines.map((line) => JSON.parse(line)).filter((record) => record.page === this.data.page);
  }
}

// [{name, counted, means: {question: mean}}] in the order of the page's versions.
function means(data, rows) {
  const names = [...new Set(data.phrases.flatMap((phrase) => phrase.versions.map((version) => version.name)))];
  return names.map((name) => {
    const own = rows.filter((row) => row.version === name);
    const mean = (question) => own.reduce((sum, row) => sum + row[question], 0) / own.length;
    return { name, counted: own.length, means: Object.fromEntries(QUESTIONS.map(([question]) => [question, mean(question)])) };
  });
}

function letter(place) {
  return String.fromCharCode(65 + place);
}

function shuffled(items) {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
  return items;
}
