// Calls of the JSON API. An error is shown in the toast, in words, with its code.

const toast = document.getElementById("toast");
let hiding = 0;

export function complain(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { toast.hidden = true; }, 6000);
}

export async function get(path) {
  const answer = await fetch(path);
  const found = await answer.json();
  if (!answer.ok) throw new Error(`${found.code} ${found.message}`);
  return found;
}

export async function act(path, body) {
  const answer = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  }).catch(() => null);
  if (answer === null || answer.ok) return;  // a lost simulator is told by the live link
  const error = await answer.json();
  complain([error.code, error.message, error.hint && `— ${error.hint}`].filter(Boolean).join(" "));
}

// An element with properties and children: el("p", {class: "x", data: {key: "1"}}, "text", child).
export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key === "data") Object.assign(made.dataset, value);
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
