"use strict";

// The versions of one phrase, of which one sounds at a time. They share one place: another version goes on where one was.
class Player {
  static sounding = null; // the player that sounds, of all on the page

  // sources: address by key. changed(player) is called when anything is to be drawn anew.
  constructor(sources, seconds, changed) {
    this.seconds = seconds;
    this.changed = changed;
    this.place = 0;
    this.key = null; // the version that sounds
    this.heard = new Set();
    this.audio = new Map(Object.entries(sources).map(([key, address]) => [key, this.load(address)]));
  }

  // Over HTTP the whole file is taken first, so that any place of it can be gone to, whatever the server can do.
  load(address) {
    const audio = new Audio();
    audio.preload = "auto";
    audio.addEventListener("ended", () => this.stop(true));
    audio.ready = Promise.resolve(address);
    if (location.protocol.startsWith("http")) {
      audio.ready = fetch(address).then((answer) => answer.blob()).then((sound) => URL.createObjectURL(sound));
    }
    audio.ready = audio.ready.then((source) => { audio.src = source; });
    return audio;
  }

  toggle(key) {
    if (this.key === key) this.stop();
    else this.play(key);
  }

  async play(key) {
    const place = this.now();
    if (Player.sounding) Player.sounding.stop();
    const audio = this.audio.get(key);
    Player.sounding = this;
    this.place = place;
    this.key = key;
    this.heard.add(key);
    this.changed(this);
    await audio.ready;
    if (this.key !== key) return;
    audio.currentTime = this.place;
    await audio.play().catch(() => this.key === key && this.stop());
    this.draw();
  }

  stop(atEnd = false) {
    if (this.key === null) return;
    this.place = atEnd ? 0 : this.now();
    this.audio.get(this.key).pause();
    this.key = null;
    if (Player.sounding === this) Player.sounding = null;
    this.changed(this);
  }

  // Go to a place, 0 to 1 of the phrase.
  seek(share) {
    this.place = Math.min(0.999, Math.max(0, share)) * this.seconds;
    if (this.key !== null) this.audio.get(this.key).currentTime = this.place;
    this.changed(this);
  }

  // Seconds into the phrase.
  now() {
    const audio = this.key === null ? null : this.audio.get(this.key);
    return audio && audio.currentTime > 0 ? audio.currentTime : this.place;
  }

  draw() {
    this.changed(this);
    if (this.key !== null) requestAnimationFrame(() => this.draw());
  }

  close() {
    this.stop();
    for (const audio of this.audio.values()) if (audio.src.startsWith("blob:")) URL.revokeObjectURL(audio.src);
  }
}
