// The slim header: which model runs, where, from where; before that, what is going on.
const bar = make("div", "lab-status");
bar.setAttribute("role", "status");
root.append(bar);

function draw() {
  bar.replaceChildren();
  bar.classList.toggle("lab-status-failed", !!props.failed);
  const line = make("div", "lab-status-line");
  line.append(make("span", "lab-status-name", props.title));
  if (props.title !== "Token Lab") line.append(make("span", "lab-status-term", "Token Lab"));
  if (props.model) line.append(make("span", "lab-status-model", props.model));
  for (const [name, text] of props.details || []) {
    const item = make("span", "lab-status-item");
    item.append(make("span", "lab-status-term", name + " "), make("span", "", text));
    line.append(item);
  }
  bar.append(line);
  if (props.busy) {
    const busy = make("div", "lab-status-busy", props.busy);
    bar.append(busy);
    if (!props.failed) {
      const track = make("div", "lab-progress");
      const fill = make("div", props.fraction === null ? "lab-progress-unknown" : "lab-progress-known");
      if (props.fraction !== null) fill.style.width = props.fraction * 100 + "%";
      track.append(fill);
      bar.append(track);
    }
  }
  if (props.note) {
    const note = make("div", "lab-status-note", props.note);
    if (props.remedy) note.append(folded(props.remedy));
    bar.append(note);
  }
}

function folded(words) {
  const more = make("details", "lab-status-remedy");
  more.append(make("summary", "", "Why, and what whoever runs this can do"), make("span", "", words));
  return more;
}

draw();
watch(["title", "model", "details", "note", "remedy", "busy", "fraction", "failed"], draw);
