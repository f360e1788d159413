'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const codes = new Map(data.codes.map(code => [code.c, code]));
const tip = document.getElementById('tip');
const grid = document.getElementById('codes');
const sheet = document.querySelector('.matrix');
const cards = new Map([...grid.querySelectorAll('.code')].map(card => [+card.dataset.c, card]));
const columns = sheet ? new Map([...sheet.querySelectorAll('g')].map(g => [+g.dataset.c, g])) : new Map();
const headings = new Map([...grid.querySelectorAll('h3')].map(heading => [+heading.dataset.k, heading]));
let order = data.codes.map(code => code.c);
let only = '';

const orders = {
  'sub-action': () => data.codes.map(code => code.c),
  use: () => sorted(code => -code.n),
  sureness: () => sorted(code => -code.sure),
  number: () => sorted(code => code.c),
};
function sorted(key) {
  return [...data.codes].sort((a, b) => key(a) - key(b) || a.c - b.c).map(code => code.c);
}
function arrange(by) {
  order = orders[by]();
  const grouped = by === 'sub-action';
  headings.forEach(heading => { heading.hidden = !grouped || (only !== '' && heading.dataset.k !== only); });
  let last = null;
  for (const c of order) {
    const card = cards.get(c), k = codes.get(c).q[0][0];
    if (grouped && k !== last) grid.append(headings.get(k));
    last = k;
    grid.append(card);
    card.hidden = only !== '' && String(k) !== only;
  }
  order.forEach((c, place) => columns.get(c)?.setAttribute('transform', `translate(${place})`));
  document.querySelectorAll('[data-by]').forEach(b => b.setAttribute('aria-pressed', b.dataset.by === by));
}
const pressed = () => document.querySelector('[data-by][aria-pressed=true]').dataset.by;
document.querySelectorAll('[data-by]').forEach(b => b.addEventListener('click', () => arrange(b.dataset.by)));
const choice = document.getElementById('only');
choice.addEventListener('change', () => {
  only = choice.value;
  arrange(pressed());
});

function line(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
const called = k => `${data.letters[k]} ${data.sub_actions[k]}`;
const named = pairs => pairs.map(([k, p]) => line('span', `${(p / 100).toFixed(2)} ${called(k)}`));
function about(c) {
  const code = codes.get(c);
  if (!code) return [line('span', 'no token of the training split chose this code')];
  const picture = cards.get(c).querySelector('.shape').cloneNode(true);
  return [picture, line('span', `${code.n} tokens (${code.share} %) of about ${code.recordings} recordings`),
    line('span', `sureness ${code.sure.toFixed(2)}, stray ${code.stray.toFixed(2)} nats`),
    line('span', code.classes.map(([name, part]) => `${name} ${part} %`).join(' · '))];
}
function show(at, title, lines) {
  tip.replaceChildren(line('b', title), ...lines);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement;
  const left = at.clientX + 14 + width > room.clientWidth ? at.clientX - 14 - width : at.clientX + 14;
  const top = at.clientY + 14 + height > room.clientHeight ? at.clientY - 14 - height : at.clientY + 14;
  tip.style.left = `${Math.max(4, Math.min(left, room.clientWidth - width - 4))}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}
function mark(c) {
  document.querySelectorAll('.found').forEach(element => element.classList.remove('found'));
  if (c === null) return;
  columns.get(c)?.classList.add('found');
  document.querySelectorAll(`.token[href="#code-${c}"]`).forEach(token => token.classList.add('found'));
}
function inMatrix(event) {
  const box = sheet.getBoundingClientRect();
  const place = Math.floor((event.clientX - box.left) / box.width * order.length);
  const row = Math.floor((event.clientY - box.top) / box.height * (data.rows.length + data.bar)) - data.bar;
  const c = order[Math.max(0, Math.min(place, order.length - 1))], k = data.rows[row];
  const p = k === undefined ? '' : `${(codes.get(c).all[row] / 100).toFixed(2)} ${called(k)}`;
  mark(c);
  show(event, `code ${c}`, [line('span', p), ...about(c)]);
}
const codeOf = token => +token.getAttribute('href').slice('#code-'.length);
const likeliest = token => token.dataset.q.split(',').map(pair => pair.split(':').map(Number));
const title = token => `code ${codeOf(token)}, token ${+token.dataset.n + 1}`;
function onToken(at, token, ...more) {
  const c = codeOf(token);
  mark(c);
  show(at, title(token), [line('span', `start ${token.dataset.s}, length ${token.dataset.l} ${data.unit}`),
    ...named(likeliest(token)), ...about(c), ...more]);
}
function onLikely(event, rectangle) {
  const group = rectangle.parentNode, p = (+rectangle.getAttribute('fill-opacity')).toFixed(2);
  const picture = rectangle.ownerSVGElement, box = picture.getBoundingClientRect();
  const at = (event.clientX - box.left) / box.width * picture.viewBox.baseVal.width;
  const part = (at - picture.dataset.left) / (picture.dataset.right - picture.dataset.left);
  mark(null);
  show(event, called(group.dataset.k),
    [line('span', `probability ${p} at ${(part * data.extent).toPrecision(3)} ${data.unit}`)]);
}
function onCard(event, card) {
  const code = codes.get(+card.dataset.c);
  if (!code) return leave();
  mark(code.c);
  show(event, `code ${code.c}`, [...named(code.q), ...about(code.c).slice(1)]);
}
function leave() {
  if (tip.hidden) return;
  tip.hidden = true;
  mark(null);
}
function point(event, ...more) {
  const target = event.target;
  if (!target.closest) return leave();
  const token = target.closest('.token'), card = target.closest('.code');
  if (target.closest('.matrix')) return inMatrix(event);
  if (token) return onToken(event, token, ...more);
  if (target.closest('.likely')) return onLikely(event, target);
  if (card) return onCard(event, card);
  return leave();
}

// A finger shows with a tap what a mouse shows by pointing; its second tap on a token is the click of a mouse.
let finger = false, tapped = null;
document.addEventListener('pointerdown', event => { finger = event.pointerType === 'touch'; }, true);
document.addEventListener('pointermove', event => { if (event.pointerType !== 'touch') point(event); });
document.documentElement.addEventListener('mouseleave', leave);
document.addEventListener('click', event => {
  const token = event.target.closest?.('.token');
  const byFinger = finger && event.detail > 0, again = token !== null && token === tapped;
  tapped = byFinger && !again ? token : null;
  if (token) event.preventDefault();
  if (token && (again || !byFinger)) return visit(token);
  if (token) settle(token);
  if (byFinger) point(event, line('span', 'Tap again to go to the code.'));
});

// Tab reaches one token of each picture, arrow keys the others: along a channel in time, and from channel to channel.
const tokens = [...document.querySelectorAll('.token')];
for (const token of tokens) {
  const [k, p] = likeliest(token)[0];
  const said = `${data.letters[k]} ${codeOf(token)}: ${data.sub_actions[k]}, ${(p / 100).toFixed(2)}`;
  token.setAttribute('aria-label', `${said}; token ${+token.dataset.n + 1}`);
  token.setAttribute('tabindex', -1);
}
document.querySelectorAll('.recording').forEach(picture => picture.querySelector('.token').setAttribute('tabindex', 0));
function settle(token) {
  token.ownerSVGElement.querySelector('.token[tabindex="0"]').setAttribute('tabindex', -1);
  token.setAttribute('tabindex', 0);
}
const besideToken = token => {
  const box = token.getBoundingClientRect();
  return { clientX: box.left + box.width / 2, clientY: box.bottom - 10 };
};
const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
function next(token, key) {
  const bands = [...token.ownerSVGElement.querySelectorAll('.band')], band = token.parentNode;
  if (key === 'Home') return band.firstElementChild;
  if (key === 'End') return band.lastElementChild;
  const [along, down] = steps[key];
  if (along) return [...band.children][[...band.children].indexOf(token) + along];
  const other = bands[bands.indexOf(band) + down];
  const away = t => Math.abs(t.dataset.s - token.dataset.s);
  return other && [...other.children].reduce((a, b) => away(b) < away(a) ? b : a);
}
document.addEventListener('focusin', event => {
  const token = event.target.closest('.token');
  if (!token?.matches(':focus-visible')) return;
  settle(token);
  onToken(besideToken(token), token);
});
document.addEventListener('focusout', leave);
document.addEventListener('keydown', event => {
  if (event.key === 'Escape') {
    if (!tip.hidden) leave();
    else if (back.isConnected) history.back();
    return;
  }
  const token = event.target.closest?.('.token');
  if (!token || !(event.key in steps || event.key === 'Home' || event.key === 'End')) return;
  event.preventDefault();
  next(token, event.key)?.focus();
});
window.addEventListener('scroll', () => {
  const token = document.activeElement.closest('.token:focus-visible');
  if (token && !tip.hidden) onToken(besideToken(token), token);
  else leave();
}, { passive: true, capture: true });

// From a token to its code and back: by the button on the code's card, Escape, or the browser's own way back.
const back = line('button', '');
back.id = 'back';
back.type = 'button';
back.addEventListener('click', () => history.back());
function visit(token) {
  const card = document.getElementById(`code-${codeOf(token)}`), folded = card.closest('details');
  if (folded) folded.open = true;
  if (card.hidden) {
    choice.value = only = '';
    arrange(pressed());
  }
  leave();
  settle(token);
  history.replaceState({ token: tokens.indexOf(token) }, '');
  if (location.hash === `#${card.id}`) history.pushState(null, '');
  else location.hash = card.id;
  back.textContent = `Back to token ${+token.dataset.n + 1}`;
  card.append(back);
  card.setAttribute('tabindex', -1);
  card.scrollIntoView({ block: 'center' });
  card.focus({ preventScroll: true });
}
function comeBack() {
  const token = tokens[history.state?.token];
  if (!token) return;
  const folded = token.closest('details');
  if (folded) folded.open = true;
  back.remove();
  token.focus();
}
// Between the two events the browser gives the focus to what the address names.
window.addEventListener('popstate', comeBack);
window.addEventListener('hashchange', comeBack);

// On paper nothing is folded away.
let folded = [];
window.addEventListener('beforeprint', () => {
  folded = [...document.querySelectorAll('details:not([open])')];
  folded.forEach(details => { details.open = true; });
});
window.addEventListener('afterprint', () => folded.forEach(details => { details.open = false; }));
