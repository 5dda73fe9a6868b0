// ?embed=1: leave out what a course page has no use for, and tell the page around the frame how
// high this one is, whenever that changes. Only a number leaves the frame, so any page may hear it.
(() => {
  if (new URLSearchParams(location.search).get("embed") !== "1") return;
  const page = document.documentElement;
  page.classList.add("lab-embed");
  if (window.parent === window) return;
  let told = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(page.getBoundingClientRect().height);
    if (height === told) return;
    told = height;
    window.parent.postMessage({ tokenLabHeight: height }, "*");
  }).observe(page);
})();
