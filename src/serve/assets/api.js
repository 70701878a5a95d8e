// The HTTP API: questions, a few at a time, and the stream of ticks.

/** Where the listener is: scripts are below `page/`. */
const ROOT = new URL("../", import.meta.url);
/** Questions that are asked at once: as many as the listener has threads for. */
const AT_ONCE = 2;
/** How long nothing is heard before the stream is given up, in milliseconds. */
const GIVEN_UP = 15_000;

const waiting = [];
let asking = 0;

function next() {
  while (asking < AT_ONCE && waiting.length > 0) {
    const { run, signal } = waiting.shift();
    if (signal?.aborted) continue;
    asking += 1;
    run().finally(() => { asking -= 1; next(); });
  }
}

async function exchange(path, parameters, signal, post) {
  const url = new URL(path, ROOT);
  const options = { signal, headers: { Accept: "application/json" } };
  if (post) Object.assign(options, { method: "POST", body: parameters });
  else url.search = parameters;
  const answer = await fetch(url, options);
  const text = await answer.text();
  let json;
  try { json = JSON.parse(text); } catch { throw new Error(text.slice(0, 200) || `status ${answer.status}`); }
  if (json.status !== "success") throw new Error(json.error ?? `status ${answer.status}`);
  return json.data;
}

/** Asks the API; in turn. */
export function ask(path, parameters = {}, signal = undefined) {
  const post = /query|heatmap/.test(path);
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) form.append(name, one);
  }
  return new Promise((done, failed) => {
    signal?.addEventListener("abort", () => failed(signal.reason), { once: true });
    const run = () => exchange(`api/v1/${path}`, form, signal, post).then(done, failed);
    waiting.push({ run, signal });
    next();
  });
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** Texts of events, as they come. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split("\n").filter((line) => line.startsWith("data: "));
      if (lines.length > 0) yield lines.map((line) => line.slice(6)).join("\n");
    }
  }
}

/**
 * The stream of ticks. `wanted()` gives the parameters; `onTick` is given each tick, `onGone` why there is none. It comes back
 * by itself; `renew` has it begin again with other parameters.
 */
export class Live {
  constructor(wanted, onTick, onGone) {
    Object.assign(this, { wanted, onTick, onGone, heard: performance.now(), failures: 0 });
    this.run();
    setInterval(() => {
      if (performance.now() - this.heard > GIVEN_UP) this.renew();
    }, 1000);
  }

  renew() {
    this.heard = performance.now();
    this.controller?.abort();
  }

  async run() {
    for (;;) {
      const controller = this.controller = new AbortController();
      let parameters = this.wanted();
      try {
        await this.once(parameters, controller.signal);
        // It ended: the listener stops.
        this.failures += 1;
        this.onGone("the connection ended");
      } catch (error) {
        if (!controller.signal.aborted) {
          this.failures += 1;
          this.onGone(error instanceof TypeError ? "nothing answers" : error.message);
        }
      }
      if (!controller.signal.aborted) await pause(Math.min(500 * this.failures, 3000));
    }
  }

  async once(parameters, signal) {
    const url = new URL("api/v1/live", ROOT);
    const answer = await fetch(url, { method: "POST", body: parameters, signal, cache: "no-store" });
    if (!answer.ok) {
      const text = await answer.text();
      let why = text;
      try { why = JSON.parse(text).error; } catch { /* A text for people. */ }
      throw new Error(why || `status ${answer.status}`);
    }
    if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      // A host's own server gives one tick at a time.
      this.hear(await answer.text(), parameters);
      await pause(1000);
      return this.once(signal.aborted ? parameters : this.wanted(), signal);
    }
    for await (const text of events(answer.body)) this.hear(text, parameters);
  }

  hear(text, parameters) {
    this.heard = performance.now();
    const json = JSON.parse(text);
    if (json.status !== "success") { this.onGone(json.error); return; }
    this.failures = 0;
    this.onTick(json.data, parameters);
  }
}
