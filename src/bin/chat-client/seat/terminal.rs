//! `Tty`: the real terminal. It is set up here, and given back as it was on every way out: the
//! end, an error, a panic in any thread, a signal, a stop. What is written to it is not known
//! here. There is one terminal in a process, hence the one static.

use std::fs::File;
use std::io::{self, ErrorKind, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, getsid, kill_current_process_group};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::zone::Narrowing;

/// The settings that the terminal had, while it has ours.
static ORIGINAL: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether what is typed is hidden, at a terminal that is no seat.
static HIDES_TYPING: AtomicBool = AtomicBool::new(false);

/// Pastes come between marks; and the title of the window is put aside, and back.
const BEGIN_SEAT: &str = "\x1b[?2004h\x1b[22;2t";
const END_SEAT: &str = "\x1b[?2004l\x1b[23;2t";
/// Of a terminal that does not say how large it is.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// See the file.
#[derive(Debug)]
pub struct Tty {
    output: File,
}

impl Tty {
    /// Sets up the terminal behind standard input and output. It is given back when this goes, or
    /// by [`restore`], whichever comes first.
    pub fn enter() -> io::Result<Self> {
        let output = File::from(stdout().as_fd().try_clone_to_owned()?);
        set_panic_hook();
        let mut tty = Tty { output };
        tty.set_up()?;
        Ok(tty)
    }

    fn set_up(&mut self) -> io::Result<()> {
        let original = tcgetattr(stdin())?;
        let mut raw = original.clone();
        raw.make_raw();
        *lock() = Some(original);
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        self.write(BEGIN_SEAT)
    }

    /// Writes all of it.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody who shares the terminal has made it so.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut wanted = [PollFd::new(&self.output, PollFlags::OUT)];
                    poll(&mut wanted, None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Columns and rows, none of them 0.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.output) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (usize::from(size.ws_col), usize::from(size.ws_row))
            }
            _ => USUAL_SIZE,
        }
    }

    /// Gives the terminal back to the shell, until [`Tty::resume`]. `false` if there is no shell to
    /// give it back to.
    pub fn suspend(&mut self) -> io::Result<bool> {
        // The first process of a session has no shell that could wake it.
        if getsid(None)? == getpid() {
            return Ok(false);
        }
        restore();
        // All of the group, as Ctrl-Z does: it may be a script that waits for us.
        kill_current_process_group(Signal::STOP)?;
        Ok(true)
    }

    /// After a stop: sets the terminal up again, which may have other settings now.
    pub fn resume(&mut self) -> io::Result<()> {
        restore();
        self.set_up()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        restore();
    }
}

/// At a terminal that is no seat: what is typed is hidden from now on, or seen again. Nobody could be
/// told of an error.
pub fn hide_typing(hides: bool) {
    if HIDES_TYPING.swap(hides, Ordering::Relaxed) == hides {
        return;
    }
    if let Ok(mut settings) = tcgetattr(stdin()) {
        settings.local_modes.set(LocalModes::ECHO, !hides);
        let _ = tcsetattr(stdin(), OptionalActions::Now, &settings);
    }
    if !hides {
        // The end of the line was not seen either.
        let _ = rustix::io::write(stdout(), b"\n");
    }
}

/// Gives the terminal back as it was, if it has our settings. It does not wait, even for a
/// terminal that takes nothing, and can be called from any thread at any time.
pub fn restore() {
    hide_typing(false);
    let Some(original) = lock().take() else {
        return;
    };
    // Nobody is left to be told of an error.
    let _ = tcsetattr(stdin(), OptionalActions::Now, &original);
    let stdout = stdout();
    let mut wanted = [PollFd::new(&stdout, PollFlags::OUT)];
    if poll(&mut wanted, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
        let _ = rustix::io::write(&stdout, END_SEAT.as_bytes());
    }
}

/// What the terminal of this process does with rows that have become too long, as far as it lets
/// on: all of today do one thing, and those that do not can be known.
pub fn narrowing() -> Narrowing {
    let is_set = |name| std::env::var_os(name).is_some();
    let term = std::env::var("TERM").unwrap_or_default();
    let is_any = |names: &[&str]| names.iter().any(|name| term.starts_with(name));
    let cuts = is_set("XTERM_VERSION")
        || is_any(&["linux", "rxvt", "vt"])
        || (is_any(&["screen"]) && !is_set("TMUX"));
    if cuts {
        Narrowing::Cuts
    } else {
        Narrowing::Wraps
    }
}

/// A panic, in whatever thread, gives the terminal back, is told, and ends the process: what
/// would go on without the thread could not be relied on.
fn set_panic_hook() {
    const PANIC_CODE: i32 = 101;
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        // The cursor stands behind the prompt.
        let _ = writeln!(io::stderr());
        tell(panic);
        std::process::exit(PANIC_CODE);
    }));
}

fn lock() -> MutexGuard<'static, Option<Termios>> {
    ORIGINAL.lock().unwrap_or_else(PoisonError::into_inner)
}
