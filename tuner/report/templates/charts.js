// Draws the charts of a page from their plain data (tuner/report/plot.py): no library, nothing loaded from anywhere.
"use strict";
const CHARTS = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LETTER = 6.7, ROW = 13;  // width of a letter and height of a line of an axis's text, in pixels
  let shown = null;  // the trial that is looked at
  let onTrial = () => {};

  const el = (name, attributes = {}, ...children) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const html = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const colour = name => `var(--${name})`;
  const known = value => value !== undefined && value !== null;

  // ---- scales and ticks

  const number = value => {
    const size = Math.abs(value);
    if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential();
    for (const [step, letter] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
      const unit = step === 1e4 ? 1e3 : step;
      if (size >= step) return `${+(value / unit).toPrecision(6)}${letter}`;
    }
    return `${+value.toPrecision(6)}`;
  };

  function roundTicks(low, high, wanted) {
    const raw = (high - low) / Math.max(wanted, 1) || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find(one => one * power >= raw * 0.999);
    const found = [];
    for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(at * step);
    return found;
  }

  function logTicks(low, high, wanted) {
    const found = [];
    const decades = Math.log10(high / low);
    if (decades < 0.7) return roundTicks(low, high, wanted).filter(at => at > 0);
    const marks = decades > wanted / 2 ? [1] : decades > 1.7 ? [1, 3] : [1, 2, 5];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const mark of marks) {
        const at = mark * 10 ** power;
        if (at >= low * 0.999 && at <= high * 1.001) found.push(at);
      }
    }
    return found;
  }

  function scaleOf(axis, values) {
    const there = values.filter(value => known(value) && Number.isFinite(value) && (axis.scale !== "log" || value > 0));
    let low = Math.min(...there), high = Math.max(...there);
    if (!there.length) [low, high] = [0, 1];
    if (axis.scale === "words") [low, high] = [-0.5, axis.words.length - 0.5];
    else if (axis.scale === "log") {
      const room = low === high ? 1.3 : (high / low) ** 0.05;
      [low, high] = [low / room, high * room];
    } else {
      if (axis.zero) low = Math.min(low, 0);
      const room = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
      [low, high] = [axis.zero && low === 0 ? 0 : low - room, high + room];
    }
    const forward = axis.scale === "log" ? Math.log : value => value;
    const from = forward(low), span = forward(high) - from;
    return {
      axis,
      at: value => (forward(Math.max(value, axis.scale === "log" ? low : -Infinity)) - from) / span,
      ticks: wanted => {
        if (axis.ticks && axis.ticks.length) return axis.ticks.filter(([at]) => at >= low && at <= high);
        if (axis.scale === "words") return axis.words.map((word, at) => [at, word]);
        return (axis.scale === "log" ? logTicks : roundTicks)(low, high, wanted).map(at => [at, number(at)]);
      },
    };
  }

  // ---- marks

  function mark(kind, x, y, paint, big) {
    const size = big ? 1.35 : 1;
    const path = points => el("path", {d: `M${points.map(([a, b]) => `${x + a * size},${y + b * size}`).join("L")}Z`, fill: paint, class: "mark"});
    if (kind === "chosen") {
      return path([...Array(10).keys()].map(at => {
        const reach = at % 2 ? 4 : 9.5, turn = at * Math.PI / 5 - Math.PI / 2;
        return [reach * Math.cos(turn), reach * Math.sin(turn)];
      }));
    }
    if (kind === "baseline") return path([[-5.5, -5.5], [5.5, -5.5], [5.5, 5.5], [-5.5, 5.5]]);
    if (kind === "front") return path([[0, -6.5], [6.5, 0], [0, 6.5], [-6.5, 0]]);
    if (kind === "open") return el("circle", {cx: x, cy: y, r: 3.5 * size, fill: "none", stroke: paint, "stroke-width": 1.5});
    const dot = el("circle", {cx: x, cy: y, r: 4 * size, fill: paint, class: "mark"});
    if (kind !== "equal") return dot;
    return el("g", {}, el("circle", {cx: x, cy: y, r: 8 * size, fill: "none", stroke: paint, "stroke-width": 1.5}), dot);
  }

  // ---- a chart's frame: the picture, what is said of a point, and the keys

  class Frame {
    constructor(place, chart) {
      this.place = place;
      this.chart = chart;
      this.points = [];   // {x, y, text, trial, series}
      this.current = null;
      this.picture = el("svg", {"aria-hidden": "true", focusable: "false"});
      this.tip = html("div", {class: "tip", role: "status"});
      this.tip.hidden = true;
      this.box = html("div", {
        class: "plot", tabindex: "0", role: "application", "aria-roledescription": "chart",
        "aria-label": `${chart.title}. ${chart.says} Arrow keys go from point to point.`,
      }, this.picture, this.tip);
      this.legend = html("ul", {class: "legend"});
      const list = html("ul");
      const numbers = html("details", {class: "numbers"}, html("summary", {}, "The numbers of this chart"), list);
      numbers.addEventListener("toggle", () => {
        if (numbers.open) list.replaceChildren(...this.points.filter(one => one.text).map(one => html("li", {}, one.text)));
      });
      place.replaceChildren(this.legend, this.box, numbers);
      this.box.addEventListener("pointermove", event => this.pointAt(event));
      this.box.addEventListener("pointerleave", () => { if (document.activeElement !== this.box) this.point(null); });
      this.box.addEventListener("click", event => { this.pointAt(event); this.choose(); });
      this.box.addEventListener("keydown", event => this.key(event));
      this.box.addEventListener("blur", () => this.point(null));
      new ResizeObserver(() => { if (Math.abs(place.clientWidth - this.width) > 1) this.draw(); }).observe(place);
      this.draw();
    }

    draw() {
      this.width = this.place.clientWidth;
      if (!this.width) return;
      this.points = [];
      this.current = null;
      this.tip.hidden = true;
      this.legend.replaceChildren();
      (this.chart.axes ? drawParallel : drawPlot)(this);
      this.legend.hidden = !this.legend.childElementCount;
    }

    start(height) {
      this.height = height;
      this.picture.replaceChildren();
      for (const [name, value] of Object.entries({width: this.width, height, viewBox: `0 0 ${this.width} ${height}`})) this.picture.setAttribute(name, value);
    }

    add(...parts) { this.picture.append(...parts); }

    text(x, y, words, {anchor = "middle", kind = "tick", turn} = {}) {
      this.add(el("text", {x, y, "text-anchor": anchor, class: kind, transform: turn && `rotate(${turn} ${x} ${y})`}, words));
    }

    told(name, paint, line, kind) {  // a line of the legend
      const swatch = el("svg", {width: 26, height: 18, "aria-hidden": "true"});
      if (line && line !== "none") swatch.append(el("path", {d: "M1,9H25", stroke: paint, "stroke-width": 2.5, "stroke-dasharray": line === "dotted" ? "3 3" : undefined}));
      if (known(kind)) swatch.append(mark(kind, 13, 9, paint));
      this.legend.append(html("li", {}, swatch, name));
    }

    pointAt(event) {
      const area = this.box.getBoundingClientRect();
      const x = event.clientX - area.left, y = event.clientY - area.top;
      let best = null, least = 40 ** 2;
      for (const one of this.points) {
        const far = (one.x - x) ** 2 + (one.y - y) ** 2;
        if (far < least) [best, least] = [one, far];
      }
      this.point(best);
    }

    point(one) {
      if (one === this.current) return;
      this.current = one;
      this.picture.querySelector(".here")?.remove();
      this.tip.hidden = !one;
      if (!one) return;
      this.add(one.path ? el("path", {d: one.path, class: "here strand"}) : el("circle", {cx: one.x, cy: one.y, r: 9, class: "here"}));
      this.tip.textContent = one.text + (known(one.trial) ? " (Enter or click: show it)" : "");
      const wide = this.tip.offsetWidth, high = this.tip.offsetHeight;
      this.tip.style.left = `${Math.max(0, Math.min(one.x - wide / 2, this.width - wide))}px`;
      this.tip.style.top = `${one.y - high - 14 < 0 ? one.y + 16 : one.y - high - 14}px`;
    }

    key(event) {
      const by = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1]}[event.key];
      if (by && this.points.length) {
        event.preventDefault();
        this.point(this.next(...by));
      } else if ((event.key === "Enter" || event.key === " ") && this.current) {
        event.preventDefault();
        this.choose();
      } else if (event.key === "Escape") this.point(null);
    }

    next(along, across) {  // along the points of a series, and across to the nearest of another
      const now = this.current;
      if (!now) return this.points[0];
      const series = [...new Set(this.points.map(one => one.series))];
      if (across) {
        const other = series[(series.indexOf(now.series) + across + series.length) % series.length];
        return this.points.filter(one => one.series === other).reduce((a, b) => Math.abs(b.x - now.x) < Math.abs(a.x - now.x) ? b : a);
      }
      const same = this.points.filter(one => one.series === now.series).sort((a, b) => a.x - b.x);
      return same[(same.indexOf(now) + along + same.length) % same.length];
    }

    choose() {
      if (this.current && known(this.current.trial)) onTrial(this.current.trial);
    }
  }

  // ---- plots

  function drawPlot(frame) {
    const {chart, width} = frame;
    const gap = 22, below = 46, right = 14, top = 10;
    const all = chart.panels.flatMap(panel => panel.series.flatMap(series => series.points));
    const xRules = chart.panels.flatMap(panel => (panel.rules ?? []).filter(rule => rule.of === "x").map(rule => rule.at));
    const xScale = scaleOf(chart.x, [...all.flatMap(one => [one.x, one.x_low, one.x_high]), ...xRules]);
    const panels = chart.panels.map(panel => {
      const points = panel.series.flatMap(series => series.points);
      const rules = (panel.rules ?? []).filter(rule => rule.of === "y").map(rule => rule.at);
      const scale = scaleOf(panel.y, [...points.flatMap(one => [one.y, one.low, one.high]), ...rules]);
      const height = panel.height ?? 260;
      return {panel, scale, height, ticks: scale.ticks(height / 45)};
    });
    const widest = Math.max(...panels.flatMap(one => one.ticks.map(([, words]) => words.length)));
    const left = Math.min(24 + widest * LETTER, width * 0.42);
    const inner = width - left - right;
    const toX = value => left + inner * xScale.at(value);
    frame.start(top + panels.reduce((sum, one) => sum + one.height, 0) + gap * (panels.length - 1) + below);

    let from = top;
    panels.forEach(({panel, scale, height, ticks}, place) => {
      const toY = value => from + height * (1 - scale.at(value));
      const last = place === panels.length - 1;
      for (const shade of chart.shades ?? []) {
        const a = Math.max(toX(shade.low), left), b = Math.min(toX(shade.high), left + inner);
        frame.add(el("rect", {x: a, y: from, width: Math.max(b - a, 0), height, class: "shade"}));
      }
      for (const [at, words] of ticks) {
        frame.add(el("path", {d: `M${left},${toY(at)}h${inner}`, class: "grid"}));
        frame.text(left - 7, toY(at) + 4, words, {anchor: "end"});
      }
      if (panel.y.title) frame.text(11, from + height / 2, panel.y.title, {kind: "title", turn: -90});
      const steps = xScale.ticks(Math.max(2, inner / (chart.x.scale === "log" ? 60 : 85)));
      let free = -Infinity;
      for (const [at, words] of steps) {
        const x = toX(at), half = words.length * LETTER / 2;
        frame.add(el("path", {d: `M${x},${from}v${height}`, class: "grid"}));
        if (!last || x - half < free) continue;
        frame.text(Math.min(x, width - half), from + height + 17, words);
        free = x + half + 5;
      }
      frame.add(el("path", {d: `M${left},${from}v${height}h${inner}`, class: "frame"}));
      for (const rule of panel.rules ?? []) {
        const line = rule.of === "x" ? `M${toX(rule.at)},${from}v${height}` : `M${left},${toY(rule.at)}h${inner}`;
        frame.add(el("path", {d: line, class: "rule", stroke: colour(rule.colour ?? "red")}));
      }
      panel.series.forEach(series => drawSeries(frame, series, toX, toY));
      for (const rule of (panel.rules ?? []).filter(one => one.text)) {
        if (rule.of === "y") frame.text(left + inner - 4, toY(rule.at) + (toY(rule.at) - from < 16 ? 13 : -5), rule.text, {anchor: "end", kind: "note"});
        else {
          const near = toX(rule.at) > left + inner / 2;
          frame.text(toX(rule.at) + (near ? -5 : 5), from + ROW, rule.text, {anchor: near ? "end" : "start", kind: "note"});
        }
      }
      from += height + gap;
    });
    frame.text(left + inner / 2, frame.height - 8, chart.x.title, {kind: "title"});
  }

  function drawSeries(frame, series, toX, toY) {
    const paint = colour(series.colour), line = series.line ?? "solid";
    const places = series.points.map(one => [toX(one.x), toY(one.y)]);
    if (line !== "none" && places.length > 1) {
      const d = places.map(([x, y], at) => at === 0 ? `M${x},${y}` : line === "steps" ? `H${x}V${y}` : `L${x},${y}`).join("");
      frame.add(el("path", {d, class: "line", stroke: paint, "stroke-dasharray": line === "dotted" ? "3 4" : undefined}));
    }
    series.points.forEach((one, at) => {
      const [x, y] = places[at];
      const kind = one.mark || (series.dots ? "" : null);
      if (known(one.low) || known(one.high)) frame.add(el("path", {d: `M${x},${toY(one.low ?? one.y)}V${toY(one.high ?? one.y)}`, class: "interval", stroke: paint}));
      if (known(one.x_low) || known(one.x_high)) frame.add(el("path", {d: `M${toX(one.x_low ?? one.x)},${y}H${toX(one.x_high ?? one.x)}`, class: "interval", stroke: paint}));
      if (known(kind)) frame.add(mark(kind, x, y, paint));
      if (known(one.trial) && one.trial === shown) frame.add(el("circle", {cx: x, cy: y, r: 12, class: "shown"}));
      if (one.text) frame.points.push({x, y, text: one.text, trial: one.trial, series: series.name || series});
    });
    if (series.name) frame.told(series.name, paint, line, (series.dots || line === "none") ? series.points[0]?.mark ?? "" : null);
  }

  // ---- parallel coordinates: axes beside each other, or on a narrow page below each other

  function drawParallel(frame) {
    const {chart, width} = frame;
    const flat = width < Math.max(560, chart.axes.length * 110);
    const scales = chart.axes.map((axis, at) => scaleOf(axis, chart.strands.map(one => one.values[at])));
    const room = flat ? {top: 30, left: 16, right: 16, bottom: 24} : {top: 42, left: 60, right: 60, bottom: 14};
    const apart = flat ? 78 : (width - room.left - room.right) / Math.max(chart.axes.length - 1, 1);
    frame.start(flat ? room.top + apart * (chart.axes.length - 1) + room.bottom + 12 : 360);
    const long = flat ? width - room.left - room.right : frame.height - room.top - room.bottom;
    const spot = (axis, value) => {
      const share = scales[axis].at(value);
      return flat ? [room.left + long * share, room.top + apart * axis] : [room.left + apart * axis, room.top + long * (1 - share)];
    };
    const order = [...chart.strands].sort((a, b) => Boolean(a.mark) - Boolean(b.mark) || (a.share ?? -1) - (b.share ?? -1));
    for (const one of order) {
      const places = one.values.map((value, axis) => known(value) ? spot(axis, value) : null).filter(Boolean);
      if (!places.length) continue;
      const path = `M${places.map(([x, y]) => `${x},${y}`).join("L")}`;
      const told = {chosen: "green", baseline: "orange"}[one.mark];
      const paint = told ? colour(told) : known(one.share) ? `color-mix(in oklab, var(--blue) ${Math.round(one.share * 100)}%, var(--faint))` : colour("faint");
      const looked = known(one.trial) && one.trial === shown;
      frame.add(el("path", {
        d: path, class: looked ? "strand shown-strand" : "strand", stroke: paint, "stroke-width": told ? 3.5 : 1.6,
        "stroke-dasharray": one.mark === "baseline" ? "7 4" : undefined,
      }));
      places.forEach(([x, y], at) => frame.points.push({x, y, path, text: one.text, trial: one.trial, series: at}));
    }
    chart.axes.forEach((axis, place) => {
      const [a, b] = flat ? [[room.left, room.top + apart * place], [room.left + long, room.top + apart * place]] : [[room.left + apart * place, room.top], [room.left + apart * place, room.top + long]];
      frame.add(el("path", {d: `M${a}L${b}`, class: "frame"}));
      const turned = !flat && axis.title.length * LETTER > apart - 8;
      if (flat) frame.text(room.left, a[1] - 9, axis.title, {anchor: "start", kind: "title halo"});
      else {
        const end = place === 0 ? "start" : place === chart.axes.length - 1 ? "end" : "middle";
        frame.text(a[0] + {start: -room.left, end: room.right, middle: 0}[end], turned && place % 2 ? 12 : 28, axis.title, {kind: "title", anchor: end});
      }
      let free = -Infinity;
      for (const [at, words] of scales[place].ticks(flat ? long / 80 : 6)) {
        const [x, y] = spot(place, at);
        if (flat) {
          const half = words.length * LETTER / 2, middle = Math.min(Math.max(x, half), width - half);
          if (middle - half < free) continue;
          free = middle + half + 6;
          frame.text(middle, y + 17, words, {kind: "tick halo"});
        } else frame.text(x - 6, y + 4, words, {anchor: "end", kind: "tick halo"});
      }
    });
    for (const [kind, name, paint, line] of [["chosen", "chosen", "green", "solid"], ["baseline", "baseline", "orange", "dotted"]]) {
      if (chart.strands.some(one => one.mark === kind)) frame.told(name, colour(paint), line);
    }
    if (chart.strands.some(one => known(one.share))) frame.told(`the bluer, the better in ${chart.axes.at(-1).title.replace(/ \(.*/, "")}`, colour("blue"), "solid");
  }

  // ---- the page

  let frames = [];
  function draw() {
    const data = document.getElementById("charts");
    if (!data) return;
    const charts = JSON.parse(data.textContent);
    frames = charts.map((chart, at) => new Frame(document.getElementById(`chart-${at}`), chart));
  }
  return {
    draw,
    show: trial => { shown = trial; frames.forEach(frame => frame.draw()); },
    onTrial: called => { onTrial = called; },
  };
})();
CHARTS.draw();
