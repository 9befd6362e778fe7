//! The password, at a turn without sockets: whoever tries, in whatever order and from wherever, is heard three
//! times a connection and ten times a minute from one address, and no other way leads in. Compared with a model
//! of what the protocol says.

use std::collections::BTreeMap;
use std::time::Duration;

use chatd::config::Limits;
use chatd::password::Password;
use chatd::time::Time;
use fastrand::Rng;

use super::turn_stage::Stage;

const SEEDS: u64 = 20;
const STEPS: usize = 150;
const TRIES: u32 = 3;
const TRIES_OF_ADDRESS: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
const PROMPT: &str = "* this server has a password: type it and press Enter\n";

/// Somebody who is connected, and how far it has come.
struct Outsider {
    slot: u32,
    address: u128,
    is_program: bool,
    /// A person has given its name, and is asked for the password.
    is_asked: bool,
    /// A program has given the right one with a post.
    has_proved: bool,
    wrong: u32,
}

/// Wrong passwords from one address, and until when they are remembered.
#[derive(Default)]
struct Guesses(BTreeMap<u128, (u32, Time)>);

impl Guesses {
    fn are_heard(&mut self, address: u128, now: Time) -> bool {
        self.0.retain(|_, (_, end)| *end > now);
        let wrong = self.0.get(&address).map_or(0, |(wrong, _)| *wrong);
        wrong < TRIES_OF_ADDRESS
    }

    fn count(&mut self, address: u128, now: Time) {
        self.0.entry(address).or_insert((0, now + MINUTE)).0 += 1;
    }
}

/// What one that tries is told next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Prompt,
    In,
    Posted,
    Refused,
    RefusedAndEnded,
}

#[test]
fn three_tries_a_connection_ten_a_minute_from_an_address_and_no_other_way_in() {
    let mut seen = [0; 5];
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let mut stage = Stage::new(Limits {
            name_timeout: Duration::from_secs(100_000),
            rate_lines_per_second: 0,
            ..Limits::default()
        });
        let password = Password::new("sesame").unwrap();
        stage.turn.hub_mut().set_entrance(Some(password), "");
        let (mut guesses, mut slots) = (Guesses::default(), 0..);
        let mut outside: Vec<Outsider> = Vec::new();
        for step in 0..STEPS {
            pass_time(&mut stage, rng.u64(..6_000));
            if outside.len() < 6 {
                outside.push(arrive(&mut stage, slots.next().unwrap(), &mut rng));
            }
            let index = rng.usize(..outside.len());
            let one = &mut outside[index];
            let before = stage.heard_by(one.slot).len();
            let (line, expected) = try_once(one, &mut guesses, stage.now, &mut rng);
            stage.said(one.slot, &line);
            // From where it comes is asked for first, and its line handled then.
            stage.turn_after(0);
            let heard = &stage.heard_by(one.slot)[before..];
            let (told, length) = (told(heard), stage.heard_by(one.slot).len());
            let is_same = match (told, expected) {
                // Text does not say that it was the last.
                (Some(Told::Refused), Told::RefusedAndEnded) => !one.is_program,
                (told, expected) => told == Some(expected),
            };
            assert!(
                is_same,
                "seed {seed}, step {step}: {line:?} is answered {heard:?}, not {expected:?}"
            );
            seen[expected as usize] += 1;
            if matches!(expected, Told::In | Told::RefusedAndEnded) {
                let one = outside.remove(index);
                if expected == Told::RefusedAndEnded {
                    stage.said(one.slot, "sesame\n");
                    assert_eq!(stage.heard_by(one.slot).len(), length, "it is over");
                }
            }
        }
    }
    eprintln!("prompts, in, posted, refused, ended: {seen:?}");
    assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
}

/// Turns at each deadline on the way, so that no turn is late.
fn pass_time(stage: &mut Stage, milliseconds: u64) {
    let until = stage.now + Duration::from_millis(milliseconds);
    while let Some(at) = stage.turn.next_timeout().filter(|&at| at < until) {
        stage.turn_at(at.max(stage.now), |_| {});
    }
    stage.turn_at(until, |_| {});
}

fn arrive(stage: &mut Stage, slot: u32, rng: &mut Rng) -> Outsider {
    let address = u128::from(rng.u32(..2)) + 1_000_000;
    stage.connect(slot, "");
    stage.connection(slot).address = Some(address);
    Outsider {
        slot,
        address,
        is_program: rng.bool(),
        is_asked: false,
        has_proved: false,
        wrong: 0,
    }
}

/// What somebody says next, and what must come of it.
fn try_once(one: &mut Outsider, guesses: &mut Guesses, now: Time, rng: &mut Rng) -> (String, Told) {
    let name = format!("n{}", one.slot);
    if !one.is_program && !one.is_asked {
        one.is_asked = true;
        return (format!("{name}\n"), Told::Prompt);
    }
    let given = ["sesame", "Sesame", "sesame ", "open", "x"][rng.usize(..5)];
    let is_given = !one.is_program || rng.u32(..4) > 0;
    let is_post = one.is_program && rng.bool();
    let password = match is_given {
        true => format!(r#","password":"{given}""#),
        false => String::new(),
    };
    let line = match (one.is_program, is_post) {
        (false, _) => format!("{given}\n"),
        (true, false) => format!(r#"{{"do":"enter","name":"{name}"{password}}}"#) + "\n",
        (true, true) => {
            format!(r#"{{"do":"post","room":"lobby","name":"{name}","text":"x"{password}}}"#) + "\n"
        }
    };
    let came_in = if is_post { Told::Posted } else { Told::In };
    if !is_given {
        let told = if one.has_proved {
            came_in
        } else {
            Told::Refused
        };
        return (line, told);
    }
    let is_heard = guesses.are_heard(one.address, now);
    if is_heard && given == "sesame" {
        one.has_proved = true;
        return (line, came_in);
    }
    if is_heard {
        guesses.count(one.address, now);
    }
    one.wrong += 1;
    let told = match one.wrong {
        TRIES => Told::RefusedAndEnded,
        _ => Told::Refused,
    };
    (line, told)
}

/// What was heard, if that is one answer.
fn told(heard: &str) -> Option<Told> {
    let hello = |line: &&str| !line.starts_with(r#"{"is":"hello","#);
    let lines: Vec<&str> = heard.lines().filter(hello).collect();
    let last = *lines.last()?;
    let is_in =
        lines[0].starts_with("* welcome to lobby, ") || lines[0].contains(r#""is":"welcome""#);
    let is_refusal =
        last.starts_with("! wrong-password ") || last.contains(r#""code":"wrong-password""#);
    match &lines[..] {
        _ if is_in => Some(Told::In),
        [_] if heard == PROMPT => Some(Told::Prompt),
        [done] if done.starts_with(r#"{"is":"done","#) => Some(Told::Posted),
        [_] if is_refusal && last.contains(r#""ends":true"#) => Some(Told::RefusedAndEnded),
        [_] if is_refusal => Some(Told::Refused),
        _ => None,
    }
}
