// The drawing: what is visible, where it is, and its SVG.

const $ = (id) => document.getElementById(id);
const svg = $('graph');
const world = $('world');
const state = { closed: new Set(data.closed), chosen: null, mark: null, mode: 'backward', step: null, overlay: 'kind', hits: [] };
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

function moduleBox(cluster) {
  const inside = data.boxes.filter((b) => prefixes(b.scope).includes(cluster.key));
  const [left, top, right, bottom] = cluster.at;
  const members = inside.map((b) => nodes[b.id]).filter(Boolean);
  const numbers = members.filter((n) => n.kind === 'leaf').reduce((sum, n) => sum + n.shape.reduce((a, b) => a * b, 1), 0);
  const count = inside.reduce((sum, b) => sum + b.count, 0);
  const lines = [`${count} node${count === 1 ? '' : 's'}`];
  if (numbers) lines.push(`${numbers.toLocaleString('en')} parameters`);
  const title = cluster.kind ? `${cluster.name} ${cluster.kind}` : cluster.name;
  const room = Math.max(right - left, 70);
  const w = Math.min(room, Math.max(title.length * 1.1, ...lines.map((l) => l.length)) * CHARACTER + 24);
  const fits = Math.floor((w - 16) / CHARACTER / 1.1);
  return {
    id: `m:${cluster.key}`, kind: 'module', scope: cluster.key.split(SEPARATOR).slice(0, -1).join(SEPARATOR), key: cluster.key,
    x: (left + right) / 2, y: (top + bottom) / 2, w, h: 31 + 15 * lines.length, full: title, inside: inside.map((b) => b.id),
    title: title.length > fits ? `${title.slice(0, Math.max(fits - 1, 1))}…` : title, lines: lines.map((l) => ['', l]), root: inside.some((b) => b.root),
  };
}

function buildScene() {
  const shown = new Map();
  const owner = new Map();
  const closed = new Set();
  for (const b of data.boxes) {
    const around = closedAround(b.scope);
    if (around) closed.add(around);
    else shown.set(b.id, { ...b, full: b.title, inside: [b.id] });
    owner.set(b.id, around ? `m:${around}` : b.id);
  }
  const clusters = [];
  for (const c of data.clusters) {
    if (closed.has(c.key)) shown.set(`m:${c.key}`, moduleBox(c));
    else if (!closedAround(c.key)) clusters.push({ ...c });
  }
  const links = [];
  const bundles = new Map();
  data.links.forEach((l) => {
    const s = owner.get(l.s);
    const t = owner.get(l.t);
    if (s === t) return;
    if (s === l.s && t === l.t) links.push({ ...l, s, t, edges: l.edge === null ? [] : [l.edge] });
    else {
      const name = s + SEPARATOR + t;
      const bundle = bundles.get(name);
      if (bundle) {
        bundle.n += l.n;
        if (l.edge !== null) bundle.edges.push(l.edge);
      } else bundles.set(name, { s, t, n: l.n, edges: l.edge === null ? [] : [l.edge], edge: null, path: [], at: null, said: '' });
    }
  });
  for (const b of bundles.values()) {
    if (b.n > 1) b.said = `×${b.n}`;
    else if (b.edges.length) b.edge = b.edges[0];
    links.push(b);
  }
  placeScene(shown, links, clusters);
  return { boxes: shown, owner, links, clusters };
}

function placeScene(shown, links, clusters) {
  if (shown.size < data.boxes.length) {
    const across = [...shown.values()].map((b) => [b.x - b.w / 2, b.x + b.w / 2]);
    const down = [...shown.values()].map((b) => [b.y - b.h / 2, b.y + b.h / 2]);
    for (const { at } of clusters) {
      across.push([at[0], at[0] + 10], [at[2] - 10, at[2]]);
      down.push([at[1], at[1] + 26], [at[3] - 10, at[3]]);
    }
    const fx = shortened(across, 56);
    const fy = shortened(down, 56);
    const moved = ([x, y]) => [fx(x), fy(y)];
    for (const b of shown.values()) [b.x, b.y] = moved([b.x, b.y]);
    for (const l of links) {
      l.path = l.path.map(moved);
      if (l.at) l.at = moved(l.at);
    }
    for (const c of clusters) c.at = [...moved(c.at.slice(0, 2)), ...moved(c.at.slice(2))];
  }
  const pairs = new Map();
  for (const l of links) {
    if (l.path.length) continue;
    const name = l.s + SEPARATOR + l.t;
    pairs.set(name, (pairs.get(name) || 0) + 1);
    l.path = bow(shown.get(l.s), shown.get(l.t), pairs.get(name) - 1);
    const [a, b, c, d] = l.path;
    l.at = [(a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8, (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8];
  }
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
  const points = [...scene.boxes.values()];
  scene.bounds = [
    Math.min(...points.map((b) => b.x - b.w / 2)), Math.min(...points.map((b) => b.y - b.h / 2)),
    Math.max(...points.map((b) => b.x + b.w / 2)), Math.max(...points.map((b) => b.y + b.h / 2)),
  ];
  for (const { at } of scene.clusters) {
    scene.bounds = [Math.min(scene.bounds[0], at[0]), Math.min(scene.bounds[1], at[1]), Math.max(scene.bounds[2], at[2]), Math.max(scene.bounds[3], at[3])];
  }
}

function drawCluster(c) {
  const [left, top, right, bottom] = c.at;
  const g = make('g', { class: 'cluster' }, world);
  make('rect', { x: left, y: top, width: right - left, height: bottom - top, rx: 8 }, g);
  const handle = make('g', { class: 'handle', role: 'button', tabindex: 0, 'aria-label': `Collapse module ${c.name} ${c.kind}` }, g);
  make('text', { x: left + 8, y: top + 16 }, handle, `▾ ${c.name} ${c.kind}`);
  const act = () => setClosed(c.key, true);
  handle.addEventListener('click', act);
  handle.addEventListener('keydown', (event) => { if (event.key === 'Enter' || event.key === ' ') { act(); event.preventDefault(); event.stopPropagation(); } });
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
  make('text', { class: 'title', y: -h / 2 + 20, 'text-anchor': 'middle' }, g, b.title);
  b.lines.forEach(([what, said], i) => {
    const text = make('text', { y: -h / 2 + 37 + 15 * i, 'text-anchor': 'middle' }, g);
    if (what) make('tspan', { class: 'what' }, text, `${what} `);
    const bad = /NaN|∞/.test(said) || /^(\d+% )?(dead|saturated)$/.test(said);
    const span = make('tspan', { class: `${what || 'what'}${bad ? ' bad' : ''}` }, text, said);
    if (what === 'grad') b.gradSpan = span;
    if (what === 'data') b.dataSpan = span;
  });
  b.group = g;
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
