// Replaces the content every five seconds without losing the reader's place; without scripts the page reloads itself.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const panel = document.getElementById("refresh");
  const status = panel.querySelector("[role=status]");
  const button = panel.querySelector("button");
  let paused = false;

  const say = (text) => {
    // A screen reader speaks what changes, so an unchanged status stays untouched.
    if (status.textContent !== text) status.textContent = text;
    document.body.classList.toggle("stale", text.startsWith("Out of date"));
  };

  const replace = (shown, fresh) => {
    const href = document.activeElement.getAttribute("href");
    const focused = shown.contains(document.activeElement) && href;
    shown.replaceChildren(...fresh.childNodes);
    // Whoever walks through the page by keyboard stays on the same link.
    if (focused) shown.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    if (paused || document.hidden) return;
    if (!getSelection().isCollapsed) return say("Paused while text is selected");
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(EVERY_MS * 2) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main");
      if (!fresh) throw new Error("not a page of wetread");
      const shown = document.querySelector("main");
      if (shown.innerHTML !== fresh.innerHTML) replace(shown, fresh);
      document.title = page.title;
      say("Refreshes every 5 s");
    } catch {
      say("Out of date: the page does not answer. Is wetread web running?");
    }
  };

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume" : "Pause";
    say(paused ? "Paused" : "Refreshes every 5 s");
    if (!paused) refresh();
  });
  panel.hidden = false;
  say("Refreshes every 5 s");
  const again = () => refresh().finally(() => setTimeout(again, EVERY_MS));
  setTimeout(again, EVERY_MS);
})();
