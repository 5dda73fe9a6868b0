// The keys of a writing desk (.lab-writing): 1 to 9 choose a candidate, Enter the focused or the
// first, Backspace undoes; wherever in the desk the focus is, or nowhere. And the clicks on its list.
// One step at a time: a key or a click waits until the page shows what the step before led to. So
// fast ones are neither lost nor done twice to one list.
(() => {
  const TYPING = "input, textarea, select, [contenteditable='true'], .cm-editor";
  const TAKES_ENTER = "button, a, summary, [role='button'], [role='tab']";
  const SHOWN_MS = 2000; // by then even a busy page has drawn the answer that came
  const GIVEN_UP_MS = 30000;
  let waiting = []; // [desk, key] of keys that were pressed and not done; of a click, its row's place
  let step = null; // what is under way: its list, the place the list was about, since when

  function deskOf(target) {
    const around = target.closest(".lab-writing");
    const nowhere = target === document.body || target === document.documentElement;
    const onStep = target.closest(".lab-step"); // some are in the panels below the desk
    return around || (nowhere || onStep || target.closest("[role='tab']") ? deskOnShow() : null);
  }

  function deskOnShow() {
    return [...document.querySelectorAll(".lab-writing")].find((desk) => desk.checkVisibility());
  }

  function listOf(desk) {
    return desk.querySelector(".lab-list");
  }

  // "lab-began" comes from the strip and the list, by key or by mouse; other steps are buttons.
  function begin(desk, chose) {
    const list = listOf(desk);
    step = { list, at: list.dataset.at, chose, since: performance.now() };
  }

  function act(desk, key) {
    if (key === "Backspace") return desk.querySelector(".lab-undo").click();
    const detail = typeof key === "number" ? key : key === "Enter" ? null : Number(key) - 1;
    listOf(desk).dispatchEvent(new CustomEvent("lab-choose", { detail }));
  }

  function goOn() {
    while (!step && waiting.length) {
      const [desk, key] = waiting.shift();
      if (desk.isConnected && desk.checkVisibility()) act(desk, key);
    }
  }

  function want(desk, key, repeated) {
    if (step && performance.now() - step.since > GIVEN_UP_MS) [step, waiting] = [null, []];
    if (repeated && step) return; // a key held down goes as fast as the model
    waiting.push([desk, key]);
    goOn();
  }

  // nBefore: how many were waiting when the answer came
  function settle(ended, until, nBefore) {
    if (step !== ended) return;
    const same = ended.list.dataset.at === ended.at;
    if (same && performance.now() < until) return setTimeout(() => settle(ended, until, nBefore), 20);
    if (same && ended.chose) waiting.splice(0, nBefore); // what they were meant for never came
    step = null;
    goOn();
  }

  // A message says why. What waits was meant for another list, unless this was a mere look.
  function giveUp() {
    if (step?.chose) waiting = [];
    step = null;
    goOn();
  }

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!/^([1-9]|Enter|Backspace)$/.test(key) || target.closest(TYPING)) return;
    if (key === "Enter" && target.closest(TAKES_ENTER)) return;
    const desk = deskOf(target);
    if (!desk) return;
    event.preventDefault();
    want(desk, key, event.repeat);
  });
  document.addEventListener("lab-clicked", (event) => {
    want(event.target.closest(".lab-writing"), event.detail, false);
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".lab-writing .lab-list")) waiting = [];
  });
  document.addEventListener("lab-began", (event) => {
    const desk = event.target.closest(".lab-writing");
    if (desk) begin(desk, event.detail === "choice");
  });
  document.addEventListener("click", (event) => {
    const desk = event.target.closest?.(".lab-step") && deskOf(event.target);
    if (desk) begin(desk, false);
  });
  // After a turn the reply is next: the keys reach the list, unless more is being typed.
  document.addEventListener("lab-to-list", () => {
    const desk = deskOnShow();
    if (desk && !document.activeElement?.value) listOf(desk).focus({ preventScroll: true });
  });
  document.addEventListener("lab-refused", giveUp);
  document.addEventListener("lab-settled", () => {
    if (step) settle(step, performance.now() + SHOWN_MS, waiting.length);
  });
})();
