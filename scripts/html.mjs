// Loads run.html and comparison.html of a folder in a browser, in each way in which they are read, and says what is
// wrong. Speaks the DevTools protocol through a pipe: two programs and nothing to download.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [browserPath, folder] = process.argv.slice(2);
const LIMIT_MS = 120_000;
const PAGES = {
  run: ["percentiles", "heat-map", "throughput-over-time", "in-flight-over-time", "hops"],
  comparison: ["percentiles", "quantiles", "hops", "blocks", "slices-over-time"],
};
const VIEWS = {
  light: { width: 1000, height: 900, media: "screen", scheme: "light" },
  dark: { width: 1000, height: 900, media: "screen", scheme: "dark" },
  phone: { width: 320, height: 640, media: "screen", scheme: "light" },
  print: { width: 794, height: 1123, media: "print", scheme: "dark" },
};

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
  for (const element of document.querySelectorAll("main *:not(svg *)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own) continue;
    const [low, high] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) problems.push(`contrast ${contrast.toFixed(1)}: ${element.textContent.slice(0, 40)}`);
  }
  const figures = [...document.querySelectorAll("data[data-field]")]
    .map((data) => ({ path: data.dataset.field, value: Number(data.value), text: data.textContent }));
  return { problems, figures };
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
  const expression = `(${look})(${JSON.stringify(PAGES[page])})`;
  const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  result.value.problems.forEach(say);
  const object = JSON.parse(readFileSync(join(folder, `${page}.json`)));
  for (const { path, value, text } of result.value.figures) {
    const field = path.split(".").reduce((object, key) => object?.[key], object);
    if (field !== value || !text) say(`${path} is ${field} and shown as ${value} (${text})`);
  }
  if (result.value.figures.length < 30) say(`only ${result.value.figures.length} figures`);
  const shot = await send("Page.captureScreenshot", { captureBeyondViewport: true });
  writeFileSync(join(folder, `${page}-${name}.png`), Buffer.from(shot.data, "base64"));
  if (name === "print") {
    const { data } = await send("Page.printToPDF", { printBackground: false });
    writeFileSync(join(folder, `${page}.pdf`), Buffer.from(data, "base64"));
  }
  await browser.send("Target.closeTarget", { targetId });
}

try {
  for (const page of Object.keys(PAGES)) {
    for (const [name, settings] of Object.entries(VIEWS)) await view(page, name, settings);
  }
} catch (error) {
  problems.push(error.stack);
}
problems.forEach((problem) => console.error(problem));
if (problems.length === 0) console.log("pages of a run and of a comparison: all is well");
end(problems.length === 0 ? 0 : 1);
