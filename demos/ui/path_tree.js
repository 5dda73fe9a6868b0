// All paths taken as a tree: click a run of tokens to return to its end, or compare two paths.
const heading = make("div", "lab-list-title", "Paths taken");
const list = make("div", "lab-paths");
list.setAttribute("role", "tree");
list.setAttribute("aria-label", "Paths taken");
root.append(heading, list);

let rows = [];

function act(index, event) {
  hideTip();
  const { path, stop, at } = rows[index];
  props.value = { path, stop, at };
  trigger(event);
}

function button(words, className, index, event) {
  const made = make("button", className, words);
  made.type = "button";
  made.addEventListener("click", () => act(index, event));
  return made;
}

function drawRow(row, index) {
  const line = make("div", "lab-path" + (row.here ? " lab-path-here" : ""));
  line.setAttribute("role", "treeitem");
  line.setAttribute("aria-level", row.depth + 1);
  if (row.here) line.setAttribute("aria-current", "true");
  line.style.setProperty("--lab-depth", row.depth);
  const text = button(undefined, "lab-path-text", index, "pick");
  fillLabel(text, row.parts);
  text.setAttribute("aria-label", "return to: " + labelText(row.parts));
  text.addEventListener("pointerenter", () => showTip(text, row.facts));
  text.addEventListener("pointerleave", hideTip);
  line.append(text, make("span", "lab-number", row.prob_label), make("span", "lab-number lab-second", row.bits_label));
  const side = make("span", "lab-path-side");
  if (row.here) side.append(make("span", "lab-flag", "here"));
  else if (row.last) side.append(button("compare", "lab-path-compare", index, "compare"));
  line.append(side);
  return line;
}

function draw() {
  rows = nested(props.rows) || [];
  hideTip();
  root.hidden = !rows.length;
  list.replaceChildren(...rows.map(drawRow));
}

draw();
watch(["rows"], draw);
