// The pages work without any of this. With it, a page shows what others do as
// they do it, an upload shows how far it is, and a link can be copied.

const status = document.querySelector("[data-status]");

function say(words) {
  if (status) status.textContent = words;
}

/* Live regions: parts of a page, each with an id, that are replaced by the same
   parts of a newer page. A region is left alone while somebody works in it. */

const isField = (element) => element.matches("input:not([type=hidden]), textarea, select");

const isChanged = (field) =>
  field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;

function isInUse(region) {
  const fields = [...region.querySelectorAll("input:not([type=hidden]), textarea")];
  const focused = document.activeElement;
  return (region.contains(focused) && isField(focused)) || fields.some(isChanged);
}

function replace(region, newer) {
  const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
  region.replaceWith(document.adoptNode(newer));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function show(page) {
  for (const region of document.querySelectorAll("[data-live]")) {
    const newer = page.getElementById(region.id);
    if (newer && newer.outerHTML !== region.outerHTML && !isInUse(region)) replace(region, newer);
  }
  // Forms that were left alone may be of a session that is over.
  const token = page.querySelector("input[name=csrf]")?.value;
  for (const field of document.querySelectorAll("input[name=csrf]")) {
    if (token) field.value = token;
  }
}

const parsed = (html) => new DOMParser().parseFromString(html, "text/html");

/* One request at a time; what happens meanwhile is one more. */

let refreshing = null;
let again = false;

function refresh() {
  again = true;
  refreshing ??= (async () => {
    while (again) {
      again = false;
      const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
      if (answer?.ok) show(parsed(await answer.text()));
      if (answer?.ok) say("The page shows what is new.");
      if (answer?.status === 404) say("This is not there any more.");
    }
    refreshing = null;
  })();
}

/* The stream of what happens in a list. A page that nobody sees gives its
   connection back after a while: a browser has few of them. */

const HIDDEN_FOR = 30_000;
const AFTER_REFUSAL = 10_000;

function watch(address) {
  let source = null;
  let seen = "";

  function open() {
    const url = new URL(address, location.href);
    if (seen) url.searchParams.set("after", seen);
    source = new EventSource(url);
    source.addEventListener("activity", (event) => {
      seen = event.lastEventId;
      refresh();
    });
    source.addEventListener("error", () => {
      // Otherwise the browser comes back by itself.
      if (source.readyState !== EventSource.CLOSED) return;
      source = null;
      setTimeout(() => document.hidden || source || open(), AFTER_REFUSAL);
    });
  }

  let leaving = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (!document.hidden) {
      if (!source) open();
      return;
    }
    leaving = setTimeout(() => {
      source?.close();
      source = null;
    }, HIDDEN_FOR);
  });
  // A page that is kept to come back to holds no connection.
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    open();
    refresh();
  });
  open();
}

/* Uploads: the same form to the same address, with a bar. */

function upload(form) {
  const limit = Number(form.dataset.upload);
  const line = document.createElement("div");
  const button = form.querySelector("button");
  form.append(line);

  function tell(words, isBad) {
    line.className = isBad ? "uploading bad" : "uploading";
    line.setAttribute("role", "alert");
    line.replaceChildren(words);
    button.disabled = false;
  }

  function begin(file) {
    const bar = document.createElement("progress");
    const part = document.createElement("span");
    bar.setAttribute("aria-label", `Uploading ${file.name}`);
    line.className = "uploading";
    line.removeAttribute("role");
    line.replaceChildren(bar, part);
    button.disabled = true;
    return (done) => {
      bar.value = done;
      part.textContent = `${Math.floor(100 * done)} %`;
    };
  }

  function end(request, file) {
    const page = parsed(request.responseText);
    if (request.status !== 200) {
      const words = [...page.querySelectorAll("main h1, main [data-happened]")];
      return tell(words.map((element) => element.textContent).join(". "), true);
    }
    show(page);
    form.elements.key.value = page.querySelector("[data-upload] [name=key]").value;
    form.elements.file.value = "";
    tell(page.querySelector(".notice")?.textContent ?? `${file.name} is stored.`);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = form.elements.file.files[0];
    if (file.size > limit) {
      return tell(`The file is larger than ${form.dataset.limit}. It was not sent.`, true);
    }
    const advance = begin(file);
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", ({ loaded, total }) => advance(loaded / total));
    request.addEventListener("load", () => end(request, file));
    request.addEventListener("error", () => tell("The connection broke. Try again.", true));
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
}

/* A link to be copied, where the browser can. */

function copyable(field) {
  const input = field.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button plain";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    input.select();
    await navigator.clipboard.writeText(input.value);
    button.textContent = "Copied";
    say("The link is copied.");
  });
  field.append(button);
}

const watched = document.querySelector("[data-events]");
if (watched) watch(watched.dataset.events);
for (const form of document.querySelectorAll("form[data-upload]")) upload(form);
if (navigator.clipboard) for (const field of document.querySelectorAll("[data-copy]")) copyable(field);
