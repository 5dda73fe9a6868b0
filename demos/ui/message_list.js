// The messages of a chat: edit, add, delete, move. What was typed is never replaced unasked.
const list = make("ol", "lab-messages");
list.setAttribute("aria-label", "Messages");
const aside = make("div", "lab-messages-aside"); // what the document holds, when it is something else
const below = make("div", "lab-messages-below");
const notes = make("div", "lab-messages-notes");
notes.setAttribute("role", "status");
root.append(list, aside, below, notes);

const EMPTY = { role: "user", content: "", tool_calls: "" };
let cards = []; // {role, content, tool_calls: JSON text}
let base = ""; // the messages last taken over, as text
let freshest = props.fresh || "";

function asCard(message) {
  const calls = message.tool_calls || "";
  return { role: message.role, content: message.content, tool_calls: typeof calls === "string" ? calls : JSON.stringify(calls, null, 2) };
}

// What the server gets: calls only where they are shown and not blank.
function current() {
  return cards.map(({ role, content, tool_calls }) =>
    role === "assistant" && tool_calls.trim() ? { role, content, tool_calls } : { role, content }
  );
}

const spelt = (some) => JSON.stringify(some.map(({ role, content, tool_calls }) => [role, content, role === "assistant" ? tool_calls.trim() : ""]));
const asText = () => spelt(cards);
const given = () => (nested(props.messages) || []).map(asCard);

function commit() {
  props.value = current();
  trigger("edit");
  tellOfOther();
}

function take(others) {
  cards = others;
  base = asText();
  drawCards();
  commit();
}

function button(words, label, act) {
  const made = make("button", "lab-message-button", words);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

function textArea(label, card, name, rows) {
  const area = make("textarea", "lab-message-text");
  area.value = card[name];
  area.setAttribute("aria-label", label);
  area.dir = "auto";
  area.spellcheck = false;
  const fit = () => (area.rows = Math.min(12, Math.max(rows, area.value.split("\n").length)));
  fit();
  area.addEventListener("input", () => {
    card[name] = area.value;
    fit();
    commit();
  });
  return area;
}

function move(index, by) {
  const to = index + by;
  if (to < 0 || to >= cards.length) return;
  cards.splice(to, 0, ...cards.splice(index, 1));
  changed();
  list.children[to].querySelector(by < 0 ? ".lab-message-up" : ".lab-message-down").focus();
}

function changed() {
  drawCards();
  commit();
}

function drawCalls(card, n) {
  const folded = make("details", "lab-message-calls");
  folded.open = !!card.tool_calls.trim();
  folded.append(make("summary", "", "Tool calls, as JSON"), textArea("tool calls of message " + n, card, "tool_calls", 3));
  return folded;
}

function drawCard(card, index) {
  const n = index + 1;
  const item = make("li", "lab-message");
  item.dataset.tone = card.role;
  const bar = make("div", "lab-message-bar");
  const role = make("select", "lab-message-role");
  role.setAttribute("aria-label", "role of message " + n);
  for (const name of config.roles) role.append(new Option(name, name, false, name === card.role));
  role.addEventListener("change", () => {
    card.role = role.value;
    changed();
    list.children[index].querySelector("select").focus();
  });
  const up = button("↑", "move message " + n + " up", () => move(index, -1));
  const down = button("↓", "move message " + n + " down", () => move(index, 1));
  up.classList.add("lab-message-up");
  down.classList.add("lab-message-down");
  up.setAttribute("aria-disabled", String(!index));
  down.setAttribute("aria-disabled", String(n === cards.length));
  const remove = button("Delete", "delete message " + n, () => {
    cards.splice(index, 1);
    changed();
  });
  bar.append(role, make("span", "lab-message-word"), up, down, remove);
  item.append(bar, textArea("content of message " + n, card, "content", 1));
  if (card.role === "assistant") item.append(drawCalls(card, n));
  return item;
}

function drawCards() {
  list.replaceChildren(...cards.map(drawCard));
  drawWritten();
}

// Role words and notes are about messages with certain roles: an older answer is not shown.
function drawWritten() {
  const written = nested(props.written);
  const fits = !!written && JSON.stringify(written.roles) === JSON.stringify(cards.map((card) => card.role));
  [...list.children].forEach((item, i) => {
    const word = fits ? written.words[i] : undefined;
    const line = item.querySelector(".lab-message-word");
    line.textContent = word === undefined ? "" : word === null ? "not written" : word === "" ? "no role word" : word === cards[i].role ? "written “" + word + "”" : "written in a turn “" + word + "”";
  });
  notes.replaceChildren(...(fits ? written.notes : []).map((note) => make("p", "", note)));
}

// The document's messages, when they are not those here and something was changed here.
function tellOfOther() {
  aside.replaceChildren();
  const other = spelt(given());
  if (other === asText() || other === base) return;
  aside.append(make("span", "", "The document now has other messages than these. "));
  aside.append(button("Show the document's", "show the document's messages", () => take(given())));
}

function receive() {
  const forced = !!props.fresh && props.fresh !== freshest;
  if (props.fresh) freshest = props.fresh;
  const [mine, other] = [asText(), spelt(given())];
  if (mine === other) base = mine;
  else if (forced || mine === base) take(given());
  tellOfOther();
}

below.append(
  button("Add a message", "add a message", () => {
    const last = cards.length ? cards[cards.length - 1].role : "";
    cards.push({ ...EMPTY, role: last === "user" || last === "tool" ? "assistant" : "user" });
    changed();
    list.lastElementChild.querySelector("textarea").focus();
  })
);

// drawn again after it was folded away, what was typed is still there
if (Array.isArray(props.value)) cards = props.value.map(asCard);
base = cards.length ? "" : asText();
drawCards();
receive();
watch(["messages", "fresh"], receive);
watch(["written"], drawWritten);
