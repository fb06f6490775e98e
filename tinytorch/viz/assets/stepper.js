"use strict";
// Turns the pages of the stepper. Every step is in the page already, in words and numbers; this shows one at a time and
// writes its gradients into the drawing.
(() => {
  const { steps, total } = JSON.parse(document.getElementById("steps-data").textContent);
  const byId = (id) => document.getElementById(id);
  const drawing = document.querySelector(".drawing");
  const picture = drawing.querySelector("svg");
  const cards = [...document.querySelectorAll(".steps > li")];
  const [first, previous, play, next, last] = ["first", "previous", "play", "next", "last"].map(byId);
  const slider = byId("slider");
  const SVG = "http://www.w3.org/2000/svg";
  let at = 0;
  let timer = 0;

  function element(name, attributes, parent, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }

  const nodes = new Map([...picture.querySelectorAll("[data-id]")].map((node) => [node.dataset.id, node]));
  const nameOf = (from, to, input) => `${from} ${to} ${input}`;
  const paths = new Map();
  for (const path of picture.querySelectorAll("[data-from]")) {
    paths.set(nameOf(path.dataset.from, path.dataset.to, path.dataset.input), path);
  }

  // A label with a background, in the middle of (x, y).
  function label(x, y, text, kind, parent) {
    const group = element("g", { class: kind }, parent);
    const back = element("rect", { rx: 4 }, group);
    const words = element("text", { x, y, "text-anchor": "middle", "dominant-baseline": "central" }, group, text);
    const width = words.getComputedTextLength() + 10;
    for (const [key, value] of Object.entries({ x: x - width / 2, y: y - 9, width, height: 18 })) back.setAttribute(key, value);
    return group;
  }

  function middle(path) {
    const point = path.getPointAtLength(path.getTotalLength() / 2);
    const toPicture = picture.getCTM().inverse().multiply(path.getCTM());
    return point.matrixTransform(toPicture);
  }

  function box(node) {
    const { x, y, width, height } = node.getBBox();
    const toPicture = picture.getCTM().inverse().multiply(node.getCTM());
    const corner = new DOMPoint(x, y).matrixTransform(toPicture);
    return { x: corner.x, y: corner.y, width: width * toPicture.a, height: height * toPicture.d };
  }

  // What the drawing shows at step k: everything that has been made and has arrived by then.
  function draw(k) {
    const before = picture.querySelector(".layer");
    if (before) before.remove();
    const layer = element("g", { class: "layer", "aria-hidden": "true" }, picture);
    for (const [i, step] of steps.entries()) {
      if (step.phase === "forward") nodes.get(String(step.node))?.classList.toggle("waiting", i > k);
    }
    const current = nodes.get(String(steps[k].node));
    if (current) {
      const place = box(current);
      const frame = { x: place.x - 4, y: place.y - 4, width: place.width + 8, height: place.height + 8, rx: 8 };
      element("rect", { class: "mark", ...frame }, layer);
      reveal(current);
    }
    for (const [i, step] of steps.slice(0, k + 1).entries()) {
      for (const { from, to, input, text } of step.edges) {
        const path = paths.get(nameOf(to, from, input)); // numbers flow from where gradients go to
        if (!path) continue;
        const { x, y } = middle(path);
        label(x, y, text, i === k ? "gradient fresh" : "gradient", layer);
      }
    }
    const sums = {};
    for (const step of steps.slice(0, k + 1)) Object.assign(sums, step.sums);
    for (const [id, text] of Object.entries(sums)) {
      if (!nodes.has(id)) continue;
      const place = box(nodes.get(id));
      label(place.x + place.width - 8, place.y, text, "gradient", layer);
    }
    drawing.classList.toggle("forward-now", steps[k].phase === "forward");
  }

  // Scrolls the drawing, and only the drawing, so that a node is in sight.
  function reveal(node) {
    const inner = node.getBoundingClientRect();
    const outer = drawing.getBoundingClientRect();
    if (inner.left < outer.left || inner.right > outer.right) drawing.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
    if (inner.top < outer.top || inner.bottom > outer.bottom) drawing.scrollTop += (inner.top + inner.bottom - outer.top - outer.bottom) / 2;
  }

  function go(k) {
    at = Math.max(0, Math.min(steps.length - 1, k));
    const step = steps[at];
    cards.forEach((card, i) => card.classList.toggle("current", i === at));
    byId("says").textContent = `Step ${at + 1} of ${steps.length}. ${step.says}`;
    byId("held").textContent = step.holds;
    byId("filled").style.transform = `scaleX(${total ? step.held / total : 0})`;
    slider.value = at;
    slider.setAttribute("aria-valuetext", `step ${at + 1} of ${steps.length}: ${step.title}`);
    first.disabled = previous.disabled = at === 0;
    next.disabled = last.disabled = at === steps.length - 1;
    if (at === steps.length - 1) stop();
    draw(at);
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.setAttribute("aria-label", "Play");
    play.classList.remove("playing");
  }

  function start() {
    stop();
    if (at === steps.length - 1) go(0);
    timer = setInterval(() => go(at + 1), Number(byId("speed").value));
    play.setAttribute("aria-label", "Pause");
    play.classList.add("playing");
  }

  const moves = {
    ArrowRight: () => go(at + 1),
    ArrowLeft: () => go(at - 1),
    Home: () => go(0),
    End: () => go(steps.length - 1),
    " ": () => (timer ? stop() : start()),
  };

  // A control that has the focus keeps its own keys: the slider its arrows, a button its space bar.
  function keepsItsKey(target, key) {
    return target.matches("input, select") || (target.matches("button") && key === " ");
  }

  document.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey || keepsItsKey(event.target, event.key)) return;
    event.preventDefault();
    if (event.key !== " ") stop();
    move();
  });
  for (const [button, move] of [[first, moves.Home], [previous, moves.ArrowLeft], [next, moves.ArrowRight], [last, moves.End]]) {
    button.addEventListener("click", () => {
      stop();
      move();
    });
  }
  play.addEventListener("click", moves[" "]);
  slider.addEventListener("input", () => {
    stop();
    go(Number(slider.value));
  });
  byId("speed").addEventListener("change", () => timer && start());
  picture.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-id]");
    if (!chosen) return;
    const phase = steps[at].phase;
    const k = steps.findIndex((step) => String(step.node) === chosen.dataset.id && step.phase === phase);
    if (k >= 0) go(k);
  });

  document.documentElement.classList.add("scripted");
  go(0);
})();
