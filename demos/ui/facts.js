// Numbers with their names; a definition and the exact value on hover or focus.
const row = make("dl", "lab-facts");
root.append(row);

function draw() {
  row.replaceChildren();
  for (const fact of nested(props.facts) || []) {
    const cell = make("div", "lab-fact");
    cell.tabIndex = 0;
    cell.append(make("dt", "lab-fact-name", fact.name), make("dd", "lab-fact-value", fact.value));
    const rows = [];
    if (fact.exact) rows.push(["exactly", fact.exact]);
    if (fact.definition) rows.push([fact.name, fact.definition]);
    cell.addEventListener("pointerenter", () => showTip(cell, rows));
    cell.addEventListener("focus", () => showTip(cell, rows));
    cell.addEventListener("pointerleave", hideTip);
    cell.addEventListener("blur", hideTip);
    row.append(cell);
  }
}

draw();
watch(["facts"], draw);
