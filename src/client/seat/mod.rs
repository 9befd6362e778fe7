//! `Seat`: the member's place at a terminal. Lines of the conversation go up into the terminal's
//! own scrollback; below them stay the rows of the [`zone`]: own lines that have not come back,
//! and the line being typed. It takes keys, gives out [`Wish`]es, and draws. What a line means is
//! the session's business, how the terminal is set up is [`terminal`]'s. Owned by the run loop.
//!
//! Why not rustyline's own loop and its external printer: it cannot change a prompt while a line
//! is edited, so room, round trip and countdown could not stand there; and it keeps nothing but
//! the edited line below what is printed, so a line that has not come back could not be marked.
//! What it knows of editing a line is used (see [`editor`]).

pub mod completion;
pub mod editor;
pub mod keys;
pub mod lines;
pub mod outgoing;
pub mod prompt;
pub mod rows;
pub mod terminal;
pub mod zone;

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use super::screen::{RoundTrips, Screen};
use super::session::{Session, Standing};
use super::shown::Shown;
use super::style::{Colors, Style};
use crate::clean::Clean;
use completion::Names;
use editor::{Editor, Pressed};
use keys::{Key, Keys};
use lines::Lines;
use outgoing::{Allowance, Line, Outgoing, Paste};
use rows::{Row, Window};
use zone::{Narrowing, Rows, Zone};

/// Own lines shown that have not come back; the others are counted.
const UNRETURNED_ROWS_MAX: usize = 5;
/// Names listed when Tab finds several.
const CHOICES_MAX: usize = 30;

/// What happened at the terminal.
#[derive(Debug, PartialEq, Eq)]
pub enum SeatEvent {
    /// Bytes of the keyboard.
    Keys(Vec<u8>),
    /// There is no keyboard any more.
    KeyboardGone,
    /// It has another size.
    Resized,
    /// Somebody asks us to stop for a while.
    SuspendAsked,
    /// We were stopped, and go on.
    Resumed,
}

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// To say a line, or have a command done.
    Say(Line),
    /// To leave.
    Leave,
}

/// A terminal, as the seat sees it.
pub trait Terminal {
    /// Writes all of it.
    fn write(&mut self, text: &str) -> io::Result<()>;

    /// Columns and rows, none of them 0.
    fn size(&self) -> (usize, usize);

    /// Gives the terminal back to the shell, and takes it again when the user comes back.
    /// `false` if there is no shell to give it back to.
    fn suspend(&mut self) -> io::Result<bool>;

    /// After a stop that was not of our making: sets the terminal up again.
    fn resume(&mut self) -> io::Result<()>;
}

/// See the file.
pub struct Seat<T> {
    terminal: T,
    keys: Keys,
    editor: Editor,
    names: Names,
    lines: Lines,
    outgoing: Outgoing,
    window: Window,
    zone: Zone,
    columns: usize,
    /// Lines that are to go above the zone with the next drawing.
    new_lines: String,
    wishes: VecDeque<Wish>,
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
    /// Back from it: the news of that, which the system will bring, is known.
    BackFromShell,
}

impl<T: Terminal> Seat<T> {
    /// A seat at a terminal that is set up. `time` is the local time of day as `HH:MM`.
    pub fn new(
        terminal: T,
        colors: Colors,
        narrowing: Narrowing,
        round_trips: RoundTrips,
        time: fn() -> String,
    ) -> Self {
        let (columns, _) = terminal.size();
        Seat {
            terminal,
            keys: Keys::default(),
            editor: Editor::default(),
            names: Names::default(),
            lines: Lines::new(colors, round_trips, time),
            outgoing: Outgoing::default(),
            window: Window::default(),
            zone: Zone::new(colors, narrowing),
            columns,
            new_lines: String::new(),
            wishes: VecDeque::new(),
            state: State::Seated,
        }
    }

    fn press(&mut self, key: Key) {
        if self.outgoing.question().is_some() {
            return self.answer(&key);
        }
        match (&key, self.editor.press(&key)) {
            (Key::Paste(text), _) => self.paste(text),
            (Key::EndlessPaste, _) => self.say("that paste is too long; nothing of it is said"),
            (_, Pressed::Edited | Pressed::Refused) => {}
            (_, Pressed::Submitted(line)) if self.outgoing.is_full() => {
                self.editor.start_anew(&line, "");
                self.say("so many lines wait already that this one is not taken");
            }
            (_, Pressed::Submitted(line)) => self.outgoing.typed(line),
            (_, Pressed::Complete) => self.complete(),
            (_, Pressed::Suspend) => self.state = State::Suspending,
            (_, Pressed::ClearScreen) => self.state = State::Clearing,
            (Key::Interrupt, Pressed::Leave) if self.outgoing.progress().is_some() => {
                let left = self.outgoing.stop();
                self.say(&format!(
                    "the paste is stopped; {left} lines of it are not said"
                ));
            }
            (_, Pressed::Leave) => self.wishes.push_back(Wish::Leave),
        }
    }

    fn paste(&mut self, text: &str) {
        let (before, behind) = self.editor.line().split_at(self.editor.cursor());
        let is_command = before.starts_with('/') && !before.starts_with("//");
        let is_one_line = !text.trim_end().contains(['\r', '\n']);
        if is_one_line || is_command {
            // What follows a `/msg` is for one person, and never for the room: it stays one line.
            let words: Vec<&str> = text.trim_end().split(['\r', '\n']).collect();
            if !self.editor.insert(&words.join(" ")) {
                self.say("there is no room for that paste in one line");
            }
            return;
        }
        let (paste, behind) = (Paste::of(text, before), behind.to_owned());
        if paste.is_long() {
            return self.outgoing.ask(paste);
        }
        self.outgoing.pasted(paste.lines);
        self.editor.start_anew(&paste.rest, &behind);
    }

    /// The answer to whether a long paste is to be said.
    fn answer(&mut self, key: &Key) {
        let Some(paste) = self.outgoing.answered() else {
            return;
        };
        if !matches!(key, Key::Character('y' | 'Y')) {
            return self.say("nothing of the paste is said");
        }
        let (_, behind) = self.editor.line().split_at(self.editor.cursor());
        let behind = behind.to_owned();
        self.editor.start_anew("", &behind);
        self.outgoing.pace(paste.into_lines());
    }

    fn complete(&mut self) {
        let (line, cursor) = (self.editor.line(), self.editor.cursor());
        let Some(completion) = self.names.complete(line, cursor) else {
            return;
        };
        let is_open = completion.text == line[completion.start..cursor];
        self.editor.complete(&completion);
        if is_open && !completion.choices.is_empty() {
            let count = completion.choices.len();
            let mut choices = completion.choices;
            choices.truncate(CHOICES_MAX);
            let more = match count.saturating_sub(CHOICES_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.say(&format!("{}{more}", choices.join(" ")));
        }
    }

    /// The client's own words.
    fn say(&mut self, words: &str) {
        self.lines
            .write(&Shown::Status(Clean::of(words)), &mut self.new_lines);
    }

    fn rows(&mut self, session: &Session, now: Instant, rows_max: usize) -> Rows {
        let standing = session.standing();
        let width = self.columns.saturating_sub(1);
        let mut above = self.rows_above(session, rows_max.saturating_sub(1));
        for row in &mut above {
            *row = std::mem::take(row).cut(width);
        }
        if let Some(paste) = self.outgoing.question() {
            let edited = prompt::question(paste, standing.room).cut(width);
            let cursor = edited.len();
            return Rows {
                above,
                edited,
                cursor,
            };
        }
        let mut edited = prompt::prompt(&standing, now, self.columns);
        let (before, behind) = self.editor.line().split_at(self.editor.cursor());
        let cursor = Row::of(Style::PLAIN, before).len();
        // Laid out as one text: the cursor may stand between a letter and its mark.
        let line = Row::of(Style::PLAIN, &format!("{before}{behind}"));
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
        let progress = self.outgoing.progress().filter(|_| rows_max > 0);
        let most = rows_max.saturating_sub(usize::from(progress.is_some()));
        let most = most.min(UNRETURNED_ROWS_MAX);
        let count = session.unreturned_count();
        let listed = if count > most {
            most.saturating_sub(1)
        } else {
            count
        };
        let mut rows: Vec<Row> = session
            .unreturned()
            .take(listed)
            .map(prompt::unreturned)
            .collect();
        if count > listed && most > 0 {
            rows.push(prompt::unreturned_more(count - listed));
        }
        rows.extend(progress.map(|(said, all)| prompt::progress(said, all)));
        rows
    }

    /// What has to be done before the next drawing.
    fn prepare(&mut self, out: &mut String) -> io::Result<()> {
        match self.state {
            State::Seated | State::BackFromShell => {}
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
                if self.terminal.suspend()? {
                    self.state = State::BackFromShell;
                } else {
                    self.say("there is no shell to go back to");
                }
            }
        }
        Ok(())
    }
}

impl<T: Terminal> Screen for Seat<T> {
    fn show(&mut self, shown: &Shown) -> io::Result<()> {
        self.names.learn(shown);
        self.lines.write(shown, &mut self.new_lines);
        Ok(())
    }

    /// Everything comes out with [`Seat::refresh`], in one piece with the zone.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn take(&mut self, event: SeatEvent) -> io::Result<()> {
        match event {
            SeatEvent::Keys(bytes) => {
                for key in self.keys.read(&bytes) {
                    self.press(key);
                }
            }
            SeatEvent::KeyboardGone => self.wishes.push_back(Wish::Leave),
            // The size is asked for at every drawing.
            SeatEvent::Resized => {}
            SeatEvent::SuspendAsked => self.state = State::Suspending,
            SeatEvent::Resumed if self.state == State::BackFromShell => self.state = State::Seated,
            SeatEvent::Resumed => {
                self.terminal.resume()?;
                let mut out = String::new();
                self.zone.erase(&mut out);
                self.terminal.write(&out)?;
            }
        }
        Ok(())
    }

    fn next_wish(&mut self, session: &Session, now: Instant) -> Option<Wish> {
        let allowance = Allowance {
            takes_line: session.wants_line(),
            all_returned: session.unreturned_count() == 0,
        };
        let line = self.outgoing.next(allowance, now).map(Wish::Say);
        line.or_else(|| self.wishes.pop_front())
    }

    fn refresh(&mut self, session: &Session, now: Instant) -> io::Result<()> {
        let mut out = String::new();
        self.prepare(&mut out)?;
        let (columns, rows_max) = self.terminal.size();
        if columns != self.columns {
            self.zone.erase_after_resize(columns, &mut out);
            self.columns = columns;
        }
        let rows = self.rows(session, now, rows_max);
        let new_lines = std::mem::take(&mut self.new_lines);
        self.zone.draw(&new_lines, rows, &mut out);
        if out.is_empty() {
            return Ok(());
        }
        self.terminal.write(&out)
    }

    fn next_deadline(&self, standing: &Standing<'_>, now: Instant) -> Option<Instant> {
        let prompt = prompt::prompt_changes_at(standing, now);
        let paste = self.outgoing.next_deadline(now);
        prompt.into_iter().chain(paste).min()
    }

    /// The prompt goes; what has not come back stays, and stays marked.
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
