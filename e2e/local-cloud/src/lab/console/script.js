// The console: asks the cloud, and shows what it says. The key is behind the # of
// the address, where no server and no other page sees it.
"use strict";

const key = location.hash.slice(1);
const element = (id) => document.getElementById(id);
const MOST_ROWS = 40;

async function ask(method, path) {
  const answer = await fetch(path, { method, headers: { authorization: `Bearer ${key}` } });
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text);
  let why = text;
  try { why = JSON.parse(text).error ?? text; } catch { /* it is plain text */ }
  throw new Error(why);
}

function make(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const STATES = { "done": "✓ done", "failed": "✗ refused", "not-reached": "not reached" };

function showStep(step) {
  const item = make("li", undefined, { class: step.state });
  const title = make("h3", `${step.number}. ${step.title}`);
  const state = make("p", STATES[step.state], { class: "state" });
  if (step.explanation) state.textContent += `: ${step.explanation.code}`;
  if (step.milliseconds !== null) state.textContent += ` · ${step.milliseconds.toFixed(0)} ms`;
  const values = make("dl");
  for (const [name, value] of step.values) values.append(make("dt", name), make("dd", value));
  item.append(title, state, values);
  return item;
}

function show(chain) {
  element("chain").replaceChildren(...chain.steps.map(showStep));
  const failed = chain.steps.find((step) => step.state === "failed");
  element("verdict").textContent = failed
    ? `The chain stands still at step ${failed.number}: ${failed.explanation.code}.`
    : "All five steps are done.";
  element("why").hidden = !failed;
  element("explanation").textContent = failed ? failed.text : "";
  for (const button of element("mistakes").children) {
    const made = chain.mistake === button.value && chain.mistaken === chain.identity;
    button.setAttribute("aria-pressed", String(made));
  }
}

async function act(method, path) {
  const controls = document.querySelectorAll("button, select");
  for (const control of controls) control.disabled = true;
  const focused = document.activeElement;
  try {
    show(await ask(method, path));
    element("problem").textContent = "";
  } catch (error) {
    element("problem").textContent = error.message;
  } finally {
    for (const control of controls) control.disabled = false;
    if (focused instanceof HTMLElement) focused.focus();
  }
}

const chosen = () => `/lab/${encodeURIComponent(element("identity").value)}`;

async function follow() {
  let after = 0;
  for (;;) {
    try {
      const records = await ask("GET", `/lab/audit?after=${after}`);
      for (const record of records.slice(-MOST_ROWS)) {
        const row = make("tr");
        const cells = [record.sequence, record.at.slice(11, 23), record.by, record.identity ?? "", record.operation, record.scope];
        row.append(...cells.map((cell) => make("td", cell)));
        const decision = record.code ? `${record.decision}: ${record.code}` : record.decision;
        row.append(make("td", decision, { class: record.decision }), make("td", record.why));
        element("audit").prepend(row);
      }
      if (records.length > 0) after = records[records.length - 1].sequence;
      while (element("audit").children.length > MOST_ROWS) element("audit").lastChild.remove();
    } catch (error) {
      element("problem").textContent = `The local cloud does not answer: ${error.message}`;
      return;
    }
  }
}

async function start() {
  try {
    const { identities, mistakes } = await ask("GET", "/lab");
    element("identity").append(...identities.map((name) => make("option", name, { value: name })));
    if (identities.includes("frontend")) element("identity").value = "frontend";
    for (const { name, title } of mistakes) {
      const button = make("button", title, { type: "button", value: name, "aria-pressed": "false" });
      button.addEventListener("click", () => act("POST", `${chosen()}/${name}`));
      element("mistakes").append(button);
    }
    element("heal").addEventListener("click", () => act("DELETE", chosen()));
    element("walk").addEventListener("click", () => act("POST", chosen()));
    element("identity").addEventListener("change", () => act("POST", chosen()));
    await act("POST", chosen());
    follow();
  } catch (error) {
    element("problem").textContent = error.message;
  }
}

start();
