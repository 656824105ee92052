// What lies on the table: licences with their drivers' cars, bank cards, the officer's note.

import { act, el } from "/static/api.js";
import { currentLanguage, t } from "/static/texts.js";

let wallet = { licences: [], cards: [], officer: {} };
let state = null;
let chosen = "amina";

const DRIVER_KEYS = ["a", "b", "c", "d"];
const CARD_KEYS = ["x", "y", "z"];
const FACE = `<svg class="face" viewBox="0 0 40 50" aria-hidden="true"><rect width="40" height="50" fill="#dfe8e4"/><circle cx="20" cy="19" r="9" fill="#9fb4ab"/><path d="M3 50c1-14 8-19 17-19s16 5 17 19z" fill="#7f998e"/></svg>`;
const CHIP = `<svg class="chip" viewBox="0 0 34 26" aria-hidden="true"><rect x=".5" y=".5" width="33" height="25" rx="5" fill="#e3c86a" stroke="#a98a2c"/><path d="M0 9h11v8H0M34 9H23v8h11M11 1v24M23 1v24" fill="none" stroke="#a98a2c"/></svg>`;
const CAR = `<svg viewBox="0 0 120 74" aria-hidden="true"><path d="M24 32 33 9c1-4 4-6 8-6h38c4 0 7 2 8 6l9 23" fill="#c3d3de" stroke="#44525e" stroke-width="2"/><rect x="12" y="28" width="96" height="34" rx="9" fill="currentColor" stroke="#44525e" stroke-width="2"/><rect x="17" y="33" width="14" height="7" rx="3" fill="#d84343"/><rect x="89" y="33" width="14" height="7" rx="3" fill="#d84343"/><rect x="18" y="60" width="14" height="11" rx="3" fill="#333"/><rect x="88" y="60" width="14" height="11" rx="3" fill="#333"/></svg>`;

function named(card) {
  return card.label ?? (currentLanguage() === "ar" ? card.name_ar : card.name);
}

export function plated(plate) {
  return `${plate.slice(0, -5)}-${plate.slice(-5, -2)}-${plate.slice(-2)}`;
}

export function setWallet(found) {
  wallet = found;
  render();
}

export function chosenDriver() {
  return chosen;
}

export function choose(key) {
  chosen = key;
  for (const article of document.querySelectorAll(".driver")) article.classList.toggle("chosen", article.dataset.card === key);
}

export function lay(key, slot) {
  if (slot === "tap" && state?.tapped.includes(key)) return act("/api/card", { card: null, slot, take: key });
  const there = state?.slots[slot] === key && slot !== "tap";
  return act("/api/card", there ? { card: null, slot } : { card: key, slot });
}

export function scan(key) {
  choose(key);
  return act("/api/scan", { card: key });
}

export function driverOf(letter) {
  return wallet.licences.filter((licence) => !licence.odd)[DRIVER_KEYS.indexOf(letter)]?.key;
}

export function cardOf(letter) {
  return wallet.cards[CARD_KEYS.indexOf(letter)]?.key;
}

export function render() {
  const sound = wallet.licences.filter((licence) => !licence.odd);
  const odd = wallet.licences.filter((licence) => licence.odd);
  document.getElementById("licences").replaceChildren(...sound.map((licence, at) => driver(licence, DRIVER_KEYS[at])));
  document.getElementById("odd").replaceChildren(...odd.map((licence) => driver(licence, "")));
  document.getElementById("cards").replaceChildren(...wallet.cards.map((card, at) => bankCard(card, CARD_KEYS[at])));
  document.getElementById("note").replaceChildren(
    el("span", {}, `${t("officer")} `, el("b", { dir: "ltr" }, String(wallet.officer.number ?? ""))),
    el("span", {}, `${t("pin")} `, el("b", { dir: "ltr" }, wallet.officer.pin ?? "")),
  );
  choose(chosen);
  if (state) update(state);
}

function pictured(html, name, properties = {}) {
  const made = el(name, properties);
  made.innerHTML = html;
  return made;
}

function driver(licence, letter) {
  const card = pictured(FACE, "div", { class: "licence", dir: "ltr", lang: "fr" });
  card.prepend(el("div", { class: "band" }, el("span", {}, "PERMIS DE CONDUIRE"), el("span", { lang: "ar", dir: "rtl" }, "رخصة السياقة")));
  card.append(el("div", { class: "lines" },
    el("b", { lang: "ar", dir: "rtl" }, licence.name_ar), el("b", {}, licence.name),
    el("span", {}, `4b. ${date(licence.expiry)}`), el("span", {}, `5. ${licence.number}`), el("span", {}, `9. ${licence.categories.join(" ")}`)));
  card.append(el("span", { class: "sample" }, "SPÉCIMEN"));
  const car = pictured(CAR, "div", { class: "car" });
  car.append(el("span", { class: "plate", dir: "ltr" }, plated(licence.plate)));
  const typed = licence.typed;
  return el("article", { class: "driver", data: { card: licence.key }, onclick: () => choose(licence.key) },
    el("header", {}, el("h3", {}, el("bdi", {}, licence.odd ? t(`odd_${licence.key}`) : named(licence))), letter ? el("kbd", {}, letter.toUpperCase()) : ""),
    card,
    el("div", { class: "side" }, car,
      el("button", { type: "button", data: { act: "scan" }, onclick: () => scan(licence.key) }, t("scan")),
      el("button", { type: "button", class: "main", data: { act: "lay" }, onclick: () => { choose(licence.key); lay(licence.key, "licence"); } }, t("lay"))),
    el("details", {}, el("summary", {}, t("by_hand")),
      el("pre", { dir: "ltr" }, licence.mrz.join("\n")),
      el("dl", {}, ...[["number", typed.number], ["birth", typed.birth], ["expiry", typed.expiry], ["plate", licence.plate]]
        .flatMap(([name, value]) => [el("dt", {}, t(name)), el("dd", { dir: "ltr" }, value)]))));
}

function date(text) {
  return `${text.slice(6)}.${text.slice(4, 6)}.${text.slice(0, 4)}`;
}

function bankCard(card, letter) {
  const face = pictured(CHIP, "div", { class: `bank ${card.scheme}`, dir: "ltr" });
  face.append(el("b", {}, card.label), el("span", { class: "hint" }, "TEST"));
  return el("article", { class: "payer", data: { card: card.key } }, face,
    el("div", { class: "side" },
      el("p", {}, t(`risk_${card.risk}`)),
      el("p", { class: "pin" }, `${t("pin")} `, el("b", { dir: "ltr" }, card.pin), " ", el("small", { class: "tries" })),
      el("div", { class: "row" },
        el("button", { type: "button", class: "main", data: { act: "lay" }, onclick: () => lay(card.key, "payment") }, t("insert")),
        el("button", { type: "button", data: { act: "tap" }, onclick: () => lay(card.key, "tap") }, t("tap")),
        el("button", { type: "button", data: { act: "unblock" }, hidden: "", onclick: () => act("/api/unblock", { card: card.key }) }, t("unblock")),
        el("kbd", {}, letter.toUpperCase()))));
}

// Which cards lie where, and how many PIN tries are left.
export function update(now) {
  state = now;
  for (const article of document.querySelectorAll(".driver, .payer")) {
    const key = article.dataset.card;
    const payer = article.classList.contains("payer");
    const there = now.slots[payer ? "payment" : "licence"] === key;
    const tapped = payer && now.tapped.includes(key);
    article.classList.toggle("there", there || tapped);
    article.querySelector("[data-act=lay]").textContent = t(there ? "take" : payer ? "insert" : "lay");
    if (!payer) continue;
    article.querySelector("[data-act=tap]").textContent = t(tapped ? "take" : "tap");
    const left = now.pin_tries[key];
    article.querySelector(".tries").textContent = left === 3 ? "" : left ? `(${t("tries", { n: left })})` : `(${t("blocked")})`;
    article.querySelector("[data-act=unblock]").hidden = left > 0;
  }
  document.querySelectorAll("#lights i").forEach((light, at) => { light.className = now.reader.lights[at]; });
  for (const bay of document.querySelectorAll(".bay")) {
    const slot = bay.dataset.slot;
    const keys = slot === "tap" && now.tapped.length ? now.tapped : [now.slots[slot]];
    const names = [...wallet.licences, ...wallet.cards].filter((card) => keys.includes(card.key)).map(named);
    bay.classList.toggle("full", Boolean(names.length));
    bay.querySelector(".bay-text").textContent = names.join(" · ") || t(`bay_${slot}`);
  }
}
