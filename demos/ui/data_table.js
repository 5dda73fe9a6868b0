// A table of numbers and token text; rows that lead somewhere are clicked by their first cell.
const heading = make("div", "lab-list-title");
const table = make("table", "lab-data");
root.append(heading, table);

let rows = [];

function drawCell(cell, column, row) {
  const box = make(column ? "td" : "th", cell.number ? "lab-data-number" : "");
  if (!column) box.scope = "row";
  box.dataset.head = config.heads[column];
  let holder = box;
  if (!column && row.pick !== undefined && config.choosable) {
    holder = make("button", "lab-data-pick");
    holder.type = "button";
    box.append(holder);
  }
  for (const line of cell.lines || [cell.parts || [["text", cell.text]]]) {
    const text = make("span", "lab-data-line");
    fillLabel(text, line);
    holder.append(text);
  }
  if (cell.flag) holder.append(make("span", "lab-flag", cell.flag));
  if (cell.facts) {
    box.addEventListener("pointerenter", () => showTip(box, cell.facts));
    box.addEventListener("pointerleave", hideTip);
  }
  return box;
}

function choose(row) {
  if (!config.choosable || row.pick === undefined) return;
  hideTip();
  props.value = row.pick;
  trigger("pick");
}

function drawRow(row) {
  const line = make("tr", (row.here ? "lab-data-here" : "") + (config.choosable ? " lab-data-choosable" : ""));
  if (row.here) line.setAttribute("aria-current", "true");
  line.append(...row.cells.map((cell, column) => drawCell(cell, column, row)));
  line.addEventListener("click", () => choose(row));
  return line;
}

function drawHead() {
  const line = make("tr");
  line.append(...config.heads.map((head) => make("th", "", head)));
  const group = make("thead");
  group.append(line);
  return group;
}

function draw() {
  rows = nested(props.rows) || [];
  hideTip();
  root.hidden = !rows.length;
  heading.textContent = props.title || "";
  heading.hidden = !props.title;
  table.setAttribute("aria-label", props.title || config.name);
  const body = make("tbody");
  body.append(...rows.map(drawRow));
  table.replaceChildren(drawHead(), body);
}

draw();
watch(["rows", "title"], draw);
