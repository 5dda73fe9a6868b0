// Rows of numbers and tokens. What a token, a row or a column is about: on hover.
const heading = make("div", "lab-table-title");
const frame = make("div", "lab-table-frame");
frame.setAttribute("role", "region");
frame.setAttribute("aria-label", config.name);
frame.tabIndex = 0; // so that the keyboard can scroll it
const table = make("table", "lab-table");
table.setAttribute("aria-label", config.name);
const body = make("tbody");
table.append(drawHead(), body);
frame.append(table);
root.append(heading, frame);
frame.classList.toggle("lab-table-scrolls", !!config.lines);
frame.style.setProperty("--lab-lines", config.lines || 0);

let drawn = []; // the JSON each row was drawn from, to redraw only what changed

function drawHead() {
  const head = make("thead");
  const line = make("tr");
  for (const [name, kind, definition] of config.columns) {
    const cell = make("th", "lab-cell-" + kind, name);
    cell.scope = "col";
    if (definition) about(cell, [[name, definition]]);
    line.append(cell);
  }
  head.append(line);
  return head;
}

function about(node, facts) {
  node.addEventListener("pointerenter", () => showTip(node, facts));
  node.addEventListener("pointerleave", hideTip);
}

function drawChip(token) {
  const chip = make("span", "lab-chip lab-chip-flat" + (token.special ? " lab-chip-special" : ""));
  if (token.heat !== undefined) chip.dataset.heat = token.heat;
  else if (token.hue !== undefined && !token.special) chip.dataset.hue = token.hue;
  fillLabel(chip, token.parts);
  if (token.facts) about(chip, token.facts);
  return chip;
}

function drawCell(value, kind, facts) {
  const cell = make("td", "lab-cell-" + kind);
  if (typeof value === "string") {
    cell.textContent = value;
    if (facts) about(cell, facts);
  } else {
    cell.append(...value.map(drawChip));
    cell.setAttribute("aria-label", value.map((token) => labelText(token.parts)).join(""));
  }
  return cell;
}

function drawRow(row) {
  const line = make("tr", row.tone ? "lab-tone-" + row.tone : "");
  if (row.rule) line.classList.add("lab-row-rule");
  row.cells.forEach((value, i) => line.append(drawCell(value, config.columns[i][1], row.facts)));
  if (row.pick) makePickable(line, row);
  return line;
}

// The first cell is the button, for the keyboard and screen readers; the pointer takes all of it.
function makePickable(line, row) {
  line.classList.add("lab-data-choosable");
  const first = line.firstChild;
  const button = make("button", "lab-data-pick", first.textContent);
  button.type = "button";
  button.tabIndex = -1;
  button.setAttribute("aria-label", config.columns[0][0] + " " + first.textContent);
  first.replaceChildren(button);
  line.addEventListener("click", () => {
    const marked = getSelection();
    if (!marked.isCollapsed && marked.containsNode(line, true)) return; // to be copied
    hideTip();
    props.value = row.pick;
    trigger("pick");
  });
}

const buttons = () => [...body.querySelectorAll(".lab-data-pick")];

// Tab comes to one row; arrows go from row to row.
function makeOneReachable() {
  const all = buttons();
  if (all.length && !all.some((button) => button.tabIndex === 0)) all[0].tabIndex = 0;
}

body.addEventListener("keydown", (event) => {
  const all = buttons();
  const to = all[all.indexOf(event.target) + { ArrowDown: 1, ArrowUp: -1 }[event.key]];
  if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
});

function draw() {
  const rows = nested(props.rows) || [];
  const wanted = rows.map((row) => JSON.stringify(row));
  const stays = drawn.every((json, i) => json === wanted[i]);
  hideTip();
  heading.textContent = props.title || "";
  heading.hidden = !props.title;
  frame.hidden = !rows.length;
  wanted.forEach((json, i) => {
    if (json === drawn[i]) return;
    const line = drawRow(rows[i]);
    if (body.children[i]) body.children[i].replaceWith(line);
    else body.append(line);
  });
  while (body.children.length > wanted.length) body.lastChild.remove();
  makeOneReachable();
  if (config.grows && drawn.length && wanted.length > drawn.length) frame.scrollTop = frame.scrollHeight;
  else if (!stays) frame.scrollTop = 0;
  drawn = wanted;
}

draw();
watch(["rows", "title"], draw);
