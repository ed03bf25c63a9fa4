// A trial that is chosen in a chart is shown beside it; a page that is followed brings itself up to date.
"use strict";
(() => {
  const beside = document.getElementById("beside");
  let cameFrom = null;

  function show(number) {
    const trial = document.getElementById(`trial-${number}`);
    if (!trial || !beside) return;
    if (!beside.open) cameFrom = document.activeElement;
    beside.querySelector("h2").textContent = trial.dataset.title;
    beside.querySelector("div").replaceChildren(...[...trial.querySelector(".inside").children].map(one => one.cloneNode(true)));
    beside.scrollTop = 0;
    if (!beside.open) beside.show();
    document.body.classList.add("beside");
    CHARTS.show(number);
    beside.querySelector("h2").focus();
  }
  function close() {
    document.body.classList.remove("beside");
    CHARTS.show(null);
    cameFrom?.focus();
  }
  CHARTS.onTrial(show);
  beside?.addEventListener("close", close);
  beside?.addEventListener("keydown", event => { if (event.key === "Escape") beside.close(); });
  beside?.querySelector("button").addEventListener("click", () => beside.close());

  const goTo = () => {  // a link to a trial opens it
    const there = location.hash.startsWith("#trial-") && document.getElementById(location.hash.slice(1));
    if (there) there.open = true;
  };
  addEventListener("hashchange", goTo);
  goTo();

  const live = document.getElementById("live");
  if (!live) return;
  let version = null, at = Date.now();
  async function ask() {
    try {
      const answer = await fetch("", {headers: version ? {"If-None-Match": version} : {}, cache: "no-store"});
      if (answer.status === 200) {
        const first = version === null;
        version = answer.headers.get("ETag");
        const text = await answer.text();
        if (!first) replace(new DOMParser().parseFromString(text, "text/html"));
        at = Date.now();
      }
      live.textContent = document.querySelector("main").dataset.ended
        ? "the study has ended; this is the whole of it"
        : `live: last change at ${new Date(at).toLocaleTimeString()}`;
    } catch {
      live.textContent = "nobody answers any more; this is what there was";
    }
  }
  function replace(fresh) {
    const open = [...document.querySelectorAll("main details[id][open]")].map(one => one.id);
    const focused = document.activeElement?.closest?.("[id]")?.id;
    document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
    document.getElementById("charts").textContent = fresh.getElementById("charts").textContent;
    document.title = fresh.title;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    CHARTS.draw();
    const there = focused && document.getElementById(focused);
    (there?.querySelector(".plot") ?? there)?.focus?.({preventScroll: true});
  }
  ask();
  setInterval(ask, 2000);
})();
