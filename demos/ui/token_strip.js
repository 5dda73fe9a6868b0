// Tokens as chips on the text's own line breaks. Click, shift-click, drag, arrow keys.
const heading = make("div", "lab-strip-heading");
const strip = make("div", "lab-strip");
strip.setAttribute("role", "listbox");
strip.setAttribute("aria-multiselectable", "true");
strip.tabIndex = 0;
strip.dir = "auto";
root.append(heading, strip);

let tokens = []; // what is shown
let chips = []; // the chip elements, in order
let drawn = []; // the JSON each was drawn from, to redraw only what changed
let anchor = null; // where the selection began
let head = null; // where it is now
let dragging = false;
let picked = { n: 0 }; // the last span that was picked, by a number that answers name it with
let quiet = null; // the chip that was clicked: its box is not shown again until the pointer was elsewhere
const prefix = "chip" + Math.random().toString(36).slice(2);

function drawChip(token, index) {
  const chip = make("span", "lab-chip");
  chip.id = prefix + "-" + index;
  chip.setAttribute("role", "option");
  chip.dataset.index = index;
  if (token.special) chip.classList.add("lab-chip-special");
  if (token.mark) chip.classList.add("lab-mark-" + token.mark);
  if (token.change !== undefined) chip.dataset.change = token.change;
  else if (token.heat !== undefined) chip.dataset.heat = token.heat;
  else if (token.tone) chip.dataset.tone = token.tone;
  else if (!token.special && (!token.mark || token.mark === "chosen")) chip.dataset.hue = token.hue;
  fillLabel(chip, token.parts);
  const facts = (token.facts || []).slice(1).map(([term, value]) => term + " " + value);
  chip.setAttribute("aria-label", ["token " + index + ": " + labelText(token.parts), ...facts].join(", "));
  return chip;
}

function draw() {
  tokens = nested(props.tokens) || [];
  const wanted = tokens.map((token) => JSON.stringify(token));
  const before = drawn.length;
  let same = 0;
  while (same < wanted.length && same < drawn.length && wanted[same] === drawn[same]) same++;
  if (same < drawn.length || same < wanted.length) {
    hideTip();
    const keep = same < drawn.length ? chips[same] : null;
    if (keep) {
      let node = keep.labTurn || keep;
      while (node) {
        const next = node.nextSibling;
        node.remove();
        node = next;
      }
    }
    chips.length = same;
    const added = document.createDocumentFragment();
    for (let i = same; i < tokens.length; i++) {
      const chip = drawChip(tokens[i], i);
      if (tokens[i].turn !== undefined) {
        chip.labTurn = make("span", "lab-turn", tokens[i].turn);
        chip.labTurn.dataset.tone = tokens[i].tone;
        added.append(chip.labTurn);
      }
      chips.push(chip);
      added.append(chip);
      if (tokens[i].breaks) added.append(document.createElement("br"));
    }
    strip.append(added);
    drawn = wanted;
  }
  heading.textContent = props.heading || "";
  heading.hidden = !props.heading;
  strip.classList.toggle("lab-strip-compact", !!config.compact);
  strip.classList.toggle("lab-strip-folded", !!props.folded);
  strip.classList.toggle("lab-strip-fixed", !!config.lines);
  strip.style.setProperty("--lab-lines", config.lines || 0);
  strip.setAttribute("aria-label", config.name || "Tokens");
  const grew = same > 0 && same === before && wanted.length > same;
  if (!dragging || head >= chips.length) select(props.value || props.suggested);
  markSelection();
  reveal(head !== null ? chips[head] : grew ? chips[chips.length - 1] : null);
}

function select(span) {
  const some = span && span.stop > span.start;
  anchor = some ? span.start : null;
  head = some ? span.stop - 1 : null;
}

// Scroll the strip itself, never the page, until the chip is seen.
function reveal(chip) {
  if (!chip) return;
  const [box, frame] = [chip.getBoundingClientRect(), strip.getBoundingClientRect()];
  if (box.bottom > frame.bottom) strip.scrollTop += box.bottom - frame.bottom + 6;
  if (box.top < frame.top) strip.scrollTop -= frame.top - box.top + 6;
}

function markSelection() {
  const low = anchor === null ? -1 : Math.min(anchor, head);
  const high = anchor === null ? -2 : Math.max(anchor, head);
  chips.forEach((chip, i) => {
    const inside = i >= low && i <= high;
    chip.classList.toggle("lab-selected", inside);
    chip.classList.toggle("lab-selected-one", inside && low === high);
    chip.setAttribute("aria-selected", inside ? "true" : "false");
  });
  if (head !== null && chips[head]) strip.setAttribute("aria-activedescendant", chips[head].id);
  else strip.removeAttribute("aria-activedescendant");
}

function commit() {
  hideTip();
  if (anchor === null) return;
  picked = { start: Math.min(anchor, head), stop: Math.max(anchor, head) + 1, n: picked.n + 1 };
  props.value = picked;
  strip.dispatchEvent(new CustomEvent("lab-began", { bubbles: true }));
  trigger("pick");
}

function chipAt(target) {
  const chip = target instanceof Element ? target.closest(".lab-chip") : null;
  return chip && strip.contains(chip) ? Number(chip.dataset.index) : null;
}

function move(to, extend) {
  if (!chips.length) return;
  head = Math.max(0, Math.min(chips.length - 1, to));
  if (!extend || anchor === null) anchor = head;
  markSelection();
  reveal(chips[head]);
  commit();
  showTip(chips[head], tokens[head]?.facts);
}

// The chip above or below: the nearest one whose middle lies on another line.
function vertical(direction) {
  const from = chips[head ?? 0].getBoundingClientRect();
  let best = head ?? 0;
  let distance = Infinity;
  chips.forEach((chip, i) => {
    const box = chip.getBoundingClientRect();
    const lines = (box.top - from.top) * direction;
    if (lines < from.height / 2) return;
    const score = lines * 1000 + Math.abs(box.left - from.left);
    if (score < distance) [best, distance] = [i, score];
  });
  return best;
}

strip.addEventListener("pointerdown", (event) => {
  const at = chipAt(event.target);
  if (at === null || !config.selectable || event.button) return;
  if (event.pointerType === "mouse") event.preventDefault();
  strip.focus({ preventScroll: true });
  head = at;
  if (!event.shiftKey || anchor === null) anchor = at;
  dragging = true;
  if (strip.hasPointerCapture(event.pointerId)) strip.releasePointerCapture(event.pointerId);
  markSelection();
});
strip.addEventListener("pointermove", (event) => {
  const at = chipAt(document.elementFromPoint(event.clientX, event.clientY));
  if (dragging && at !== null && at !== head) {
    head = at;
    markSelection();
  }
});
window.addEventListener("pointerup", () => {
  if (!dragging) return;
  dragging = false;
  quiet = head;
  commit();
});
window.addEventListener("pointercancel", () => {
  if (!dragging) return;
  dragging = false; // a finger that scrolls selects nothing
  draw();
});

strip.addEventListener("pointerover", (event) => {
  const at = chipAt(event.target);
  if (at === null) hideTip();
  else if (!dragging && at !== quiet) {
    quiet = null;
    showTip(chips[at], tokens[at]?.facts);
  }
});
strip.addEventListener("pointerleave", () => {
  quiet = null;
  hideTip();
});
strip.addEventListener("blur", hideTip);

strip.addEventListener("keydown", (event) => {
  if (!config.selectable || !chips.length) return;
  const here = head === null ? -1 : head;
  const rtl = getComputedStyle(strip).direction === "rtl" ? -1 : 1;
  const moves = {
    ArrowRight: () => here + rtl,
    ArrowLeft: () => (head === null ? 0 : here - rtl),
    ArrowDown: () => vertical(1),
    ArrowUp: () => vertical(-1),
    Home: () => 0,
    End: () => chips.length - 1,
  };
  if (event.ctrlKey || event.metaKey || event.altKey || !moves[event.key]) return;
  event.preventDefault();
  move(moves[event.key](), event.shiftKey);
});

// drawn before there was room for it, as behind a tab, a selection is not in view yet
new ResizeObserver(() => reveal(chips[head])).observe(strip);

// A step that was under way at a pick may have come over it; then the pick's answer names it.
function pickAgain() {
  if (props.picked !== picked.n || props.value?.n === picked.n) return;
  props.value = picked;
  draw();
}

draw();
watch(["tokens", "value", "suggested", "heading", "folded"], draw);
watch("picked", pickAgain);
