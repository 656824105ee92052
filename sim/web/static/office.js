// The central server's ledger, asked for every second and a half while somebody looks, and the log of APDUs.

import { el, get } from "/static/api.js";
import { clock, has, money, t } from "/static/texts.js";

const PERIOD_MS = 1500;
const SHOWN = 150;
let last = "";
let report = null;

export function watchLedger() {
  const look = async () => {
    if (document.visibilityState === "visible") {
      try {
        report = await get("/api/ledger");
      } catch {
        report = null;
      }
      const text = JSON.stringify(report);
      if (text !== last) {
        last = text;
        renderLedger();
      }
    }
    setTimeout(look, PERIOD_MS);
  };
  look();
}

export function renderLedger() {
  const place = document.getElementById("ledger");
  const badge = document.getElementById("balanced");
  if (!report) {
    badge.textContent = "";
    place.replaceChildren(el("p", { class: "empty" }, t("no_ledger")));
    return;
  }
  const summed = report.summed.at !== null; // a long history whose sums are not there yet: the rest does not wait for them
  const nothing = summed && !report.cases.length && !report.postings.length;
  const unchecked = report.balanced === null; // a long history that has not been recomputed yet
  badge.textContent = t(nothing ? "empty" : unchecked ? "unchecked" : report.balanced ? "balanced" : "unbalanced");
  badge.className = `badge ${nothing || unchecked ? "" : report.balanced ? "good" : "bad"}`;
  const tiles = summed ? [["paid", report.now.paid], ["awaited", report.now.awaited], ["unpaid", report.owed]] : [];
  place.replaceChildren(
    el("div", { class: "tiles" }, ...tiles.map(([name, value]) => el("div", { class: `tile ${name}` },
      el("span", {}, t(name)), el("b", {}, money(value.amount)), el("small", {}, `× ${value.count}`)))),
    ...(nothing ? [el("p", { class: "empty" }, t("none"))] : summed ? [cases(), postings()] : []),
    ...report.devices.filter((device) => device.last_contact).map((device) => el("p", { class: "contact" },
      el("bdi", {}, device.device), " · ", t("acked", { acked: device.acked_seq, time: clock(device.last_contact) }),
      ...(device.blocked ? [" · ", t("blocked", { time: clock(device.blocked) })] : []))),
    ...report.alarms.map(alarmed),
  );
}

function cases() {
  const shown = report.cases.slice(0, 8);
  return el("table", {}, el("caption", {}, t("cases"), " ", el("small", {}, t("cases_shown", { shown: shown.length, all: report.case_count }))),
    el("thead", {}, el("tr", {}, ...["pv", "offence", "amount", "state"].map((name) => el("th", { scope: "col", class: name === "amount" ? "sum" : "" }, t(name))))),
    el("tbody", {}, ...shown.map((one) => el("tr", {},
      el("td", {}, el("bdi", { dir: "ltr" }, one.pv)), el("td", {}, el("bdi", { dir: "ltr" }, one.offence)), el("td", { class: "sum" }, money(one.amount)),
      el("td", {}, el("span", { class: `state ${one.state}` }, t(`state_${one.state}`)))))));
}

function postings() {
  const rows = report.postings.slice(0, 4).flatMap((posting) => posting.legs.map((leg, at) => el("tr", { class: at ? "" : "first" },
    el("td", {}, at ? "" : t(`part_${posting.part}`)),
    el("td", {}, ...named(leg.account)), el("td", { class: "sum" }, money(leg.amount)))));
  return el("table", { class: "postings" }, el("caption", {}, t("postings")), el("tbody", {}, ...rows));
}

// An account in words, its own name small below them (server/ledger/accounts.py says what each holds); the name alone if its kind is not known here.
function named(account) {
  const [kind, ...parts] = account.split(":");
  const [wilaya, force, ...unit] = parts;
  const apart = (text) => `\u2068${text}\u2069`;  // whichever way it is written
  const place = { wilaya, force: has(`force_${force}`) ? t(`force_${force}`) : apart(force), unit: apart(unit.join(":")) };
  const whole = apart(parts.join(":"));
  const words = has(`account_${kind}`) ? unbroken(t(`account_${kind}`, { ...place, scheme: whole, device: whole })) : [];
  return [...words, el("small", { class: coded(account), dir: "ltr" }, account)];
}

// A sentence whose isolated parts stay on one line if they are codes: "BSR-16" is not to end a line after its hyphen.
function unbroken(sentence) {
  return sentence.split(/(\u2068[^\u2069]*\u2069)/).map((part) => part.startsWith("\u2068") ? el("span", { class: coded(part) }, part) : part);
}

function coded(text) {
  return /\s/.test(text) ? "" : "code";
}

// Code, a short word in the page's language, and the server's own sentence, which is English.
function alarmed(alarm) {
  const key = `alarm_${alarm.code}`;
  return el("p", { class: "alarm" }, el("b", { dir: "ltr" }, alarm.code), ` ${t(has(key) ? key : "alarm_other")} `,
    el("small", { dir: "ltr", lang: "en" }, alarm.device ? `${alarm.device}: ${alarm.what}` : alarm.what));
}

export function clearTrace() {
  document.getElementById("trace").replaceChildren(el("p", { class: "empty", dir: "auto", data: { t: "no_trace" } }, t("no_trace")));
}

function apdu(line) {
  const plain = line.meaning === "ok" || line.sw.startsWith("61") || line.sw.startsWith("6C");
  const result = [line.received > 2 ? `${line.received - 2} B` : "", line.sw, plain ? "" : line.meaning].filter(Boolean).join(" ");
  const whole = `${line.header} ${line.name}, ${line.detail} → ${line.sw} ${line.meaning}`;
  return el("div", { class: `apdu ${line.tone} at-${line.slot}`, dir: "ltr", title: whole, data: { n: line.n } },
    el("code", {}, line.header.replaceAll(" ", "")), el("b", {}, line.name), el("span", {}, line.detail), el("em", {}, result));
}

export function addApdus(lines) {
  const place = document.getElementById("trace");
  place.querySelector(".empty")?.remove();
  const near = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
  place.append(...lines.map(apdu));
  while (place.childElementCount > SHOWN) place.firstElementChild.remove();
  if (near) place.scrollTop = place.scrollHeight;
}
