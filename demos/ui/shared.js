// Shared by every component script. gr.HTML gives: element, trigger, props, watch.
// Text reaches the page through textContent only, never through markup.
const root = element.querySelector(".lab-root");
const config = JSON.parse(root.dataset.config);

// Lists in lists come as JSON text: Gradio's differences of a stream miscount deletions in them.
function nested(value) {
  return typeof value === "string" ? JSON.parse(value) : value;
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function fillLabel(node, parts) {
  for (const [kind, text] of parts) node.append(make("span", "lab-" + kind, text));
}

function labelText(parts) {
  const names = { space: " ", newline: "line break", tab: "tab" };
  return parts.map(([kind, text]) => (kind === "space" ? " ".repeat(text.length) : names[kind] || text)).join("");
}

// One floating box per component, filled with [term, value] rows.
const tip = make("div", "lab-tip");
tip.setAttribute("role", "tooltip");
tip.hidden = true;

function showTip(anchor, rows) {
  if (!rows || !rows.length) return hideTip();
  tip.replaceChildren();
  for (const [term, value] of rows) {
    const row = make("div", "lab-tip-row");
    row.append(make("span", "lab-tip-term", term), make("span", "lab-tip-value", value));
    tip.append(row);
  }
  if (!tip.isConnected) element.append(tip);
  tip.hidden = false;
  const box = anchor.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, window.innerWidth - tip.offsetWidth - 8));
  const below = box.bottom + 6;
  const fits = below + tip.offsetHeight < window.innerHeight;
  tip.style.left = left + "px";
  tip.style.top = (fits ? below : box.top - tip.offsetHeight - 6) + "px";
}

function hideTip() {
  tip.hidden = true;
}
window.addEventListener("scroll", hideTip, { passive: true, capture: true });
