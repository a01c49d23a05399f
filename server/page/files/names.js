// Words and figures that several parts of the page write alike.

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/** Return a pitch as C4 for 60. */
export function pitchName(pitch) {
  return NAMES[pitch % 12] + (Math.floor(pitch / 12) - 1);
}

/** Return milliseconds with as many digits as mean something. */
export function milliseconds(ms) {
  return ms >= 100 ? ms.toFixed(0) : ms >= 1 || ms === 0 ? ms.toFixed(1) : ms.toFixed(2);
}

/** Make an element: its tag, its properties, what it holds. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
