"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const meta = (name) => one(`meta[name="${name}"]`)?.content ?? "";

  // Times: local, and how long ago.
  const STEPS = [[60, "second"], [3600, "minute", 60], [86400, "hour", 3600], [604800, "day", 86400]];
  const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
  function tellTimes(root = document) {
    for (const time of all("time[datetime]", root)) {
      const moment = new Date(time.dateTime);
      const seconds = (moment - Date.now()) / 1000;
      const step = STEPS.find(([limit]) => Math.abs(seconds) < limit);
      const text = Math.abs(seconds) < 45 ? "just now"
        : step ? ago.format(Math.round(seconds / (step[2] ?? 1)), step[1]) : day.format(moment);
      if (time.textContent !== text) time.textContent = text;
      time.title = exact.format(moment);
    }
  }
  setInterval(tellTimes, 20_000);

  // Every form carries the token of this session; parts that came over the stream are the same for everybody. It is
  // sent only when the server answers: else the browser shows a page of its own, and what was typed is gone.
  const sure = new WeakSet();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    if (form.getAttribute("method") !== "post") return;
    const token = one('input[name="csrf"]', form);
    if (token && !token.value) token.value = meta("csrf");
    if (!sure.delete(form)) {
      event.preventDefault();
      if (!form.hasAttribute("aria-busy")) send(form, button);
    } else if (button) setTimeout(() => (button.disabled = true));
  }, true);
  async function send(form, button) {
    form.setAttribute("aria-busy", "true");
    one(".unsent", form)?.remove();
    const answered = await fetch("/console/session", { signal: AbortSignal.timeout(10_000) }).then(() => true, () => false);
    form.removeAttribute("aria-busy");
    if (answered) {
      sure.add(form);
      form.requestSubmit(button);
    } else {
      const place = document.createElement("p");
      Object.assign(place, { className: "problem unsent", role: "alert" });
      place.textContent = "The server can't be reached, so nothing was sent. What you typed stays here: try again in a moment.";
      form.append(place);
    }
  }
  addEventListener("pageshow", (event) => {
    if (event.persisted) all("button:disabled").forEach((button) => (button.disabled = false));
  });

  // What the page says when it can't follow.
  const notice = one("#notice");
  const pulse = one("#pulse");
  function say(text, link) {
    if (!notice) return;
    notice.replaceChildren(text);
    if (link) {
      const anchor = document.createElement("a");
      Object.assign(anchor, { href: link.href, textContent: link.text, target: "_blank", rel: "noopener" });
      notice.append(" ", anchor);
    }
    notice.hidden = !text;
  }
  let unsure = 0;
  function showState(state) {
    if (!pulse) return;
    clearTimeout(unsure);
    if (state === "on") {
      Object.assign(pulse, { textContent: "Live" });
      pulse.dataset.state = "on";
      if (notice?.dataset.why === "live") say("");
    } else if (state === "signed-out") {
      pulse.textContent = "Signed out";
      pulse.dataset.state = "off";
      notice.dataset.why = "live";
      say("Your session has ended. What you typed stays here:", { href: "/console/sign-in", text: "sign in in a new tab" });
    } else {
      unsure = setTimeout(() => {
        pulse.textContent = "Reconnecting …";
        pulse.dataset.state = "off";
      }, 2_000);
    }
  }

  // Parts of the page that change by themselves.
  const shown = new Map();
  function show({ topic, html }) {
    const place = one(`[data-topic="${CSS.escape(topic)}"]`);
    if (!place || shown.get(topic) === html) return;
    shown.set(topic, html);
    const open = all("details[open][data-key]", place).map((part) => part.dataset.key);
    const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
    htmx.swap({ sourceElement: place, target: place, swap: "innerMorph", text: html }).then(() => {
      for (const part of all("details[data-key]", place)) if (open.includes(part.dataset.key)) part.open = true;
      if (focused) document.getElementById(focused)?.focus();
      settle();
    });
  }

  // A decision can only be taken while the record waits for it; what was typed stays.
  function settle() {
    tellTimes();
    const state = one("[data-state-now]")?.dataset;
    if (!state) return;
    for (const part of all("[data-while]")) part.disabled = !part.dataset.while.split(" ").includes(state.stateNow);
    for (const part of all("[data-only]")) part.hidden = !part.dataset.only.split(" ").includes(state.stateNow);
    const page = one("[data-draft-shown]")?.dataset;
    const stale = one("#stale");
    if (page && stale) stale.hidden = !state.draft || state.draft === page.draftShown;
    const first = one("[data-state-then]")?.dataset;
    const arrived = one("#arrived");
    if (first && arrived) arrived.hidden = first.stateThen === state.stateNow || state.stateNow !== "completed";
  }

  function follow() {
    const topics = all("[data-topic]").map((place) => place.dataset.topic);
    if (!topics.length) {
      pulse?.replaceChildren();
      return;
    }
    const shared = "SharedWorker" in window;
    const worker = shared ? new SharedWorker(meta("live")) : new Worker(meta("live"));
    const port = shared ? worker.port : worker;
    port.onmessage = ({ data }) => (data.fragment ? show(data.fragment) : showState(data.state));
    port.postMessage({ topics });
    setInterval(() => port.postMessage({ topics }), 30_000);
    addEventListener("pagehide", () => port.postMessage({ bye: true }));
    addEventListener("pageshow", (event) => event.persisted && port.postMessage({ topics }));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && pulse?.dataset.state === "off") port.postMessage({ topics, now: true });
    });
  }

  // Who opens a dialogue by keyboard is in it; where there is nothing to type, on the button that does nothing.
  document.addEventListener("toggle", ({ target, newState }) => {
    const from = document.activeElement;
    if (newState !== "open" || !target.matches("[popover]") || target.contains(from)) return;
    if (!from?.matches(":focus-visible")) return; // a finger would get the keyboard over the text
    const field = one('input:not([type="hidden"], [disabled]), textarea, select', target);
    (field ?? all("button", target).at(-1))?.focus();
  }, true);

  // A dialogue whose form was refused is open again, with what is wrong in it.
  const refused = one("[popover][data-open]");
  if (refused) {
    one("h2", refused)?.after(one("#problem"));
    refused.showPopover();
  }

  document.addEventListener("htmx:after:swap", () => settle());
  document.addEventListener("htmx:response:error", (event) => {
    const status = event.detail?.ctx?.response?.status;
    if (notice) notice.dataset.why = "request";
    if (status === 401) say("Your session has ended. What you typed stays here:", { href: "/console/sign-in", text: "sign in in a new tab" });
    else say(`The server answered ${status}; nothing was changed.`);
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    const place = { j: 1, k: -1 }[event.key];
    if (!place) return;
    const stops = all("main [data-stop], main .line a").filter((stop) => stop.offsetParent);
    const at = stops.indexOf(document.activeElement);
    const next = stops[Math.max(0, Math.min(stops.length - 1, at + place))];
    if (next) {
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    }
  });

  one('.top [aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "center" });
  settle();
  follow();
  document.documentElement.dataset.ready = "true";
})();
