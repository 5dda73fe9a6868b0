// The question a page was opened with, as plain text, and the ways to the others: links that open
// the page anew with the state that the next question begins with.
const box = make("section", "lab-questions");
box.setAttribute("aria-label", "Questions of the course");
root.append(box);

const KEPT = ["embed", "__theme"];

function address(number, slug) {
  const query = new URLSearchParams();
  const now = new URLSearchParams(location.search);
  for (const name of KEPT) if (now.has(name)) query.set(name, now.get(name));
  query.set("q", number);
  // a demo's own page lies beside those of the others
  const path = config.beside ? location.pathname.replace(/[^/]*$/, "") + slug : location.pathname;
  return path + "?" + query;
}

function way(words, row, className) {
  const link = make("a", className, words);
  link.href = address(row.n, row.slug);
  return link;
}

function draw() {
  const rows = nested(props.rows);
  const at = rows.findIndex((row) => row.n === props.number);
  const ways = make("div", "lab-questions-ways");
  if (at >= 0) {
    const place = "Question " + props.number + " of " + props.total;
    ways.append(make("span", "lab-questions-count", place));
    if (at > 0) ways.append(way("Previous question", rows[at - 1]));
    if (at + 1 < rows.length) ways.append(way("Next question", rows[at + 1]));
    if (props.elsewhere) ways.append(way("Open the demo it is about", rows[at]));
  } else if (rows.length) {
    if (props.refused) ways.append(make("span", "", "There is no question of this number."));
    ways.append(way("Begin with question " + rows[0].n, rows[0]));
  }
  const all = make("details", "lab-questions-all");
  all.append(make("summary", "", "All questions"));
  const list = make("ol");
  for (const row of rows) {
    const item = make("li");
    item.value = row.n;
    item.append(way(row.label, row, row.n === props.number ? "lab-questions-here" : ""));
    if (row.n === props.number) item.firstChild.setAttribute("aria-current", "page");
    list.append(item);
  }
  all.append(list);
  ways.append(all);
  box.replaceChildren(ways);
  if (props.text) box.append(make("div", "lab-questions-text", props.text));
}

draw();
watch(["rows", "total", "number", "text", "elsewhere", "refused"], draw);
