// The paper that came out: newest on top, each piece a button that enlarges it; and the printer's faults.

import { act, el } from "/static/api.js";
import { clock, t } from "/static/texts.js";

const viewer = document.getElementById("viewer");
let shown = null;

function enlarge(piece) {
  const picture = viewer.querySelector("img");
  picture.src = `/api/paper/${piece.number}.png`;
  picture.alt = t("paper_n", { n: piece.number, time: clock(piece.utc) });
  viewer.showModal();
}

export function setUpPaper() {
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  for (const button of document.querySelectorAll("[data-fault]")) {
    button.addEventListener("click", () => {
      const faulty = button.dataset.value === "true";
      act("/api/printer", { [button.dataset.fault]: button.getAttribute("aria-pressed") === "true" ? !faulty : faulty });
    });
  }
  document.getElementById("tear").addEventListener("click", () => act("/api/printer", { tear: true }));
}

export function updatePaper(state, anew = false) {
  for (const button of document.querySelectorAll("[data-fault]")) {
    button.setAttribute("aria-pressed", String(String(state.printer[button.dataset.fault]) === button.dataset.value));
  }
  document.getElementById("tear").hidden = !state.printer.hanging;
  document.getElementById("peek").classList.toggle("out", state.printer.hanging || state.screen.screen === "printing");
  const names = state.paper.map((piece) => piece.number).join(" ");
  if (names === shown && !anew) return;
  const before = shown === null ? null : new Set(shown.split(" "));  // null: the page was just loaded, nothing is fresh
  shown = names;
  const pieces = state.paper.map((piece) => {
    const words = t("paper_n", { n: piece.number, time: clock(piece.utc) });
    const fresh = before && !before.has(String(piece.number)) ? "piece fresh" : "piece";
    return el("button", { type: "button", class: fresh, title: t("enlarge"), onclick: () => enlarge(piece), data: { number: piece.number } },
      el("img", { src: `/api/paper/${piece.number}.png`, alt: words, width: 464 }));
  });
  document.getElementById("papers").replaceChildren(...(pieces.length ? pieces : [el("p", { class: "empty" }, t("no_paper"))]));
}
