// One stream for all tabs of a browser: on HTTP/1.1 a stream per tab would use up the connections to the server.
"use strict";

const SILENT_MS = 180_000;
const ports = new Map(); // port → {topics, seen}
const last = new Map(); // topic → html
let source = null;
let address = "";
let pause = 1_000;
let timer = 0;

function wanted() {
  const topics = new Set();
  for (const [port, tab] of ports) {
    if (Date.now() - tab.seen > SILENT_MS) ports.delete(port);
    else tab.topics.forEach((topic) => topics.add(topic));
  }
  return [...topics].sort();
}

function tell(message, topic) {
  for (const [port, tab] of ports) if (!topic || tab.topics.includes(topic)) port.postMessage(message);
}

function close() {
  source?.close();
  source = null;
  address = "";
}

function connect() {
  clearTimeout(timer);
  const topics = wanted();
  for (const topic of [...last.keys()]) if (!topics.includes(topic)) last.delete(topic);
  if (!topics.length) return close();
  const next = "/console/live?" + topics.map((topic) => "topic=" + encodeURIComponent(topic)).join("&");
  if (source && next === address) return;
  close();
  address = next;
  const stream = (source = new EventSource(next));
  stream.onopen = () => {
    pause = 1_000;
    tell({ state: "on" });
  };
  stream.addEventListener("fragment", (event) => {
    const fragment = JSON.parse(event.data);
    last.set(fragment.topic, fragment.html);
    tell({ fragment }, fragment.topic);
  });
  stream.onerror = () => {
    if (stream !== source) return;
    close();
    timer = setTimeout(connect, pause);
    pause = Math.min(2 * pause, 15_000);
    const say = (state) => source?.readyState !== EventSource.OPEN && tell({ state }); // it may be back by now
    fetch("/console/session", { headers: { Accept: "application/json" } }).then(
      (answer) => say(answer.status === 401 ? "signed-out" : "waiting"),
      () => say("waiting"),
    );
  };
}

function attach(port) {
  port.onmessage = ({ data }) => {
    if (data.bye) ports.delete(port);
    else {
      const known = ports.get(port);
      ports.set(port, { topics: data.topics, seen: Date.now() });
      if (!known) {
        for (const topic of data.topics)
          if (last.has(topic)) port.postMessage({ fragment: { topic, html: last.get(topic) } });
        if (source?.readyState === EventSource.OPEN) port.postMessage({ state: "on" });
      }
    }
    if (data.now) close();
    connect();
  };
  port.start?.();
}

if (typeof SharedWorkerGlobalScope !== "undefined") self.onconnect = (event) => attach(event.ports[0]);
else attach(self); // a browser without shared workers: a worker of this tab alone
