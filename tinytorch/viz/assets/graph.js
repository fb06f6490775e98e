"use strict";
// Draws the graph: what is open is laid out by dagre, everything else is a box that can be opened.
(() => {
  const { nodes, edges, groups, open, fan } = JSON.parse(document.getElementById("graph-data").textContent);
  const byId = (id) => document.getElementById(id);
  const drawing = byId("drawing");
  const SVG = "http://www.w3.org/2000/svg";
  const SIGN = 7.9, LINE = 16, PAD = 10, MARGIN = 20, MOST = 600;
  const things = new Map([...nodes, ...groups].map((thing) => [thing.id, thing]));
  const opened = new Set(open);
  for (const group of groups) group.lines[0] = `+ ${group.lines[0]}`;
  let zoom = 1;
  let plan = null;
  let chosen = nodes[0].id;

  function element(name, attributes, parent, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  // The box in which a thing can be seen now: itself, or the outermost group around it that is closed.
  function seen(id) {
    let box = id;
    for (let group = things.get(id).group; group !== null; group = things.get(group).group) {
      if (!opened.has(group)) box = group;
    }
    return box;
  }

  // Each open group is laid out by itself, innermost first, and is a box to what is around it. That keeps it together,
  // and takes no longer for many groups than for the sum of them.
  function layout() {
    const levels = new Map([[null, { members: new Set(), edges: new Map() }]]);
    const level = (group) => {
      if (!levels.has(group)) levels.set(group, { members: new Set(), edges: new Map() });
      return levels.get(group);
    };
    const around = (id) => {
      const path = [id];
      for (let group = things.get(id).group; group !== null; group = things.get(group).group) path.push(group);
      return path;
    };
    const visible = new Set(nodes.map((node) => seen(node.id)));
    // Boxes are told to dagre from the top down, and what goes into an operation from left to right, as it is read.
    for (const id of [...visible].reverse()) {
      for (const member of around(id)) level(things.get(member).group).members.add(member);
    }
    const lines = new Map(); // what is drawn as one line, by its ends
    for (const { source, target } of edges) {
      const [from, to] = [seen(source), seen(target)];
      if (from !== to) lines.set(`${from}\n${to}`, { from, to, hops: [] });
    }
    const names = nameFans(lines);
    for (const line of lines.values()) {
      if (line.far) continue;
      const { from, to, hops } = line;
      const [up, down] = [around(from), around(to)];
      while (up.length && down.length && up[up.length - 1] === down[down.length - 1]) { up.pop(); down.pop(); }
      const [v, w] = [up[up.length - 1], down[down.length - 1]];
      const home = things.get(v).group;
      // In a group that a line leaves or enters it has a door, so that its way there leads around the boxes.
      for (let k = 0; k + 1 < up.length; k++) hops.push([up[k + 1], up[k], `out ${from}`]);
      hops.push([home, v, w]);
      for (let k = down.length - 1; k > 0; k--) hops.push([down[k], `in ${from}`, down[k - 1]]);
      for (const [group, a, b] of hops) level(group).edges.set(`${a}\n${b}`, [a, b]);
    }
    const order = [...levels.keys()].sort((a, b) => (b === null ? 0 : around(b).length) - (a === null ? 0 : around(a).length));
    const sizes = new Map();
    const plans = new Map();
    for (const group of order) {
      const plan = new dagre.graphlib.Graph();
      plan.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 30, marginx: MARGIN, marginy: MARGIN });
      plan.setDefaultEdgeLabel(() => ({}));
      for (const id of level(group).members) plan.setNode(id, sizes.get(id) ?? sizeOf(linesOf(things.get(id), names)));
      for (const [v, w] of level(group).edges.values()) {
        for (const end of [v, w]) if (!plan.hasNode(end)) plan.setNode(end, { width: 1, height: 1 });
        plan.setEdge(v, w);
      }
      layUnderRoof(plan);
      if (readsBackwards(plan, level(group).edges)) mirror(plan);
      orderLeaves(plan, level(group).edges);
      const { width, height } = plan.graph();
      plans.set(group, plan);
      const title = group === null ? 0 : things.get(group).lines[0].length * SIGN + 2 * PAD;
      sizes.set(group, { width: Math.max(width, title), height: height + (group === null ? 0 : LINE) });
    }
    return { ...place(plans, sizes, order), lines, names, visible, ...sizes.get(null) };
  }

  // What is used in many boxes is named there; its lines are only drawn while one of their ends is chosen.
  function nameFans(lines) {
    const counts = new Map();
    for (const { from } of lines.values()) counts.set(from, (counts.get(from) ?? 0) + 1);
    const names = new Map();
    for (const line of lines.values()) {
      line.far = counts.get(line.from) > fan;
      if (!line.far) continue;
      const name = things.get(line.from).lines[0].replace(/^\+ /, "");
      names.set(line.to, [...(names.get(line.to) ?? []), `from ${name}`]);
    }
    return names;
  }

  // Doors that lead in belong at the top, so that lines come in around the boxes: a roof above all draws them up.
  function layUnderRoof(plan) {
    const first = plan.sources();
    const doors = first.filter((id) => id.startsWith("in "));
    if (doors.length === 0) return void dagre.layout(plan);
    plan.setNode("roof", { width: 1, height: 1 });
    for (const id of first) plan.setEdge("roof", id, { weight: id.startsWith("in ") ? 10 : 0 });
    dagre.layout(plan);
    plan.removeNode("roof");
    const up = Math.min(...plan.nodes().map((id) => plan.node(id).y - plan.node(id).height / 2)) - MARGIN;
    for (const id of plan.nodes()) plan.node(id).y -= up;
    for (const point of plan.edges().flatMap((edge) => plan.edge(edge).points)) point.y -= up;
    plan.graph().height -= up;
  }

  // Two neighbours that go into nothing but one operation change places where they stand in the wrong order.
  function orderLeaves(plan, edges) {
    const inputs = new Map();
    for (const [v, w] of edges.values()) if (plan.nodeEdges(v).length === 1) inputs.set(w, [...(inputs.get(w) ?? []), v]);
    for (const ids of inputs.values()) {
      for (let i = 0; i + 1 < ids.length; i++) {
        const [a, b] = [plan.node(ids[i]), plan.node(ids[i + 1])];
        const between = (node) => node.x > b.x && node.x < a.x && Math.abs(node.y - a.y) < 1;
        if (a.y !== b.y || a.x < b.x || plan.nodes().some((id) => between(plan.node(id)))) continue;
        const [left, right] = [b.x - b.width / 2, a.x + a.width / 2];
        a.x = left + a.width / 2;
        b.x = right - b.width / 2;
      }
    }
  }

  // Whether more inputs stand on the wrong side of the one before them than on the right one; edges are in their order.
  function readsBackwards(plan, edges) {
    const before = new Map();
    let wrong = 0;
    for (const [v, w] of edges.values()) {
      const x = plan.node(v).x;
      if (before.has(w)) wrong += Math.sign(before.get(w) - x);
      before.set(w, x);
    }
    return wrong > 0;
  }

  function mirror(plan) {
    const { width } = plan.graph();
    const things = [...plan.nodes().map((id) => plan.node(id)), ...plan.edges().flatMap((edge) => plan.edge(edge).points)];
    for (const thing of things) thing.x = width - thing.x;
  }

  const linesOf = (thing, names) => [...thing.lines, ...(names.get(thing.id) ?? [])];

  function sizeOf(lines) {
    const width = Math.max(56, ...lines.map((line) => line.length * SIGN)) + 2 * PAD;
    return { width, height: lines.length * LINE + 2 * PAD - 4 };
  }

  // Where everything stands on the paper: boxes by id, and what has to be added to the points of each level.
  function place(plans, sizes, order) {
    const boxes = new Map();
    const corners = new Map([[null, { x: 0, y: 0 }]]);
    for (const group of [...order].reverse()) {
      const plan = plans.get(group);
      const corner = corners.get(group);
      for (const id of plan.nodes()) {
        const own = plan.node(id);
        const key = things.has(id) ? id : Number(id);
        if (!things.has(key)) continue; // a door
        const box = { x: own.x + corner.x, y: own.y + corner.y, width: own.width, height: own.height };
        boxes.set(key, box);
        if (!plans.has(key)) continue;
        const inner = plans.get(key).graph().width;
        corners.set(key, { x: box.x - box.width / 2 + (box.width - inner) / 2, y: box.y - box.height / 2 + LINE });
      }
    }
    return { boxes, corners, plans };
  }

  // The points of a line, from level to level. Lines that arrive at one box are spread along its upper edge.
  function points(line) {
    if (line.far) {
      const [from, to] = [plan.boxes.get(line.from), plan.boxes.get(line.to)];
      return [{ x: from.x, y: from.y + from.height / 2 }, { x: to.x, y: to.y - to.height / 2 }];
    }
    return line.hops.flatMap(([group, a, b]) => {
      const { x, y } = plan.corners.get(group);
      const bends = plan.plans.get(group).edge(a, b).points.map((point) => ({ x: point.x + x, y: point.y + y }));
      if (bends[0].y > bends[bends.length - 1].y) return bends; // it leads up: two groups use results of each other
      if (bends.length === 3) bends.splice(1, 1); // from one layer to the next, where nothing stands in the way
      bends[0] = port(group, a, line.from, 1) ?? bends[0];
      bends[bends.length - 1] = port(group, b, line.from, -1) ?? bends[bends.length - 1];
      return bends;
    });
  }

  // Where lines touch a box of one level: on the edge of a group right at the door, at a box in the middle.
  function port(group, id, from, side) {
    const corner = plan.corners.get(group);
    const own = plan.plans.get(group).node(id);
    const box = { x: own.x + corner.x, y: own.y + corner.y, height: own.height };
    const inner = plan.plans.get(id);
    if (!inner) return { x: box.x, y: box.y + (side * box.height) / 2 };
    const door = inner.node(`${side > 0 ? "out" : "in"} ${from}`);
    return door && { x: door.x + plan.corners.get(id).x, y: box.y + (side * box.height) / 2 };
  }

  function spread(ways) {
    const arrivals = new Map();
    for (const [line, way] of ways) {
      const last = way[way.length - 1];
      if (line.far || way[way.length - 2].y > last.y) continue;
      arrivals.set(line.to, [...(arrivals.get(line.to) ?? []), way]);
    }
    for (const [id, all] of arrivals) {
      const box = plan.boxes.get(id);
      all.sort((a, b) => a[a.length - 2].x - b[b.length - 2].x);
      all.forEach((way, i) => { way[way.length - 1].x = box.x - box.width / 2 + (box.width * (i + 1)) / (all.length + 1); });
    }
  }

  function curve(points) {
    let [{ x, y }, ...rest] = points;
    let path = `M${x.toFixed(1)} ${y.toFixed(1)}`;
    for (const next of rest) {
      const middle = (y + next.y) / 2;
      path += `C${x.toFixed(1)} ${middle.toFixed(1)} ${next.x.toFixed(1)} ${middle.toFixed(1)} ${next.x.toFixed(1)} ${next.y.toFixed(1)}`;
      ({ x, y } = next);
    }
    return path;
  }

  function tip(way) {
    const { x, y } = way[way.length - 1];
    const down = way[way.length - 2].y <= y ? 1 : -1;
    return `M${x - 4} ${y - 7 * down}h8l-4 ${7 * down}z`;
  }

  function draw() {
    plan = layout();
    const svg = element("svg", { viewBox: `0 0 ${plan.width} ${plan.height}`, role: "group", "aria-label": "The graph" });
    for (const [id, box] of plan.boxes) if (!plan.visible.has(id)) drawBox(svg, id, box, "open");
    const ways = [...plan.lines.values()].map((line) => [line, points(line)]);
    spread(ways);
    for (const [line, way] of ways) {
      const group = element("g", { class: line.far ? "line far" : "line", "data-from": line.from, "data-to": line.to }, svg);
      element("path", { class: "edge", d: curve(way) }, group);
      element("path", { class: "tip", d: tip(way) }, group);
    }
    for (const id of plan.visible) drawBox(svg, id, plan.boxes.get(id), things.get(id).kind);
    drawing.replaceChildren(svg);
    scale(zoom);
    choose(seen(chosen), false);
    const count = `${plan.visible.size.toLocaleString("en")} boxes for ${nodes.length.toLocaleString("en")} nodes`;
    byId("status").textContent = groups.length ? `${count}. ${opened.size} of ${groups.length} groups are open.` : `${count}.`;
  }

  function drawBox(svg, id, { x, y, width, height }, kind) {
    const thing = things.get(id);
    const group = element("g", { class: kind === "group" ? "closed" : kind, "data-id": id, role: "button", tabindex: "-1", "aria-label": [spoken(thing), ...(plan.names.get(id) ?? [])].join(", ") }, svg);
    if (thing.kind === "group") group.setAttribute("aria-expanded", String(kind === "open"));
    const [left, top] = [x - width / 2, y - height / 2];
    element("rect", { class: "box", x: left, y: top, width, height, rx: kind === "leaf" ? Math.min(height / 2, 18) : 4 }, group);
    if (kind === "open") {
      element("text", { class: "quiet", x: left + 8, y: top + 15 }, group, `− ${thing.lines[0].replace(/^\+ /, "")}`);
      return;
    }
    linesOf(thing, plan.names).forEach((line, i) => {
      const kindOfLine = i === 0 ? "label" : i === 1 || i >= thing.lines.length ? "quiet" : "";
      element("text", { class: kindOfLine, x, y: top + PAD + 11 + i * LINE, "text-anchor": "middle" }, group, line);
    });
  }

  function spoken(thing) {
    return Object.entries(thing.details).map(([name, value]) => `${name}: ${value}`).join(", ");
  }

  function choose(id, focus) {
    const svg = drawing.querySelector("svg");
    for (const box of svg.querySelectorAll(".chosen")) box.classList.remove("chosen");
    for (const box of svg.querySelectorAll('[tabindex="0"]')) box.setAttribute("tabindex", "-1");
    const box = svg.querySelector(`[data-id="${CSS.escape(String(id))}"]`);
    if (!box) return;
    chosen = id;
    box.classList.add("chosen");
    box.setAttribute("tabindex", "0");
    for (const line of svg.querySelectorAll(".line")) {
      line.classList.toggle("near", line.dataset.from === String(id) || line.dataset.to === String(id));
    }
    if (focus) box.focus({ preventScroll: true });
    reveal(box);
    show(things.get(id));
  }

  function reveal(box) {
    const inner = box.getBoundingClientRect();
    const outer = drawing.getBoundingClientRect();
    if (inner.left < outer.left || inner.right > outer.right) drawing.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
    if (inner.top < outer.top || inner.bottom > outer.bottom) drawing.scrollTop += (inner.top + inner.bottom - outer.top - outer.bottom) / 2;
  }

  function show(thing) {
    const list = document.createElement("dl");
    for (const [name, value] of Object.entries(thing.details)) {
      const term = document.createElement("dt");
      const what = document.createElement("dd");
      term.textContent = name;
      what.textContent = value;
      list.append(term, what);
    }
    const title = document.createElement("h2");
    title.textContent = thing.lines[0];
    byId("details").replaceChildren(title, list);
  }

  function toggle(id) {
    if (things.get(id).kind !== "group") return;
    if (!opened.delete(id)) opened.add(id);
    chosen = id;
    draw();
    choose(id, true);
  }

  // Opens the groups, outer ones first, as long as a drawing of that many boxes is quick.
  function expand() {
    const inner = new Map(groups.map((group) => [group.id, 0]));
    for (const thing of things.values()) if (thing.group !== null) inner.set(thing.group, inner.get(thing.group) + 1);
    let boxes = nodes.concat(groups).filter((thing) => thing.group === null).length;
    opened.clear();
    for (const group of [...groups].sort((a, b) => a.depth - b.depth)) {
      if (boxes + inner.get(group.id) - 1 > MOST || (group.group !== null && !opened.has(group.group))) continue;
      boxes += inner.get(group.id) - 1;
      opened.add(group.id);
    }
    draw();
    if (opened.size < groups.length) byId("status").textContent += " More would be slow to draw: open those that you want to see.";
  }

  // Opens what is around a thing, so that it can be seen.
  function openTo(id) {
    for (let group = things.get(id).group; group !== null; group = things.get(group).group) opened.add(group);
    draw();
    choose(id, false);
  }

  // What is at a point of the window, by default in the middle of the drawing, stays there.
  function scale(to, at) {
    const outer = drawing.getBoundingClientRect();
    const svg = drawing.querySelector("svg");
    const point = at ?? { x: outer.left + outer.width / 2, y: outer.top + outer.height / 2 };
    const before = svg.getBoundingClientRect();
    const part = { x: (point.x - before.left) / (before.width || 1), y: (point.y - before.top) / (before.height || 1) };
    zoom = Math.max(0.05, Math.min(4, to));
    svg.setAttribute("width", plan.width * zoom);
    svg.setAttribute("height", plan.height * zoom);
    const after = svg.getBoundingClientRect();
    drawing.scrollLeft += after.left + part.x * after.width - point.x;
    drawing.scrollTop += after.top + part.y * after.height - point.y;
  }

  function fit() {
    const { width, height } = plan;
    scale(Math.min(1.25, (drawing.clientWidth - 4) / width, (drawing.clientHeight - 4) / height));
  }

  // The box next to the chosen one in a direction: along lines up and down, else the nearest beside it.
  function step(key) {
    const here = plan.boxes.get(chosen);
    const lines = [...plan.lines.values()];
    let near;
    if (!plan.visible.has(chosen)) near = [...plan.visible].filter((id) => inside(id, chosen));
    else if (key === "ArrowUp") near = lines.filter((line) => line.to === chosen).map((line) => line.from);
    else if (key === "ArrowDown") near = lines.filter((line) => line.from === chosen).map((line) => line.to);
    else {
      const side = key === "ArrowLeft" ? -1 : 1;
      near = [...plan.visible].filter((id) => (plan.boxes.get(id).x - here.x) * side > 0 && Math.abs(plan.boxes.get(id).y - here.y) < 60);
    }
    near.sort((a, b) => distance(plan.boxes.get(a), here) - distance(plan.boxes.get(b), here));
    if (near.length) choose(near[0], true);
  }

  function inside(id, group) {
    for (let home = things.get(id).group; home !== null; home = things.get(home).group) if (home === group) return true;
    return false;
  }

  const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
  const idOf = (box) => (things.has(box.dataset.id) ? box.dataset.id : Number(box.dataset.id));

  drawing.addEventListener("click", (event) => {
    const box = event.target.closest("[data-id]");
    if (!box) return;
    const id = idOf(box);
    if (things.get(id).kind === "group") toggle(id);
    else choose(id, true);
  });
  drawing.addEventListener("keydown", (event) => {
    if (event.key.startsWith("Arrow")) step(event.key);
    else if (event.key === "Enter" || event.key === " ") {
      const group = things.get(chosen).kind === "group" ? chosen : null;
      if (group !== null) toggle(group);
    } else if (event.key === "Escape" && things.get(chosen).group !== null) {
      const group = things.get(chosen).group;
      opened.delete(group);
      chosen = group;
      draw();
      choose(group, true);
    } else return;
    event.preventDefault();
  });
  drawing.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    scale(zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15), { x: event.clientX, y: event.clientY });
  }, { passive: false });

  // Drawing the paper along with the mouse; fingers scroll it anyway.
  let grip = null;
  drawing.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType !== "mouse" || event.target.closest("[data-id]:not(.open)")) return;
    grip = { x: event.clientX, y: event.clientY, left: drawing.scrollLeft, top: drawing.scrollTop, moved: false };
  });
  window.addEventListener("pointermove", (event) => {
    if (!grip) return;
    if (!grip.moved && Math.hypot(event.clientX - grip.x, event.clientY - grip.y) < 4) return;
    grip.moved = true;
    drawing.classList.add("dragged");
    drawing.scrollLeft = grip.left + grip.x - event.clientX;
    drawing.scrollTop = grip.top + grip.y - event.clientY;
    event.preventDefault();
  });
  window.addEventListener("pointerup", () => {
    if (grip?.moved) window.addEventListener("click", (event) => event.stopPropagation(), { capture: true, once: true });
    grip = null;
    drawing.classList.remove("dragged");
  });
  byId("expand").addEventListener("click", expand);
  byId("collapse").addEventListener("click", () => { opened.clear(); draw(); });
  byId("larger").addEventListener("click", () => scale(zoom * 1.25));
  byId("smaller").addEventListener("click", () => scale(zoom / 1.25));
  byId("fit").addEventListener("click", fit);
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  // Searching: the next box whose facts hold all words.
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = nodes.filter((node) => words.every((word) => `${node.lines.join(" ")} ${spoken(node)}`.toLowerCase().includes(word)));
    if (!words.length || !found.length) {
      byId("status").textContent = words.length ? "Nothing is found." : "";
      return;
    }
    const next = found[(found.findIndex((node) => node.id === chosen) + 1) % found.length];
    openTo(next.id);
    byId("status").textContent = `${found.indexOf(next) + 1} of ${found.length} found.`;
  });
  for (const name of new Set(nodes.filter((node) => node.name).map((node) => node.name))) {
    const option = document.createElement("option");
    option.value = name;
    byId("names").append(option);
  }

  for (const name of ["expand", "collapse"]) byId(name).hidden = groups.length === 0;
  draw();
  fit();
  if (zoom < 0.8) scale(0.8);
  choose(seen(nodes[0].id), false);
})();
