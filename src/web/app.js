// chatd's page: rooms over one WebSocket, in JSON lines. What people wrote becomes text nodes, never markup.

const LINES_MAX = 1000; // of a room, in memory and in the document
const PAGE_LINES = 200, DRAWN_AT_ONCE = 60, ASK_FROM_LINES = 3, UNANSWERED_MAX = 8, GROUP_MS = 300e3;
const LOST = 'No connection. What you write is kept.';
const QUIET_MS = 25e3, ANSWER_MS = 10e3, PROBE_MS = 3e3;

const me = { name: '' };
const server = {}; // what its hello says
const rooms = new Map(); // by name in small letters
const all = () => [...rooms.values()];
const namesOfRooms = () => all().map((room) => room.name);
const asked = new Map(); // ref → what to do with the answer
let active, elsewhere = [], paste = 0, reference = 0;

const $ = (id) => document.getElementById(id);
const [log, box, field, ...drawers] = ['log', 'lines', 'text', 'rooms', 'people'].map($);
const { now } = Date;
const isAway = () => document.hidden || !document.hasFocus();
const bytes = (text) => new TextEncoder().encode(text);

function el(tag, properties, ...children) {
	const node = Object.assign(document.createElement(tag), properties);
	node.append(...children);
	return node;
}

function write(id, text) {
	if ($(id).textContent !== text) $(id).textContent = text;
}

function roomOf(name) {
	const key = name.toLowerCase();
	if (!rooms.has(key)) rooms.set(key, { key, name, here: 0, unread: 0, draft: '', names: new Set(), lines: [], ids: new Set(), unsent: [] });
	return rooms.get(key);
}

// Name and rooms are kept for every visit; for this tab what it takes to come back.
function kept(store, value) {
	try {
		if (value) store.chatd = JSON.stringify(value);
		return JSON.parse(store.chatd);
	} catch {
		return { rooms: [] };
	}
}

function save() {
	active.draft = field.value;
	kept(localStorage, { name: me.name, bell: me.bell, rooms: namesOfRooms() });
	kept(sessionStorage, { ...me, active: active.name, rooms: all().map(({ name, last, unsent, draft }) => ({ name, last, unsent, draft })) });
}

function setName(name) {
	me.name = name;
	const named = name ? `(?<!${WORD})${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}(?!${WORD})` : '$^';
	me.named = new RegExp(named, 'iu');
	me.special = new RegExp(`(?<url>${LINK})|(?<unseen>${UNSEEN})|${named}`, 'giu');
}

// The link

const link = { tries: 0, turn: 0, tickedAt: now() };

function connect() {
	drop();
	setLink('connecting');
	link.dueAt = now() + ANSWER_MS;
	// ws or wss, as the page itself has http or https.
	link.socket = Object.assign(new WebSocket('ws'), { onopen: enter, onclose: lose, onmessage: ({ data }) => hear(JSON.parse(data)) });
}

function drop() {
	Object.assign(link.socket ?? {}, { onopen: null, onclose: null, onmessage: null }).close?.();
}

// Something is heard in time, or the link is lost.
function ask(request, then, within = ANSWER_MS) {
	if (link.socket?.readyState !== WebSocket.OPEN) return false;
	const ref = `${++reference}`;
	asked.set(ref, then);
	link.socket.send(JSON.stringify({ ...request, ref }));
	link.dueAt = Math.min(link.dueAt || Infinity, now() + within);
	return true;
}

function enter() {
	const since = Object.fromEntries(all().map((room) => [room.name, room.last]));
	ask({ do: 'enter', name: me.name, password: me.password, resume: me.token, rooms: namesOfRooms(), since }, (event) => {
		if (event.is === 'refused') return showDoor(event);
		setName(event.name);
		me.token = event.resume;
		link.upAt = now();
		setLink('up');
		if ($('house').hidden) open(true);
		if (event.motd !== link.motd && (link.motd = event.motd)) tell(link.motd, 'news');
		look();
	});
}

function lose() {
	drop();
	if (link.state === 'ended') return;
	if (now() - link.upAt > 5e3 && link.state === 'up') link.tries = 0;
	link.turn++;
	link.dueAt = 0;
	asked.clear();
	for (const room of all()) {
		room.isIn = false;
		room.unsent = room.unsent.filter((order) => order.state !== 'heard');
		room.unsent.forEach(doubt);
	}
	link.retryAt = now() + 1e3 * Math.min(30, 2 ** link.tries++) * (0.75 + Math.random() / 2);
	setLink('waiting');
	save();
	// If there never was a link, the server may say why.
	if (!link.upAt) fetch('ws').then(async (answer) => answer.status === 403 && setLink('ended', await answer.text())).catch(() => {});
}

function setLink(state, words = '') {
	write('status', { up: 'Connected.', waiting: LOST }[state] ?? words);
	Object.assign(link, { state, words });
	redraw();
}

// Is it there? Asked when the tab is seen, after sleep, when the network changes.
function probe(within) {
	if (link.state === 'waiting') connect();
	else if (link.state === 'up') ask({ do: 'ping' }, null, within);
}

setInterval(() => {
	const at = now(), hasSlept = at - link.tickedAt > 8e3, isWaiting = link.state === 'waiting';
	link.tickedAt = at;
	if (hasSlept) link.dueAt = 0;
	if (hasSlept || (link.state === 'up' && !link.dueAt && at - link.heardAt > QUIET_MS) || (isWaiting && at > link.retryAt)) probe(PROBE_MS);
	else if (link.dueAt && at > link.dueAt) lose();
	if (isWaiting) redraw();
	const unread = all().reduce((sum, room) => sum + room.unread, 0), named = all().some((room) => room.isNamed) ? '@' : '';
	document.title = `${unread ? `(${named}${unread}) ` : ''}#${active.name} · chatd`;
}, 400);

// What the server says

const heard = {
	hello: (event) => Object.assign(server, event),
	entered({ room: name, topic, here, names, more, last }) {
		const room = roomOf(name);
		Object.assign(room, { name, topic, here, names: new Set(names), isStale: more, newest: last, since: room.last, first: room.lines.length });
	},
	'caught-up'({ room: name, missed }) {
		const room = Object.assign(roomOf(name), { isIn: true, isLoading: false });
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
		if (!event.ends) return fault(event.text);
		if (!/kicked|banned|replaced/.test(event.code)) return tell(`The server says: ${event.text}`, 'news');
		drop();
		setLink('ended', event.code === 'replaced' ? 'This name came in elsewhere.' : event.text);
	},
	joined: (event) => presence(event, `${event.name} joined`, (names) => names.add(event.name)),
	left(event) {
		const { name, cause, reason } = event;
		if (name === me.name) roomOf(event.room).isIn = false; // it was closed
		presence(event, `${name} left${cause === 'quit' ? '' : ` (${cause})`}${reason ? `: “${reason}”` : ''}`, (names) => names.delete(name));
	},
	churn: (event) => presence(event, `${event.joined} joined, ${event.left} left`, (_, room) => (room.isStale = true)),
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
		for (const room of all()) rebuild(room, room.lines.filter((line) => !ids.includes(line.id)));
	},
};

function hear(event) {
	link.heardAt = now();
	link.dueAt = 0;
	const answer = asked.get(event.ref) ?? heard[event.is];
	asked.delete(event.ref);
	answer?.(event);
	redraw();
}

// `isNew`: it is unread if nobody looks.
function add(room, line, isNew) {
	know(room, line, link.turn);
	room.lines.push(line);
	if (room.lines.length > 2 * LINES_MAX) trim(room);
	if (!line.from || line.from === me.name || !isNew || (room === active && view.isAtEnd && !isAway())) return;
	room.mark ??= line;
	room.unread++;
	room.isNamed ||= line.isNamed;
	if (line.isNamed && !line.past) notify(room, line);
}

function know(room, line, turn) {
	const isNamed = line.from && line.from !== me.name && (line.is === 'private' || me.named.test(line.text));
	Object.assign(line, { time: Date.parse(line.at) || now(), turn, isNamed });
	if (line.id) room.ids.add(line.id);
}

function trim(room) {
	for (const line of room.lines.splice(0, room.lines.length - LINES_MAX)) room.ids.delete(line.id);
}

function news({ room, at }, text, is = 'news') {
	for (const one of room ? [roomOf(room)] : all()) add(one, { is, at, text });
}

// Comings and goings in a row share a line.
function presence({ room: name, here, at }, text, change) {
	const room = roomOf(name), last = room.lines.at(-1);
	change(room.names, room);
	room.here = here ?? room.here;
	if (!last?.isPresence || last.text.length > 160) return add(room, { is: 'news', isPresence: true, at, text });
	last.text += ` · ${text}`;
	last.node?.replaceChildren(...rich(last.text));
}

function tell(text, is = 'answer') {
	add(active, { is, text });
	redraw();
}

const fault = (text) => tell(text, 'fault');

// Coming back: what was not answered is in doubt. What stands in the room was said; if nothing is missing
// there, the rest is said now; else it stays, as perhaps sent.

function doubt(order) {
	if (order.state === 'sent') order.state = 'doubtful';
}

const isPlaced = (order, line) => line.from === order.from && line.text === order.text && !line.action === !order.action;

function settle(room, isWhole) {
	for (const line of room.lines) if (line.turn === link.turn) discard(room, room.unsent.find((order) => order.state === 'doubtful' && isPlaced(order, line)));
	for (const order of room.unsent) if (order.state === 'doubtful') order.state = isWhole ? 'waiting' : 'unsure';
	pump();
	save();
}

// What is not in the server's memory may be on its disk.
function openGap(room, missed) {
	const gap = { is: 'gap', time: now(), text: missed ? `${missed} lines of this time are gone` : 'What was said meanwhile is not known' };
	rebuild(room, room.lines.toSpliced(room.first, 0, gap));
	const fill = (after) => askPage(room, { after }, gap, ({ messages, more }, isKnown) => {
		if (more && !isKnown && room.lines.length < LINES_MAX) return fill(messages.at(-1).id);
		const isWhole = missed && messages && (isKnown || !more);
		if (isWhole) rebuild(room, room.lines.filter((line) => line !== gap));
		room.last = room.lines.findLast((line) => line.id)?.id ?? room.newest;
		settle(room, isWhole);
	});
	if (!fill(room.since)) settle(room, false);
}

function goBack(room) {
	if (room.isLoading || room.isWhole || !room.isIn || room.lines.length >= LINES_MAX) return;
	room.isLoading = askPage(room, { before: room.lines.find((line) => line.id)?.id }, room.lines[0], ({ more, code }) => Object.assign(room, { isLoading: false, isWhole: !more && code !== 'busy' }));
}

// A page of the past goes before this line. A busy server is asked again.
function askPage(room, from, line, then, tries = 9) {
	const { turn } = link;
	return server.history && ask({ do: 'history', room: room.name, limit: PAGE_LINES, ...from }, (event) => {
		if (event.code === 'busy' && tries) return setTimeout(() => turn === link.turn && askPage(room, from, line, then, tries - 1), 1e3);
		const found = event.messages ?? [], lines = found.filter(({ id }) => !room.ids.has(id));
		for (const line of lines) know(room, Object.assign(line, { is: 'said', past: true }), from.after && turn);
		rebuild(room, room.lines.toSpliced(Math.max(0, room.lines.indexOf(line)), 0, ...lines));
		then(event, lines.length < found.length);
	});
}

// What the user says

const COMMANDS = {
	help: ['', 'these lines', () => tell(Object.entries(COMMANDS).map(([name, [usage, words]]) => `/${name} ${usage} – ${words}`).join('\n'))],
	me: ['TEXT', 'what you do', (text) => text && say(text, true)],
	msg: ['NAME TEXT', 'tells one person alone', (rest) => {
		const [, to, text] = rest.match(/^@?(\S+)\s+(.+)$/) ?? [];
		return to ? request({ do: 'msg', to, text }, () => tell(`To ${to} alone: ${text}`)) : '';
	}],
	join: ['ROOM', 'enters or opens a room', (room) => join(room)],
	part: ['', 'leaves this room', () => part(active)],
	nick: ['NAME', 'another name', (name) => name && request({ do: 'nick', name })],
	topic: ['[TEXT]', 'sets or clears the topic', (text) => request({ do: 'topic', room: active.name, text })],
	who: ['', 'who is here', () => tell([...active.names].join(', '))],
	quit: ['[REASON]', 'leaves', (reason) => {
		ask({ do: 'quit', reason });
		delete me.token;
		setLink('ended', 'You have left.');
	}],
};

function request(what, then) {
	if (!ask(what, (event) => (event.is === 'refused' ? fault(event.text) : then?.(event)))) fault('No connection; this was not done.');
}

// A command, or texts, one a line. Gives whether it is done with.
function submit(typed, isSure) {
	const lines = typed.split('\n').filter((line) => line.trim());
	const [, word, rest] = (lines.length === 1 && lines[0].match(/^\/(\p{L}+)\s*(.*)$/u)) || [];
	if (word) {
		const command = COMMANDS[word.toLowerCase()];
		if (!command) return fault(`There is no /${word}; nothing was sent. See /help; //${word} is a text.`);
		return command[2](rest.trim()) !== '' || fault(`Like this: /${word} ${command[0]}`);
	}
	const excess = Math.max(...lines.map((line) => bytes(line).length - server.line_max));
	if (excess > 0) return fault(`Too long by ${excess} bytes; nothing was sent.`);
	paste = lines.length >= ASK_FROM_LINES && !isSure ? lines.length : 0;
	if (!paste) for (const line of lines) say(line.replace(/^\/\//, '/'));
	return !paste;
}

// The text is what the room will give back: by that it is known again.
function say(text, action) {
	text = text.replace(/[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029]/g, '\ufffd');
	active.unsent.push({ key: `${now()} ${++reference}`, is: 'said', text, action, from: me.name, time: now(), state: 'waiting' });
	active.mark = null;
	view.isAtEnd = true;
	pump();
	save();
}

// In order, a few at a time: many go no faster than the server takes them.
function pump() {
	redraw();
	let open = 0;
	for (const room of all()) {
		for (const order of room.isIn ? room.unsent : []) {
			const { state, text, action } = order;
			if (state === 'doubtful') break;
			if (/sent|waiting/.test(state) && open++ >= UNANSWERED_MAX) return;
			if (state !== 'waiting') continue;
			Object.assign(order, { state: 'sent', from: me.name });
			ask({ do: 'say', room: room.name, text, action }, (event) => {
				if (event.is === 'refused') Object.assign(order, { state: 'refused', why: event.text });
				else discard(room, order);
				save();
				pump();
			});
		}
	}
}

function discard(room, order) {
	room.unsent = room.unsent.filter((other) => other !== order);
}

// Texts

const WORD = String.raw`[\p{L}\p{N}\p{M}_-]`;
const LINK = String.raw`\bhttps?:\/\/[^\s<>"\x60{}|\\^\p{C}]+`;
const UNSEEN = String.raw`(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]`; // or turning what stands beside

// A text as nodes: links, the own name, what is not seen.
function rich(text) {
	const nodes = [];
	let end = 0;
	for (const { 0: shown, index, groups: { url, unseen } } of text.matchAll(me.special)) {
		const node = url ? linked(url) : unseen ? el('i', {}, `U+${unseen.codePointAt().toString(16).padStart(4, 0)}`) : el('mark', {}, shown);
		nodes.push(text.slice(end, index), node);
		end = index + (url ? node.textContent : shown).length;
	}
	return [...nodes, text.slice(end)];
}

function linked(text) {
	const shown = text.replace(/^([^(]*?)\)*[.,;:!?'’”…*]*$/, '$1').replace(/[.,;:!?'’”…*]+$/, '');
	const url = URL.canParse(shown) && new URL(shown);
	if (!url || url.username) return el('span', {}, shown);
	return el('a', { href: url, title: url, target: '_blank', rel: 'noopener noreferrer nofollow' }, shown);
}

function colored(node, name) {
	const hash = bytes(name.toLowerCase()).reduce((hash, byte) => (hash * 31 + byte) % 65521, 7);
	node.style.setProperty('--hue', (hash % 24) * 15);
	node.dataset.initial = [...name][0]?.toUpperCase();
	return node;
}

const [clock, calendar] = [{ timeStyle: 'short' }, { dateStyle: 'full' }].map((style) => new Intl.DateTimeFormat([], style).format);

// Drawing: once a frame whatever comes, less often when it takes long

const view = { isAtEnd: true, cost: 0 };

function redraw() {
	if (view.isAsked) return;
	view.isAsked = true;
	setTimeout(() => requestAnimationFrame(draw), view.cost > 8 ? Math.min(200, 3 * view.cost) : 0);
}

function draw() {
	const start = now();
	view.isAsked = false;
	if ($('house').hidden) return;
	for (const part of [drawLines, drawUnsent, drawRooms, drawHead, drawPeople, drawNotice, scroll]) part(active);
	view.cost = now() - start;
}

function rebuild(room, lines = room.lines) {
	Object.assign(room, { lines, isRebuilt: true });
}

function drawLines(room) {
	if (room.lines.length > LINES_MAX) trim(room);
	if (view.room !== room) {
		view.room?.lines.forEach((line) => (line.node = null));
		log.ariaBusy = true;
		setTimeout(() => (log.ariaBusy = null), 800);
		Object.assign(view, { room, isMarkWanted: room.mark });
		rebuild(room);
	}
	if (room.isRebuilt) {
		const fromEnd = log.scrollHeight - log.scrollTop;
		box.replaceChildren(...room.lines.map((line, at) => shaped(line, room.lines[at - 1])));
		log.scrollTop = log.scrollHeight - fromEnd;
		room.isRebuilt = view.isSparse = false;
	} else if (view.isAtEnd || box.childElementCount < LINES_MAX) {
		// Of a flood the newest, until there is time for the rest.
		const { lines } = room, next = lines.findLastIndex((line) => line.node) + 1, first = Math.max(next, lines.length - DRAWN_AT_ONCE);
		view.isSparse ||= first > next;
		box.append(...lines.slice(first).map((line, at) => shaped(line, lines[first + at - 1])));
		if (view.isSparse) redraw(now() - link.heardAt > 99 && fillIn(lines));
		while (box.childElementCount > LINES_MAX) box.firstChild.remove();
	}
	// Else it waits behind the button, to disturb nobody.
	view.marked?.classList.remove('new');
	view.marked = room.mark?.node;
	view.marked?.classList.add('new');
}

function fillIn(lines) {
	for (let at, left = DRAWN_AT_ONCE; left--;) {
		at = lines.findLastIndex((line) => !line.node);
		if (!(view.isSparse = at >= 0)) return;
		lines[at + 1].node.before(shaped(lines[at], lines[at - 1]));
		shaped(lines[at + 1], lines[at]);
	}
}

function shaped(line, above) {
	const node = (line.node ??= nodeOf(line)), day = calendar(line.time);
	const isDay = !above || calendar(above.time) !== day;
	if (isDay) node.dataset.day = day;
	else delete node.dataset.day;
	node.classList.toggle('more', !isDay && line.is === 'said' && above.is === 'said' && above.from === line.from && line.time - above.time < GROUP_MS);
	return node;
}

function nodeOf({ is, time, from, text, isNamed, action, past, posted }) {
	const node = el('div', { className: ['line', is, isNamed && 'isNamed', action && 'action', past && 'past', posted && 'posted'].join(' ') });
	if (!from) node.append(...rich(text));
	else colored(node, from).append(el('bdi', {}, ...rich(from)), el('time', {}, clock(time)), el('p', { dir: 'auto' }, ...rich(text)));
	return node;
}

const FATES = { waiting: 'kept, not sent yet', sent: 'sending', doubtful: 'perhaps sent', unsure: 'perhaps sent' };

function drawUnsent(room) {
	sync($('unsent'), room.unsent.filter((order) => order.state !== 'heard').slice(0, 20), (order) => {
		const node = nodeOf(order);
		node.append(el('small', {}, el('span'), button('Edit', () => prefill(order.text, discard(room, order)))));
		return node;
	}, (node, { state, why }) => {
		node.dataset.state = state;
		node.lastChild.firstChild.textContent = why ? `not sent: ${why}` : FATES[state];
	});
}

// Nodes of the same key stay, and so does the focus.
function sync(list, items, make, update) {
	const old = new Map([...list.children].map((node) => [node.key, node]));
	const nodes = items.map((item) => {
		const key = item.key ?? item.name ?? item, node = old.get(key) ?? make(item);
		old.delete((node.key = key));
		update?.(node, item);
		return node;
	});
	old.forEach((node) => node.remove());
	nodes.forEach((node, at) => list.children[at] === node || list.insertBefore(node, list.children[at]));
}

const button = (words, act) => el('button', { type: 'button', onclick: () => (act(), save(), redraw()) }, words);

function drawHead(room) {
	$('link').dataset.state = link.state;
	write('link', { up: 'connected', waiting: `offline, again in ${Math.ceil((link.retryAt - now()) / 1e3)} s`, ended: 'offline' }[link.state] ?? 'connecting');
	write('room', `#${room.name}`);
	write('topic', room.topic || 'Add a topic');
	write('crowd', `${room.here} here`);
	field.placeholder = `Message #${room.name}`;
	write('top', !room.isWhole ? '' : room.ids.size ? 'As far back as the server remembers' : 'Nothing was said here yet. Say hello.');
}

function drawNotice(room) {
	const left = room.unsent.length;
	const [words, ...buttons] = link.state === 'ended' ? [link.words, button('Come back', connect)]
		: paste ? [`Send ${paste} lines, one after the other?`, button('Send them', () => enterLine(true)), button('Not yet', () => prefill(field.value, (paste = 0)))]
		: link.state === 'waiting' ? [LOST, button('Try now', connect)]
		: [left > UNANSWERED_MAX ? `${left} lines to go` : ''];
	if (words === view.notice) return;
	view.notice = words;
	$('notice').hidden = !words;
	$('notice').replaceChildren(words, ...buttons);
	if (paste) buttons[0].focus();
}

function scroll(room) {
	if (view.isMarkWanted && view.marked) {
		view.marked.scrollIntoView({ block: 'center' });
		log.onscroll();
	} else if (view.isAtEnd) log.scrollTop = log.scrollHeight;
	view.isMarkWanted = false;
	if (view.isAtEnd && !isAway()) Object.assign(room, { unread: 0, isNamed: false });
	$('newer').hidden = view.isAtEnd;
	write('newer', room.unread ? `${room.unread} new ↓` : 'Newest ↓');
	if (log.scrollTop < 400) goBack(room);
}

// Rooms and people

function drawRooms() {
	const others = elsewhere.filter(({ room }) => !rooms.has(room.toLowerCase())).map(({ room, here }) => ({ name: room, here, isOther: true }));
	sync($('roster'), [...all(), ...others], ({ name }) => el('li', {},
		el('button', { className: 'to', onclick: () => join(name) }, el('bdi', {}, `#${name}`), el('span')),
		el('button', { className: 'icon', ariaLabel: `Leave ${name}`, onclick: () => part(roomOf(name)) }, '×')),
	(node, { name, here, unread, isNamed, isOther }) => {
		const [to, leave] = node.children;
		node.className = isOther ? 'other' : '';
		leave.hidden = isOther || rooms.size < 2;
		to.ariaCurrent = name === active.name ? 'page' : null;
		to.lastChild.className = unread ? `unread ${isNamed ? 'isNamed' : ''}` : '';
		to.lastChild.textContent = unread || here || '';
		to.ariaLabel = `#${name}, ${unread ? `${unread} unread` : `${here} here`}${isNamed ? ', you were named' : ''}`;
	});
	$('menu').classList.toggle('dot', all().some((room) => room.unread && room !== active));
	write('self', me.name);
	colored($('self'), me.name);
	$('bell').hidden = (window.Notification?.permission ?? 'denied') === 'denied';
	$('bell').ariaPressed = !!me.bell;
}

function drawPeople(room) {
	const [title, list] = $('people').children;
	if (!list.checkVisibility()) return;
	title.textContent = `${room.here} here`;
	sync(list, [...room.names].sort((a, b) => a.localeCompare(b)), (name) => el('li', {}, colored(el('button', { className: 'to', title: `Write to ${name} alone`,
		onclick: () => prefill(`/msg ${name} `) }, el('bdi', {}, ...rich(name))), name)));
}

function look() {
	const room = active;
	if (document.hidden) return;
	ask({ do: 'rooms' }, (event) => (elsewhere = event.rooms ?? []));
	if (room.isStale) ask({ do: 'who', room: room.name }, ({ names, here }) => Object.assign(room, { names: new Set(names), here, isStale: false }));
}

function show(name) {
	const room = roomOf(name);
	if (active !== room) {
		if (active) Object.assign(active, { draft: field.value, mark: null });
		active = room;
		field.value = active.draft;
		paste = 0;
	}
	view.isAtEnd = true;
	prefill(field.value);
	history.replaceState('', '', `#${encodeURIComponent(active.name)}`);
	save();
	redraw();
}

function join(typed) {
	const name = typed.replace(/^#/, '');
	if (rooms.has(name.toLowerCase())) return show(name);
	return name && request({ do: 'join', room: name }, () => show(name));
}

function part(room) {
	const gone = () => {
		rooms.delete(room.key);
		if (room === active) join(all()[0]?.name ?? 'lobby');
		redraw();
	};
	if (room.isIn) request({ do: 'part', room: room.name }, gone);
	else gone();
}

function notify(room, { from, text }) {
	if (!me.bell || !isAway()) return;
	try {
		new Notification(`${from} in #${room.name}`, { body: text.slice(0, 200), tag: room.name }).onclick = () => (focus(), show(room.name));
	} catch { /* phones */ }
}

// The door

function open(isHouse) {
	$('door').hidden = isHouse;
	$('house').hidden = !isHouse;
	(isHouse ? field : $('name')).focus();
	redraw();
}

function showDoor(event) {
	drop();
	setLink('idle');
	$('name').value = me.name;
	write('fault', event.text);
	open(false);
	if (event.code !== 'wrong-password') return;
	$('secret').hidden = false;
	$('password').focus();
}

// The field

const before = { lines: [], at: 0 };
let completion;

function enterLine(isSure) {
	const typed = field.value;
	if (!typed.trim()) return;
	field.value = '';
	if (!submit(typed, isSure)) return prefill(typed);
	before.lines.push(typed);
	before.at = before.lines.length;
}

function prefill(text) {
	for (const drawer of drawers) drawer.togglePopover(false);
	field.value = text;
	field.focus();
}

field.oninput = () => {
	completion = null;
	paste = 0;
	redraw();
};

function recall(step) {
	const { lines, at } = before, to = at + step;
	if (to < 0 || to > lines.length) return;
	if (at === lines.length) before.draft = field.value;
	before.at = to;
	field.value = lines[to] ?? before.draft;
	return true;
}

// The name or command before the caret; again for the next one.
function complete() {
	const caret = field.selectionStart;
	if (completion?.end !== caret) {
		const word = field.value.slice(0, caret).match(/@?(\S*)$/)[1].toLowerCase(), start = caret - word.length;
		const all = word[0] === '/' ? Object.keys(COMMANDS).map((name) => `/${name} `) : [...active.names].map((name) => name + (start ? ' ' : ': '));
		completion = { found: all.filter((name) => word && name.toLowerCase().startsWith(word)).sort(), at: 0, start, end: caret };
	}
	const { found, start, end } = completion;
	if (!found.length) return;
	field.setRangeText(found[completion.at++ % found.length], start, end, 'end');
	completion.end = field.selectionStart;
	return true;
}

field.onkeydown = (event) => {
	if (event.isComposing || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
	const isLine = !field.value.includes('\n');
	const act = { Enter: () => (enterLine(), true), Tab: complete, ArrowUp: () => isLine && recall(-1), ArrowDown: () => isLine && recall(1) }[event.key];
	if (act?.()) event.preventDefault();
	redraw();
};

// The rest

const forms = {
	composer: () => enterLine(),
	join() {
		join($('wanted').value.trim());
		$('wanted').value = '';
	},
	enter() {
		const name = $('name').value.trim();
		if (name !== me.name) delete me.token;
		setName(name);
		me.password = $('password').value;
		write('fault', '');
		connect();
	},
};

onsubmit = (event) => {
	event.preventDefault();
	forms[event.target.id]();
	redraw();
};

log.onscroll = () => {
	const wasAtEnd = view.isAtEnd;
	view.isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
	if (view.isAtEnd ? !wasAtEnd : view.isSparse) rebuild(active);
	if (view.isAtEnd !== wasAtEnd || log.scrollTop < 400) redraw();
};

$('newer').onclick = () => show(active.name, rebuild(active));

// The page ends where a phone's keyboard begins.
onresize = visualViewport.onresize = () => {
	if (visualViewport.scale === 1) document.body.style.setProperty('--height', `${visualViewport.height}px`);
	scrollTo(0, 0);
	if (view.isAtEnd) log.scrollTop = log.scrollHeight;
	redraw();
};

for (const drawer of drawers) drawer.ontoggle = () => (look(), redraw());

$('self').onclick = () => prefill('/nick ');
$('topic').onclick = () => prefill(`/topic ${active.topic}`);
$('bell').onclick = async () => {
	me.bell = !me.bell && (await Notification.requestPermission()) === 'granted';
	save();
	redraw();
};

onfocus = onblur = document.onvisibilitychange = () => {
	if (isAway() && view.isAtEnd && !active.unread) active.mark = null;
	view.isMarkWanted = !isAway() && active.unread;
	if (isAway()) save();
	else probe(PROBE_MS);
	redraw();
};
onpagehide = save;
ononline = () => probe(PROBE_MS);
onoffline = () => link.state === 'up' && lose();
setInterval(look, 20e3);

// What was kept

const home = kept(localStorage), seat = kept(sessionStorage);
home.rooms.forEach(roomOf);
for (const room of seat.rooms) Object.assign(roomOf(room.name), room).unsent.forEach(doubt);
Object.assign(me, { bell: home.bell, password: seat.password, token: seat.token });
setName(home.name ?? '');
show(decodeURIComponent(location.hash.slice(1)) || seat.active || home.rooms[0] || 'lobby');
write('host', location.hostname);
write('terminal', location.protocol === 'https:' ? `chat-client --tls ${location.host}` : `nc ${location.hostname} ${location.port}`);
open(!!me.name);
if (me.name) connect();
