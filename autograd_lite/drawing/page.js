// The controls: modules, the stepper, search, pointer and keyboard.

// Modules and groups.
function redraw(focus) {
  const before = state.chosen;
  drawScene();
  choose(before !== null && (scene.boxes.has(before) || scene.owner.has(before)) ? before : null);
  const box = scene.boxes.get(focus);
  if (box) { bringIntoView(box); box.group.focus({ preventScroll: true }); }
  const frame = scene.clusters.find((c) => c.key === focus);
  if (frame) {
    const [left, top, right, bottom] = frame.at;
    bringIntoView({ x: left + 60, y: Math.min(top + 60, bottom) });
    const handle = [...world.querySelectorAll('.handle')].find((h) => h.dataset.key === focus);
    if (handle && right > left) handle.focus({ preventScroll: true });
  }
}

function setClosed(key, closed) {
  if (closed) state.closed.add(key);
  else state.closed.delete(key);
  redraw(closed ? `m:${key}` : key);
}

function setOpen(id, open) {
  if (open) state.open.add(id);
  else state.open.delete(id);
  redraw(id);
}

const openBox = (b) => (b.key ? setClosed(b.key, false) : setOpen(b.id, true));

function setAllClosed(closed) {
  useTree(closed ? data.trees.length - 1 : 0);
  state.closed = new Set(closed && data.trees.length === 1 ? clusters.map((c) => c.key) : []);
  state.open = new Set(closed ? [] : [...boxes.values()].filter((b) => b.opens !== null).map((b) => b.id));
  drawScene();
  choose(null);
  fit(true);
}

// The stepper.
const stepsOf = () => (state.mode === 'backward' ? backward : forward);

function stepNow() {
  const steps = stepsOf();
  const own = (id) => scene.owner.get(id);
  const now = new Set();
  const touched = new Set();
  const reached = new Set();
  const live = new Set();
  const grads = new Map();
  const step = steps[state.step];
  if (state.mode === 'backward') {
    const { sums, log } = partialSums(state.step);
    for (const [id, { value }] of sums) { grads.set(id, value); reached.add(own(id)); }
    for (const { edge } of log) { live.add(edges.indexOf(edge)); touched.add(own(edge.s)); }
    for (const id of step.seed || [step.node]) now.add(own(id));
    return { now, touched, reached, edges: live, grads, log, step };
  }
  const done = new Set(steps.slice(0, state.step + 1).map((s) => s.node));
  for (const b of boxes.values()) if (!nodes[b.id] || !nodes[b.id].op || done.has(b.id)) reached.add(own(b.id));
  now.add(own(step.node));
  for (const e of operandsOf.get(step.node) || []) { live.add(edges.indexOf(e)); touched.add(own(e.s)); }
  return { now, touched, reached, edges: live, grads, log: [], step };
}

// What an edge carries in the current step: upstream gradient times local derivative.
function product(e) {
  const g = nodes[e.t].grad;
  if (typeof g === 'number' && e.local !== null && typeof e.share === 'number') return [`${short(g)} × ${parens(e.local)}`, `= ${short(e.share)}`];
  return [e.share === null ? '' : size(e.share), ''];
}

function story() {
  const out = $('story');
  out.replaceChildren();
  const line = (text, className = '') => element('div', text, className, out);
  if (state.step === null) {
    line(computed.length ? 'Step through it: the gradient of the root is 1, and each step passes one node’s gradient on to its operands.' : 'Nothing here has a gradient.', 'faint');
    const missing = data.total - Object.keys(nodes).length;
    if (missing) line(`The steps skip ${missing.toLocaleString('en')} nodes in groups that would make this page too large.`, 'faint');
    return;
  }
  const { log, step } = stepNow();
  if (state.mode === 'forward') {
    const n = nodes[step.node];
    const operands = operandsOf.get(n.id) || [];
    line(`${naming(n.id)}: ${n.formula || n.op}`);
    line(operands.map((e, i) => `${operands.length <= 3 ? 'xyz'[i] : `x${i}`} = ${nodes[e.s] ? (typeof nodes[e.s].data === 'number' ? short(nodes[e.s].data, 6) : `${naming(e.s)} (${nodes[e.s].shape.join('×')})`) : e.s}`).join(', '), 'faint');
    const result = line(`result ${typeof n.data === 'number' ? short(n.data, 6) : `of shape ${n.shape.join('×')}, norm ${short(n.data.norm, 6)}`}`);
    result.dataset.node = n.id;
    if (typeof n.data === 'number') result.dataset.value = n.data;
    return;
  }
  if (step.seed) {
    for (const r of step.seed) line(`${naming(r)} is the root: its gradient is ${size(seedOf(r) ?? nodes[r].grad)}`);
    if (data.roots.some((r) => !nodes[r])) line('A root is inside a group.', 'faint');
    return;
  }
  const n = nodes[step.node];
  line(`${naming(n.id)}: incoming gradient g = ${size(n.grad, 5)}`);
  if (n.note) line(n.note, 'alarm');
  for (const { edge: e, before, after, parts } of log) {
    const total = sharesInto(e.s);
    const seeded = data.roots.includes(e.s);
    const way = e.local !== null && typeof e.share === 'number' ? `${short(n.grad, 5)} × ${parens(e.local)} = ${short(e.share, 5)}` : `${e.rule || 'rule'}${e.share === null ? '' : ` = ${size(e.share, 5)}`}`;
    let sum;
    if (before === undefined) sum = `grad: ${size(e.share, 5)}`;
    else if (after === null) sum = `grad: adds a share, ${parts} of ${total} in`;
    else sum = `grad: ${size(before, 5)} + ${size(e.share, 5)} = ${size(after, 5)}`;
    const row = line(`→ ${naming(e.s)}  ${way}    ${sum}${total > 1 && parts < total + seeded ? `  (${parts} of ${total + seeded})` : ''}`, 'derivative');
    row.dataset.node = e.s;
    if (typeof after === 'number') row.dataset.grad = after;
  }
  if (!log.length) line('It passes nothing on.', 'faint');
}

function goTo(step) {
  const steps = stepsOf();
  state.step = step === null || !steps.length ? null : Math.min(Math.max(step, 0), steps.length - 1);
  const slider = $('slider');
  slider.max = Math.max(steps.length - 1, 0);
  slider.value = state.step ?? 0;
  slider.setAttribute('aria-valuetext', state.step === null ? 'not stepping' : `step ${state.step + 1} of ${steps.length}`);
  $('count').textContent = state.step === null ? `${steps.length} steps` : `${state.step + 1} / ${steps.length}`;
  $('leave').disabled = state.step === null;
  paint();
  story();
  if (state.step !== null) {
    const now = stepNow().now.values().next().value;
    if (now && scene.boxes.get(now)) bringIntoView(scene.boxes.get(now));
  }
}

const stepBy = (k) => goTo(state.step === null ? (k > 0 ? 0 : stepsOf().length - 1) : state.step + k);

let timer = null;
function play(on) {
  clearInterval(timer);
  timer = null;
  if (on && stepsOf().length) {
    if (state.step === null || state.step === stepsOf().length - 1) goTo(0);
    timer = setInterval(() => { if (state.step >= stepsOf().length - 1) play(false); else stepBy(1); }, 900);
  }
  $('play').textContent = timer ? '⏸ Pause' : '▶ Play';
  $('play').setAttribute('aria-label', timer ? 'Pause' : 'Play');
}

// Search.
function search(text) {
  const wanted = text.trim().toLowerCase();
  state.hits = !wanted ? [] : [...boxes.values()].filter((b) => {
    const n = nodes[b.id] || {};
    return [b.id, b.title, n.op, n.label, n.source, ...(n.scope || []), n.shape && n.shape.join('×')].some((t) => t && String(t).toLowerCase().includes(wanted));
  }).map((b) => b.id);
  $('found').textContent = wanted ? `${state.hits.length} found` : '';
  paint();
}

let hit = -1;
function nextHit() {
  if (!state.hits.length) return;
  hit = (hit + 1) % state.hits.length;
  choose(state.hits[hit]);
}

function fillTable() {
  if ($('table').childElementCount) return;
  const table = element('table', null, '', $('table'));
  const head = element('tr', null, '', element('thead', null, '', table));
  for (const name of ['Node', 'What', 'Shape', 'Data', 'Gradient', 'Operands (local derivative)']) element('th', name, '', head).scope = 'col';
  const body = element('tbody', null, '', table);
  for (const b of boxes.values()) {
    const n = nodes[b.id];
    const row = element('tr', null, '', body);
    element('th', b.id, '', row).scope = 'row';
    element('td', b.title, '', row);
    element('td', n ? n.shape.join('×') : '', '', row);
    element('td', n ? size(n.data, 6) : b.lines.map((l) => l[1]).join(', '), '', row);
    element('td', !n ? '' : n.grad === null ? 'not computed' : size(n.grad, 6), 'grad', row);
    element('td', (operandsOf.get(b.id) || []).map((e) => `${naming(e.s)}${e.local !== null ? ` (${short(e.local)})` : e.rule ? ` (${e.rule})` : ''}`).join('; '), '', row);
  }
}

// Wiring.
function listen() {
  const pointers = new Map();
  let moved = false;
  svg.addEventListener('pointerdown', (event) => {
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    moved = false;
  });
  svg.addEventListener('pointermove', (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const [x, y] = [event.clientX, event.clientY];
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const rect = svg.getBoundingClientRect();
      zoom(Math.hypot(x - other[0], y - other[1]) / (Math.hypot(last[0] - other[0], last[1] - other[1]) || 1), (x + other[0]) / 2 - rect.left, (y + other[1]) / 2 - rect.top);
    } else if (moved || Math.hypot(x - last[0], y - last[1]) > 3) {
      if (!moved) svg.setPointerCapture(event.pointerId);
      moved = true;
      svg.classList.add('held');
      view.touched = true;
      moveTo(view.x + x - last[0], view.y + y - last[1], view.scale);
    } else return;
    pointers.set(event.pointerId, [x, y]);
  });
  const release = (event) => { pointers.delete(event.pointerId); svg.classList.remove('held'); };
  svg.addEventListener('pointerup', release);
  svg.addEventListener('pointercancel', release);
  svg.addEventListener('click', (event) => {
    if (moved) return;
    const box = event.target.closest('.box');
    if (box) choose(box.dataset.id, true);
    else if (!event.target.closest('.handle')) choose(null);
  });
  svg.addEventListener('dblclick', (event) => {
    const box = event.target.closest('.box');
    const found = box && scene.boxes.get(box.dataset.id);
    if (found && canOpen(found)) openBox(found);
  });
  svg.addEventListener('wheel', (event) => {
    event.preventDefault();
    view.touched = true;
    const rect = svg.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - rect.left, event.clientY - rect.top);
  }, { passive: false });
  const on = (id, act) => $(id).addEventListener('click', act);
  on('zoom-in', () => zoom(1.25));
  on('zoom-out', () => zoom(0.8));
  on('fit', () => fit());
  on('collapse', () => setAllClosed(true));
  on('expand', () => setAllClosed(false));
  on('theme', () => setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
  on('first', () => { play(false); goTo(0); });
  on('last', () => { play(false); goTo(stepsOf().length - 1); });
  on('back', () => { play(false); stepBy(-1); });
  on('next', () => { play(false); stepBy(1); });
  on('play', () => play(!timer));
  on('leave', () => { play(false); goTo(null); });
  $('slider').addEventListener('input', (event) => { play(false); goTo(Number(event.target.value)); });
  $('mode').addEventListener('change', (event) => { play(false); state.mode = event.target.value; goTo(state.step === null ? null : 0); });
  $('overlay').addEventListener('change', (event) => { state.overlay = event.target.value; choose(null); });
  $('search').addEventListener('input', (event) => { hit = -1; search(event.target.value); });
  $('search').addEventListener('keydown', (event) => { if (event.key === 'Enter') nextHit(); });
  $('outline').addEventListener('toggle', fillTable);
  document.addEventListener('keydown', onKey);
  const printing = window.matchMedia('print');
  printing.addEventListener('change', () => forPrint(printing.matches));
  window.addEventListener('beforeprint', () => forPrint(true));
  window.addEventListener('afterprint', () => forPrint(false));
  window.addEventListener('resize', () => { if (!view.touched) fit(true); });
}

// On paper the whole graph is fitted by the paper's own size, in light colours.
let onScreen = null;
function forPrint(on) {
  if (on === (onScreen !== null)) return;
  if (on) {
    onScreen = { theme: document.documentElement.dataset.theme, place: world.getAttribute('transform') };
    const [left, top, right, bottom] = scene.bounds;
    svg.setAttribute('viewBox', [left - 20, top - 20, right - left + 40, bottom - top + 40].join(' '));
    world.removeAttribute('transform');
    setTheme('light');
  } else {
    svg.removeAttribute('viewBox');
    world.setAttribute('transform', onScreen.place);
    setTheme(onScreen.theme);
    onScreen = null;
  }
}

const onFocused = (event) => event.target.closest && event.target.closest('.box');

function walk(k) {
  const order = [...scene.boxes.values()].sort((a, b) => a.y - b.y || a.x - b.x);
  const at = order.findIndex((b) => b.id === (scene.owner.get(state.chosen) || state.chosen));
  choose(order[(at + k + order.length) % order.length].id, true);
}

function onKey(event) {
  const typing = event.target.matches('input[type=search], select');
  if (event.key === 'Escape') {
    $('search').value = '';
    search('');
    state.mark = null;
    if (typing) event.target.blur();
    if (state.chosen !== null) choose(null);
    else { play(false); goTo(null); }
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const slider = event.target.id === 'slider';
  const keys = {
    ArrowRight: () => { play(false); stepBy(1); },
    ArrowLeft: () => { play(false); stepBy(-1); },
    ArrowDown: () => walk(1),
    ArrowUp: () => walk(-1),
    '/': () => $('search').focus(),
    f: () => fit(),
    '+': () => zoom(1.25),
    '-': () => zoom(0.8),
    p: () => { if (state.chosen && nodes[state.chosen]) { state.mark = state.mark === state.chosen ? null : state.chosen; paint(); showDetails(); } },
  };
  if (onFocused(event)) {
    const id = onFocused(event).dataset.id;
    const open = () => { const b = scene.boxes.get(id); if (canOpen(b) && state.chosen === id) openBox(b); else choose(id, true); };
    keys.Enter = open;
    keys[' '] = open;
  } else if (!event.target.matches('button, summary')) keys[' '] = () => play(!timer);
  if (slider && ['ArrowUp', 'ArrowDown'].includes(event.key)) return;
  if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

const dark = window.matchMedia('(prefers-color-scheme: dark)');
setTheme(data.theme !== 'auto' ? data.theme : dark.matches ? 'dark' : 'light');
if (data.theme === 'auto') dark.addEventListener('change', () => setTheme(dark.matches ? 'dark' : 'light'));
$('caption').textContent = data.caption;
svg.setAttribute('aria-label', `Computation graph, ${data.caption}`);
$('module-tools').hidden = !clusters.length && levels.length === 1;
if (data.problem) { $('problem').textContent = `Drawn on a grid. ${data.problem}`; $('problem').hidden = false; }
drawScene();
listen();
goTo(null);
showDetails();
fit(true);
document.documentElement.dataset.ready = 'yes';
