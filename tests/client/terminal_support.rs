//! Help for the tests of the two seats: a program at a terminal of its own, and what a person
//! would see there. The terminal's screen is the model of the `vt100` crate; every wait has a
//! deadline, and what a failing test prints is the screen. No expectation of a single test is here.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::{Command, Pty};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};

use super::common::process::ends_within;

/// Long enough for a loaded machine; reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Rows that have left the screen and can still be looked at.
const SCROLLBACK_ROWS: usize = 10_000;

/// What the model shows where a terminal shows U+FFFD.
pub const REPLACED: &str = "□";

/// What has come from the program, as bytes and as a screen.
pub struct Model {
    terminal: vt100::Parser<Attacks>,
    pub bytes: Vec<u8>,
    undrawn: Vec<u8>,
}

/// What only somebody would send who wants to drive the terminal; and what the client itself sends.
#[derive(Default)]
pub struct Attacks {
    pub found: Vec<String>,
    pub bells: usize,
    pub title: String,
}

impl vt100::Callbacks for Attacks {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.bells += 1;
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        let title = String::from_utf8_lossy(title).into_owned();
        if title.ends_with(" - chat") && !title.contains(char::is_control) {
            self.title = title;
        } else {
            self.found.push(format!("title {title}"));
        }
    }

    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], data: &[u8]) {
        self.found
            .push(format!("clipboard {}", String::from_utf8_lossy(data)));
    }

    fn unhandled_char(&mut self, _: &mut vt100::Screen, character: char) {
        self.found.push(format!("character {character:?}"));
    }

    fn unhandled_control(&mut self, _: &mut vt100::Screen, byte: u8) {
        self.found.push(format!("control {byte}"));
    }

    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        _: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        action: char,
    ) {
        // All that is between these two is to be shown at once; the model has no use for that.
        let is_frame = matches!(params, [[2026]]) && matches!(action, 'h' | 'l');
        // The title is put aside, and back.
        let is_title = matches!(params, [[22 | 23], [2]]) && action == 't';
        if !is_frame && !is_title {
            self.found.push(format!("sequence {params:?} {action}"));
        }
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, _: &[&[u8]]) {
        self.found.push("operating system command".into());
    }
}

impl Model {
    /// Bytes of the program. U+FFFD, which the terminal of the model does not draw, is drawn as
    /// [`REPLACED`].
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.undrawn.extend_from_slice(bytes);
        let original = "\u{fffd}".as_bytes();
        // A part of one at the end may be the start of a whole one.
        let is_part = |length: &usize| self.undrawn.ends_with(&original[..*length]);
        let kept = (1..original.len()).rev().find(is_part).unwrap_or(0);
        let kept = self.undrawn.split_off(self.undrawn.len() - kept);
        let undrawn = std::mem::replace(&mut self.undrawn, kept);
        let mut rest = undrawn.as_slice();
        while let Some(at) = memchr::memmem::find(rest, original) {
            self.terminal.process(&rest[..at]);
            self.terminal.process(REPLACED.as_bytes());
            rest = &rest[at + original.len()..];
        }
        self.terminal.process(rest);
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.terminal.screen()
    }

    pub fn attacks(&self) -> &[String] {
        &self.terminal.callbacks().found
    }

    /// How often the bell has rung.
    pub fn bells(&self) -> usize {
        self.terminal.callbacks().bells
    }

    /// The title of the window.
    pub fn title(&self) -> &str {
        &self.terminal.callbacks().title
    }

    /// The rows of the screen, without the spaces at their ends.
    pub fn rows(&self) -> Vec<String> {
        let (_, columns) = self.screen().size();
        let rows = self.screen().rows(0, columns.get());
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    /// Everything that was ever on the screen and would be found by scrolling back.
    pub fn all_rows(&mut self) -> Vec<String> {
        let (rows, _) = self.screen().size();
        let rows = usize::from(rows.get());
        let mut all = Vec::new();
        self.terminal.screen_mut().set_scrollback(usize::MAX);
        let mut offset = self.screen().scrollback();
        while offset > 0 {
            self.terminal.screen_mut().set_scrollback(offset);
            all.extend(self.rows().into_iter().take(offset.min(rows)));
            offset -= offset.min(rows);
        }
        self.terminal.screen_mut().set_scrollback(0);
        all.extend(self.rows());
        all
    }

    /// The row with the cursor, up to its end, and the cursor's column.
    pub fn cursor_row(&self) -> (String, usize) {
        let (row, column) = self.screen().cursor_position();
        (self.rows()[usize::from(row)].clone(), usize::from(column))
    }

    /// What stands behind the prompt in the row with the cursor.
    pub fn draft(&self) -> Option<String> {
        let (row, _) = self.cursor_row();
        let (_, draft) = row.split_once('>')?;
        Some(draft.trim_start().to_owned())
    }
}

/// A program at a terminal of its own.
pub struct Sitting {
    program: Program,
    pty: Arc<Pty>,
    /// Keeps the terminal alive when the program has gone.
    theirs: OwnedFd,
    settings: Termios,
    shown: Arc<Screen>,
    watch: Watch,
}

/// The model, and the news that something was shown to it.
struct Screen {
    model: Mutex<Model>,
    news: Condvar,
}

/// Ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, save in a test that failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The thread that shows the model what the program writes.
struct Watch {
    is_over: Arc<AtomicBool>,
    is_paused: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(pty: Arc<Pty>, screen: Arc<Screen>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let is_over_too = Arc::clone(&is_over);
        let is_paused = Arc::new(AtomicBool::new(false));
        let is_paused_too = Arc::clone(&is_paused);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 65536];
            loop {
                // Asked first: what is written before the end is shown, whatever comes later.
                let is_last = is_over_too.load(Ordering::SeqCst);
                if is_paused_too.load(Ordering::SeqCst) && !is_last {
                    thread::park_timeout(Duration::from_millis(100));
                    continue;
                }
                if !is_readable(&pty) {
                    if is_last {
                        return;
                    }
                    continue;
                }
                match (&*pty).read(&mut chunk) {
                    Ok(count @ 1..) => {
                        screen.model.lock().unwrap().take(&chunk[..count]);
                        screen.news.notify_all();
                    }
                    _ => return,
                }
            }
        });
        Watch {
            is_over,
            is_paused,
            reader: Some(reader),
        }
    }

    fn wake(&self) {
        if let Some(reader) = &self.reader {
            reader.thread().unpark();
        }
    }

    /// Ends when everything is shown that has been written.
    fn finish(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.finish();
    }
}

fn is_readable(pty: &Pty) -> bool {
    let mut wanted = [PollFd::new(pty, PollFlags::IN)];
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };
    poll(&mut wanted, Some(&patience)).is_ok_and(|ready| ready > 0)
}

impl Sitting {
    /// Starts the program at a terminal of 80 columns and 24 rows, which becomes its controlling one.
    pub fn start(command: Command) -> Self {
        Sitting::start_sized(command, 80, 24)
    }

    pub fn start_sized(command: Command, columns: u16, rows: u16) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let path = rustix::pty::ptsname(&pty, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
        let settings = tcgetattr(&theirs).unwrap();
        let program = Program(command.spawn(pts).unwrap());
        let terminal = vt100::Parser::new_with_callbacks(
            rows.try_into().unwrap(),
            columns.try_into().unwrap(),
            SCROLLBACK_ROWS,
            Attacks::default(),
        );
        let (bytes, undrawn) = (Vec::new(), Vec::new());
        let model = Model {
            terminal,
            bytes,
            undrawn,
        };
        let shown = Arc::new(Screen {
            model: Mutex::new(model),
            news: Condvar::default(),
        });
        let pty = Arc::new(pty);
        let watch = Watch::start(Arc::clone(&pty), Arc::clone(&shown));
        Sitting {
            program,
            pty,
            theirs,
            settings,
            shown,
            watch,
        }
    }

    pub fn types(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Pastes as a terminal does that was asked to mark pastes.
    pub fn pastes(&self, text: &str) {
        self.sees("pastes being asked for", |model| {
            model.screen().bracketed_paste()
        });
        self.types(&format!("\u{1b}[200~{text}\u{1b}[201~"));
    }

    pub fn resizes(&self, columns: u16, rows: u16) {
        let mut model = self.model();
        model
            .terminal
            .set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
        // Under the lock: what the program draws after it is for the new size.
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    pub fn signals(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.program.0)
    }

    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.shown
            .model
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub fn sees(&self, what: &str, is_so: impl Fn(&Model) -> bool) {
        let news = &self.shown.news;
        let (model, waited) = news
            .wait_timeout_while(self.model(), PATIENCE, |model| !is_so(model))
            .unwrap();
        drop(model);
        assert!(!waited.timed_out(), "never seen: {what}\n{}", self.screen());
    }

    /// Waits until a row holds this text.
    #[track_caller]
    pub fn sees_text(&self, text: &str) {
        self.sees(&format!("{text:?}"), |model| {
            model.rows().iter().any(|row| row.contains(text))
        });
    }

    /// Waits until this stands behind the prompt.
    #[track_caller]
    pub fn sees_draft(&self, draft: &str) {
        self.sees(&format!("the draft {draft:?}"), |model| {
            model.draft().as_deref() == Some(draft)
        });
    }

    /// Waits until a condition holds that is not on the screen.
    #[track_caller]
    pub fn waits_until(&self, what: &str, is_so: impl Fn() -> bool) {
        self.sees(what, |_| is_so());
    }

    /// The settings of the terminal as they are now.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.theirs).unwrap()
    }

    /// Whether they are what they were before the program was started.
    pub fn is_restored(&self) -> bool {
        let (now, before) = (self.settings(), &self.settings);
        now.input_modes == before.input_modes
            && now.output_modes == before.output_modes
            && now.control_modes == before.control_modes
            && now.local_modes == before.local_modes
            && format!("{:?}", now.special_codes) == format!("{:?}", before.special_codes)
            && now.input_speed() == before.input_speed()
    }

    /// Whether whoever reads from the terminal would not wait for input.
    pub fn makes_reads_not_wait(&self) -> bool {
        let flags = rustix::fs::fcntl_getfl(&self.theirs).unwrap();
        flags.contains(OFlags::NONBLOCK)
    }

    /// From now on nobody looks at what the program writes, and it will have to wait.
    pub fn stops_reading(&self) {
        self.watch.is_paused.store(true, Ordering::SeqCst);
    }

    pub fn goes_on_reading(&self) {
        self.watch.is_paused.store(false, Ordering::SeqCst);
        self.watch.wake();
    }

    /// Waits for the end of the program, and until all it has written is on the screen.
    #[track_caller]
    pub fn waits(&mut self) -> ExitStatus {
        let has_ended = ends_within(&self.program.0, PATIENCE);
        assert!(has_ended, "it does not end\n{}", self.screen());
        let status = self.program.0.wait().unwrap();
        self.watch.finish();
        status
    }

    /// Waits for the end, and checks that the terminal is as it was before: its settings, its
    /// modes, and a row of its own for whatever comes next.
    #[track_caller]
    pub fn waits_and_finds_the_terminal_whole(&mut self) -> ExitStatus {
        let status = self.waits();
        let (screen, model) = (self.screen(), self.model());
        assert!(self.is_restored(), "other settings than before\n{screen}");
        let modes = model.screen();
        assert!(
            !modes.bracketed_paste(),
            "pastes are still marked\n{screen}"
        );
        assert!(!modes.hide_cursor(), "the cursor is hidden\n{screen}");
        assert!(
            !modes.alternate_screen(),
            "it is not the usual screen\n{screen}"
        );
        assert_eq!(modes.fgcolor(), vt100::Color::Default, "{screen}");
        assert_eq!(
            modes.cursor_position().1,
            0,
            "no row for the shell\n{screen}"
        );
        assert_eq!(model.cursor_row().0, "", "no row for the shell\n{screen}");
        status
    }

    /// The terminal goes away, as when its window is closed.
    #[track_caller]
    pub fn hangs_up(self) -> ExitStatus {
        let Sitting {
            mut program,
            pty,
            theirs,
            watch,
            ..
        } = self;
        drop((watch, theirs, pty));
        let has_ended = ends_within(&program.0, PATIENCE);
        assert!(has_ended, "it stays though its terminal has gone");
        program.0.wait().unwrap()
    }

    /// Whether this stands anywhere on the screen now.
    pub fn shows(&self, text: &str) -> bool {
        self.model().rows().iter().any(|row| row.contains(text))
    }

    /// The screen as it is, with a frame, for a person to look at.
    pub fn screen(&self) -> String {
        let model = self.model();
        let (row, column) = model.screen().cursor_position();
        let rows: Vec<String> = model.rows().iter().map(|row| format!("│{row}")).collect();
        let tail = &model.bytes[model.bytes.len().saturating_sub(300)..];
        let tail = String::from_utf8_lossy(tail).escape_debug().to_string();
        format!(
            "{}\ncursor {row},{column}; last bytes {tail}",
            rows.join("\n")
        )
    }
}

/// `chat-client ADDRESS ann ARGUMENTS` in an environment without surprises, at a terminal of the
/// kind that the model is: one that cuts rows which have become too long.
pub fn seat(server: SocketAddr, arguments: &[&str]) -> Command {
    client()
        .args([server.to_string().as_str(), "ann"])
        .args(arguments)
}

/// `chat-client` in that environment.
pub fn client() -> Command {
    Command::new(env!("CARGO_BIN_EXE_chat-client"))
        .env_clear()
        .env("TERM", "xterm-256color")
        .env("XTERM_VERSION", "a terminal that cuts rows")
        .env("USER", "user")
}
