// The clocks of the Access page go on. Without this script they stand as the page
// was made. The words are those of src/pages/access/clock.rs.
const madeAt = Number(document.querySelector("[data-now]").dataset.now);
const start = performance.now();
// By the server's clock, whatever this machine's says.
const now = () => Math.floor(madeAt + (performance.now() - start) / 1000);

function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

function tick() {
  const at = now();
  for (const clock of document.querySelectorAll("[data-until]")) {
    const left = Number(clock.dataset.until) - at;
    clock.textContent = left < 1 ? "over" : span(left);
  }
  for (const clock of document.querySelectorAll("[data-since]")) {
    const age = at - Number(clock.dataset.since);
    clock.textContent = age < 1 ? "just now" : `${span(age)} ago`;
  }
  for (const bar of document.querySelectorAll("[data-whole]")) {
    const { from, to, whole } = bar.dataset;
    const left = Math.min(Math.max((to - at) / Math.max(to - from, 1), 0), 1);
    bar.setAttribute("width", (whole * left).toFixed(1));
  }
}

tick();
setInterval(tick, 1000);
