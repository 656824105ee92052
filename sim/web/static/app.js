// The page put together: keys and shortcuts, switches, what the screen says in words, language.

import { act, complain, get } from "/static/api.js";
import { connect } from "/static/live.js";
import { addApdus, clearTrace, renderLedger, watchLedger } from "/static/office.js";
import { setUpPaper, updatePaper } from "/static/paper.js";
import { cardOf, choose, chosenDriver, driverOf, lay, render, scan, setWallet, update } from "/static/table.js";
import { has, money, setLanguage, t } from "/static/texts.js";

const byId = (id) => document.getElementById(id);
const announce = byId("announce");
const KEYS = { Enter: "ok", Escape: "cancel", Backspace: "clear", Delete: "clear", ArrowUp: "up", ArrowDown: "down", l: "lang" };
let state = null;
let linked = true;

function press(key) {
  const button = document.querySelector(`[data-key="${key}"]`);
  button?.classList.add("down");
  setTimeout(() => button?.classList.remove("down"), 120);
  act("/api/key", { key });
}

// What the screen says, in a sentence for those who do not see the pixels; no name, plate or PIN is ever in it.
function sentence(now) {
  if (now.power === "crashed") return t("crashed");
  if (now.power === "off") return t("off");
  const screen = now.screen;
  if (!screen.screen) return t("screen_boot");
  const words = [t(`screen_${screen.screen}`, screen)];
  for (const name of ["verdict", "outcome", "disposition"]) if (screen[name] && has(`${name}_${screen[name]}`)) words.push(t(`${name}_${screen[name]}`));
  if (screen.field) words.push(t(screen.field));
  if (screen.code && screen.screen !== "error") words.push(`\u2068${screen.code}\u2069`);
  if (screen.amount) words.push(money(screen.amount));
  if (screen.points) words.push(t("points", { n: screen.points }));
  const left = screen.attempts_left ?? screen.tries_left ?? screen.left;
  if (left !== undefined && left !== null) words.push(t("left", { n: left }));
  if (screen.screen === "sync_done") words.push(t("sent", screen));
  return words.join(" · ");
}

function show(now) {
  state = now;
  const words = sentence(now);
  if (announce.textContent !== words) announce.textContent = words;
  announce.dataset.screen = now.screen.screen ?? "";
  announce.dataset.power = now.power;
  byId("network").setAttribute("aria-checked", String(now.network));
  byId("power").setAttribute("aria-checked", String(now.power !== "off"));
  byId("handheld").dataset.power = now.power;
  byId("crashed").hidden = now.power !== "crashed";
  if (byId("log").textContent !== now.log) byId("log").textContent = now.log;
  byId("log").hidden = !now.log;
  update(now);
  updatePaper(now);
}

function speak(language) {
  setLanguage(language);
  localStorage.setItem("language", language);
  render();
  renderLedger();
  if (state) {
    show(state);
    updatePaper(state, true);
  }
}

function onKey(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if ((event.key === "Enter" || event.key === " ") && target.closest("button, summary, a")) return;  // it presses what has the focus
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const does = /^[0-9]$/.test(key) ? () => press(key) : key in KEYS ? () => press(KEYS[key]) : shortcuts(key);
  if (!does || (event.repeat && key !== "Backspace")) return;
  event.preventDefault();
  does();
}

function shortcuts(key) {
  if (driverOf(key)) return () => choose(driverOf(key));
  if (cardOf(key)) return () => lay(cardOf(key), "payment");
  return { m: () => scan(chosenDriver()), i: () => lay(chosenDriver(), "licence"), n: () => byId("network").click(), p: () => byId("power").click() }[key];
}

function setUp() {
  document.addEventListener("keydown", onKey);
  // A click leaves the keyboard to the terminal: it moves no focus.
  document.addEventListener("mousedown", (event) => { if (event.target.closest("button, summary")) event.preventDefault(); });
  byId("keys").addEventListener("click", (event) => {
    const button = event.target.closest("[data-key]");
    if (button) press(button.dataset.key);
  });
  byId("network").addEventListener("click", () => act("/api/network", { up: !state?.network }));
  byId("power").addEventListener("click", () => act("/api/power", { on: state?.power === "off" }));
  byId("restart").addEventListener("click", () => act("/api/power", { on: true }));
  for (const bay of document.querySelectorAll(".bay")) bay.addEventListener("click", () => act("/api/card", { card: null, slot: bay.dataset.slot }));
  for (const button of document.querySelectorAll("[data-lang]")) button.addEventListener("click", () => speak(button.dataset.lang));
  setUpPaper();
}

function onLink(up) {
  if (!up && linked) complain(t("unlinked"));
  document.body.classList.toggle("unlinked", !up);
  if (up && !linked) clearTrace();
  linked = up;
}

setUp();
speak(localStorage.getItem("language") ?? document.documentElement.lang);
clearTrace();
get("/api/wallet").then(setWallet).catch((error) => complain(error.message));
connect(byId("glass"), { state: show, apdus: addApdus, linked: onLink });
watchLedger();
