//! What happens at no known place within a turn, and the search for an order of it that fits what
//! everybody was told. Part of `explain`.

use std::rc::Rc;

use chatd::hub::CloseReason;

use super::peer::State;
use super::told::Expected;
use super::world::{Outcome, World};

/// Something that happens at no known place.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Run(usize, u64),
    Churn(Rc<str>),
    NameTimeout(usize),
    Prompt(usize),
    Cut(usize),
}

/// Orders that are tried before giving up.
const TRIES_MAX: u32 = 5000;

/// What may have happened by itself at the start of a turn, in a likely order: lines of those who
/// were held back, rooms that are told who came and went, deadlines.
pub(crate) fn steps_of_begin(
    world: &mut World,
    runs: &[(usize, u64)],
    stalled: &[usize],
    unseen: &[usize],
) -> Vec<Step> {
    let now = world.now;
    let mut runs = runs.to_vec();
    runs.sort_by_key(|&(slot, _)| {
        let allowed_at = world.peer(slot).bucket.allows_at();
        (allowed_at, slot)
    });
    let mut steps: Vec<Step> = runs
        .iter()
        .map(|&(slot, count)| Step::Run(slot, count))
        .collect();
    let interval = world.limits.churn_interval;
    let due = world.rooms.iter().filter(|(_, room)| {
        room.churn
            .is_some_and(|churn| churn.since + interval <= now)
    });
    steps.extend(due.map(|(room, _)| Step::Churn(room.clone())));
    for (slot, lines) in world.observed.lines.iter().enumerate() {
        for line in lines {
            if line.starts_with("! name-timeout ") {
                steps.push(Step::NameTimeout(slot));
            } else if line.starts_with("* chatd: ") {
                steps.push(Step::Prompt(slot));
            }
        }
    }
    for &slot in unseen {
        let name_timeout = world.limits.name_timeout;
        let peer = world.peer(slot);
        if matches!(peer.state, State::Naming { .. }) && peer.connected_at + name_timeout <= now {
            steps.push(Step::NameTimeout(slot));
        }
    }
    steps.extend(stalled.iter().map(|&slot| Step::Cut(slot)));
    steps
}

/// What comes after the steps; it must fit too.
type Rest<'a> = &'a dyn Fn(&mut World) -> Outcome;

/// Finds an order of `steps` that fits together with what comes after them, and leaves the world
/// as it is then.
pub(crate) fn solve(world: &mut World, steps: &[Step], rest: Rest<'_>) -> Outcome {
    let before = (steps.len() > 1).then(|| world.clone());
    let outcome = (steps.iter().try_for_each(|step| take(world, step))).and_then(|()| rest(world));
    let (Some(before), Err(first)) = (before, &outcome) else {
        return outcome;
    };
    let mut tries = 0;
    match search(&before, steps, rest, &mut tries) {
        Some(after) => {
            *world = after;
            Ok(())
        }
        None => Err(format!(
            "{first}; nor does any other order of {steps:?} fit ({tries} tries)"
        )),
    }
}

fn search(world: &World, steps: &[Step], rest: Rest<'_>, tries: &mut u32) -> Option<World> {
    if steps.is_empty() {
        let mut after = world.clone();
        return rest(&mut after).is_ok().then_some(after);
    }
    for (at, step) in steps.iter().enumerate() {
        *tries += 1;
        if *tries > TRIES_MAX {
            return None;
        }
        let mut next = world.clone();
        if take(&mut next, step).is_ok() {
            let others = [&steps[..at], &steps[at + 1..]].concat();
            if let Some(found) = search(&next, &others, rest, tries) {
                return Some(found);
            }
        }
    }
    None
}

fn take(world: &mut World, step: &Step) -> Outcome {
    let (now, limits) = (world.now, Rc::clone(&world.limits));
    match *step {
        Step::Run(slot, count) => world.run(slot, count),
        Step::Churn(ref room) => world.tell_churn(room),
        Step::Cut(slot) => world.end(slot, CloseReason::TooSlow, None),
        Step::NameTimeout(slot) => {
            let peer = world.peer(slot);
            let due = peer.connected_at + limits.name_timeout;
            if due > now || !matches!(peer.state, State::Naming { .. }) {
                return Err(format!("slot {slot}: it had time for a name until {due:?}"));
            }
            world.end(slot, CloseReason::NameTimeout, None)
        }
        Step::Prompt(slot) => {
            let peer = world.peer(slot);
            let due = peer.connected_at + limits.prompt_timeout;
            if due > now
                || peer.bytes_in > 0
                || !matches!(peer.state, State::Naming { prompted: false })
            {
                return Err(format!("slot {slot}: it was prompted too early, or twice"));
            }
            peer.state = State::Naming { prompted: true };
            world.tell(
                slot,
                Expected::Exact("* chatd: type your name and press Enter"),
            )
        }
    }
}
