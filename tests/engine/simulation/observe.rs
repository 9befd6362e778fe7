//! What was laid into the outboxes in one turn, told from what lay there before; and that what a
//! client could read is made of whole, clean lines of the protocol. Part of a simulation.

use super::driver::Simulation;
use super::explain::Circumstances;
use super::peer::is_bad;
use super::socket::{Owed, Socket, show};
use super::told::Observed;
use super::trace::story;
use super::world::Outcome;

impl Simulation {
    /// What was laid into the outboxes in this turn; and bytes of lines that were copied.
    pub(crate) fn observe(
        &mut self,
        dirty: &[u32],
        circumstances: &mut Circumstances,
    ) -> Result<(Observed, usize), String> {
        let mut observed = Observed {
            lines: vec![Vec::new(); self.sockets.len()],
        };
        let mut copied = 0;
        for slot in 0..self.sockets.len() {
            let Some(socket) = self.sockets[slot].as_mut().filter(|socket| !socket.lost) else {
                continue;
            };
            let queued = self.hub.queued_bytes(slot as u32);
            if queued == 0 {
                // Of one whose time is over everything is forgotten; it is closed in this turn, or
                // the bytes will be missed at its end.
                if !socket.owed.is_empty() {
                    circumstances.emptied.push(slot);
                }
                continue;
            }
            if !dirty.contains(&(slot as u32)) {
                if queued != socket.owed_bytes() {
                    return Err(format!(
                        "slot {slot} is owed something new, but is not dirty"
                    ));
                }
                continue;
            }
            let all = self.hub.chunks(slot as u32).collect::<Vec<_>>().concat();
            if all.len() != queued {
                return Err(format!("slot {slot}: its bytes are counted wrongly"));
            }
            let news = news(socket, &all).map_err(|fault| format!("slot {slot}: {fault}"))?;
            if news.cut {
                circumstances.cut.push(slot);
                self.report.cuts += 1;
                copied += all.len();
            }
            self.is_told(slot, &news.lines)?;
            if !news.cut {
                observed.lines[slot] = news.lines;
            }
        }
        Ok((observed, copied))
    }

    /// A client is owed these lines more.
    fn is_told(&mut self, slot: usize, lines: &[String]) -> Outcome {
        self.report.lines_out += lines.len() as u64;
        for line in lines {
            story!(self, "  {slot} is told {line:?}");
            let Some(socket) = self.sockets[slot].as_mut() else {
                continue;
            };
            (socket.view.hear(line)).map_err(|fault| format!("slot {slot}: {fault}"))?;
            socket.owed.push_back(Owed {
                bytes: format!("{line}\n").into_bytes(),
                turn: self.report.turns,
                since: self.now,
            });
        }
        for socket in self.sockets[slot]
            .iter_mut()
            .filter(|_| lines.iter().any(|line| is_cut(line)))
        {
            // What is left of older lines was copied.
            for line in &mut socket.owed {
                line.turn = self.report.turns;
            }
        }
        Ok(())
    }

    pub(crate) fn pin(&mut self, rests: usize) {
        self.pinned
            .insert(self.report.turns, (self.world.said_bytes + rests, 0));
    }
}

/// What an outbox holds beyond what it held before.
struct News {
    lines: Vec<String>,
    /// It was cut as too slow, and nothing is left but the rest of a line that was begun.
    cut: bool,
}

fn news(socket: &mut Socket, all: &[u8]) -> Result<News, String> {
    let owed = socket.owed_contents();
    let new = match all.strip_prefix(&*owed) {
        Some(new) => new,
        None => {
            let rest = socket.rest_of_line();
            let new = all
                .strip_prefix(rest)
                .filter(|new| new.starts_with(b"! too-slow "));
            let new =
                new.ok_or_else(|| format!("it is owed {:?}, not {:?}", show(all), show(&owed)))?;
            let kept = usize::from(!rest.is_empty());
            socket.owed.truncate(kept);
            new
        }
    };
    let lines = whole_lines(new)?;
    let cut = lines.iter().any(|line| is_cut(line));
    match cut && lines.len() > 1 {
        true => Err(format!("it was cut, and told {lines:?}")),
        false => Ok(News { lines, cut }),
    }
}

fn is_cut(line: &str) -> bool {
    line.starts_with("! too-slow ")
}

/// Every line to a client: whole, clean, and its first byte says what it is.
fn whole_lines(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("not UTF-8: {:?}", show(bytes)))?;
    let Some(text) = text.strip_suffix('\n') else {
        return if text.is_empty() {
            Ok(Vec::new())
        } else {
            Err(format!("not whole lines: {text:?}"))
        };
    };
    let lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let is_foreign = lines
        .iter()
        .any(|line| line.starts_with("! wrong-protocol "));
    for line in &lines {
        let is_marked = line.starts_with(['<', '*', '-', '=', '!']);
        if !is_foreign && (!is_marked || line.contains(is_bad)) {
            return Err(format!("no line of the protocol: {line:?}"));
        }
    }
    Ok(lines)
}
