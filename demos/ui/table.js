// A table of short cells: text, or a token by its parts. The first column is a name, the rest numbers.
const table = make("table", "lab-table");
const caption = make("div", "lab-list-title");
const frame = make("div", "lab-table-frame");
frame.append(table);
root.append(caption, frame);

function fillCell(cell, value) {
  if (Array.isArray(value)) {
    const chip = make("span", "lab-chip lab-chip-flat");
    fillLabel(chip, value);
    cell.append(chip);
  } else cell.textContent = value;
  return cell;
}

function draw() {
  const columns = nested(props.columns) || [];
  const rows = nested(props.rows) || [];
  root.hidden = !rows.length;
  caption.textContent = props.title || "";
  caption.hidden = !props.title;
  const head = make("tr");
  for (const name of columns) {
    const cell = make("th", "", name);
    cell.scope = "col";
    head.append(cell);
  }
  const lines = rows.map((row) => {
    const line = make("tr");
    line.append(...row.map((value) => fillCell(make("td"), value)));
    return line;
  });
  const [top, body] = [make("thead"), make("tbody")];
  top.append(head);
  body.append(...lines);
  table.replaceChildren(top, body);
}

draw();
watch(["columns", "rows", "title"], draw);
