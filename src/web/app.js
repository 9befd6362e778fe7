// chatd's page: several rooms over one WebSocket, in JSON lines. What people wrote becomes text nodes, never markup.

const LINES_MAX = 1000; // of a room, in memory and in the document
const PAGE_LINES = 200, ASK_FROM_LINES = 3, UNANSWERED_MAX = 8, PACE_MS = 110, GROUP_MS = 300e3;
const QUIET_MS = 25e3, ANSWER_MS = 10e3, PROBE_MS = 3e3, OFFLINE_MS = 1200;

const me = { name: '', password: '', token: '', bell: false };
const server = { line_max: 4096 }; // what its hello says
const rooms = new Map();
const asked = new Map(); // ref → what to do with the answer
let active, goTo = '', elsewhere = [], paste = null, reference = 0;

const $ = (id) => document.getElementById(id);
const [log, box, field] = [$('log'), $('lines'), $('text')];
const isAway = () => document.hidden || !document.hasFocus();
const bytes = (text) => new TextEncoder().encode(text);

function el(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function roomOf(name) {
  if (!rooms.has(name)) {
    rooms.set(name, { name, topic: '', here: 0, names: new Set(), lines: [], ids: new Set(), unsent: [], last: null, draft: '',
      isIn: false, unread: 0, isNamed: false, mark: null, isWhole: false });
  }
  return rooms.get(name);
}

// Kept: the name and the rooms for every visit; for this tab also what it takes to come back.

function kept(store, value) {
  try {
    if (value) store.chatd = JSON.stringify(value);
    return JSON.parse(store.chatd);
  } catch {
    return { rooms: [] };
  }
}

function save() {
  const { name, bell, password, token } = me;
  active.draft = field.value;
  kept(localStorage, { name, bell, rooms: [...rooms.keys()] });
  kept(sessionStorage, { password, token, active: active.name, rooms: [...rooms.values()].map(({ name, last, unsent, draft }) => ({ name, last, unsent, draft })) });
}

function restore() {
  const { rooms: names, name, bell } = kept(localStorage), seat = kept(sessionStorage), linked = decodeURIComponent(location.hash.slice(1));
  names.forEach(roomOf);
  for (const room of seat.rooms) Object.assign(roomOf(room.name), room).unsent.forEach(doubt);
  Object.assign(me, { bell, password: seat.password, token: seat.token });
  setName(name ?? '');
  show(linked || seat.active || names[0] || 'lobby');
}

function setName(name) {
  me.name = name;
  const named = name ? `(?<![\\p{L}\\p{N}\\p{M}_.-])${name.replace(/[^\p{L}\p{N}\p{M}_]/gu, '\\$&')}(?![\\p{L}\\p{N}\\p{M}_-])` : '$^';
  me.named = new RegExp(named, 'iu');
  me.special = new RegExp(`(?<url>${URL_PATTERN})|(?<unseen>[${UNSEEN}])|${named}`, 'giu');
}

// The link -----------------------------------------------------------------------------------------

const link = { state: 'idle', words: '', socket: null, tries: 0, turn: 0, heardAt: 0, upAt: 0, dueAt: 0, retryAt: 0, tickedAt: Date.now() };

function connect() {
  drop();
  setLink('connecting');
  link.dueAt = Date.now() + ANSWER_MS;
  const address = new URL('ws', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  const socket = (link.socket = new WebSocket(address));
  socket.onopen = enter;
  socket.onclose = lose;
  socket.onmessage = ({ data }) => {
    link.heardAt = Date.now();
    link.dueAt = 0;
    hear(JSON.parse(data));
  };
}

/** Lets go of the socket: whatever it still says is not heard. */
function drop() {
  if (!link.socket) return;
  link.socket.onopen = link.socket.onclose = link.socket.onmessage = null;
  link.socket.close();
  link.socket = null;
}

/** Asks the server; `then` gets the answer. Something must be heard in time, or the link is lost. */
function ask(request, then, within = ANSWER_MS) {
  if (link.socket?.readyState !== WebSocket.OPEN) return false;
  const ref = `${++reference}`;
  asked.set(ref, then);
  link.socket.send(JSON.stringify({ ...request, ref }));
  link.dueAt = Math.min(link.dueAt || Infinity, Date.now() + within);
  return true;
}

function enter() {
  const { name, token, password } = me, known = [...rooms.values()].filter((room) => room.last);
  const since = Object.fromEntries(known.map((room) => [room.name, room.last]));
  ask({ do: 'enter', name, rooms: [...rooms.keys()], since, resume: token || undefined, password: password || undefined }, (event) => {
    if (event.is === 'refused') return showDoor(event);
    setName(event.name);
    me.token = event.resume;
    link.upAt = Date.now();
    setLink('up');
    showHouse();
    if (event.motd && event.motd !== link.motd) tell((link.motd = event.motd), 'news');
    look();
  });
}

function lose() {
  drop();
  if (link.state === 'ended' || link.state === 'idle') return;
  const now = Date.now();
  if (link.state === 'up' && now - link.upAt > 5000) link.tries = 0;
  link.turn++;
  link.dueAt = 0;
  asked.clear();
  for (const room of rooms.values()) {
    room.isIn = false;
    room.unsent = room.unsent.filter((order) => order.state !== 'heard');
    room.unsent.forEach(doubt);
  }
  link.retryAt = now + 1000 * Math.min(30, 2 ** link.tries++) * (0.75 + Math.random() / 2);
  setLink('waiting');
  save();
  // If there never was a link, the server may say why.
  if (!link.upAt) fetch('ws').then(async (answer) => answer.status === 403 && setLink('ended', await answer.text())).catch(() => {});
}

function setLink(state, words = '') {
  const told = { up: link.tries ? 'Connected again.' : '', waiting: 'Connection lost. What you write is kept.', ended: words }[state];
  if (told && state !== link.state) $('status').textContent = told;
  Object.assign(link, { state, words });
  redraw();
}

/** Is it still there? Asked when the tab is seen again, after sleep, when the network changes. */
function probe(within) {
  if (link.state === 'waiting') connect();
  else if (link.state === 'up') ask({ do: 'ping' }, () => {}, within);
}

setInterval(() => {
  const now = Date.now(), hasSlept = now - link.tickedAt > 8000;
  link.tickedAt = now;
  if (hasSlept) link.dueAt = 0;
  if (hasSlept || (link.state === 'up' && !link.dueAt && now - link.heardAt > QUIET_MS)) probe(PROBE_MS);
  else if (link.dueAt && now > link.dueAt) lose();
  else if (link.state === 'waiting' && now > link.retryAt) connect();
  if (link.state === 'waiting') redraw();
}, 400);

// What the server says -----------------------------------------------------------------------------

const CAUSES = { lost: 'lost the connection', 'too-slow': 'was too slow', kicked: 'was kicked', banned: 'was banned' };

const heard = {
  hello: (event) => Object.assign(server, event),
  entered(event) {
    const isSame = (name) => name.toLowerCase() === event.room.toLowerCase();
    for (const name of rooms.keys()) if (isSame(name) && name !== event.room && rooms.delete(name)) goTo = name;
    const room = roomOf(event.room);
    Object.assign(room, { topic: event.topic, here: event.here, names: new Set(event.names), isStale: event.more, newest: event.last, since: room.last });
    if (isSame(goTo)) show(event.room);
  },
  'caught-up'({ room: name, missed }) {
    const room = roomOf(name);
    room.isIn = true;
    room.isLoading = false;
    if (room.since && missed !== 0) return openGap(room, missed);
    room.last ??= room.newest;
    settle(room, true);
  },
  said(event) {
    const room = roomOf(event.room);
    if (room.ids.has(event.id)) return;
    room.last = event.id;
    const order = !event.past && room.unsent.find((order) => order.state === 'sent' && isPlaced(order, event));
    if (order) order.state = 'heard';
    add(room, event, !event.past || room.since);
  },
  private: (event) => add(active, event, true),
  refused(event) {
    if (!event.ends) return tell(event.text, 'fault');
    if (!['kicked', 'banned', 'replaced'].includes(event.code)) return tell(`The server says: ${event.text}`, 'news');
    drop();
    setLink('ended', event.code === 'replaced' ? 'You came in with this name elsewhere.' : event.text);
  },
  joined: (event) => presence(event, `${event.name} joined`, (names) => names.add(event.name)),
  left: (event) => presence(event, `${event.name} ${CAUSES[event.cause] ?? 'left'}${event.reason ? `: “${event.reason}”` : ''}`, (names) => names.delete(event.name)),
  churn(event) {
    roomOf(event.room).isStale = true;
    presence(event, `${event.joined ?? 0} joined, ${event.left ?? 0} left`, () => {});
  },
  renamed(event) {
    if (event.from === me.name) setName(event.to);
    presence(event, `${event.from} is now ${event.to}`, (names) => names.delete(event.from) && names.add(event.to));
  },
  topic(event) {
    roomOf(event.room).topic = event.text;
    news(event, `${event.by} ${event.text ? `set the topic: “${event.text}”` : 'cleared the topic'}`);
  },
  announcement: (event) => news(event, event.text, 'announcement'),
  forgotten({ ids }) {
    for (const room of rooms.values()) rebuild(room, room.lines.filter((line) => !ids.includes(line.id)));
  },
};

function hear(event) {
  const answer = asked.get(event.ref) ?? heard[event.is];
  asked.delete(event.ref);
  answer?.(event);
  redraw();
}

/** Puts a line under what stands in a room. `isNew`: it is unread if nobody looks. */
function add(room, line, isNew) {
  known(room, line, link.turn);
  room.lines.push(line);
  if (room.lines.length > 2 * LINES_MAX) trim(room);
  if (!line.from || line.from === me.name || !isNew || (room === active && view.isAtEnd && !isAway())) return;
  room.mark ??= line;
  room.unread++;
  room.isNamed ||= line.isNamed;
  if (line.isNamed && !line.past) notify(room, line);
  retitle();
}

/** What is to be known of a line; `turn` says on which link it came. */
function known(room, line, turn) {
  line.time = Date.parse(line.at) || Date.now();
  line.turn = turn;
  if (line.id) room.ids.add(line.id);
  line.isNamed = line.is === 'private' || (line.from && line.from !== me.name && me.named.test(line.text));
}

function trim(room) {
  for (const line of room.lines.splice(0, room.lines.length - LINES_MAX)) room.ids.delete(line.id);
}

function news({ room, at }, text, is = 'news') {
  for (const one of rooms.values()) if (one.name === (room ?? one.name)) add(one, { is, at, text });
}

/** Comings and goings that follow one another share a line. */
function presence(event, text, change) {
  const room = roomOf(event.room), last = room.lines.at(-1);
  change(room.names);
  room.here = event.here ?? room.here;
  if (!last?.isPresence || last.text.length > 160) return add(room, { is: 'news', isPresence: true, at: event.at, text });
  last.text += ` · ${text}`;
  last.node?.replaceChildren(...rich(last.text));
}

/** Something that only this user sees. */
function tell(text, is = 'answer') {
  add(active, { is, text });
  redraw();
}

// Coming back --------------------------------------------------------------------------------------
// What was sent and not answered is in doubt when the link is lost. What was said meanwhile settles it: what stands there was
// said; if nothing of that time is missing, the rest is said now; else it stays, as perhaps sent.

function doubt(order) {
  if (order.state === 'sent') order.state = 'doubtful';
}

const isPlaced = (order, line) => line.from === order.from && line.text === order.text && !line.action === !order.action;

function settle(room, isWhole) {
  for (const line of room.lines.filter((line) => line.turn === link.turn)) {
    const at = room.unsent.findIndex((order) => order.state === 'doubtful' && isPlaced(order, line));
    if (at >= 0) room.unsent.splice(at, 1);
  }
  for (const order of room.unsent) if (order.state === 'doubtful') order.state = isWhole ? 'waiting' : 'unsure';
  pump();
  save();
}

/** Something is no longer in the server's memory. It may be on its disk. */
function openGap(room, missed) {
  const first = room.lines.findIndex((line) => line.turn === link.turn && line.id);
  const gap = { is: 'gap', time: Date.now(), text: missed ? `${missed} lines of this time are not to be had` : 'What was said meanwhile, the server no longer knows' };
  rebuild(room, room.lines.toSpliced(first < 0 ? room.lines.length : first, 0, gap));
  const fill = (after) => askPage(room, { after }, gap, link.turn, ({ messages, more }, isKnown) => {
    if (more && !isKnown && room.lines.length < LINES_MAX) return fill(messages.at(-1).id);
    const isWhole = missed && (isKnown || !more);
    if (isWhole) rebuild(room, room.lines.filter((line) => line !== gap));
    room.last = room.lines.findLast((line) => line.id)?.id ?? room.newest;
    settle(room, isWhole);
  });
  if (!fill(room.since)) settle(room, false);
}

/** Older lines, when the reader comes to the top. */
function goBack(room) {
  const before = room.lines.find((line) => line.id)?.id;
  if (room.isLoading || room.isWhole || !room.isIn || room.lines.length >= LINES_MAX) return;
  room.isLoading = askPage(room, { before }, room.lines[0], -1, ({ more }) => {
    room.isLoading = false;
    room.isWhole = !more;
  });
}

/** Asks for a page of the past, and puts it before this line. */
function askPage(room, from, line, turn, then) {
  return server.history && ask({ do: 'history', room: room.name, limit: PAGE_LINES, ...from }, (event) => {
    const all = event.messages ?? [], lines = all.filter(({ id }) => !room.ids.has(id));
    for (const line of lines) known(room, Object.assign(line, { is: 'said', past: true }), turn);
    rebuild(room, room.lines.toSpliced(Math.max(0, room.lines.indexOf(line)), 0, ...lines));
    then(event, lines.length < all.length);
  });
}

// What the user says -------------------------------------------------------------------------------

const COMMANDS = {
  help: ['', 'these lines', () => tell(Object.entries(COMMANDS).map(([name, [usage, words]]) => `/${name} ${usage} – ${words}`).join('\n'))],
  me: ['TEXT', 'says what you do', (text) => text && say(text, true)],
  msg: ['NAME TEXT', 'says it to one person alone', (rest) => {
    const [, to, text] = rest.match(/^@?(\S+)\s+(.+)$/su) ?? [];
    return to && request({ do: 'msg', to, text }, () => tell(`To ${to} alone: ${text}`));
  }],
  join: ['ROOM', 'enters or opens a room', (room) => join(room)],
  part: ['', 'leaves this room', () => part(active)],
  nick: ['NAME', 'another name', (name) => name && request({ do: 'nick', name })],
  topic: ['[TEXT]', 'sets or clears the topic', (text) => request({ do: 'topic', room: active.name, text })],
  who: ['', 'who is here', () => request({ do: 'who', room: active.name }, ({ here, names }) => tell(`${here} here: ${names.join(', ')}`))],
  search: ['WORDS', 'what was said here before', (text) => text && request({ do: 'search', room: active.name, text }, ({ messages }) => tell(
    messages.map((line) => `${line.from}: ${line.text}`).join('\n') || 'Nothing was found'))],
  quit: ['[REASON]', 'leaves', (reason) => {
    ask({ do: 'quit', reason }, () => {});
    me.token = '';
    setLink('ended', 'You have left.');
  }],
};

/** Asks, and shows what is refused. */
function request(what, then) {
  const isAsked = ask(what, (event) => (event.is === 'refused' ? tell(event.text, 'fault') : then?.(event)));
  if (!isAsked) tell('There is no connection now, so this was not done.', 'fault');
  return isAsked;
}

/** What was typed: a command, or texts, one a line. Gives whether the field can be emptied. */
function submit(typed, isSure) {
  const lines = typed.split('\n').filter((line) => line.trim());
  const [, word, rest] = (lines.length === 1 && lines[0].match(/^\/(\p{L}+)\s*(.*)$/u)) || [];
  const fault = (text) => tell(text, 'fault');
  if (word) {
    const command = COMMANDS[word.toLowerCase()];
    if (!command) return fault(`There is no /${word}, and it was not sent. See /help; //${word} says it as a text.`);
    return command[2](rest.trim()) !== '' || fault(`Like this: /${word} ${command[0]}`);
  }
  const excess = Math.max(...lines.map((line) => bytes(line).length - server.line_max));
  if (excess > 0) return fault(`Too long by ${excess} bytes, and not sent.`);
  paste = lines.length >= ASK_FROM_LINES && !isSure ? lines : null;
  if (!paste) for (const line of lines) say(line.replace(/^\/\//, '/'));
  return !paste;
}

/** A text, as the room will give it back: by that it is known again. */
function say(text, action) {
  const plain = text.replace(/[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029]/g, '\ufffd');
  active.unsent.push({ key: `${Date.now()} ${++reference}`, is: 'said', text: plain, action, from: me.name, time: Date.now(), state: 'waiting' });
  active.mark = null;
  view.isAtEnd = true;
  pump();
  save();
}

/** Sends what waits: in order, few at a time, and many no faster than the server takes them. */
function pump() {
  redraw();
  clearTimeout(view.pace);
  let open = 0;
  for (const room of rooms.values()) {
    for (const order of room.isIn ? room.unsent : []) {
      if (order.state === 'sent') open++;
      if (order.state !== 'waiting') continue;
      if (open++ >= UNANSWERED_MAX) return;
      Object.assign(order, { state: 'sent', from: me.name });
      const { text, action } = order;
      if (!ask({ do: 'say', room: room.name, text, action }, (event) => answered(room, order, event))) return doubt(order);
      if (room.unsent.length > UNANSWERED_MAX) return (view.pace = setTimeout(pump, PACE_MS));
    }
  }
}

function answered(room, order, event) {
  if (event.is === 'refused') Object.assign(order, { state: 'refused', why: event.text });
  else room.unsent = room.unsent.filter((other) => other !== order);
  save();
  if (room.unsent.length < UNANSWERED_MAX) pump();
}

// Texts --------------------------------------------------------------------------------------------

// Signs that are not seen, or turn round what stands beside them.
const UNSEEN = String.raw`\0-\x08\n-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb`;
const URL_PATTERN = String.raw`\bhttps?:\/\/[^\s<>"\x60{}|\\^${UNSEEN}]+`;

/** A text as nodes: links, the own name, and signs that are not seen. */
function rich(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: all, index, groups: { url, unseen } } of text.matchAll(me.special)) {
    const node = url ? linked(url) : unseen ? el('i', {}, `U+${unseen.codePointAt().toString(16).toUpperCase().padStart(4, 0)}`) : el('mark', {}, all);
    nodes.push(text.slice(end, index), node);
    end = index + (url ? node.textContent.length : all.length);
  }
  return [...nodes, text.slice(end)];
}

function linked(text) {
  let shown = text.replace(/[.,;:!?'’”…*]+$/, '');
  if (/[)\]]$/.test(shown) && !/[([]/.test(shown)) shown = shown.slice(0, -1);
  const url = URL.canParse(shown) && new URL(shown);
  if (!url || url.username) return el('span', {}, shown);
  return el('a', { href: url, title: url, target: '_blank', rel: 'noopener noreferrer nofollow' }, shown);
}

/** The same name has the same colour for everybody. */
function colored(node, name) {
  const hash = bytes(name.toLowerCase()).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5);
  node.style.setProperty('--hue', (((hash ^ (hash >>> 15)) >>> 0) % 24) * 15);
  node.dataset.initial = [...name][0]?.toUpperCase();
  return node;
}

const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' });
const calendar = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' });

// Drawing ------------------------------------------------------------------------------------------
// Whatever comes, the document changes once an animation frame, and less often when that takes long.

const view = { room: null, isAtEnd: true, isAsked: false, cost: 0, lookedAt: 0 };

function redraw() {
  if (view.isAsked) return;
  view.isAsked = true;
  setTimeout(() => requestAnimationFrame(draw), view.cost > 6 ? Math.min(200, 3 * view.cost) : 0);
}

function draw() {
  const start = performance.now();
  view.isAsked = false;
  if ($('house').hidden) return;
  drawLines(active);
  drawUnsent(active);
  drawRooms();
  drawHead(active);
  drawPeople(active);
  drawNotice(active);
  scroll(active);
  retitle();
  view.cost = performance.now() - start;
}

/** Other lines than before: all are laid anew. */
function rebuild(room, lines = room.lines) {
  Object.assign(room, { lines, isRebuilt: true });
}

function drawLines(room) {
  if (room.lines.length > LINES_MAX) trim(room);
  const fromEnd = log.scrollHeight - log.scrollTop;
  if (view.room !== room) {
    for (const line of view.room?.lines ?? []) line.node = null;
    log.ariaBusy = true;
    setTimeout(() => (log.ariaBusy = null), 800);
    Object.assign(view, { room, isMarkWanted: room.mark });
    rebuild(room);
  }
  if (room.isRebuilt) {
    box.replaceChildren(...room.lines.map((line, at) => shaped(line, room.lines[at - 1])));
    log.scrollTop = log.scrollHeight - fromEnd;
    room.isRebuilt = false;
  } else if (view.isAtEnd || box.childElementCount < LINES_MAX) {
    const first = room.lines.findLastIndex((line) => line.node) + 1;
    box.append(...room.lines.slice(first).map((line, at) => shaped(line, room.lines[first + at - 1])));
    while (box.childElementCount > LINES_MAX) box.firstChild.remove();
  }
  // Else it waits behind the button: who reads what is older is not disturbed.
  view.marked?.classList.remove('new');
  view.marked = room.mark?.node;
  view.marked?.classList.add('new');
}

/** The node of a line, by what stands above it. */
function shaped(line, above) {
  const node = (line.node ??= nodeOf(line)), day = calendar.format(line.time);
  const isDay = !above || calendar.format(above.time) !== day;
  if (isDay) node.dataset.day = day;
  else delete node.dataset.day;
  node.classList.toggle('more', !isDay && line.is === 'said' && above.is === 'said' && above.from === line.from && line.time - above.time < GROUP_MS);
  return node;
}

function nodeOf({ is, time, from, text, isNamed, action, past, posted }) {
  const node = el('div', { className: `line ${is}` });
  for (const [name, isSo] of Object.entries({ isNamed, action, past, posted })) node.classList.toggle(name, isSo ?? false);
  if (!from) node.append(...rich(text));
  else colored(node, from).append(el('bdi', {}, ...rich(from)), el('time', { title: new Date(time).toLocaleString() }, clock.format(time)), el('p', { dir: 'auto' }, ...rich(text)));
  return node;
}

const FATES = { waiting: 'kept until the connection is back', sent: 'sending', doubtful: 'looking whether it arrived', unsure: 'perhaps sent' };

function drawUnsent(room) {
  const shown = room.unsent.filter((order) => order.state !== 'heard').slice(0, 20);
  sync($('unsent'), shown, (order) => order.key, (order) => {
    const node = nodeOf(order), remove = () => (room.unsent = room.unsent.filter((other) => other !== order));
    node.append(el('small', {}, el('span'), button('Edit', () => (remove(), prefill(order.text))), button('Discard', remove)));
    return node;
  }, (node, { state, why }) => {
    node.dataset.state = state;
    setText(node.lastChild.firstChild, state === 'refused' ? `not sent: ${why}` : room.isIn && state === 'waiting' ? 'waiting its turn' : FATES[state]);
  });
}

/** Makes the children of `list` those of `items`. Nodes of the same key stay, and so does the focus. */
function sync(list, items, key, make, update) {
  const keys = new Set(items.map(key)), old = new Map();
  for (const node of [...list.children]) keys.has(node.dataset.key) ? old.set(node.dataset.key, node) : node.remove();
  let place = list.firstChild;
  for (const item of items) {
    const node = old.get(key(item)) ?? make(item);
    node.dataset.key = key(item);
    update(node, item);
    if (node === place) place = place.nextSibling;
    else list.insertBefore(node, place);
  }
}

const button = (words, act) => el('button', { type: 'button', onclick: () => (act(), save(), redraw()) }, words);

function drawHead(room) {
  const seconds = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
  $('link').dataset.state = link.state;
  setText($('link'), { up: 'connected', waiting: `offline, again in ${seconds} s`, ended: 'offline' }[link.state] ?? 'connecting');
  setText($('room'), `#${room.name}`);
  setText($('topic'), room.topic || 'Add a topic');
  setText($('crowd').lastChild, `${room.here || ''}`);
  $('crowd').ariaLabel = `${room.here} people here`;
  field.placeholder = `Message #${room.name}`;
  setText($('top'), room.lines.length >= LINES_MAX ? 'Older lines are not shown' : !room.isWhole ? ''
    : room.ids.size ? 'As far back as the server remembers' : 'Nothing was said here yet. Say hello.');
}

function drawNotice(room) {
  const left = room.unsent.filter((order) => order.state === 'waiting').length;
  const [words, ...buttons] = link.state === 'ended' ? [link.words, button('Come back', connect)]
    : paste ? [`Send ${paste.length} lines, one after the other?`, button('Send them', () => enterLine(true)), button('Not yet', () => (paste = null))]
      : link.state === 'waiting' ? ['No connection. What you write is kept.', button('Try now', connect)]
        : left >= UNANSWERED_MAX ? [`${left} lines to go`, button('Stop', () => (room.unsent = room.unsent.filter((order) => order.state !== 'waiting')))] : [''];
  if (words === view.notice) return;
  view.notice = words;
  $('notice').hidden = !words;
  $('notice').replaceChildren(words, ...buttons);
}

function scroll(room) {
  const mark = view.isMarkWanted && room.mark?.node;
  view.isMarkWanted = false;
  if (mark && mark.offsetTop < log.scrollHeight - log.clientHeight) {
    log.scrollTop = mark.offsetTop - log.clientHeight / 4;
    view.isAtEnd = false;
  } else if (view.isAtEnd) log.scrollTop = log.scrollHeight;
  if (view.isAtEnd && !isAway()) Object.assign(room, { unread: 0, isNamed: false });
  $('newer').hidden = view.isAtEnd;
  setText($('newer'), room.unread ? `${room.unread} new ↓` : 'Newest ↓');
  if (log.scrollTop < 400) goBack(room);
}

function retitle() {
  clearTimeout(view.titling);
  view.titling = setTimeout(() => {
    const all = [...rooms.values()], unread = all.reduce((sum, room) => sum + room.unread, 0);
    document.title = `${unread ? `(${all.some((room) => room.isNamed) ? '@' : ''}${unread}) ` : ''}#${active.name} · chatd`;
  }, 100);
}

// Rooms and people.

function drawRooms() {
  const others = elsewhere.filter(({ room }) => !rooms.has(room)).map(({ room, here }) => ({ name: room, here, isOther: true }));
  sync($('rooms').querySelector('ul'), [...rooms.values(), ...others], (room) => room.name, ({ name }) => el('li', {},
    el('button', { className: 'to', onclick: () => join(name) }, el('bdi', {}, `#${name}`), el('span')),
    el('button', { className: 'icon', ariaLabel: `Leave ${name}`, onclick: () => part(roomOf(name)) }, '×')),
  (node, { name, here, unread, isNamed, isOther }) => {
    const [to, leave] = node.children;
    node.className = isOther ? 'other' : '';
    leave.hidden = isOther || rooms.size < 2;
    to.ariaCurrent = name === active.name ? 'page' : null;
    to.lastChild.className = unread ? `unread ${isNamed ? 'isNamed' : ''}` : '';
    setText(to.lastChild, `${unread || here || ''}`);
    to.ariaLabel = [`#${name}`, unread && `${unread} unread`, isNamed && 'you were named', `${here} here`].filter(Boolean).join(', ');
  });
  $('menu').classList.toggle('dot', [...rooms.values()].some((room) => room.unread && room !== active));
  setText($('self'), me.name);
  colored($('self'), me.name);
  $('bell').hidden = !(window.isSecureContext && window.Notification) || Notification.permission === 'denied';
  $('bell').ariaPressed = me.bell || false;
}

function drawPeople(room) {
  const [title, list] = $('people').children;
  if (!list.checkVisibility()) return;
  setText(title, `${room.here} here`);
  sync(list, [...room.names].sort((a, b) => a.localeCompare(b)), (name) => name, (name) => el('li', {}, colored(el('button', { className: 'to', title: `Write to ${name} alone`,
    onclick: () => prefill(`/msg ${name} `) }, el('bdi', {}, ...rich(name))), name)), () => {});
  if (room.isStale) look();
}

/** Asks which rooms there are, and who is here if that is not known. */
function look() {
  const room = active, now = Date.now();
  if (now - view.lookedAt < 2000 || document.hidden) return;
  view.lookedAt = now;
  ask({ do: 'rooms' }, (event) => (elsewhere = event.rooms ?? []));
  if (room.isStale) ask({ do: 'who', room: room.name }, ({ names, here }) => names && Object.assign(room, { names: new Set(names), here, isStale: false }));
}

function show(name) {
  if (active && active.name !== name) Object.assign(active, { draft: field.value, mark: null });
  const isOther = active?.name !== name;
  active = roomOf(name);
  goTo = '';
  view.isAtEnd = true;
  if (isOther) paste = null;
  prefill(isOther ? active.draft : field.value);
  history.replaceState(null, '', `#${encodeURIComponent(name)}`);
  save();
  redraw();
}

function join(typed) {
  const name = typed.replace(/^#/, '');
  if (rooms.has(name)) return show(name);
  goTo = name;
  return name && request({ do: 'join', room: name });
}

function part(room) {
  const gone = () => {
    rooms.delete(room.name);
    if (room !== active) return redraw();
    const [next = 'lobby'] = rooms.keys();
    rooms.has(next) ? show(next) : join(next);
  };
  if (room.isIn) request({ do: 'part', room: room.name }, gone);
  else gone();
}

function notify(room, { from, text }) {
  if (!me.bell || !isAway()) return;
  try {
    const note = new Notification(`${from} in #${room.name}`, { body: text.slice(0, 200), tag: room.name });
    note.onclick = () => (window.focus(), show(room.name));
  } catch { /* Phones take them only from service workers. */ }
}

// Hands --------------------------------------------------------------------------------------------

function showDoor(event) {
  drop();
  setLink('idle');
  $('house').hidden = true;
  $('door').hidden = false;
  const isSecret = event?.code === 'wrong-password';
  $('secret').hidden &&= !isSecret;
  $('fault').textContent = isSecret && !me.password ? 'This server has a password.' : event ? event.text[0].toUpperCase() + event.text.slice(1) : '';
  $('name').value = me.name;
  $(isSecret ? 'password' : 'name').focus();
}

function showHouse() {
  if (!$('house').hidden) return;
  $('door').hidden = true;
  $('house').hidden = false;
  field.focus();
  redraw();
}

$('enter').onsubmit = (event) => {
  event.preventDefault();
  const name = $('name').value.trim();
  if (name !== me.name) me.token = '';
  setName(name);
  me.password = $('password').value;
  $('fault').textContent = '';
  connect();
};

// The field.

const before = { lines: [], at: 0, draft: '' };
let completion = null;

/** Says or does what stands in the field; it comes back where that was refused. */
function enterLine(isSure) {
  const typed = field.value;
  if (!typed.trim()) return;
  field.value = '';
  if (!submit(typed, isSure)) return prefill(typed);
  before.lines.push(typed);
  before.at = before.lines.length;
}

/** Lets the user finish what stands in the field. */
function prefill(text) {
  closePopovers();
  field.value = text;
  field.focus();
}

$('composer').onsubmit = (event) => {
  event.preventDefault();
  enterLine();
  redraw();
};

field.oninput = () => {
  completion = paste = null;
  redraw();
};

/** Up and down in what was said before; the draft waits at the end. */
function recall(step) {
  const { lines, at } = before, to = at + step;
  if (to < 0 || to > lines.length) return false;
  if (at === lines.length) before.draft = field.value;
  before.at = to;
  field.value = lines[to] ?? before.draft;
  return true;
}

/** Completes the name or command before the caret; again for the next one. */
function complete() {
  const caret = field.selectionStart;
  if (completion?.end !== caret) {
    const word = field.value.slice(0, caret).match(/@?(\S*)$/)[1].toLowerCase(), start = caret - word.length;
    const all = word[0] === '/' ? Object.keys(COMMANDS).map((name) => `/${name} `) : [...active.names].map((name) => name + (start ? ' ' : ': '));
    completion = { found: all.filter((name) => word && name.toLowerCase().startsWith(word)).sort(), at: 0, start, end: caret };
  }
  const { found, start, end } = completion;
  if (!found.length) return false;
  field.setRangeText(found[completion.at++ % found.length], start, end, 'end');
  completion.end = field.selectionStart;
  return true;
}

field.onkeydown = (event) => {
  if (event.isComposing || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
  const isFirst = !field.value.slice(0, field.selectionStart).includes('\n'), isLast = !field.value.slice(field.selectionEnd).includes('\n');
  const page = (step) => log.scrollBy(0, step * log.clientHeight) ?? true;
  const act = {
    Enter: () => $('composer').requestSubmit() ?? true, Tab: complete, ArrowUp: () => isFirst && recall(-1), ArrowDown: () => isLast && recall(1),
    PageUp: () => page(-0.8), PageDown: () => page(0.8),
  }[event.key];
  if (act?.()) event.preventDefault();
};

// The log.

log.onscroll = () => {
  const wasAtEnd = view.isAtEnd;
  view.isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  if (view.isAtEnd && !wasAtEnd) rebuild(active);
  if (view.isAtEnd !== wasAtEnd || log.scrollTop < 400) redraw();
};

$('newer').onclick = () => {
  view.isAtEnd = true;
  rebuild(active);
  field.focus();
  redraw();
};

new ResizeObserver(() => view.isAtEnd && (log.scrollTop = log.scrollHeight)).observe(log);

// Where the keyboard of a phone lies over the page, the page becomes smaller.
visualViewport.onresize = () => {
  if (visualViewport.scale === 1) document.documentElement.style.setProperty('--height', `${visualViewport.height}px`);
  scrollTo(0, 0);
};

// The rest.

function closePopovers() {
  for (const open of document.querySelectorAll(':popover-open')) open.hidePopover();
}

for (const id of ['rooms', 'people']) $(id).ontoggle = () => (look(), redraw());
for (const width of [760, 1100]) matchMedia(`(min-width: ${width}px)`).onchange = () => (closePopovers(), redraw());

$('join').onsubmit = (event) => {
  event.preventDefault();
  join($('wanted').value.trim());
  $('wanted').value = '';
};

$('self').onclick = () => prefill('/nick ');
$('topic').onclick = () => prefill(`/topic ${active.topic}`);
$('bell').onclick = async () => {
  me.bell = !me.bell && (await Notification.requestPermission()) === 'granted';
  save();
  redraw();
};

document.onkeydown = ({ altKey, key }) => {
  const names = [...rooms.keys()], step = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (altKey && step) show(names.at((names.indexOf(active.name) + step) % names.length));
};

onfocus = onblur = () => {
  if (isAway() && view.isAtEnd && !active.unread) active.mark = null;
  view.isMarkWanted = !isAway() && active.unread;
  redraw();
};
onpagehide = save;
ononline = () => probe(PROBE_MS);
onoffline = () => probe(OFFLINE_MS);
document.onvisibilitychange = () => {
  onfocus();
  if (document.hidden) save();
  else probe(PROBE_MS);
};
setInterval(look, 20e3);

$('host').textContent = location.hostname;
$('terminal').textContent = location.protocol === 'https:' ? `chat-client --tls ${location.host}` : `nc ${location.hostname} ${location.port}`;
restore();
if (me.name) {
  showHouse();
  connect();
} else showDoor();
