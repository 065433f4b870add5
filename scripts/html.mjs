// Loads the pages of a folder in a browser, in each way in which they are read, and says what is wrong: what is not seen or
// cut off, what a page asks for, figures that its JSON object does not have, and what axe-core finds. Speaks the DevTools
// protocol through a pipe; axe is evaluated through it, so that the pages' policy, which forbids scripts, stays as it is.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [browserPath, folder, axePath] = process.argv.slice(2);
const LIMIT_MS = 600_000;
const AXE = readFileSync(axePath, "utf8");
// What these pages must show; others are pages of results that were kept, which lack one thing or another.
const PAGES = {
  run: ["percentiles", "heat-map", "throughput-over-time", "in-flight-over-time", "hops"],
  comparison: ["densities", "percentiles", "quantiles", "hops", "blocks", "slices-over-time"],
};
const LEAST_FIGURES = 30;
// A run is printed on both sides of a sheet.
const RUN = "zload.result/1";
const MOST_SHEETS = 2;
const VIEWS = {
  light: { width: 1280, height: 900, media: "screen", scheme: "light" },
  dark: { width: 1280, height: 900, media: "screen", scheme: "dark" },
  phone: { width: 390, height: 844, media: "screen", scheme: "light" },
  "dark-phone": { width: 390, height: 844, media: "screen", scheme: "dark" },
  narrow: { width: 320, height: 640, media: "screen", scheme: "light" },
  print: { width: 794, height: 1123, media: "print", scheme: "dark" },
};
// These differ from others in what those show already: only pages that must show all are looked at so.
const RARE = ["dark-phone", "narrow"];
// Colours are the same at any width, and so are names and roles.
const WITH_AXE = ["light", "dark", "phone"];

/** The value of a field by the parts of its dotted path; names of figures have dots themselves. */
function fieldOf(value, keys) {
  if (!keys.length) return value;
  for (let length = 1; length <= keys.length; length++) {
    const inner = value?.[keys.slice(0, length).join(".")];
    const found = inner === undefined ? undefined : fieldOf(inner, keys.slice(length));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A browser: `send` gives the answer to a command, `events` gets everything else that it says. */
function start(profile) {
  const flags = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--hide-scrollbars", `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank",
  ];
  const child = spawn(browserPath, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const waiting = new Map();
  const browser = { child, events: () => {} };
  let last = 0;
  let text = "";
  child.stdio[4].setEncoding("utf8").on("data", (part) => {
    const messages = (text + part).split("\0");
    text = messages.pop();
    for (const message of messages.map((message) => JSON.parse(message))) {
      const asked = waiting.get(message.id);
      waiting.delete(message.id);
      if (!asked) browser.events(message);
      else if (message.error) asked.reject(new Error(message.error.message));
      else asked.resolve(message.result);
    }
  });
  browser.send = (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      child.stdio[3].write(JSON.stringify({ id: last, method, params, sessionId }) + "\0");
    });
  return browser;
}

/** Runs in the page: everything that can be seen only there. */
function look(plots) {
  const problems = [];
  const box = (element) => element.getBoundingClientRect();
  for (const id of plots) {
    const svg = document.querySelector(`#${id} > svg`);
    if (!svg || box(svg).width < 200 || box(svg).height < 30) problems.push(`the plot ${id} is not seen`);
  }
  for (const text of document.querySelectorAll("figure > svg text")) {
    const shown = getComputedStyle(text).display !== "none";
    if (shown && box(text).left < -1) problems.push(`the label ${text.textContent} is cut off`);
  }
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) problems.push(`the page is ${wide} wide and the screen ${innerWidth}`);
  const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color) => {
    const linear = channels(color).slice(0, 3).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    if (channels(color)[3] !== 0) return color;
    return element.parentElement ? behind(element.parentElement) : "rgb(255, 255, 255)";
  };
  for (const element of document.querySelectorAll("main *:not(title, desc)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const style = getComputedStyle(element);
    if (!own || style.display === "none") continue;
    const color = element.ownerSVGElement ? style.fill : style.color;
    // The name of a part is in its bar; what else is in a plot is beside what is drawn.
    const below = element.matches("text.part") ? getComputedStyle(element.previousElementSibling).fill : behind(element);
    const [low, high] = [luminance(color), luminance(below)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) problems.push(`contrast ${contrast.toFixed(1)}: ${element.textContent.slice(0, 40)}`);
  }
  // What matters most is seen without a scroll, as wide as the screen may be.
  for (const table of document.querySelectorAll("table.few")) {
    const { scrollWidth, clientWidth } = table.parentElement;
    if (scrollWidth > clientWidth) problems.push(`a table of percentiles is ${scrollWidth} wide and has ${clientWidth}`);
  }
  const figures = [...document.querySelectorAll("data[data-field]")]
    .map((data) => ({ path: data.dataset.field, value: Number(data.value), text: data.textContent }));
  return { problems, figures };
}

/** Runs in the page: what axe finds, with the places where it does. */
async function findings() {
  const { violations, incomplete } = await axe.run(document, { resultTypes: ["violations", "incomplete"] });
  const said = (of, rules) => rules.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `axe ${of} ${id}: ${help}: ${target.join(" ")} (${failureSummary})`));
  // Of plots it cannot tell the contrast: `look` does.
  const doubts = incomplete.filter(({ id }) => id !== "color-contrast");
  return [...said("finds", violations), ...said("cannot tell", doubts)];
}

const profile = mkdtempSync(join(tmpdir(), "zload-html-"));
const browser = start(profile);
const problems = [];
const end = (code) => {
  browser.child.kill();
  browser.child.once("exit", () => {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    process.exit(code);
  });
};
setTimeout(() => { console.error(`no answer within ${LIMIT_MS / 1000} s`); end(1); }, LIMIT_MS).unref();
browser.child.on("error", (error) => { console.error(`${browserPath}: ${error.message}`); process.exit(1); });

/** What does not show at the pointer: the values on the percentile curve, of which none is seen before. */
async function pointed(send, evaluate) {
  const place = (number) => `(() => {
    const value = document.querySelectorAll("#percentiles .value")[${number}];
    value?.scrollIntoView({ block: "center" });
    const { x, y, width, height } = value?.querySelector(".near").getBoundingClientRect() ?? {};
    return { x: x + width / 2, y: y + height / 2 };
  })()`;
  const shown = `[...document.querySelectorAll("#percentiles .value text")]
    .filter((text) => getComputedStyle(text).display !== "none").map((text) => text.textContent)`;
  if ((await evaluate(shown)).length > 0) return ["a value shows without the pointer"];
  const at = await evaluate(place(0));
  await send("Input.dispatchMouseEvent", { type: "mouseMoved", ...at });
  const seen = await evaluate(shown);
  return seen.length === 1 && /^(p\d|max)/.test(seen[0]) ? [] : [`at the pointer is ${JSON.stringify(seen)}`];
}

async function view(page, name, { width, height, media, scheme }) {
  const say = (problem) => problems.push(`${page}, ${name}: ${problem}`);
  const url = pathToFileURL(join(folder, `${page}.html`)).href;
  const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
  const send = (method, params) => browser.send(method, params, sessionId);
  const loaded = new Promise((resolve) => {
    browser.events = ({ method, params }) => {
      if (method === "Page.loadEventFired") resolve();
      if (method === "Network.requestWillBeSent" && params.request.url !== url) say(`asks for ${params.request.url}`);
      if (method === "Log.entryAdded") say(params.entry.text);
      if (method === "Runtime.consoleAPICalled") say("writes to the console");
      if (method === "Runtime.exceptionThrown") say(params.exceptionDetails.text);
    };
  });
  for (const domain of ["Page", "Network", "Log", "Runtime"]) await send(`${domain}.enable`);
  const metrics = { width, height, deviceScaleFactor: 1, mobile: name === "phone" };
  await send("Emulation.setDeviceMetricsOverride", metrics);
  const features = [{ name: "prefers-color-scheme", value: scheme }];
  await send("Emulation.setEmulatedMedia", { media, features });
  await send("Page.navigate", { url });
  await loaded;
  const evaluate = async (expression) => {
    const { result, exceptionDetails } =
      await send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  const seen = await evaluate(`(${look})(${JSON.stringify(PAGES[page] ?? [])})`);
  seen.problems.forEach(say);
  if (WITH_AXE.includes(name)) {
    await evaluate(`${AXE}; undefined`);
    (await evaluate(`(${findings})()`)).forEach(say);
  }
  if (page in PAGES && name === "light") (await pointed(send, evaluate)).forEach(say);
  const object = JSON.parse(readFileSync(join(folder, `${page}.json`)));
  for (const { path, value, text } of seen.figures) {
    const field = fieldOf(object, path.split("."));
    if (field !== value || !text) say(`${path} is ${field} and shown as ${value} (${text})`);
  }
  if (page in PAGES && seen.figures.length < LEAST_FIGURES) say(`only ${seen.figures.length} figures`);
  const shot = await send("Page.captureScreenshot", { captureBeyondViewport: true });
  writeFileSync(join(folder, `${page}-${name}.png`), Buffer.from(shot.data, "base64"));
  if (name === "print") {
    const { data } = await send("Page.printToPDF", { printBackground: false, preferCSSPageSize: true });
    const pdf = Buffer.from(data, "base64");
    writeFileSync(join(folder, `${page}.pdf`), pdf);
    const sheets = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g).length;
    if (object.schema === RUN && sheets > MOST_SHEETS) say(`takes ${sheets} sheets of paper`);
  }
  await browser.send("Target.closeTarget", { targetId });
}

const pages = readdirSync(folder).filter((name) => name.endsWith(".html")).map((name) => name.slice(0, -5)).sort();
const missing = Object.keys(PAGES).filter((page) => !pages.includes(page));
if (missing.length > 0) problems.push(`no page of ${missing.join(", ")}`);
try {
  for (const page of pages) {
    for (const [name, settings] of Object.entries(VIEWS)) {
      if (page in PAGES || !RARE.includes(name)) await view(page, name, settings);
    }
  }
} catch (error) {
  problems.push(error.stack);
}
problems.forEach((problem) => console.error(problem));
if (problems.length === 0) console.log(`${pages.length} pages, light, dark, on a phone and printed: all is well`);
end(problems.length === 0 ? 0 : 1);
