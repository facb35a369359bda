// The drawing: what is visible, where it is, and its SVG.

const $ = (id) => document.getElementById(id);
const svg = $('graph');
const world = $('world');
// Modules drawn open can be closed, and groups drawn closed can be opened.
const state = { closed: new Set(), open: new Set(), chosen: null, mark: null, mode: 'backward', step: null, overlay: 'kind', hits: [] };
const SEPARATOR = '\x1f';
const CHARACTER = 7.3;
let scene;

function make(tag, attributes = {}, parent = null, text = null) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

function prefixes(key) {
  const parts = key ? key.split(SEPARATOR) : [];
  return parts.map((_, i) => parts.slice(0, i + 1).join(SEPARATOR));
}

const closedAround = (key) => prefixes(key).find((k) => state.closed.has(k)) || null;

// Empty stretches of an axis longer than a gap are shortened to it; what is drawn keeps its size and its order.
function shortened(intervals, gap) {
  const sorted = [...intervals].sort((a, b) => a[0] - b[0]);
  const stops = [];
  let end = sorted.length ? sorted[0][0] : 0;
  let cut = end - 20;
  stops.push([end, 20]);
  for (const [low, high] of sorted) {
    if (low - end > gap) {
      stops.push([end, end - cut]);
      cut += low - end - gap;
      stops.push([low, low - cut]);
    }
    end = Math.max(end, high);
  }
  stops.push([end, end - cut]);
  return (x) => {
    let i = 1;
    while (i < stops.length - 1 && stops[i][0] < x) i += 1;
    const [[a, fa], [b, fb]] = [stops[i - 1], stops[i]];
    if (x <= a) return fa - (a - x);
    if (x >= b) return fb + (x - b);
    return fa + ((x - a) / (b - a)) * (fb - fa);
  };
}

// Stretches an axis so that each [low, high, least] is at least so long; what is in order stays in order, no distance
// shrinks, and what stands beside the stretched part stays together at its middle.
function stretched(intervals) {
  const jumps = [];
  const to = (x) => x + jumps.reduce((sum, [at, by, inclusive]) => sum + (x > at || (inclusive && x === at) ? by : 0), 0);
  for (const [low, high, least] of [...intervals].sort((a, b) => a[1] - a[0] - b[1] + b[0])) {
    const missing = least - (to(high) - to(low));
    if (missing > 0) jumps.push([low, missing / 2, false], [high, missing / 2, true]);
  }
  return to;
}

// How far boxes go aside, so that groups have the room they need across the flow: those that a group would cover, what
// they in turn would cover, and so on. The other boxes stay.
function pushed(shown, centre, extent, needed, along, length, stretch, to) {
  const items = [...shown.values()].map((b) => {
    const [low, high, least] = stretch.get(b.id) || [b[along] - b[length] / 2, b[along] + b[length] / 2, b[length]];
    const at = stretch.has(b.id) ? (to(low) + to(high)) / 2 : to(b[along]);
    return { id: b.id, low: at - least / 2 - 8, high: at + least / 2 + 8, at: b[centre], more: needed.has(b.id) ? needed.get(b.id)[2] - b[extent] : 0 };
  });
  const by = new Map(items.map((i) => [i.id, 0]));
  const place = (i) => i.at + by.get(i.id);
  for (const group of items.filter((i) => i.more > 0)) {
    for (const sign of [-1, 1]) {
      const reached = new Set([group]);
      for (const a of reached) {
        for (const b of items) if (sign * (place(b) - place(a)) > 0 && b.low < a.high && a.low < b.high) reached.add(b);
      }
      reached.delete(group);
      for (const b of reached) by.set(b.id, by.get(b.id) + (sign * group.more) / 2);
    }
  }
  return by;
}

function moduleBox(cluster, inside) {
  const [left, top, right, bottom] = cluster.at;
  const title = cluster.kind ? `${cluster.name} ${cluster.kind}` : cluster.name;
  const room = Math.max(right - left, 70);
  const w = Math.min(room, Math.max((title.length + 2) * 1.1, ...cluster.lines.map(([, said]) => said.length)) * CHARACTER + 24);
  const fits = (text, size) => {
    const most = Math.floor((w - 16) / CHARACTER / size);
    return text.length > most ? `${text.slice(0, Math.max(most - 1, 1))}…` : text;
  };
  return {
    id: `m:${cluster.key}`, kind: 'module', key: cluster.key, opens: null,
    x: (left + right) / 2, y: (top + bottom) / 2, w, h: 16 + 15 * (cluster.lines.length + 1), full: title,
    title: fits(title, 1.15), lines: cluster.lines.map(([what, said]) => [what, fits(said, 1)]), root: inside.some((b) => b.root),
  };
}

const PAD = { side: 14, top: 30 }; // around an opened group

// Lays out a level, with the levels of its opened groups inside it: all boxes, frames and maps in the level's own
// coordinates, and which visible box stands for each node or group.
function arrange(k, owner) {
  const level = levels[k];
  const shown = new Map();
  const closed = new Map();
  const own = (b, id) => {
    owner.set(b.id, id);
    if (b.opens !== null) for (const inner of levels[b.opens].boxes) own(inner, id);
  };
  for (const b of level.boxes) {
    const around = closedAround(b.scope);
    if (around) closed.set(around, [...(closed.get(around) || []), b]);
    else shown.set(b.id, { ...b, full: b.title });
    own(b, around ? `m:${around}` : b.id);
  }
  const frames = [];
  for (const c of level.clusters) {
    if (closed.has(c.key)) shown.set(`m:${c.key}`, moduleBox(c, closed.get(c.key)));
    else if (!closedAround(c.key)) frames.push({ ...c, close: () => setClosed(c.key, true) });
  }
  let [fx, fy] = [(x) => x, (y) => y];
  if (closed.size) {
    const across = [...shown.values()].map((b) => [b.x - b.w / 2, b.x + b.w / 2]);
    const down = [...shown.values()].map((b) => [b.y - b.h / 2, b.y + b.h / 2]);
    for (const { at } of frames) {
      across.push([at[0], at[0] + 10], [at[2] - 10, at[2]]);
      down.push([at[1], at[1] + 26], [at[3] - 10, at[3]]);
    }
    [fx, fy] = [shortened(across, 56), shortened(down, 56)];
  }
  const inner = new Map();
  for (const b of shown.values()) if (b.opens !== null && state.open.has(b.id)) inner.set(b.id, arrange(b.opens, owner));
  let shift = new Map();
  if (inner.size) {
    const grown = (centre, extent, more) => new Map([...inner].map(([id, part]) => {
      const b = shown.get(id);
      const at = (centre === 'x' ? fx : fy)(b[centre]);
      return [id, [at - b[extent] / 2, at + b[extent] / 2, part[extent === 'w' ? 'width' : 'height'] + more]];
    }));
    const [wide, high] = [grown('x', 'w', 2 * PAD.side), grown('y', 'h', PAD.side + PAD.top)];
    const [gx, gy] = [fx, fy];
    let [sx, sy] = [stretched([...wide.values()]), stretched([...high.values()])];
    if (!frames.length && !closed.size) { // across the flow only what is in the way has to give way
      const across = data.rankdir === 'LR' || data.rankdir === 'RL' ? 'y' : 'x';
      shift = across === 'y' ? pushed(shown, 'y', 'h', high, 'x', 'w', wide, sx) : pushed(shown, 'x', 'w', wide, 'y', 'h', high, sy);
      if (across === 'y') sy = (y) => y;
      else sx = (x) => x;
    }
    [fx, fy] = [(x) => sx(gx(x)), (y) => sy(gy(y))];
    const middle = (f, [low, high]) => (f(low) + f(high)) / 2;
    for (const id of inner.keys()) shown.get(id).room = [middle(sx, wide.get(id)), middle(sy, high.get(id))];
  }
  const aside = data.rankdir === 'LR' || data.rankdir === 'RL' ? [0, 1] : [1, 0];
  const moved = ([x, y], from, to = from, t = 0) => {
    const by = (shift.get(from) || 0) * (1 - t) + (shift.get(to) || 0) * t;
    return [fx(x) + by * aside[0], fy(y) + by * aside[1]];
  };
  const maps = new Map([[k, moved]]);
  for (const f of frames) f.at = [...moved(f.at.slice(0, 2)), ...moved(f.at.slice(2))];
  const all = [];
  for (const b of shown.values()) {
    const part = inner.get(b.id);
    if (!part) {
      [b.x, b.y] = moved([b.x, b.y], b.id);
      all.push(b);
      continue;
    }
    const [w, h] = [part.width + 2 * PAD.side, part.height + PAD.side + PAD.top];
    const by = shift.get(b.id) || 0;
    const [left, top] = [b.room[0] + by * aside[0] - w / 2, b.room[1] + by * aside[1] - h / 2];
    const [dx, dy] = [left + PAD.side - part.left, top + PAD.top - part.top];
    const shifted = ([x, y, ...more]) => [x + dx, y + dy, ...(more.length ? shifted(more) : [])];
    const said = b.lines.length ? b.lines[0][1] : '';
    frames.push({ name: b.full, kind: b.kind === 'module' ? said : `(${said})`, key: b.id, at: [left, top, left + w, top + h], close: () => setOpen(b.id, false) });
    for (const f of part.frames) frames.push({ ...f, at: shifted(f.at) });
    for (const x of part.all) all.push({ ...x, x: x.x + dx, y: x.y + dy });
    for (const [key, map] of part.maps) maps.set(key, (...point) => shifted(map(...point)));
  }
  const edge = (i, sign, centre, extent) => [...all.map((b) => b[centre] + (sign * b[extent]) / 2), ...frames.map((f) => f.at[i])];
  const [left, right] = [Math.min(...edge(0, -1, 'x', 'w')), Math.max(...edge(2, 1, 'x', 'w'))];
  const [top, bottom] = [Math.min(...edge(1, -1, 'y', 'h')), Math.max(...edge(3, 1, 'y', 'h'))];
  return { all, frames, maps, left, top, width: right - left, height: bottom - top };
}

function buildScene() {
  const owner = new Map();
  const { all, frames, maps, left, top, width, height } = arrange(0, owner);
  const shown = new Map(all.map((b) => [b.id, b]));
  const found = [];
  const bundles = new Map();
  for (const l of links) {
    const [s, t] = [owner.get(l.s), owner.get(l.t)];
    if (s === t) continue;
    const name = s + SEPARATOR + t;
    if (s === l.s && t === l.t && l.edge !== null) found.push({ ...l, edges: [l.edge] });
    else if (bundles.has(name)) {
      bundles.get(name).n += l.n;
      if (l.edge !== null) bundles.get(name).edges.push(l.edge);
    } else bundles.set(name, { s, t, n: l.n, edges: l.edge === null ? [] : [l.edge], edge: l.edge, said: l.said });
  }
  for (const b of bundles.values()) {
    if (b.n > 1) Object.assign(b, { said: `×${b.n}`, edge: null });
    found.push(b);
  }
  route(found, shown, maps);
  return { boxes: shown, owner, links: found, clusters: frames, bounds: [left, top, left + width, top + height] };
}

// Gives each link its curve: the one laid out where both its ends were, else one of its own.
function route(found, shown, maps) {
  const ready = new Map();
  for (const [k, map] of maps) {
    for (const [s, t, path, at] of levels[k].paths) {
      const name = s + SEPARATOR + t;
      ready.set(name, [...(ready.get(name) || []), { path: bent(path, map, boxes.get(s), boxes.get(t)), at: at && map(at, s, t, 0.5) }]);
    }
  }
  const pairs = new Map();
  for (const l of found) {
    const name = l.s + SEPARATOR + l.t;
    const laid = (ready.get(name) || []).shift();
    if (laid) Object.assign(l, laid);
    else {
      pairs.set(name, (pairs.get(name) || 0) + 1);
      l.path = bow(shown.get(l.s), shown.get(l.t), pairs.get(name) - 1);
      const [a, b, c, d] = l.path;
      l.at = [(a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8, (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8];
    }
  }
}

// Moves a curve; its ends stay where they are on their boxes, which keep their size.
function bent(path, map, from, to) {
  const moved = path.map((p, i) => map(p, from.id, to.id, i / (path.length - 1)));
  const hold = (end, next, b) => {
    const [cx, cy] = map([b.x, b.y], b.id);
    const [dx, dy] = [cx + path[end][0] - b.x - moved[end][0], cy + path[end][1] - b.y - moved[end][1]];
    for (const i of [end, next]) moved[i] = [moved[i][0] + dx, moved[i][1] + dy];
  };
  hold(0, 1, from);
  hold(path.length - 1, path.length - 2, to);
  return moved;
}

// A curve between two boxes, from border to border; the k-th of several bends further out.
function bow(from, to, k) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const border = (b, sx, sy) => {
    const scale = Math.min(b.w / 2 / Math.max(Math.abs(sx), 1e-9), b.h / 2 / Math.max(Math.abs(sy), 1e-9));
    return [b.x + sx * scale, b.y + sy * scale];
  };
  const a = border(from, dx, dy);
  const d = border(to, -dx, -dy);
  const length = Math.hypot(dx, dy) || 1;
  const out = k ? 26 * k : 0;
  const [ox, oy] = [(-dy / length) * out, (dx / length) * out];
  return [a, [a[0] + (d[0] - a[0]) / 3 + ox, a[1] + (d[1] - a[1]) / 3 + oy], [a[0] + ((d[0] - a[0]) * 2) / 3 + ox, a[1] + ((d[1] - a[1]) * 2) / 3 + oy], d];
}

function drawScene() {
  scene = buildScene();
  world.replaceChildren();
  for (const c of scene.clusters) drawCluster(c);
  for (const l of scene.links) drawLink(l);
  for (const b of scene.boxes.values()) drawBox(b);
  const labels = make('g', {}, world);
  for (const l of scene.links) labels.append(l.labelGroup);
}

function drawCluster(c) {
  const [left, top, right, bottom] = c.at;
  const g = make('g', { class: 'cluster' }, world);
  make('rect', { x: left, y: top, width: right - left, height: bottom - top, rx: 8 }, g);
  const handle = make('g', { class: 'handle', role: 'button', tabindex: 0, 'aria-expanded': true, 'aria-label': `Collapse ${c.name} ${c.kind}` }, g);
  make('text', { x: left + 8, y: top + 16 }, handle, `▾ ${c.name} ${c.kind}`);
  handle.dataset.key = c.key;
  handle.addEventListener('click', c.close);
  handle.addEventListener('keydown', (event) => { if (event.key === 'Enter' || event.key === ' ') { c.close(); event.preventDefault(); event.stopPropagation(); } });
}

function drawLink(l) {
  const constant = l.edge !== null && edges[l.edge].share === null;
  const g = make('g', { class: `link${l.n > 1 ? ' many' : ''}${constant ? ' idle' : ''}` }, world);
  const p = l.path;
  let d = `M${p[0]}`;
  for (let i = 1; i + 2 < p.length; i += 3) d += `C${p[i]} ${p[i + 1]} ${p[i + 2]}`;
  make('path', { d }, g);
  const [x, y] = p[p.length - 1];
  const [px, py] = p[p.length - 2];
  const angle = (Math.atan2(y - py, x - px) * 180) / Math.PI;
  make('polygon', { points: '0,0 -8,-3.6 -8,3.6', class: 'tip', transform: `translate(${x},${y}) rotate(${angle})` }, g);
  l.group = g;
  l.labelGroup = make('g', { class: g.getAttribute('class') });
  if (l.at) {
    l.text = make('text', { x: l.at[0], y: l.at[1] + 4 }, l.labelGroup, l.said);
    l.second = make('text', { x: l.at[0], y: l.at[1] + 17 }, l.labelGroup, '');
  }
  if (l.edge !== null) make('title', {}, g, edgeText(edges[l.edge]));
}

function edgeText(e) {
  const parts = [`${naming(e.s)} is operand ${e.slot} of ${naming(e.t)}`];
  if (e.rule) parts.push(`rule: ${e.rule}`);
  if (e.local !== null) parts.push(`local derivative: ${e.local}`);
  if (e.share !== null) parts.push(`contributes ${typeof e.share === 'number' ? e.share : size(e.share)}`);
  return parts.join('\n');
}

const canOpen = (b) => Boolean(b.key) || b.opens !== null;

const RADIUS = { leaf: 0, constant: 0, result: 9, module: 3, fold: 3 };

function drawBox(b) {
  const g = make('g', { class: `box ${b.kind}${b.root ? ' root' : ''}`, transform: `translate(${b.x},${b.y})`, role: 'button', tabindex: -1 }, world);
  g.dataset.id = b.id;
  const [w, h] = [b.w, b.h];
  const at = { x: -w / 2, y: -h / 2, width: w, height: h, rx: RADIUS[b.kind] };
  if (b.root) make('rect', { ...at, x: at.x - 4, y: at.y - 4, width: w + 8, height: h + 8, rx: at.rx + 4 }, g);
  if (b.kind === 'fold') for (const k of [5, 2.5]) make('rect', { ...at, x: at.x + k, y: at.y - k }, g);
  if (b.kind === 'module') make('rect', { x: -w / 2, y: -h / 2 - 7, width: Math.min(34, w), height: 9, rx: 2 }, g);
  make('rect', { ...at, class: 'body' }, g);
  make('text', { class: 'title', y: -h / 2 + 20, 'text-anchor': 'middle' }, g, canOpen(b) ? `▸ ${b.title}` : b.title);
  b.lines.forEach(([what, said], i) => {
    const text = make('text', { y: -h / 2 + 37 + 15 * i, 'text-anchor': 'middle' }, g);
    if (what) make('tspan', { class: 'what' }, text, `${what} `);
    const bad = /NaN|∞/.test(said) || /^(\d+% )?(dead|saturated)$/.test(said);
    const span = make('tspan', { class: `${what || 'what'}${bad ? ' bad' : ''}` }, text, said);
    if (what === 'grad') b.gradSpan = span;
    if (what === 'data') b.dataSpan = span;
  });
  b.group = g;
  if (canOpen(b)) g.setAttribute('aria-expanded', false);
  g.setAttribute('aria-label', describe(b));
}

function describe(b) {
  const kind = { module: 'collapsed module', fold: 'folded nodes' }[b.kind] || b.kind;
  return [`${b.id.startsWith('m:') ? '' : `${b.id}, `}${b.full}`, kind + (b.root ? ', root' : ''), ...b.lines.map(([what, said]) => `${what} ${said.replace('–', 'not computed')}`.trim())].join(', ');
}

// The viewport.
const view = { x: 0, y: 0, scale: 1, touched: false };

function moveTo(x, y, scale) {
  Object.assign(view, { x, y, scale: Math.min(Math.max(scale, 0.02), 8) });
  world.setAttribute('transform', `translate(${view.x},${view.y}) scale(${view.scale})`);
}

function fit(readable = false) {
  view.touched = false;
  const { width, height } = svg.getBoundingClientRect();
  const [left, top, right, bottom] = scene.bounds;
  let scale = Math.min(width / (right - left + 50), height / (bottom - top + 50), 1.5);
  let [cx, cy] = [(left + right) / 2, (top + bottom) / 2];
  if (readable && scale < 0.4) { // too long to be read at once: begin at the root
    scale = 0.7;
    const root = [...scene.boxes.values()].find((b) => b.root);
    if (root) [cx, cy] = [root.x, root.y - (height * 0.35) / scale];
  }
  moveTo(width / 2 - cx * scale, height / 2 - cy * scale, scale);
}

function zoom(factor, cx = null, cy = null) {
  const { width, height } = svg.getBoundingClientRect();
  const [x, y] = [cx ?? width / 2, cy ?? height / 2];
  const scale = Math.min(Math.max(view.scale * factor, 0.02), 8);
  moveTo(x - ((x - view.x) / view.scale) * scale, y - ((y - view.y) / view.scale) * scale, scale);
}

function bringIntoView(b) {
  const { width, height } = svg.getBoundingClientRect();
  const x = b.x * view.scale + view.x;
  const y = b.y * view.scale + view.y;
  const margin = 60;
  const dx = x < margin ? margin - x : x > width - margin ? width - margin - x : 0;
  const dy = y < margin ? margin - y : y > height - margin ? height - margin - y : 0;
  if (dx || dy) moveTo(view.x + dx, view.y + dy, view.scale);
}
