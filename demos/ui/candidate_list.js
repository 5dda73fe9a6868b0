// The most likely tokens with bars on one scale. Click, arrows and Enter, or 1 to 9.
const heading = make("div", "lab-list-title");
const head = make("div");
const list = make("div", "lab-list");
list.setAttribute("role", "listbox");
list.tabIndex = 0;
root.append(heading, head, list);

let rows = [];
let ahead = []; // what greedy decoding would write after each row's token
let focused = -1;

function bar(share, className) {
  const track = make("span", "lab-bar-track");
  const fill = make("span", "lab-bar " + className);
  fill.style.width = Math.max(0, Math.min(1, share)) * 100 + "%";
  track.append(fill);
  return track;
}

function bars(row, scale) {
  const cell = make("span", "lab-bars");
  cell.append(bar(row.prob / scale, row.chosen ? "lab-bar-chosen" : row.parts ? "lab-bar-model" : "lab-bar-rest"));
  if (row.sampler_prob !== undefined) cell.append(bar(row.sampler_prob / scale, "lab-bar-sampler"));
  return cell;
}

function drawRow(row, index, scale) {
  const line = make("div", "lab-row");
  line.setAttribute("role", "option");
  line.setAttribute("aria-selected", row.chosen ? "true" : "false");
  if (row.apart) line.classList.add("lab-row-apart");
  if (row.cut) line.classList.add("lab-row-cut");
  if (row.chosen) line.classList.add("lab-row-chosen");
  line.append(make("span", "lab-rank", row.rank ? String(row.rank) : ""));
  const chip = make("span", "lab-chip lab-chip-flat" + (row.special ? " lab-chip-special" : ""));
  if (!row.special) chip.dataset.hue = row.hue;
  fillLabel(chip, row.parts);
  const name = make("span", "lab-name");
  name.append(chip);
  if (row.flag) name.append(make("span", "lab-flag", row.flag));
  line.append(name, bars(row, scale), make("span", "lab-number", row.prob_label));
  line.append(make("span", "lab-number lab-second", row.sampler_label ?? row.bits_label + " bits"));
  line.setAttribute("aria-label", `${labelText(row.parts)}, ${row.prob_label}, ${row.bits_label} bits, rank ${row.rank}`);
  if (ahead[index]) {
    const next = make("span", "lab-ahead");
    fillLabel(next, ahead[index].parts);
    line.append(next);
  }
  line.addEventListener("click", () => want(index));
  const facts = ahead[index] ? [...row.facts, ...ahead[index].facts] : row.facts;
  line.addEventListener("pointerenter", () => showTip(line, facts));
  line.addEventListener("pointerleave", hideTip);
  return line;
}

function drawRest(rest, scale) {
  const line = make("div", "lab-row lab-row-rest");
  line.append(make("span", "lab-rank"), make("span", "lab-name", rest.label), bars(rest, scale));
  line.append(make("span", "lab-number", rest.prob_label), make("span", "lab-number lab-second", rest.sampler_label ?? ""));
  line.addEventListener("pointerenter", () => showTip(line, rest.facts));
  line.addEventListener("pointerleave", hideTip);
  return line;
}

function headCell(name, className) {
  const cell = make("span", className, name);
  cell.addEventListener("pointerenter", () => showTip(cell, [[name, config.heads[name]]]));
  cell.addEventListener("pointerleave", hideTip);
  return cell;
}

function drawHead(sampled) {
  const line = make("div", "lab-row lab-row-head");
  line.setAttribute("aria-hidden", "true");
  const [first, second] = sampled ? ["model", "sampler"] : ["probability", "surprisal"];
  line.append(headCell("rank", "lab-rank"), headCell("token", "lab-name"), make("span", "lab-bars"));
  line.append(headCell(first, "lab-number" + (sampled ? " lab-key lab-key-model" : "")));
  line.append(headCell(second, "lab-number lab-second" + (sampled ? " lab-key lab-key-sampler" : "")));
  return line;
}

function draw() {
  rows = nested(props.rows) || [];
  const rest = nested(props.rest);
  const told = nested(props.ahead);
  ahead = told && told.at === props.at ? told.lines : [];
  focused = -1;
  hideTip();
  heading.textContent = props.title || "";
  list.setAttribute("aria-label", props.title || "Candidates");
  list.dataset.at = props.at || "";
  list.classList.toggle("lab-choosable", !!config.choosable);
  const all = rest ? [...rows, rest] : rows;
  const scale = Math.max(1e-12, ...all.flatMap((row) => [row.prob, row.sampler_prob ?? 0]));
  root.classList.toggle("lab-list-sampled", rows.some((row) => row.sampler_prob !== undefined));
  const lines = rows.map((row, i) => drawRow(row, i, scale));
  if (rest) lines.push(drawRest(rest, scale));
  head.replaceChildren(...(rows.length ? [drawHead(rows[0].sampler_prob !== undefined)] : []));
  list.replaceChildren(...lines);
}

// In a desk desk_keys.js says when: a click waits until the step before it is done, as a key does.
function want(index) {
  hideTip();
  if (!list.closest(".lab-writing")) return choose(index);
  list.dispatchEvent(new CustomEvent("lab-clicked", { bubbles: true, detail: index }));
}

function choose(index) {
  if (!config.choosable || !rows[index]) return;
  hideTip();
  list.children[index].classList.add("lab-row-pressed");
  props.value = { id: rows[index].id, at: props.at };
  list.dispatchEvent(new CustomEvent("lab-began", { bubbles: true, detail: "choice" }));
  trigger("pick");
}

function focusRow(index) {
  focused = Math.max(0, Math.min(rows.length - 1, index));
  [...list.children].forEach((line, i) => line.classList.toggle("lab-row-focus", i === focused));
  showTip(list.children[focused], rows[focused].facts);
}

list.addEventListener("keydown", (event) => {
  if (!rows.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const digit = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : null;
  if (event.key === "ArrowDown") focusRow(focused + 1);
  else if (event.key === "ArrowUp") focusRow(focused - 1);
  else if (list.closest(".lab-writing")) return; // desk_keys.js sees to the rest
  else if (event.key === "Enter" && focused >= 0) choose(focused);
  else if (digit !== null) choose(digit);
  else return;
  event.preventDefault();
});
list.addEventListener("blur", hideTip);
list.addEventListener("lab-choose", (event) => choose(event.detail ?? Math.max(0, focused)));

draw();
watch(["rows", "rest", "title", "at", "ahead"], draw);
