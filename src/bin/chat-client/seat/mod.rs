//! `Seat`: the member's place at a terminal. Lines of the conversation go up into the terminal's
//! own scrollback; below them stay the rows of the [`zone`]: own lines of which nothing has been
//! heard, and the line being typed. What keys do is `typing`'s, what a line means is the session's,
//! how the terminal is set up is [`terminal`]'s; here it is drawn. Owned by the run loop.
//!
//! Why not the loop of rustyline or reedline: rustyline's cannot change a prompt while a line is
//! edited, nor keep a line that nobody has heard yet below what is printed; both wait for the end
//! of an escape sequence as long as it takes, so that a lone Escape eats what is typed behind it;
//! and both redraw from places that are wrong once a window has become narrower. What rustyline
//! knows of editing a line and of completing is used.

mod completion;
mod editor;
mod keys;
mod prompt;
mod rows;
mod search;
pub mod terminal;
mod title;
mod typing;
mod zone;

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use jiff::tz::TimeZone;

use crate::lines::{Kind, Lines, Shown};
use crate::screen::{Notice, Screen, Wish};
use crate::session::{Phase, Session};
use crate::style::{self, Colors};
use completion::Known;
use editor::Editor;
use rows::{Row, Window};
use terminal::Tty;
use title::Calls;
use typing::{Allowance, Task, Typing};
use zone::{Dragging, Rows, Zone};

/// Own lines shown of which nothing has been heard; the others are counted.
const UNHEARD_ROWS_MAX: usize = 5;
/// What is shown for each character that is for nobody to see.
const SECRET: &str = "*";

/// See the file.
pub struct Seat {
    terminal: Tty,
    typing: Typing,
    lines: Lines,
    shows_round_trips: bool,
    window: Window,
    zone: Zone,
    columns: usize,
    dragging: Dragging,
    known: Known,
    calls: Calls,
    /// Lines that are to go above the zone with the next drawing.
    new_lines: String,
    state: State,
}

/// What the next drawing has to do besides.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Seated,
    /// The screen is to be cleared first.
    Clearing,
    /// The shell is to be shown first.
    Suspending,
}

/// What a user may want otherwise.
#[derive(Debug)]
pub struct Habits {
    pub colors: Colors,
    pub shows_round_trips: bool,
    /// Whether the terminal's bell rings when the user is called.
    pub is_audible: bool,
    /// Where the lines that are typed are kept over sittings.
    pub history: Option<PathBuf>,
}

impl Seat {
    /// A seat at a terminal that is set up.
    pub fn new(terminal: Tty, habits: &Habits) -> Self {
        let (columns, _) = terminal.size();
        let colors = habits.colors;
        let mut seat = Seat {
            terminal,
            typing: Typing::default(),
            lines: Lines::new(colors, Some(TimeZone::system())),
            shows_round_trips: habits.shows_round_trips,
            window: Window::default(),
            zone: Zone::new(colors, terminal::narrowing()),
            columns,
            dragging: Dragging::default(),
            known: Known::default(),
            calls: Calls::new(habits.is_audible),
            new_lines: String::new(),
            state: State::Seated,
        };
        let history = habits.history.as_ref();
        if let Some(Err(why)) = history.map(|path| seat.typing.editor.keep_history(path)) {
            seat.tell(&format!("what you type is not kept: {why}"));
        }
        seat
    }

    /// The client's own words.
    fn tell(&mut self, words: &str) {
        let shown = Shown::of(Kind::Status, words);
        self.lines.write(&shown, &mut self.new_lines);
    }

    fn rows(&mut self, session: &Session, now: Instant, rows_max: usize) -> Rows {
        let standing = session.standing();
        let width = self.columns.saturating_sub(1);
        let above = self.rows_above(session, rows_max.saturating_sub(1));
        let above = above.into_iter().map(|row| row.cut(width)).collect();
        let mut edited = match (self.typing.question(), self.typing.editor.search()) {
            (_, Some(search)) => {
                let end = if search.has_failed {
                    " (nothing)> "
                } else {
                    "> "
                };
                Row::of(style::PLAIN, &format!("find {}{end}", search.term)).cut(width)
            }
            (Some(lines), None) => {
                let room = standing.rooms.target().unwrap_or("the room");
                let text = format!("say these {lines} lines in {room}, one by one? y/N ");
                Row::of(style::PLAIN, &text).cut(width)
            }
            (None, None) => prompt::prompt(&standing, now, self.columns),
        };
        let (before, line) = typed(&self.typing.editor);
        let cursor = Row::of(style::PLAIN, &before).len();
        // Laid out as one text: the cursor may stand between a letter and its mark.
        let line = Row::of(style::PLAIN, &line);
        let room = width.saturating_sub(edited.columns());
        let (seen, at) = self.window.show(&line, cursor.min(line.len()), room);
        let cursor = edited.len() + at;
        edited.append(seen);
        Rows {
            above,
            edited,
            cursor,
        }
    }

    fn rows_above(&self, session: &Session, rows_max: usize) -> Vec<Row> {
        let progress = self.typing.progress().filter(|_| rows_max > 0);
        let most = rows_max.saturating_sub(usize::from(progress.is_some()));
        let most = most.min(UNHEARD_ROWS_MAX);
        let count = session.unheard().count();
        let listed = if count > most {
            most.saturating_sub(1)
        } else {
            count
        };
        let unheard = session.unheard().take(listed).map(|(room, line)| {
            let room = room.map_or(String::new(), |room| format!("[{room}] "));
            marked(&format!("{room}{line}"))
        });
        let mut rows: Vec<Row> = unheard.collect();
        if count > listed && most > 0 {
            rows.push(marked(&format!("{} more", count - listed)));
        }
        rows.extend(progress.map(|(said, all)| {
            marked(&format!("pasting: {said} of {all} lines; Ctrl-C stops it"))
        }));
        rows
    }

    /// What Tab is to know.
    fn learn(&mut self, session: &Session) {
        let rooms = session.rooms();
        let current = rooms.current();
        let target = rooms.target().unwrap_or_default();
        target.clone_into(&mut self.known.target);
        self.known.partner = session.partner().map(str::to_owned);
        if let Some(room) = current.filter(|room| room.names != self.known.names) {
            self.known.names.clone_from(&room.names);
        }
        let entered = rooms.all().iter().map(|room| &room.name);
        self.known.rooms = entered.chain(session.listed()).cloned().collect();
    }

    /// What has to be done before the next drawing.
    fn prepare(&mut self, out: &mut String) -> io::Result<()> {
        match self.state {
            State::Seated => {}
            State::Clearing => {
                self.zone.forget();
                out.push_str("\x1b[H\x1b[2J");
                self.state = State::Seated;
            }
            State::Suspending => {
                self.zone.erase(out);
                out.push_str(&std::mem::take(&mut self.new_lines).replace('\n', "\r\n"));
                self.terminal.write(&std::mem::take(out))?;
                self.state = State::Seated;
                // Once we are back, the system says so, and the terminal is set up again.
                if !self.terminal.suspend()? {
                    self.tell("there is no shell to go back to");
                }
            }
        }
        Ok(())
    }
}

impl Screen for Seat {
    /// Everything comes out with the next [`Seat::refresh`], in one piece with the zone.
    fn show(&mut self, shown: &Shown) -> io::Result<()> {
        if shown.kind != Kind::Delivered || self.shows_round_trips {
            self.lines.write(shown, &mut self.new_lines);
        }
        Ok(())
    }

    fn input(&mut self, bytes: &[u8], now: Instant) {
        self.calls.answer();
        let known = std::mem::take(&mut self.known);
        for task in self.typing.read(bytes, &known, now) {
            match task {
                Task::Tell(words) => self.tell(&words),
                Task::Suspend => self.state = State::Suspending,
                Task::ClearScreen => self.state = State::Clearing,
            }
        }
        self.known = known;
    }

    fn notice(&mut self, notice: Notice) -> io::Result<()> {
        match notice {
            // The size is asked for at every drawing.
            Notice::Resized => {}
            Notice::SuspendAsked => self.state = State::Suspending,
            Notice::Resumed => {
                self.terminal.resume()?;
                let mut out = String::new();
                self.zone.erase(&mut out);
                self.terminal.write(&out)?;
            }
        }
        Ok(())
    }

    fn call(&mut self) {
        self.calls.note();
    }

    fn clear(&mut self) {
        self.state = State::Clearing;
    }

    fn next_wish(&mut self, session: &Session, now: Instant) -> Option<Wish> {
        let allowance = Allowance {
            takes_line: session.wants_line(),
            all_heard: session.unheard().next().is_none(),
        };
        self.typing.next_wish(allowance, now)
    }

    fn refresh(&mut self, session: &Session, now: Instant) -> io::Result<()> {
        self.learn(session);
        self.typing.editor.is_secret = matches!(session.standing().phase, Phase::Unlocking);
        let (columns, rows_max) = self.terminal.size();
        let is_dragged =
            self.zone.is_moved_by_resizes() && self.dragging.goes_on(self.columns, columns, now);
        if is_dragged && self.state == State::Seated {
            return Ok(());
        }
        let mut out = String::new();
        self.calls.write(session.rooms(), &mut out);
        self.prepare(&mut out)?;
        if columns != self.columns {
            self.zone.erase_after_resize(columns, &mut out);
            self.columns = columns;
            // As much of a long line as fits now.
            self.window = Window::default();
        }
        let rows = self.rows(session, now, rows_max);
        let new_lines = std::mem::take(&mut self.new_lines);
        self.zone.draw(&new_lines, rows, &mut out);
        if out.is_empty() {
            return Ok(());
        }
        self.terminal.write(&out)
    }

    fn next_deadline(&self, session: &Session, now: Instant) -> Option<Instant> {
        let prompt = prompt::prompt_changes_at(&session.standing(), now);
        let typing = self.typing.next_deadline(now);
        let deadlines = [prompt, typing, self.dragging.rests_at()];
        deadlines.into_iter().flatten().min()
    }

    /// The prompt goes; what nobody has heard stays, and stays marked.
    fn close(&mut self, session: &Session) -> io::Result<()> {
        let mut out = String::new();
        self.zone.erase(&mut out);
        let mut lines = std::mem::take(&mut self.new_lines);
        for row in self.rows_above(session, usize::MAX) {
            lines.push_str(&row.painted(0..row.len(), Colors::Unused));
            lines.push('\n');
        }
        out.push_str(&lines.replace('\n', "\r\n"));
        self.terminal.write(&out)
    }
}

/// What stands before the cursor, and all of the line; of a secret only how long it is.
fn typed(editor: &Editor) -> (Cow<'_, str>, Cow<'_, str>) {
    let shown = |text| match editor.is_secret {
        true => Cow::Owned(SECRET.repeat(str::chars(text).count())),
        false => Cow::Borrowed(text),
    };
    (
        shown(&editor.line()[..editor.cursor()]),
        shown(editor.line()),
    )
}

/// A row with a mark where the time will stand.
fn marked(text: &str) -> Row {
    Row::of(style::QUIET, &format!("  …   {text}"))
}
