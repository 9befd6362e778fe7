//! Is there an order of handling that explains what everybody was told? Most of it is known: what
//! was read from whom, in which order. What goes on by itself at the start of a turn (lines that
//! were held back, deadlines) and who is cut at its end may come in any order; one that fits is
//! looked for. Owned by a simulation.

use std::rc::Rc;

use chatd::hub::{CloseReason, Farewell};
use chatd::time::Time;

use super::order::{Step, solve, steps_of_begin};
use super::peer::State;
use super::rules;
use super::told::Observed;
use super::world::{Outcome, World};

/// What was done to the hub, in order.
#[derive(Debug)]
pub(crate) enum Operation {
    /// The turn began; so many lines of these were handled.
    Begin(Vec<(usize, u64)>),
    Connect(usize),
    Refuse(usize, CloseReason),
    /// Bytes were handed over, and so many lines handled.
    Receive(usize, Vec<u8>, u64),
    /// The other side sends no more; so many lines were handled.
    HalfClose(usize, u64),
    /// The connection is lost; whether it had not ended before.
    HangUp(usize, bool),
    Kick(String, Option<String>, bool),
    Announce(String),
    ShutDown,
    Remove(usize, Option<Farewell>, Removal),
}

/// What the socket's side knows of a connection at its end.
#[derive(Debug)]
pub(crate) struct Removal {
    pub(crate) bytes_out: u64,
    pub(crate) owed_bytes: usize,
    pub(crate) lost: bool,
    /// All outboxes together may have been over their bound: then one that drains goes too, but
    /// not in the turn in which it ended.
    pub(crate) pressed: bool,
    pub(crate) at: Time,
}

/// What is known of this turn besides what was done and told.
#[derive(Debug)]
pub(crate) struct Circumstances {
    /// Who was cut as too slow in this turn.
    pub(crate) cut: Vec<usize>,
    /// Of whom nothing is left to write.
    pub(crate) emptied: Vec<usize>,
    /// Since when each was owed its oldest byte when the turn began, and how much.
    pub(crate) oldest: Vec<Option<Time>>,
    pub(crate) owed_bytes: Vec<usize>,
    /// Memory of all outboxes before the turn was ended, at most.
    pub(crate) memory_bytes_max: usize,
}

/// Plays what was done in one turn and compares.
pub(crate) fn explain(
    world: &mut World,
    now: Time,
    operations: &[Operation],
    observed: Observed,
    circumstances: &Circumstances,
) -> Outcome {
    prepare(world, operations, observed, circumstances);
    let begins = |operation: &Operation| matches!(operation, Operation::Begin(_));
    let at = operations.iter().position(begins);
    let (late, this_turn) = operations.split_at(at.ok_or("a turn without a beginning")?);
    let [Operation::Begin(runs), rest @ ..] = this_turn else {
        return Err("a turn without a beginning".into());
    };
    late.iter()
        .try_for_each(|operation| apply(world, operation))?;
    let stalled = |&slot: &usize| {
        let since = circumstances.oldest.get(slot).copied().flatten();
        since.is_some_and(|since| since + world.limits.stall_timeout <= now)
    };
    let (mut due, over): (Vec<usize>, Vec<usize>) =
        circumstances.cut.iter().partition(|slot| stalled(slot));
    // Of those who were lost in this turn, but had ended before, nobody saw how.
    let unseen = rest.iter().filter_map(|operation| match operation {
        Operation::HangUp(slot, false) => Some(*slot),
        _ => None,
    });
    let unseen: Vec<usize> = unseen.collect();
    due.extend(unseen.iter().filter(|slot| stalled(slot)));
    world.now = now;
    world.group += 1;
    let steps = steps_of_begin(world, runs, &due, &unseen);
    solve(world, &steps, &|world| {
        rest.iter()
            .try_for_each(|operation| apply(world, operation))?;
        let cuts: Vec<Step> = over.iter().map(|&slot| Step::Cut(slot)).collect();
        solve(world, &cuts, &all_is_explained)
    })?;
    obligations(world, circumstances)?;
    over.iter()
        .try_for_each(|&slot| cut_with_cause(world, slot, over.len(), circumstances))
}

fn prepare(
    world: &mut World,
    operations: &[Operation],
    observed: Observed,
    circumstances: &Circumstances,
) {
    world.observed = Rc::new(observed);
    world.said_bytes = 0;
    for peer in world.peers.iter_mut().flatten() {
        peer.explained = 0;
        peer.told_bytes = 0;
        peer.blind = false;
    }
    let gone = operations.iter().filter_map(|operation| match operation {
        Operation::HangUp(slot, _) | Operation::Remove(slot, ..) => Some(slot),
        _ => None,
    });
    for &slot in gone.chain(&circumstances.cut).chain(&circumstances.emptied) {
        if let Some(peer) = world.peers.get_mut(slot).and_then(Option::as_mut) {
            peer.blind = true;
        }
    }
}

fn apply(world: &mut World, operation: &Operation) -> Outcome {
    let line_bytes_max = world.limits.line_bytes_max;
    world.group += 1;
    match *operation {
        Operation::Begin(_) => unreachable!("it is played by its own function"),
        Operation::Connect(slot) => world.connect(slot),
        Operation::Refuse(slot, reason) => {
            world.connect(slot)?;
            world.end(slot, reason, None)
        }
        Operation::Receive(slot, ref bytes, count) => {
            let peer = world.peer(slot);
            let first = peer.bytes_in == 0 && peer.is_live();
            match rules::foreign_head(bytes).filter(|_| first) {
                Some(head) => {
                    peer.bytes_in += bytes.len() as u64;
                    world.end_foreign(slot, head)
                }
                None => {
                    peer.feed(bytes, line_bytes_max);
                    world.run(slot, count)
                }
            }
        }
        Operation::HalfClose(slot, count) => {
            world.peer(slot).end_input(line_bytes_max);
            world.run(slot, count)
        }
        Operation::HangUp(slot, was_live) => {
            if was_live != world.peer(slot).is_live() {
                return Err(format!(
                    "slot {slot} was lost; had it ended before? {}",
                    !was_live
                ));
            }
            world.end(slot, CloseReason::ConnectionLost, None)
        }
        Operation::Kick(ref name, ref why, done) => match world.find(name) {
            Some(slot) if done => world.end(slot, CloseReason::Kicked, why.as_deref()),
            None if !done => Ok(()),
            found => Err(format!("kicking {name}: {done}, but it is {found:?}")),
        },
        Operation::Announce(ref text) => world.announce(text),
        Operation::ShutDown => world.shut_down(),
        Operation::Remove(slot, ref farewell, ref removal) => {
            remove(world, slot, farewell.as_ref(), removal)
        }
    }
}

/// The end of a connection: once, with one reason, and with nothing owed unless it did not take it.
fn remove(
    world: &mut World,
    slot: usize,
    farewell: Option<&Farewell>,
    removal: &Removal,
) -> Outcome {
    let (now, limits) = (world.now, Rc::clone(&world.limits));
    let peer = world.peers[slot].take().ok_or("a slot was removed twice")?;
    let farewell = farewell.ok_or_else(|| format!("slot {slot}: removed without farewell"))?;
    let State::Ended { reason, at } = peer.state else {
        return Err(format!(
            "slot {slot}: closed, {farewell:?}, but it should be {:?}",
            peer.state
        ));
    };
    let said = (
        farewell.reason,
        farewell.name.as_deref(),
        farewell.lines_in,
        farewell.bytes_in,
        farewell.bytes_out,
    );
    let known = (
        reason,
        peer.left_as.as_deref(),
        peer.lines_in,
        peer.bytes_in,
        removal.bytes_out,
    );
    if said != known {
        return Err(format!(
            "slot {slot}: the farewell says {said:?}, it was {known:?}"
        ));
    }
    let patience = match reason {
        CloseReason::ShuttingDown => limits.drain_timeout,
        _ => limits.flush_timeout,
    };
    if removal.owed_bytes > 0
        && !removal.lost
        && !(removal.pressed && at < removal.at)
        && now < at + patience
    {
        return Err(format!(
            "slot {slot}: closed ({reason}) with {} bytes owed",
            removal.owed_bytes
        ));
    }
    Ok(())
}

fn all_is_explained(world: &mut World) -> Outcome {
    for (slot, lines) in world.observed.lines.iter().enumerate() {
        let peer = world.peers.get(slot).and_then(Option::as_ref);
        let explained = peer.map_or(0, |peer| peer.explained);
        if peer.is_none_or(|peer| !peer.blind) && lines.len() > explained {
            return Err(format!(
                "slot {slot} was told {:?}, out of nowhere",
                lines[explained]
            ));
        }
    }
    Ok(())
}

/// What must have happened by now.
fn obligations(world: &World, circumstances: &Circumstances) -> Outcome {
    let (now, limits) = (world.now, &world.limits);
    for (slot, peer) in world.peers.iter().enumerate() {
        let Some(peer) = peer.as_ref().filter(|peer| peer.is_live()) else {
            continue;
        };
        let oldest = circumstances.oldest.get(slot).copied().flatten();
        if oldest.is_some_and(|oldest| oldest + limits.stall_timeout <= now) {
            return Err(format!(
                "slot {slot} has stalled since {oldest:?} and was not cut"
            ));
        }
        if let State::Naming { prompted } = peer.state {
            if peer.connected_at + limits.name_timeout <= now {
                return Err(format!("slot {slot}: its time for a name is over"));
            }
            if !prompted && peer.bytes_in == 0 && peer.connected_at + limits.prompt_timeout <= now {
                return Err(format!("slot {slot} was not prompted"));
            }
        }
    }
    for (name, room) in &world.rooms {
        if room
            .churn
            .is_some_and(|churn| churn.since + limits.churn_interval <= now)
        {
            return Err(format!("room {name} was not told who came and went"));
        }
    }
    Ok(())
}

/// Nobody is cut who took its bytes in time and stayed under the limits.
fn cut_with_cause(
    world: &World,
    slot: usize,
    cuts: usize,
    circumstances: &Circumstances,
) -> Outcome {
    let limits = &world.limits;
    let Some(peer) = world.peers[slot].as_ref() else {
        return Ok(());
    };
    // The others who were cut may have left after it was over its bound, or before.
    let leaves = cuts * 80;
    let owed = circumstances.owed_bytes.get(slot).copied().unwrap_or(0) + peer.told_bytes + leaves;
    if owed > limits.outbox_bytes_max {
        return Ok(());
    }
    let has_old = circumstances.oldest.get(slot).copied().flatten().is_some();
    if has_old && circumstances.memory_bytes_max > limits.outbox_total_bytes_max {
        return Ok(());
    }
    Err(format!(
        "slot {slot} was cut as too slow: it was owed {owed} of {} bytes, all together {} of {}",
        limits.outbox_bytes_max, circumstances.memory_bytes_max, limits.outbox_total_bytes_max
    ))
}
