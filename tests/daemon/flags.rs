//! The command line of `chatd`: flags, environment, `--check`, `--help`, and what each wrong one
//! is answered with.

use crate::common::{Daemon, Finished, chatd_command, run_to_end};

/// Every flag that takes a value, with one that is not its default.
const SETTINGS: &[(&str, &str)] = &[
    ("--listen", "127.0.0.1:5999"),
    ("--max-clients", "321"),
    ("--max-per-address", "7"),
    ("--name-timeout", "33"),
    ("--stall-timeout", "17"),
    ("--outbox-max", "512K"),
    ("--outbox-total-max", "128M"),
    ("--line-max", "2345"),
    ("--rate", "13"),
    ("--burst", "77"),
    ("--byte-rate", "20K"),
    ("--byte-burst", "128K"),
    ("--history", "31"),
    ("--history-total-max", "16M"),
    ("--max-rooms", "55"),
    ("--rooms-per-member", "5"),
    ("--announce-max", "99"),
    ("--drain-timeout", "9"),
    ("--log-level", "debug"),
];

fn variable(flag: &str) -> String {
    let name = flag.trim_start_matches('-').replace('-', "_");
    format!("CHATD_{}", name.to_uppercase())
}

fn check(flags: &[&str], environment: &[(String, &str)]) -> Finished {
    let mut command = chatd_command(flags);
    command.arg("--check");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    run_to_end(command)
}

#[track_caller]
fn assert_plain_refusal(finished: &Finished, code: i32, names: &str) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert!(finished.errors.contains(names), "{finished:?}");
    for word in ["panicked", "RUST_BACKTRACE", "unwrap", "Err("] {
        assert!(!finished.errors.contains(word), "{finished:?}");
    }
    assert!(!finished.errors.contains("listening on"), "{finished:?}");
}

#[test]
fn wrong_usage_is_exit_2_with_a_plain_message() {
    for (flag, value) in [
        ("--listen", "127.0.0.1:99999"),
        ("--listen", "nowhere"),
        ("--rate", "-1"),
        ("--rate", "fast"),
        ("--max-clients", "many"),
        ("--outbox-max", "1Q"),
        ("--outbox-max", ""),
        ("--line-max", "-5"),
        ("--name-timeout", "soon"),
        ("--history", "1.5"),
        ("--log-level", "loud"),
    ] {
        let finished = run_to_end(chatd_command(&[&format!("{flag}={value}")]));
        assert_plain_refusal(&finished, 2, flag);
    }
    assert_plain_refusal(&run_to_end(chatd_command(&["--bogus"])), 2, "--bogus");
    assert_plain_refusal(&run_to_end(chatd_command(&["bogus"])), 2, "bogus");
    assert_plain_refusal(&run_to_end(chatd_command(&["--rate"])), 2, "--rate");
    let negative = run_to_end(chatd_command(&["--rate", "-1"]));
    assert_plain_refusal(&negative, 2, "invalid value '-1' for '--rate");
}

#[test]
fn a_wrong_value_in_the_environment_is_refused_too() {
    let finished = check(&[], &[("CHATD_RATE".into(), "fast")]);
    assert_plain_refusal(&finished, 2, "fast");
}

#[test]
fn settings_that_cannot_work_are_exit_78() {
    for (flag, value) in [
        ("--line-max", "0"),
        ("--outbox-max", "1"),
        ("--max-clients", "0"),
    ] {
        let finished = run_to_end(chatd_command(&["--check", flag, value]));
        assert_plain_refusal(&finished, 78, flag.trim_start_matches('-'));
        let finished = run_to_end(chatd_command(&["--listen", "127.0.0.1:0", flag, value]));
        assert_plain_refusal(&finished, 78, flag.trim_start_matches('-'));
    }
}

#[test]
fn check_prints_the_effective_settings() {
    let finished = check(&[], &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for (flag, _) in SETTINGS {
        let name = flag.trim_start_matches('-');
        assert!(finished.output.contains(name), "{name} in {finished:?}");
    }
    assert!(finished.output.contains("127.0.0.1:5001"), "{finished:?}");
    assert!(!finished.errors.contains("listening on"), "{finished:?}");
}

#[test]
fn every_flag_has_a_variable_and_does_something() {
    let default = check(&[], &[]).output;
    for (flag, value) in SETTINGS {
        let by_flag = check(&[flag, value], &[]);
        assert_eq!(by_flag.code, Some(0), "{flag}: {by_flag:?}");
        assert_ne!(by_flag.output, default, "{flag} {value} changes nothing");
        let by_variable = check(&[], &[(variable(flag), value)]);
        assert_eq!(by_variable.output, by_flag.output, "{}", variable(flag));
    }
}

#[test]
fn the_flag_wins_over_the_variable() {
    let default = check(&[], &[]).output;
    for (flag, value) in SETTINGS {
        let plain = check(&[flag, value], &[]).output;
        assert_ne!(plain, default);
        // The variable says something else, that is valid for its flag.
        let other = match *flag {
            "--listen" => "127.0.0.1:5998",
            "--log-level" => "warn",
            "--outbox-max" | "--outbox-total-max" | "--byte-burst" | "--history-total-max" => "64M",
            "--rooms-per-member" => "22",
            _ => "2222",
        };
        let both = check(&[flag, value], &[(variable(flag), other)]);
        assert_eq!(both.output, plain, "{flag}: {both:?}");
    }
}

#[test]
fn sizes_may_be_written_with_their_unit() {
    let plain = check(&["--outbox-max", "2097152"], &[]);
    assert_eq!(plain.code, Some(0), "{plain:?}");
    for same in ["2M", "2048K"] {
        let with_unit = check(&["--outbox-max", same], &[]);
        assert_eq!(with_unit.output, plain.output, "{same}");
    }
}

#[test]
fn what_a_check_prints_can_be_given_back() {
    let given: Vec<String> = SETTINGS
        .iter()
        .map(|(flag, value)| format!("{flag}={value}"))
        .chain(["--console".into(), "--listen=[::1]:5002".into()])
        .collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let printed = check(&given, &[]).output;
    let flags: Vec<String> = printed
        .lines()
        .map(|line| format!("--{}", line.replacen(" = ", "=", 1)))
        .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    assert_eq!(check(&flags, &[]).output, printed);
}

#[test]
fn a_variable_that_is_no_setting_is_refused_with_the_nearest_name() {
    for (wrong, nearest) in [
        ("CHATD_MAX_CLINTS", "CHATD_MAX_CLIENTS"),
        ("CHATD_OUTBOXMAX", "CHATD_OUTBOX_MAX"),
        ("CHATD_ROOMS_PER_MEMBERS", "CHATD_ROOMS_PER_MEMBER"),
        ("CHATD_ROSTERMAX", "CHATD_ROSTER_MAX"),
        ("CHATD_chek", "CHATD_CHECK"),
    ] {
        let finished = check(&[], &[(wrong.into(), "1")]);
        assert_plain_refusal(&finished, 78, wrong);
        assert_plain_refusal(&finished, 78, &format!("nearest is {nearest};"));
        let mut command = chatd_command(&["--listen", "127.0.0.1:0"]);
        command.env(wrong, "1");
        assert_plain_refusal(&run_to_end(command), 78, nearest);
    }
    // What only begins alike is somebody else's.
    for others in ["CHATDX", "CHAT_D", "MY_CHATD_RATE"] {
        let finished = check(&[], &[(others.into(), "1")]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
}

#[test]
fn announce_max_has_another_name_as_flag_and_as_variable() {
    let plain = check(&["--announce-max", "7"], &[]);
    assert!(plain.output.contains("announce-max = 7\n"), "{plain:?}");
    assert_eq!(check(&["--roster-max", "7"], &[]).output, plain.output);
    let (own, other) = ("CHATD_ANNOUNCE_MAX", "CHATD_ROSTER_MAX");
    assert_eq!(check(&[], &[(own.into(), "7")]).output, plain.output);
    assert_eq!(check(&[], &[(other.into(), "7")]).output, plain.output);
    // The flag wins, whatever either is called.
    for flag in ["--announce-max", "--roster-max"] {
        let both = check(&[flag, "7"], &[(other.into(), "8")]);
        assert_eq!(both.output, plain.output);
    }
    let wrong = check(&[], &[(other.into(), "some")]);
    assert_plain_refusal(&wrong, 2, other);
    let twice = check(&[], &[(own.into(), "7"), (other.into(), "8")]);
    assert_plain_refusal(&twice, 78, other);
    let twice = check(&["--announce-max", "7", "--roster-max", "8"], &[]);
    assert_plain_refusal(&twice, 2, "multiple times");
}

#[test]
fn the_byte_rate_is_off_where_the_rate_is() {
    let off = check(&["--rate", "0"], &[]);
    assert!(off.output.contains("byte-rate = 0\n"), "{off:?}");
    let on = check(&["--rate", "1"], &[]);
    assert!(on.output.contains("byte-rate = 16384\n"), "{on:?}");
}

#[test]
fn a_variable_works_in_the_running_server() {
    let mut command = chatd_command(&["--listen", "127.0.0.1:0"]);
    command.env("CHATD_HISTORY", "1");
    let chatd = Daemon::spawn(command, 1);
    let mut ann = chatd.join("ann");
    ann.send(b"one\ntwo\n");
    ann.expect_silence_until_pong();
    let mut ben = chatd.join("ben");
    ben.expect_lines(&[
        "* last message, from MINUTE:",
        "<ann> two",
        "* end of history",
    ]);
}

#[test]
fn help_names_every_flag() {
    let finished = run_to_end(chatd_command(&["--help"]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for (flag, _) in SETTINGS {
        assert!(finished.output.contains(flag), "{flag} in {finished:?}");
    }
    for flag in ["--board", "--console", "--check", "--version"] {
        assert!(finished.output.contains(flag), "{flag} in {finished:?}");
    }
}

#[test]
fn version_is_name_and_version() {
    let finished = run_to_end(chatd_command(&["--version"]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let wanted = concat!("chatd ", env!("CARGO_PKG_VERSION"));
    assert_eq!(finished.output.trim_end(), wanted);
}
